package agent

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"pksa/agent/audit"
	"pksa/agent/effect"
	"pksa/agent/ledger"
	"pksa/agent/policy"
	"pksa/protocol"
	"pksa/protocol/hive"
	"pksa/protocol/plain"
)

// Names of events: what happens beside requests and stands in the audit trail.
const (
	eventQuarantine = "session quarantined"
	eventRelayKey   = "relay key changed"
	eventKeys       = "keys compared with the chain"
	eventAdded      = "relay added"
	eventRemoved    = "relay removed"
	eventDropped    = "requests dropped"
	eventAlarm      = "alarm"
	eventProbes     = "probes for another copy"
	eventYield      = "yielded to another copy"
)

// noteEvent records something that belongs to no request. It is written with the next commit.
func (a *Agent) noteEvent(what string, e ledger.Entry, content map[string]any) {
	e.Type, e.Outcome, e.Content = ledger.RecordEvent, what, encodeRecord(content)
	if err := a.ledger.Note(e); err != nil {
		a.log.Error("event not recorded", "event", what, "err", err)
	}
}

// failedRecord returns the content of the record of a request that never came to a decision.
func failedRecord(r *run, reason string) []byte {
	content := audit.Content{
		Relay: r.relay, UUID: string(r.msg.UUID), Result: "failed", Code: policy.CodeInvalid, Reason: reason,
	}
	return content.Encode(audit.Draft{}, 0, false)
}

// endedRecord returns the content of the record of a request in an ended session. What it asked for
// was not looked at.
func (a *Agent) endedRecord(r *run, kind policy.Kind, told bool) []byte {
	content := audit.Content{
		Relay: r.relay, UUID: string(r.msg.UUID), Result: "refused", Code: audit.CodeEnded,
		Reason: fmt.Sprintf("session %s ended %s: %s", r.remnant.ID, r.remnant.Ended.Format(time.RFC3339),
			r.remnant.Outcome),
	}
	if !told {
		content.Result = "ignored"
	}
	request := policy.Written{Request: kind.String(), Account: string(r.msg.Account), App: r.app}
	return content.Encode(audit.Draft{Written: request}, 0, false)
}

// draft writes a request down for its record, before it waits for its turn: with all that it asks
// for, if it may be carried out.
func (a *Agent) draft(p *proposal) audit.Draft {
	whole := p.refusal == nil && p.obstacle == nil && p.prospect != nil && p.prospect.Outlook() != policy.SurelyDenied
	return audit.NewDraft(policy.Write(p.request, a.network), whole)
}

// judgedRecord returns the content of the record of a decision.
func (a *Agent) judgedRecord(p *proposal, j judged) []byte {
	r := p.run
	content := audit.Content{
		Relay: r.relay, UUID: string(r.msg.UUID), Policy: j.inForce.Hash(), Rules: j.decision.Rules,
		Limits: j.decision.Limits, Cost: j.decision.Charges, Observed: j.decision.Observed,
	}
	if p.request.Exact && p.tx != nil { // of what is denied, too: a suggestion makes room for it
		content.Expires = p.tx.tx.Expiration.Time()
	}
	draft, most := p.draft, maxEffects
	draft.Written.Approved = p.request.Approved
	if len(p.approvals) > 0 {
		content.Approval, content.MoreApprovals = p.approvals[0], p.approvals[1:]
	}
	if len(p.told) > 0 {
		content.ToldBy = &p.told[0]
	}
	if j.refusal != nil && (j.refusal.code == policy.CodeNonce || j.refusal.code == audit.CodeBusy) {
		// A relay can send thousands of replays, and the record of the first request has all of it.
		// What is busy was not looked at.
		w := draft.Written
		draft = audit.Draft{Written: policy.Written{Request: w.Request, Account: w.Account, App: w.App}}
		most, content.Expires = replayEffects, time.Time{}
	}
	does := 0
	if j.refusal == nil || j.refusal.code != audit.CodeBusy {
		content.Effects, does = effects(p.request, p.newSession != nil, most)
	}
	if len(draft.Written.Operations) > 0 {
		content.Keys = severalKeys(p.request)
	}
	if p.newSession != nil && !p.newSession.Expires.IsZero() {
		content.NewSession = &p.newSession.Expires
	}
	content.Result = "admitted"
	whole := true
	switch {
	case j.refusal != nil:
		content.Result, content.Code, content.Reason = "refused", j.refusal.code, j.refusal.reason
		if r.silent(j) {
			content.Result = "ignored"
		}
		whole = false
	case j.obstacle != nil:
		content.Result, content.Code, content.Reason = "failed", audit.CodeUnavailable, j.obstacle.reason
		whole = false
	case j.decision.Verdict == policy.Ask:
		content.Result, content.Reason = "pending", j.decision.Reason
	}
	return content.Encode(draft, does, whole)
}

const (
	// maxEffects is how many parts of a request its record names in words. More fit no record.
	maxEffects = 100
	// replayEffects is how many of them the record of a replay names.
	replayEffects = 3
	// maxLogged is how many bytes of a list stand in a line of the log.
	maxLogged = 1 << 10
)

// logged returns the texts that a line of the log can hold, and how many more there are: parts is
// the number of all.
func logged(texts []string, parts int) []string {
	size, n := 0, 0
	for n < len(texts) && size+len(texts[n]) <= maxLogged {
		size += len(texts[n]) + 1
		n++
	}
	if more := parts - n; more > 0 {
		return append(slices.Clip(texts[:n]), fmt.Sprintf("and %d more", more))
	}
	return texts
}

// effects returns what a request does if it is allowed, one sentence for each of its parts: the
// first of them, and how many there are.
func effects(q *policy.Request, newSession bool, most int) (first []string, parts int) {
	if q.Kind == policy.Sign {
		for _, op := range q.Ops[:min(most, len(q.Ops))] {
			first = append(first, effect.Of(op))
		}
		return first, len(q.Ops)
	}
	switch q.Kind {
	case policy.Challenge:
		first = append(first, effect.Signing(q.Account, q.Role, q.Text))
	case policy.Decrypt:
		first = append(first, fmt.Sprintf("decrypts a memo with the %s key of %s", q.Role, q.Account))
	case policy.Auth:
		verb := "confirms the session of"
		if newSession {
			verb = "opens a session of"
		}
		first = append(first, fmt.Sprintf("%s %s for %s", verb, q.App, q.Account))
		if c := q.AuthChallenge; c != nil {
			first = append(first, effect.Signing(q.Account, c.Role, c.Text))
		}
	}
	return first, len(first)
}

// severalKeys returns the roles of the keys that sign a request, nil if it is the key_type alone.
// The signing key of a witness has no key_type of its own.
func severalKeys(q *policy.Request) []string {
	roles := policy.SigningRoles(q.Ops)
	if len(roles) < 2 && !slices.Contains(roles, hive.Signing) {
		return nil
	}
	var names []string
	for _, role := range roles {
		names = append(names, role.String())
	}
	return names
}

func roleName(role hive.Role) string {
	if role == 0 {
		return ""
	}
	return role.String()
}

// outcomeRecord returns the content of the record of an outcome: of a request that was answered, or
// of one that failed after it was admitted.
func outcomeRecord(result string, e ending) []byte {
	content := struct {
		Result      string `json:"result"`
		Outcome     string `json:"outcome"`
		Transaction string `json:"transaction,omitempty"`
		Node        string `json:"node,omitempty"`
		Block       uint32 `json:"block,omitempty"`
		Reason      string `json:"reason,omitempty"`
		Told        string `json:"told,omitempty"`
	}{Result: result, Outcome: e.outcome, Node: e.node, Block: e.block, Told: e.told, Reason: plain.Cut(e.reason,
		maxLogged)}
	if e.id != (hive.TxID{}) {
		content.Transaction = e.id.String()
	}
	return encodeRecord(content)
}

// startRecord returns the content of the first record of a run of the process.
func (a *Agent) startRecord() []byte {
	content := struct {
		Policy   string   `json:"policy"`
		Relays   []string `json:"relays"`
		Accounts int      `json:"accounts"`
	}{Policy: a.policy.Load().policy.Hash(), Accounts: len(a.keys.Accounts())}
	for _, l := range a.links.all() {
		content.Relays = append(content.Relays, l.URL())
	}
	return encodeRecord(content)
}

// encodeRecord returns content as JSON.
func encodeRecord(content any) []byte {
	text, err := json.Marshal(content)
	if err != nil { // unreachable: no type that is passed here holds anything that JSON cannot write
		return []byte(`{"result":"failed","code":"record","reason":"the record could not be written as JSON"}`)
	}
	return text
}

const (
	// denialsOneByOne is how many denied requests of an app and account are recorded one by one in
	// denialsEvery. Of those above, a record has what they used up, and a sum the rest.
	denialsOneByOne = 60
	denialsEvery    = time.Minute
)

// denials counts the denied requests of each app and account. The agent has one: the judges look
// into it, the goroutines of requests count, tidy and the stop record the sums. The zero value is
// ready.
type denials struct {
	mu       sync.Mutex
	minutes  map[denier]*denied
	finished []denied // minutes that are over and have a sum
}

type denier struct {
	app     string
	account hive.AccountName
}

// denied is the denied requests of one app and account within a minute.
type denied struct {
	who   denier
	since time.Time
	all   int
	sum   audit.Denials
}

// short is a denied request with a short record: a sum stands for it.
type short struct {
	audit.Denial
	answer protocol.Answer
}

// minuteLocked returns the minute that now is in.
func (d *denials) minuteLocked(who denier, now time.Time) *denied {
	if m := d.minutes[who]; m != nil {
		if age := now.Sub(m.since); age >= 0 && age < denialsEvery {
			return m
		}
		d.finishLocked(m)
	}
	if d.minutes == nil {
		d.minutes = map[denier]*denied{}
	}
	d.minutes[who] = &denied{who: who, since: now}
	return d.minutes[who]
}

func (d *denials) finishLocked(m *denied) {
	delete(d.minutes, m.who)
	if m.sum.Requests > 0 {
		d.finished = append(d.finished, *m)
	}
}

// above counts a denied request, and reports whether its app has had its records of this minute.
func (d *denials) above(who denier, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	m := d.minuteLocked(who, now)
	m.all++
	return m.all > denialsOneByOne
}

// add adds a request to the sum of its minute, and reports whether it is the first.
func (d *denials) add(who denier, one audit.Denial, number uint64) bool {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	m := d.minuteLocked(who, now)
	m.sum.Add(one, number, now)
	return m.sum.Requests == 1
}

// take returns the sums of the minutes that are over, or of all.
func (d *denials) take(now time.Time, all bool) []denied {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, m := range d.minutes {
		if all || now.Sub(m.since) >= denialsEvery {
			d.finishLocked(m)
		}
	}
	list := d.finished
	d.finished = nil
	return list
}

// sumUp makes the record of a denied request short, if its app has had many in this minute: the
// commit uses up its nonce or digest as always, and has the answer, so that no second record is
// needed. It runs inside that commit.
func (a *Agent) sumUp(r *run, one audit.Denial, ruling *ledger.Ruling, answer func() protocol.Answer) *short {
	if !a.denials.above(denier{r.app, r.msg.Account}, time.Now()) {
		return nil
	}
	m := answer()
	frame, err := encode(m)
	if err != nil {
		a.alarm(alarmEncoding, append(r.attrs(), "err", err)...)
		return nil
	}
	*ruling = ledger.Ruling{Rejected: audit.Summed, Record: one.Encode(), Answer: frame}
	return &short{one, m}
}

// countShort adds a request with a short record to the sum of its app, once it is committed. Nil
// stands for a request with a record of its own.
func (a *Agent) countShort(r *run, s *short, number uint64) {
	who := denier{r.app, r.msg.Account}
	if s != nil && a.denials.add(who, s.Denial, number) {
		// A crash loses the sum of its minute. This record shows that there was one.
		a.noteDenials(who, audit.Denials{First: number, Since: time.Now()})
	}
}

// recordDenials records the sums of the minutes that are over, or of all.
func (a *Agent) recordDenials(all bool) {
	for _, m := range a.denials.take(time.Now(), all) {
		a.noteDenials(m.who, m.sum)
		a.log.Info("denied requests that were not logged one by one", "app", m.who.app, "account", m.who.account,
			"requests", m.sum.Requests, "first", m.sum.First, "last", m.sum.Last)
	}
}

func (a *Agent) noteDenials(who denier, sum audit.Denials) {
	a.noteEvent(audit.EventDenials, ledger.Entry{App: who.app, Account: string(who.account)},
		map[string]any{"denials": sum})
}
