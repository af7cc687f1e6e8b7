package agent

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"pksa/agent/approve"
	"pksa/agent/audit"
	"pksa/agent/config"
	"pksa/agent/ledger"
	"pksa/protocol"
	"pksa/protocol/hive"
	"pksa/protocol/secret"
	"pksa/protocol/sorts"
)

// A pairing link and the auth_req that it belongs to may come in either order (HAS §1). The first
// of them waits here for the other: a link for pairingWait, a request until it expires.
const (
	pairingWait    = 10 * time.Minute
	heldPerAccount = 100
	// heldBytes bounds what all of them together take: a relay can send many, and large ones.
	heldBytes = 16 << 20
	// Of so many requests that expired before their link came it is remembered that they did.
	lapsedRequests = 1024
	// listedLogins bounds how many requests without a link are listed.
	listedLogins = 256
)

// pairings holds links without their request, and auth_reqs that nothing opened. The agent has one:
// the goroutines of requests hold and look up, those of the control socket offer links, tidy
// expires. Nothing of it survives a restart: a relay delivers its pending requests again, and a
// person can paste a link again.
type pairings struct {
	mu    sync.Mutex
	links map[pairKey]*pairing
	held  map[hive.AccountName][]heldRequest // oldest first
	bytes int                                // of all that is held
	// lapsed is the requests that expired here unopened, oldest first. A link for one of them need
	// not wait.
	lapsed []pairKey
}

type pairKey struct {
	account hive.AccountName
	uuid    string // lower case
}

// pairing is a link that waits for its auth_req.
type pairing struct {
	link    secret.Hidden[protocol.PairingLink]
	app     string
	session time.Duration
	until   time.Time
	done    chan pairResult // buffered: whoever waits may have gone
}

type pairResult struct {
	session *ledger.Session
	err     error
}

type heldRequest struct {
	delivered
	until time.Time
}

// PendingLogin is a login that waits for its pairing link. Nothing has opened it, so what it wants
// is not known.
type PendingLogin struct {
	Kind     string    `json:"kind"`      // auth
	WaitsFor string    `json:"waits_for"` // link
	Account  string    `json:"account"`
	Relay    string    `json:"relay"`
	UUID     string    `json:"uuid"` // of the request; its link names it too
	Since    time.Time `json:"since"`
	Until    time.Time `json:"until"` // then it expires
}

// logins lists the requests that wait for their link, the most urgent first; of very many those
// that came last. A request with an auth_key is none of them: it wants the secret of an app, and
// only its mistake made it wait.
func (p *pairings) logins(now time.Time) []PendingLogin {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := []PendingLogin{} // a list in JSON, too
	for _, held := range p.held {
		for _, h := range held {
			if h.msg.AuthKey == "" && now.Before(h.until) {
				all = append(all, PendingLogin{Kind: h.msg.Kind.String(), WaitsFor: "link",
					Account: string(h.msg.Account),
					Relay:   h.relay, UUID: string(h.msg.UUID), Since: h.arrived, Until: h.until})
			}
		}
	}
	sorts.By(all, func(x, y PendingLogin) int {
		return cmp.Or(y.Since.Compare(x.Since), cmp.Compare(x.UUID, y.UUID))
	})
	all = all[:min(len(all), listedLogins)]
	sorts.Stable(all, func(x, y PendingLogin) int { return x.Until.Compare(y.Until) })
	return all
}

// hasLapsed reports whether a request expired here before its link came.
func (p *pairings) hasLapsed(key pairKey) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Contains(p.lapsed, key)
}

// offer makes a link wait, and returns the request that it opens if that is here already.
func (p *pairings) offer(pr *pairing, now time.Time) (delivered, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.links == nil {
		p.links = map[pairKey]*pairing{}
	}
	p.dropLinksLocked(now)
	link := pr.link.Reveal()
	key := pairKey{link.Account, link.UUID.Key()}
	p.links[key] = pr
	return p.findLocked(key)
}

// peek returns the held requests with this account and uuid, and leaves them.
func (p *pairings) peek(key pairKey) (found []delivered) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, h := range p.held[key.account] {
		if h.msg.UUID.Key() == key.uuid {
			found = append(found, h.delivered)
		}
	}
	return found
}

// heldFor returns the held requests of an account, and leaves them.
func (p *pairings) heldFor(account hive.AccountName) (found []delivered) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, h := range p.held[account] {
		found = append(found, h.delivered)
	}
	return found
}

// drop removes and returns all held requests.
func (p *pairings) drop() (out []heldRequest) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for account, held := range p.held {
		for range held {
			out = append(out, p.takeLocked(account, 0))
		}
	}
	return out
}

// take removes and returns the held request with this account and uuid.
func (p *pairings) take(key pairKey) (delivered, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.findLocked(key)
}

func (p *pairings) findLocked(key pairKey) (delivered, bool) {
	for i, h := range p.held[key.account] {
		if h.msg.UUID.Key() == key.uuid {
			return p.takeLocked(key.account, i).delivered, true
		}
	}
	return delivered{}, false
}

// waiting returns the link that waits for a request, and leaves it waiting: a damaged copy of the
// request must not use it up.
func (p *pairings) waiting(account hive.AccountName, uuid protocol.UUID, now time.Time) (*pairing, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pr, ok := p.links[pairKey{account, uuid.Key()}]
	return pr, ok && now.Before(pr.until)
}

// finish ends the wait of a link.
func (p *pairings) finish(pr *pairing, result pairResult) {
	link := pr.link.Reveal()
	p.mu.Lock()
	delete(p.links, pairKey{link.Account, link.UUID.Key()})
	p.mu.Unlock()
	select {
	case pr.done <- result:
	default:
	}
}

// hold keeps an auth_req that nothing opens yet. It returns the requests that it removed for that,
// whose runs the caller ends: expired ones, the oldest of an account that has too many or while all
// together are too large, and the new one itself if there is no room for it.
func (p *pairings) hold(d delivered, until, now time.Time) (out []heldRequest) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held == nil {
		p.held = map[hive.AccountName][]heldRequest{}
	}
	account := d.msg.Account
	out = p.expireLocked(account, now)
	fresh := heldRequest{d, until}
	if p.bytes+fresh.size() > heldBytes {
		for other := range p.held {
			out = append(out, p.expireLocked(other, now)...)
		}
	}
	for len(p.held[account]) > 0 && (len(p.held[account]) >= heldPerAccount || p.bytes+fresh.size() > heldBytes) {
		out = append(out, p.takeLocked(account, 0))
	}
	if p.bytes+fresh.size() > heldBytes {
		return append(out, fresh)
	}
	p.held[account] = append(p.held[account], fresh)
	p.bytes += fresh.size()
	p.lapsed = slices.DeleteFunc(p.lapsed, func(k pairKey) bool { return k == pairKey{account, d.msg.UUID.Key()} })
	return out
}

// expire removes everything that has expired. It returns the requests, whose runs the caller ends.
func (p *pairings) expire(now time.Time) (out []heldRequest) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for account := range p.held {
		out = append(out, p.expireLocked(account, now)...)
	}
	p.dropLinksLocked(now)
	return out
}

// dropLinksLocked forgets links that nobody waits for any more.
func (p *pairings) dropLinksLocked(now time.Time) {
	for key, pr := range p.links {
		if now.After(pr.until) {
			delete(p.links, key)
		}
	}
}

// expireLocked removes and returns the expired requests of an account.
func (p *pairings) expireLocked(account hive.AccountName, now time.Time) (out []heldRequest) {
	for i := 0; i < len(p.held[account]); {
		if now.Before(p.held[account][i].until) {
			i++
			continue
		}
		late := p.takeLocked(account, i)
		p.lapsed = append(p.lapsed, pairKey{account, late.msg.UUID.Key()})
		out = append(out, late)
	}
	p.lapsed = slices.Delete(p.lapsed, 0, max(0, len(p.lapsed)-lapsedRequests))
	return out
}

// takeLocked removes and returns one request.
func (p *pairings) takeLocked(account hive.AccountName, i int) heldRequest {
	h := p.held[account][i]
	p.held[account] = slices.Delete(p.held[account], i, i+1)
	if len(p.held[account]) == 0 {
		delete(p.held, account)
	}
	p.bytes -= h.size()
	return h
}

// size returns about how much memory a held request takes: its data is there sealed and in base64,
// and the ledger holds its run.
func (h heldRequest) size() int { return 1024 + 2*len(h.msg.Data) + len(h.msg.AuthKey) }

// Pair takes a pairing link for an app slot and waits until the session is made, the request is
// refused, or ctx ends. Session is the session's length, zero for the default.
func (a *Agent) Pair(ctx context.Context, app string, link protocol.PairingLink,
	session time.Duration) (*ledger.Session, error) {
	if err := a.checkPair(app, link, session); err != nil {
		return nil, err
	}
	if err := a.spent(ctx, app, link); err != nil {
		return nil, err
	}
	if session == 0 {
		session = defaultSession
	}
	now := time.Now()
	pr := &pairing{link: secret.Hide(link), app: app, session: session, until: now.Add(pairingWait),
		done: make(chan pairResult, 1)}
	if d, here := a.pairings.offer(pr, now); here {
		a.start(func(ctx context.Context) { a.resume(ctx, d) })
	}
	select {
	case result := <-pr.done:
		return result.session, result.err
	case <-ctx.Done():
		a.pairings.finish(pr, pairResult{})
		return nil, errNoPairing
	}
}

// PairAsk is who asks for a session by a pairing link, before it is made.
type PairAsk struct {
	App       string   `json:"app"`
	Account   string   `json:"account"`
	Relay     string   `json:"relay"`
	Claim     string   `json:"calls_itself"` // the application's own claim
	Challenge string   `json:"challenge,omitempty"`
	Permits   []string `json:"permits"` // what the policy lets the app do, a line for each rule
	// Already is the live session that the link made before. Then there is nothing to wait for.
	Already *SessionInfo `json:"already,omitempty"`
	// NewRelay says that the relay is not in the settings and does not serve the account. Nothing
	// was asked there: that needs PairParams.NewRelay. Nothing is known of who asks.
	NewRelay bool `json:"new_relay,omitempty"`
}

// lookEvery is how often the arrival of a request is looked for while a person waits.
const lookEvery = 50 * time.Millisecond

// look waits for the request of a pairing link and returns who asks. It makes nothing: the request
// stays where it waits until [Agent.Pair] takes it.
func (a *Agent) look(ctx context.Context, p PairParams) (PairAsk, error) {
	if err := a.errLocked(); err != nil {
		return PairAsk{}, err
	}
	link, err := protocol.ParsePairingLink(string(p.Link))
	if err != nil {
		return PairAsk{}, err
	}
	if err := a.admin().checkSession(p.App, link.Account, p.Length); err != nil {
		return PairAsk{}, err
	}
	if info, ok := a.admin().liveSession(p.App, link.Account, ledger.Secret(link.Key)); ok {
		return PairAsk{App: p.App, Account: info.Account, Relay: link.Host, Already: &info}, nil
	}
	if err := a.spent(ctx, p.App, link); err != nil {
		return PairAsk{}, err
	}
	if !p.NewRelay && !a.servesAt(link.Host, link.Account) {
		_, err := config.AddedRelay(link.Host)
		return PairAsk{App: p.App, Account: string(link.Account), Relay: link.Host, NewRelay: true,
			Permits: []string{}}, err
	}
	if err := a.offerRelay(link.Host, link.Account); err != nil {
		return PairAsk{}, err
	}
	if p.Wait <= 0 || p.Wait > pairingWait {
		p.Wait = time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, p.Wait)
	defer cancel()
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		for _, d := range a.pairings.peek(pairKey{link.Account, link.UUID.Key()}) {
			// One that does not open was altered on the way; another may come by another relay.
			clear, err := d.sealed.Open(string(link.Key))
			if err != nil {
				continue
			}
			data, err := protocol.DecodeAuthReqData(clear)
			if err != nil {
				return PairAsk{}, fmt.Errorf("the request of this link cannot be read: %w", err)
			}
			return a.pairAsk(p.App, d, data), nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return PairAsk{}, errNoPairing
		}
	}
}

func (a *Agent) pairAsk(app string, d delivered, data protocol.AuthReqData) PairAsk {
	ask := PairAsk{App: app, Account: string(d.msg.Account), Relay: d.relay, Claim: data.App.Name,
		Permits: append([]string{}, a.policy.Load().policy.Permits(app, d.msg.Account)...)} // a list in JSON, too
	if data.Challenge != nil {
		ask.Challenge = data.Challenge.Challenge
	}
	return ask
}

// PairQuestion is what a console's page shows of who asks by a link, and what it asks a browser
// with.
type PairQuestion struct {
	PairAsk
	Length time.Duration    `json:"length"` // of the session
	Sign   *approve.SignAsk `json:"sign,omitempty"`
}

// PairSigned is a pairing with an approver's signature.
type PairSigned struct {
	PairParams
	approve.Assertion
}

// consoleWait is how long a console's page waits for the request of a link.
const consoleWait = 15 * time.Second

// byConsole returns what a yes to a pairing is given to, and the pairing as a console may have it:
// it adds no relay.
func byConsole(p PairParams) (approve.Pairing, PairParams, error) {
	p.Wait, p.Length = consoleWait, cmp.Or(p.Length, defaultSession)
	link, err := protocol.ParsePairingLink(string(p.Link))
	if err == nil && p.NewRelay {
		err = ForeignRelay(link.Host)
	}
	key := sha256.Sum256([]byte(link.Key))
	return approve.Pairing{Account: string(link.Account), Relay: link.Host, App: p.App, Length: p.Length,
		Key: key[:]}, p, err
}

// pairBegin waits for the request of a link, says who asks, and begins an approver's yes to it.
func (a *Agent) pairBegin(ctx context.Context, p PairParams) (PairQuestion, error) {
	pairing, p, err := byConsole(p)
	if err != nil {
		return PairQuestion{}, err
	}
	ask, err := a.look(ctx, p)
	switch {
	case err != nil:
		return PairQuestion{}, err
	case ask.NewRelay:
		return PairQuestion{}, ForeignRelay(ask.Relay)
	case ask.Already != nil:
		return PairQuestion{PairAsk: ask, Length: p.Length}, nil
	}
	sign, err := a.approvals.PairBegin(ctx, pairing)
	return PairQuestion{ask, p.Length, &sign}, err
}

// pairFinish pairs an application that an approver said yes to. The yes is on disk before that.
func (a *Agent) pairFinish(ctx context.Context, p PairSigned) (SessionInfo, error) {
	if err := a.errLocked(); err != nil {
		return SessionInfo{}, err
	}
	pairing, params, err := byConsole(p.PairParams)
	if err != nil {
		return SessionInfo{}, err
	}
	yes, err := a.approvals.PairFinish(ctx, pairing, p.Assertion)
	if err != nil {
		return SessionInfo{}, err
	}
	_, err = a.ledger.Append(ctx, ledger.Entry{Type: ledger.RecordAdmin, Outcome: audit.OutcomePairing,
		App: pairing.App, Account: pairing.Account, Content: encodeRecord(struct {
			Pairing  approve.Pairing `json:"pairing"`
			Approval *approve.Proof  `json:"approval"`
		}{pairing, yes})})
	if err != nil {
		return SessionInfo{}, fmt.Errorf("recording the yes: %w", err)
	}
	a.log.Info("a pairing is approved", "account", pairing.Account, "app", pairing.App, "by", yes.By)
	return a.pair(ctx, params)
}

// Why a link makes no session. All of them end the same way: nothing revives a link.
var (
	errNoPairing = errors.New("the request of this link did not arrive: it has expired, or the relay does not " +
		"deliver it; make a new link in the application and pair again")
	errLinkAnswered = errors.New("this link is spent: its request was answered already; make a new link in the " +
		"application and pair again")
	errLinkRevoked = errors.New("this link is spent: the session that it made has ended for good; make a new link " +
		"in the application and pair again")
	errLinkLapsed = errors.New("the request of this link has expired; make a new link in the application and pair " +
		"again")
)

// spent returns why a link cannot make a session any more, as far as that is known here; otherwise
// nil, and the link may wait for its request.
func (a *Agent) spent(ctx context.Context, app string, link protocol.PairingLink) error {
	key := ledger.Secret(link.Key)
	var owner *ledger.Session
	var may error
	if err := a.ledger.Look(ctx, func(v ledger.View) {
		owner, _ = v.SessionWithKey(key)
		may = v.MayOpen(ledger.NewSession{Account: string(link.Account), App: app, AuthKey: key,
			Origin: ledger.Paired, Expires: v.Now.Add(time.Hour)})
	}); err != nil {
		return err
	}
	switch l, ok := a.linkAt(link.Host); {
	case owner != nil:
		return fmt.Errorf("this link is spent: it made session %s, in which app %s asks for %s; make a new link in "+
			"the application and pair again", owner.ID, owner.App, owner.Account)
	case errors.Is(may, ledger.ErrKeySpent):
		return errLinkRevoked
	case errors.Is(may, ledger.ErrKeyElsewhere):
		return a.admin().explain(app, may)
	case ok && a.ledger.WasAnswered(ledger.RequestKey{Relay: l.URL(), UUID: link.UUID.Key()}):
		return errLinkAnswered
	case a.pairings.hasLapsed(pairKey{link.Account, link.UUID.Key()}):
		return errLinkLapsed
	}
	return nil
}

// ForeignRelay returns the refusal of a link for a relay that is not among the relays of the
// wallet.
func ForeignRelay(address string) error {
	return fmt.Errorf("the link is for relay %s, which is not among the relays of this wallet; with the wallet "+
		"running, `pksa pair --app NAME --new-relay` connects to it for the account of the link alone; or add it to "+
		"relays in config.yaml and run `pksa reload`", address)
}

func (a *Agent) checkPair(app string, link protocol.PairingLink, session time.Duration) error {
	if err := a.admin().checkSession(app, link.Account, session); err != nil {
		return err
	}
	if !a.servesAt(link.Host, link.Account) {
		return ForeignRelay(link.Host)
	}
	return nil
}

// pairOutcome returns what the person is told who pasted the link.
func pairOutcome(r *run, g granted, ok bool) pairResult {
	if !ok {
		return pairResult{err: fmt.Errorf("the request of this link was refused: %s", r.refused)}
	}
	return pairResult{session: g.session}
}
