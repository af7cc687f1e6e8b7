package agent

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"pksa/agent/approve"
	"pksa/agent/audit"
	"pksa/agent/config"
	"pksa/agent/ledger"
	"pksa/agent/notify"
	"pksa/agent/passkey"
	"pksa/agent/policy"
	"pksa/protocol/hive"
	"pksa/protocol/plain"
	"pksa/protocol/sorts"
)

// maxWaiting is how many requests of one app may wait for a person at once. A person answers no
// more, and each holds memory: what an app asks for can be as large as the chain takes.
const maxWaiting = 20

// asks is the requests that wait for a person. The agent has one table: the committing goroutine
// gives places in it, the goroutine of each request adds it, waits and removes it; the control
// socket lists and answers. What waits is on disk as pending, with its nonce used up and nothing
// charged: a restart answers it with a no. The zero value is ready.
type asks struct {
	mu      sync.Mutex
	waiting map[uint64]*asked
	places  map[string]int // that are taken, by app

	cost policy.Reserve // of what waits
}

// waitingPlace is the place of one request among those that wait, with what a yes would charge.
type waitingPlace struct {
	app  string
	cost []policy.Charge
}

// reserve finds a place for a request, or returns why it gets none.
func (a *asks) reserve(p *proposal, cost []policy.Charge) *refusal {
	a.mu.Lock()
	defer a.mu.Unlock()
	app := p.run.app
	if a.places[app] >= maxWaiting {
		return &refusal{code: policy.CodeLimit,
			reason: fmt.Sprintf("limit: %d requests of %s wait for your yes or no, "+
				"and more may not; `pksa pending` shows them", maxWaiting, app)}
	}
	if a.places == nil {
		a.places = map[string]int{}
	}
	a.places[app]++
	a.cost.Add(cost)
	p.waits = &waitingPlace{app, cost}
	return nil
}

// leave frees the place of a request that has one, once.
func (a *asks) leave(p *proposal) {
	if p.waits == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.places[p.waits.app]--; a.places[p.waits.app] == 0 {
		delete(a.places, p.waits.app)
	}
	a.cost.Remove(p.waits.cost)
	p.waits = nil
}

// beside returns counters in which the cost of what waits counts as used.
func (a *asks) beside(c policy.Counters) policy.Counters { return a.cost.Beside(c) }

type asked struct {
	info   PendingRequest
	ops    []hive.Operation
	digest [32]byte           // what a yes is given to
	answer chan personsAnswer // buffered: the first answer counts

	// Guarded by asks: who said yes with a passkey so far, which notifiers took a message of all of
	// it, and whether the answer is given.
	yes  []*approve.Proof
	told []audit.Told
	done bool
}

// personsAnswer is what people say to a request.
type personsAnswer struct {
	yes    bool
	proofs []*approve.Proof // of a yes with a passkey: of one person, or of as many as are demanded
	told   []audit.Told     // by then
}

// namesOf returns who gave proofs.
func namesOf(proofs []*approve.Proof) (names []string) {
	for _, p := range proofs {
		names = append(names, p.By)
	}
	return names
}

// may returns why the yes of an approver does not count for a request.
func (w *asked) may(name string) error {
	said := namesOf(w.yes)
	unmet := func(c policy.Consent) bool { return c.Approvals > 0 && !c.Met(said, true) && c.Takes(name) }
	switch {
	case w.untold():
		return errUntold
	case slices.Contains(said, name):
		return fmt.Errorf("approver %s has said yes to request %d already", name, w.info.Number)
	case policy.ByPasskey(w.info.Consents) && !slices.ContainsFunc(w.info.Consents, unmet):
		return fmt.Errorf("the yes of approver %s does not count for request %d", name, w.info.Number)
	}
	return nil
}

// untold reports whether people have to be told first, and no notifier took all of it yet.
func (w *asked) untold() bool { return policy.TellFirst(w.info.Consents) && len(w.told) == 0 }

var errUntold = errors.New("no yes with a passkey counts yet: the rule has people told first, and no notifier has " +
	"taken a message of all of it; wait for the message, and compare")

// untold asks [asked.untold], with what is guarded.
func (a *asks) untold(w *asked) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return w.untold()
}

// heard notes that a notifier took a message with all of a request.
func (a *asks) heard(w *asked, by audit.Told) {
	a.mu.Lock()
	defer a.mu.Unlock()
	w.told = append(w.told, by)
}

// may reports whether the yes of an approver counts for a request.
func (a *asks) may(w *asked, name string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return w.may(name) == nil
}

// shown returns what is shown of a request, with who said yes so far.
func (a *asks) shown(w *asked) PendingRequest {
	a.mu.Lock()
	defer a.mu.Unlock()
	info := w.info
	info.SaidYes, info.ToldBy = namesOf(w.yes), slices.Clone(w.told)
	return info
}

// add makes a request wait.
func (a *asks) add(info PendingRequest, digest [32]byte, ops []hive.Operation) *asked {
	w := &asked{info: info, ops: ops, digest: digest, answer: make(chan personsAnswer, 1)}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.waiting == nil {
		a.waiting = map[uint64]*asked{}
	}
	a.waiting[info.Number] = w
	return w
}

func (a *asks) remove(number uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.waiting, number)
}

func (a *asks) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.waiting)
}

// after returns what waits with a number above one, the lowest number first.
func (a *asks) after(number uint64) []*asked {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []*asked
	for _, n := range slices.Sorted(maps.Keys(a.waiting)) {
		if n > number {
			all = append(all, a.waiting[n])
		}
	}
	return all
}

func (a *asks) find(number uint64) (*asked, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if w, ok := a.waiting[number]; ok {
		return w, nil
	}
	return nil, fmt.Errorf("no request %d waits; see `pksa pending`", number)
}

// answer hands a person's answer to a request that waits. yes is the proof of one with a passkey.
// Where several people must say yes, it waits on, and who is lacking is returned. Whether all of
// that is a yes to what would be signed is judged later, see [Agent.lacksYes].
func (a *asks) answer(number uint64, said bool, yes *approve.Proof) (lacks string, err error) {
	w, err := a.find(number)
	if err != nil {
		return "", err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	answer := personsAnswer{yes: said, told: slices.Clone(w.told)}
	switch {
	case w.done:
		return "", fmt.Errorf("request %d has its answer already", number)
	case said && yes == nil && w.info.ByPasskey:
		return "", errors.New("only a yes with a passkey counts for this request, on the wallet's page; a no is " +
			"taken here")
	case said && yes != nil:
		if err := w.may(yes.By); err != nil {
			return "", err
		}
		w.yes = append(w.yes, yes)
		if c, lacks := policy.Unmet(w.info.Consents, namesOf(w.yes), true); lacks {
			return c.String(), nil
		}
		answer.proofs = slices.Clone(w.yes)
	}
	w.done = true
	w.answer <- answer
	return "", nil
}

// PendingRequest is a request that waits for a person.
type PendingRequest struct {
	Number     uint64    `json:"number"` // of its audit record; `approve` and `deny` name it so
	Since      time.Time `json:"since"`
	Until      time.Time `json:"until"` // then it is denied
	Kind       string    `json:"kind"`
	Account    string    `json:"account"`
	App        string    `json:"app"`
	KeyType    string    `json:"key_type,omitempty"`
	Keys       []string  `json:"keys,omitempty"`       // roles of the keys that sign, if there are several
	Effects    []string  `json:"effects"`              // what it would do, in words
	Operations []string  `json:"operations,omitempty"` // each as JSON, decoded from what would be signed
	Text       string    `json:"text,omitempty"`
	Reason     string    `json:"reason"`
	// Letters are four letters of the digest of what would be signed, or of what is shown here
	// where no transaction is. A notification of the request has the same.
	Letters string `json:"letters,omitempty"`
	// Digest is the digest of the same: a yes with a passkey is one to exactly this. An agent of
	// before this member has no passkeys.
	Digest approve.Bytes `json:"digest,omitempty"`
	// ByPasskey says that only a yes with a passkey counts.
	ByPasskey bool `json:"by_passkey,omitempty"`
	// Consents are whose yes it takes, each of them; SaidYes is who of them said it.
	Consents []policy.Consent `json:"consents,omitempty"`
	SaidYes  []string         `json:"said_yes,omitempty"`
	// ToldBy are the notifiers that took a message with all of it.
	ToldBy []audit.Told `json:"told_by,omitempty"`

	// InAll is how many effects or operations there are, where not all of them are here.
	InAll int `json:"in_all,omitempty"`
	// Cut says that texts are not here in full: they end with "…".
	Cut bool `json:"cut,omitempty"`
	// More is how many requests wait beyond this page of the list. It stands in the last of a page.
	More int `json:"more,omitempty"`
}

// PendingParams asks for the page of the list that follows a request. An agent of before this
// member refuses the call.
type PendingParams struct {
	After uint64 `json:"after,omitempty"`
}

// PendingPart asks for one request in full, from one of its effects and operations on.
type PendingPart struct {
	Number uint64 `json:"number"`
	From   int    `json:"from,omitempty"`
}

// What one answer about waiting requests holds: the control socket takes no more than 16 MiB, and a
// list is read by people.
const (
	listedParts = 10      // effects and operations of a request in the list
	listedText  = 1024    // bytes of each
	pageBytes   = 1 << 20 // of JSON, beyond which another page begins
)

// pending lists what waits, each request cut to what a list shows. A page goes by number; within it
// the most urgent is first.
func (a *Agent) pending(_ context.Context, q PendingParams) ([]PendingRequest, error) {
	waiting := a.asks.after(q.After)
	page := []PendingRequest{} // JSON wants a list, also if it is empty
	size := 0
	for _, w := range waiting {
		info := a.listed(w)
		text, err := json.Marshal(info)
		if err != nil {
			return nil, err
		}
		if size += len(text); size > pageBytes && len(page) > 0 {
			break
		}
		page = append(page, info)
	}
	sorts.By(page, func(x, y PendingRequest) int {
		return cmp.Or(x.Until.Compare(y.Until), cmp.Compare(x.Number, y.Number))
	})
	if more := len(waiting) - len(page); more > 0 {
		page[len(page)-1].More = more
	}
	return page, nil
}

// listed returns what the list shows of a request.
func (a *Agent) listed(w *asked) PendingRequest {
	info := a.asks.shown(w)
	cut := func(text string) string {
		short := plain.Cut(text, listedText)
		info.Cut = info.Cut || short != text
		return short
	}
	info.Effects = nil
	for _, effect := range w.info.Effects[:min(listedParts, len(w.info.Effects))] {
		info.Effects = append(info.Effects, cut(effect))
	}
	for _, op := range w.ops[:min(listedParts, len(w.ops))] {
		info.Operations = append(info.Operations, cut(a.operationText(op)))
	}
	if all := w.parts(); all > listedParts {
		info.InAll = all
	}
	info.Text, info.Reason = cut(info.Text), cut(info.Reason)
	return info
}

// whole returns a request in full, as far as one answer takes it.
func (a *Agent) whole(_ context.Context, q PendingPart) (PendingRequest, error) {
	w, err := a.asks.find(q.Number)
	if err != nil {
		return PendingRequest{}, err
	}
	info, all := a.asks.shown(w), w.parts()
	info.Effects = []string{}
	at := min(max(q.From, 0), all)
	for size := 0; at < all && size < pageBytes; at++ {
		if at < len(w.info.Effects) {
			info.Effects = append(info.Effects, w.info.Effects[at])
			size += len(w.info.Effects[at])
		}
		if at < len(w.ops) {
			op := a.operationText(w.ops[at])
			info.Operations = append(info.Operations, op)
			size += len(op)
		}
	}
	if q.From > 0 {
		info.Text = "" // it was in the first part
	}
	if q.From > 0 || at < all {
		info.InAll = all
	}
	return info, nil
}

// parts returns how many effects and operations a request has.
func (w *asked) parts() int { return max(len(w.info.Effects), len(w.ops)) }

func (a *Agent) operationText(op hive.Operation) string {
	return string(a.network.AppendOperation(nil, op))
}

// nobodyToAsk returns why people could not say yes; empty if they can.
func (a *Agent) nobodyToAsk(v ledger.View, demanded []policy.Consent) string {
	ask := a.settings().Ask
	if ask == config.AskNobody {
		return "no way to ask is configured (setting ask)"
	}
	if ask != config.AskPasskey && !policy.ByPasskey(demanded) {
		return "" // at the command line, where nobody has to be told first
	}
	if policy.TellFirst(demanded) && !a.desk.TellsAll() {
		return "a rule has people told first, and no notifier has content: full (setting notify)"
	}
	notes, err := v.Approvers()
	enrolled := a.approvals.Names(notes)
	if err != nil || len(enrolled) == 0 && ask == config.AskPasskey {
		return "only passkeys count (setting ask), and nobody has one for the present address"
	}
	if c, lacks := policy.Unmet(demanded, enrolled, true); lacks {
		return fmt.Sprintf("it demands %v, and there are not so many with a passkey for the present address", c)
	}
	return ""
}

// lacksYes returns why what people said is no yes to a request; empty if it is one. It runs in the
// commit by which the request is admitted, and is the one place that decides this: a proof counts
// if it is for exactly what would be signed and its approver is one still, and the rules that are
// in force by now decide whose it must be, and whether people had to be told first. Proofs that do
// not count are dropped. Who says yes at the command line was told there.
func (a *Agent) lacksYes(p *proposal, v ledger.View, demanded []policy.Consent) string {
	if len(p.approvals) == 0 && len(demanded) == 0 {
		return "" // of the wallet's own user
	}
	someone := len(p.approvals) > 0 // with a passkey
	told := len(p.told) > 0 || !someone
	notes, err := v.Approvers()
	if err != nil {
		return "who may approve is not known: " + err.Error()
	}
	p.approvals = slices.DeleteFunc(a.approvals.Counting(notes, p.approvals), func(yes *approve.Proof) bool {
		return p.tx != nil && string(yes.What) != string(p.tx.digest[:])
	})
	by := namesOf(p.approvals)
	if len(by) == 0 && someone && !policy.ByPasskey(demanded) {
		return "who said yes is no approver any more"
	}
	if policy.TellFirst(demanded) && !told {
		return "people have to be told first, and no notifier took a message of all of it before they said yes"
	}
	if c, lacks := policy.Unmet(demanded, by, told); lacks {
		return fmt.Sprintf("it demands %v, and of those who may %s said yes", c,
			cmp.Or(strings.Join(by, ", "), "nobody"))
	}
	return ""
}

// ask waits for a person's answer to a request that was committed as pending, and then judges it
// again by the policy that is then in force. The wait ends in time for an answer, when the
// transaction could no longer be sent, and when the agent stops.
func (a *Agent) ask(ctx context.Context, p *proposal, number uint64, j judged) (granted, bool) {
	// A margin is left in which a yes can still be carried out and answered: the application
	// listens until the request expires, the chain until the transaction does.
	until := p.run.expires().Add(-answerMargin)
	if t := j.decision.Timeout; t > 0 {
		until = earlier(until, time.Now().Add(t))
	}
	if p.tx != nil {
		until = earlier(until, p.tx.tx.Expiration.Time().Add(-answerMargin))
	}
	info := PendingRequest{Number: number, Since: time.Now(), Until: until, Reason: j.decision.Reason,
		Consents:  j.decision.Consents,
		ByPasskey: a.settings().Ask == config.AskPasskey || policy.ByPasskey(j.decision.Consents)}
	if p.request.Exact {
		info.Reason += fmt.Sprintf("; the app made the transaction, which can be included until %s",
			p.tx.tx.Expiration.Time().Format(time.RFC3339))
		if n := len(p.others); n > 0 {
			info.Reason += fmt.Sprintf("; it brought signatures of others: %d", n)
		}
	}
	a.describe(p, &info)
	w := a.asks.add(info, [32]byte(info.Digest), p.request.Ops)
	defer a.asks.remove(number)
	p.run.rest()
	p.prospect, p.signers = nil, nil
	a.log.Info("a person is asked; `pksa pending` shows it", append(p.run.attrs(), "number", number, "until", until)...)
	if !a.tellAsked(info, w) && policy.TellFirst(info.Consents) && info.ByPasskey {
		p.refusal = &refusal{code: policy.CodeNobodyToAsk, reason: "a rule has people told first, and all of the " +
			"request fits no message: " + j.decision.Reason}
		return a.afterAsking(ctx, p, number)
	}
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	p.refusal = &refusal{code: policy.CodeTimeout, reason: "nobody answered in time: " + j.decision.Reason}
	select {
	case said := <-w.answer:
		p.refusal = &refusal{code: policy.CodeRefused, reason: "a person said no: " + j.decision.Reason}
		if said.yes {
			p.refusal, p.request.Approved, p.approvals, p.told = nil, true, said.proofs, said.told
		}
	case <-timer.C:
		if some := a.asks.shown(w).SaidYes; len(some) > 0 {
			p.refusal.reason = "only " + strings.Join(some, ", ") + " said yes in time: " + j.decision.Reason
		}
	case <-a.quit: // the stop does not wait for people; the request is denied and answered at once
	case <-a.lock.Leaving(): // nor does a lock: without keys a yes would come to nothing
	case <-ctx.Done():
	}
	return a.afterAsking(ctx, p, number)
}

// afterAsking judges a request again, or records the no. A yes takes the place of "ask" and of
// nothing else: what the policy denies by now stays denied, and limits count as for every request.
func (a *Agent) afterAsking(ctx context.Context, p *proposal, number uint64) (granted, bool) {
	if p.refusal == nil {
		a.foresee(p)
		if p.request.Exact {
			a.lookAtSigners(ctx, p) // hours may have passed
		}
	}
	var j judged
	result, err := a.ledger.Decide(ctx, number, func(v ledger.View) ledger.Ruling {
		var ruling ledger.Ruling
		j, ruling = a.judge(p, v)
		return ruling
	})
	if err != nil {
		a.giveUp(ctx, p, err)
		a.notAdmitted(ctx, p.run, err)
		return granted{}, false
	}
	return a.ruled(ctx, p, result, j)
}

// describe fills in what the person is shown of a request.
func (a *Agent) describe(p *proposal, info *PendingRequest) {
	q := p.request
	info.Kind, info.Account, info.App = q.Kind.String(), string(p.run.msg.Account), p.run.app
	info.KeyType, info.Text = roleName(q.Role), q.Text
	info.Effects, _ = effects(q, p.newSession != nil, len(q.Ops)) // all: somebody is to say yes to it
	if c := q.AuthChallenge; c != nil {
		info.Text, info.KeyType = c.Text, roleName(c.Role)
	}
	info.Keys = severalKeys(q)
	digest := info.digest(p)
	info.Letters, info.Digest = notify.Letters(digest), digest[:]
}

// digest returns the digest of the transaction, or of all that the person is shown.
func (i PendingRequest) digest(p *proposal) [32]byte {
	if p.tx != nil {
		return p.tx.digest
	}
	return sha256.Sum256(encodeRecord(i))
}

// newApprovals makes the desk where people say yes with a passkey.
func (a *Agent) newApprovals() *approve.Desk {
	return approve.New(approve.Options{
		Wallet: a.admin().Trail().Name(), Version: a.version, Ledger: a.ledger,
		Site: func() passkey.Site { return a.settings().Approve }, Log: a.log,
		Find: func(number uint64) (approve.Waiting, error) {
			w, err := a.asks.find(number)
			if err != nil {
				return approve.Waiting{}, err
			}
			if err = a.mayAllow(w); err == nil && a.asks.untold(w) {
				err = errUntold
			}
			return approve.Waiting{Digest: w.digest, Until: w.info.Until,
				May: func(name string) bool { return a.asks.may(w, name) }}, err
		},
		Paused: func(app string) error { return a.pausedNow(app) },
		Resume: func(ctx context.Context, app string, yes *approve.Proof) error {
			_, err := a.serveAgain(ctx, app, yes)
			return err
		},
		Copied: func(name string) {
			a.desk.Tell(notify.Event{Kind: notify.Copied,
				What: "The authenticator of approver " + name + " counted no further. What it signed is refused.",
				Do: "Ask the person whether they know why. If they do not, remove them on the wallet's machine, with " +
					"`pksa approver remove " + name + "`, and enrol another passkey."})
		},
		Answer: func(number uint64, yes *approve.Proof) (string, error) { return a.asks.answer(number, true, yes) },
	})
}

// mayAllow returns why a yes to a request would come to nothing. It is not used up for it.
func (a *Agent) mayAllow(w *asked) error {
	if problem := cmp.Or(a.pauseProblem(), a.appPaused(w.info.App)); problem != "" {
		return errors.New(problem)
	}
	return nil
}

// askedFor says what kind of request it is, in words that hold nothing of it.
var askedFor = map[policy.Kind]string{policy.Auth: "An application asks to log in.",
	policy.Sign: "An application asks for a transaction.", policy.Challenge: "An application asks for a signed text.",
	policy.Decrypt: "An application asks for a text to be decrypted."}

// allowedFor says the same of a request that was allowed.
var allowedFor = map[policy.Kind]string{policy.Auth: "An application may log in.",
	policy.Sign: "An application has a transaction signed.", policy.Challenge: "An application has a text signed.",
	policy.Decrypt: "An application has a text decrypted."}

// tellAsked lets people know that a request waits for them. It reports whether a message has room
// for all of it, which is told whole where the rules want that.
func (a *Agent) tellAsked(info PendingRequest, w *asked) (fits bool) {
	if !a.desk.Any() {
		return false
	}
	e := notify.Event{Kind: notify.Waiting, Account: info.Account, Number: info.Number, Letters: info.Letters,
		Until: info.Until,
		Do: fmt.Sprintf("On the wallet's machine: `pksa approve %d` or `pksa deny %d`; `pksa pending %d` shows all "+
			"of it.", info.Number, info.Number, info.Number)}
	if info.ByPasskey {
		e.Do = "On the wallet's page: yes with your passkey, or no."
	}
	for _, c := range info.Consents {
		e.Do += " It takes " + c.String() + "."
	}
	if site := a.settings().Approve; site.Origin != "" {
		e.Link = fmt.Sprintf("%s/request/%d", site.Origin, info.Number)
	}
	for kind, words := range askedFor {
		if kind.String() == info.Kind {
			e.What = words
		}
	}
	e.Details = append(listed(info.App, info.Effects, len(info.Effects)), "Why you are asked: "+info.Reason)
	text := 300
	if policy.TellFirst(info.Consents) {
		e.Details = append(append([]string{"By " + info.App + ":"}, a.inFull(w)...), "Why you are asked: "+info.Reason)
		e.Whole = func(kind, server string, at time.Time) {
			a.asks.heard(w, audit.Told{Notifier: kind, Server: server, At: at})
		}
		text = len(info.Text)
	}
	// Foreign text comes last, and in quotes, so that nothing behind it can be of its making.
	if info.Text != "" {
		e.Details = append(e.Details, "In its own words: "+plain.Quote(info.Text, text))
	}
	a.desk.Tell(e)
	return e.Fits()
}

// inFull returns all effects of a request, and behind one whose words leave something out the
// operation as it would be signed. Words that are longer than a message are of no use.
func (a *Agent) inFull(w *asked) (lines []string) {
	for i, effect := range w.info.Effects {
		lines = append(lines, effect)
		if strings.Contains(effect, plain.Ellipsis) && i < len(w.ops) {
			lines = append(lines, plain.Escape(a.operationText(w.ops[i])))
		}
	}
	return lines
}

// tellAllowed lets people know of a request that a rule with tell allowed. It is recorded, and not
// carried out yet: what becomes of it stands in the trail.
func (a *Agent) tellAllowed(p *proposal, number uint64, rules []string) {
	if !a.desk.Any() {
		return
	}
	e := notify.Event{Kind: notify.Allowed, Account: string(p.run.msg.Account), What: allowedFor[p.request.Kind],
		Do: fmt.Sprintf("On the wallet's machine: `pksa why %d` shows all of it.", number)}
	does, parts := effects(p.request, p.newSession != nil, listedParts)
	e.Details = append(listed(p.run.app, does, parts), "Allowed by: "+strings.Join(rules, ", "))
	a.desk.Tell(e)
}

// listed returns what a message says of the effects of a request. parts is how many there are.
func listed(app string, effects []string, parts int) []string {
	shown := effects[:min(listedParts, len(effects))]
	lines := append([]string{"By " + app + ":"}, shown...)
	if more := parts - len(shown); more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return lines
}

// rest drops what a request does not need that waits for a person: its place among those that wait
// for this machine, and the bytes that it came in.
func (r *run) rest() {
	if r.leavePlace != nil {
		r.leavePlace()
	}
	r.letNext()
	r.clear, r.delivered = nil, r.name()
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
