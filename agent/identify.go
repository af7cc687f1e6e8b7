package agent

import (
	"cmp"
	"context"
	"iter"
	"math"
	"sync"
	"time"
	"unicode/utf8"

	"pksa/agent/audit"
	"pksa/agent/ledger"
	"pksa/agent/link"
	"pksa/agent/policy"
	"pksa/agent/trace"
	"pksa/protocol"
	"pksa/protocol/hive"
	"pksa/protocol/seal"
	"pksa/protocol/secret"
	"pksa/protocol/sorts"
)

// whose is what trial decryption found.
type whose uint8

const (
	nobodys whose = iota // nothing of ours opens it: silence
	opened               // a key opens it
	altered              // it was sealed with a session's key and altered on the way
	untried              // nothing opens it of what was tried: see alwaysTried
	ended                // the key of a session that has ended opens it
)

// maxAuthKey bounds the session key that an application chooses. A uuid has 36 bytes, the longest
// seen in the wild 64 hexadecimal digits.
const maxAuthKey = 256

// alwaysTried is how many secrets of apps, and how many keys of the sessions of an account that
// were used last, are tried on each request. Whoever is at work is among these. The others are
// tried as long as the link's bucket for requests that nothing opens pays for all of them, so that
// strangers cost a bounded part of a processor however many sessions there are. What opens costs
// that bucket nothing: its account pays.
//
// A key is either not tried or tried in full. If a relay could have an altered request opened and
// not counted while it floods the wallet, it would have as many tries as it likes.
const alwaysTried = 64

// identify finds who asks, by the key that opens the payload and never by what the message says:
// the slot whose secret opens auth_key, else a live session of the account, most recently used
// first, else a pairing link that waits for this request (HAS §9.2, §10). If none opens it, but the
// first block decrypts to the beginning of an object under a session's key, somebody altered a
// request of that session. The keys of ended sessions are tried last.
func (a *Agent) identify(ctx context.Context, d delivered) (*run, whose) {
	mayTry := newPayer(d)
	if d.msg.Kind == protocol.Auth && d.msg.AuthKey != "" {
		if r, found := a.bySlot(d, &mayTry); r != nil {
			mayTry.giveBack()
			return r, found
		}
	}
	r, found := a.bySession(d, &mayTry)
	if found == opened {
		mayTry.giveBack()
		return r, found
	}
	if pr, ok := a.pairings.waiting(d.msg.Account, d.msg.UUID, d.arrived); ok && d.msg.Kind == protocol.Auth {
		if clear, err := d.sealed.Open(string(pr.link.Reveal().Key)); err == nil {
			mayTry.giveBack()
			return &run{delivered: d, app: pr.app, authKey: secret.Hide(string(pr.link.Reveal().Key)), pairing: pr,
				clear: clear}, opened
		}
	}
	switch {
	case found == altered:
		mayTry.giveBack()
		return r, found
	case mayTry.refused:
		// The key of an ended session may be that of a live one that was not tried.
		return nil, untried
	}
	return a.byRemnant(ctx, d)
}

// payer pays for the keys that one request is tried with.
type payer struct {
	brought *link.Delivery // nil: nobody need pay
	paid    int
	refused bool // some keys were not tried
}

func newPayer(d delivered) payer { return payer{brought: d.brought} }

// of returns how many of so many keys may be tried, from the first one.
func (p *payer) of(keys int) int {
	more := keys - alwaysTried
	switch {
	case more <= 0 || p.brought == nil:
		return keys
	case !p.brought.Link.MayTry(more):
		p.refused = true
		return alwaysTried
	}
	p.paid += more
	return keys
}

// giveBack takes back what was paid for a request that a key has opened.
func (p *payer) giveBack() {
	if p.paid > 0 {
		p.brought.Link.Untry(p.paid)
	}
}

// bySession finds the live session whose key opens the payload or, if none does, the first one
// whose request it was before somebody altered it.
func (a *Agent) bySession(d delivered, mayTry *payer) (*run, whose) {
	sessions := a.ledger.SessionsOf(string(d.msg.Account))
	trial, damaged := seal.NewTrial(d.sealed), (*ledger.Session)(nil)
	for s := range likelyFirst(sessions[:mayTry.of(len(sessions))]) {
		switch clear, found := trial.Try(string(s.AuthKey)); {
		case found == seal.Opened:
			return &run{delivered: d, app: s.App, authKey: secret.Hide(string(s.AuthKey)), session: s, clear: clear},
				opened
		case found == seal.Altered && damaged == nil:
			damaged = s
		}
	}
	if damaged == nil {
		return nil, nobodys
	}
	return &run{delivered: d, app: damaged.App, authKey: secret.Hide(string(damaged.AuthKey)), session: damaged},
		altered
}

// likelyFirst yields all elements of a list, most recently used first, in an order that finds the
// one in use early: the newest ones, then of the others one from each end in turn. Most wallets are
// asked by those that asked last. But an application that goes through its sessions, one after the
// other, uses the one whose last use is longest ago. Nobody stands more than twice as far back.
func likelyFirst[E any](list []E) iter.Seq[E] {
	return func(yield func(E) bool) {
		for i := range list {
			at := i
			if beyond := i - surelyNewest; beyond >= 0 {
				at = surelyNewest + beyond/2
				if beyond%2 == 1 {
					at = len(list) - 1 - beyond/2
				}
			}
			if !yield(list[at]) {
				return
			}
		}
	}
}

// surelyNewest is how many sessions are tried in the order of their use before the oldest ones are.
const surelyNewest = 16

// quiet reports whether somebody is silent on a relay.
func (a *Agent) quiet(who listener, now time.Time) bool {
	return a.byDamage.quiet(who, now) || a.byReplay.quiet(who, now)
}

// silenced reports whether whoever made the request is not heard from its relay now. The slot's
// secret in auth_key proves nothing about the payload: a relay can combine the auth_key of one
// request with the altered payload of another.
func (a *Agent) silenced(ctx context.Context, r *run, found whose) bool {
	who, ok := r.listener()
	if !ok || r.remnant != nil || !a.quiet(who, r.arrived) {
		return false
	}
	switch {
	case r.session != nil:
		a.noteAuth(ctx, r.delivered, r.session.ID)
	case found == opened: // what was altered makes no session anyway
		if err := a.ledger.NoteLogin(ctx, r.app, r.digest); err != nil {
			a.log.Error("auth request not remembered", append(r.attrs(), "err", err)...)
		}
	}
	return true
}

// bySlot opens auth_key with the secrets of the slots. The slot whose secret opens it is the
// application, whatever name stands in the payload. The payload must open with the key that was in
// auth_key: a relay that combines one application's auth_key with another payload gets nothing. A
// payload that was sealed with that key and altered is told apart, as one of a session is.
func (a *Agent) bySlot(d delivered, mayTry *payer) (*run, whose) {
	key, err := seal.Parse(d.msg.AuthKey)
	if err != nil {
		return nil, nobodys
	}
	slots := a.slotsFor(string(d.msg.Account))
	for _, slot := range slots[:mayTry.of(len(slots))] {
		if slot.SameSecretAs != "" {
			continue // a secret names one app
		}
		clear, err := key.Open(string(slot.Secret))
		if err != nil || len(clear) < minSecret || len(clear) > maxAuthKey || !utf8.Valid(clear) {
			continue
		}
		authKey := string(clear)
		payload, err := d.sealed.Open(authKey)
		found := opened
		switch {
		case err == nil:
		case d.sealed.Damaged(authKey):
			found = altered
		default:
			return nil, nobodys
		}
		r := &run{delivered: d, app: slot.Name, authKey: secret.Hide(authKey), clear: payload}
		for _, s := range a.ledger.SessionsOf(string(d.msg.Account)) {
			// A key known under another slot gives no session here: opening one is refused later.
			if string(s.AuthKey) == authKey && s.App == slot.Name {
				r.session = s
			}
		}
		return r, found
	}
	return nil, nobodys
}

// slotsFor returns all slots. If there are more than are always tried, those come first whose apps
// used a session of the account last.
func (a *Agent) slotsFor(account string) []ledger.Slot {
	slots := a.ledger.Slots()
	if len(slots) <= alwaysTried {
		return slots
	}
	last := map[string]int{} // by app: the place of its session that was used last
	for i, s := range a.ledger.SessionsOf(account) {
		if _, known := last[s.App]; !known {
			last[s.App] = i
		}
	}
	at := func(s ledger.Slot) int {
		if i, known := last[s.Name]; known {
			return i
		}
		return math.MaxInt
	}
	sorts.Stable(slots, func(x, y ledger.Slot) int { return cmp.Compare(at(x), at(y)) })
	return slots
}

// Anybody can send requests that no live session opens, so what they may cost is bounded: each key
// of an ended session that is tried is paid from a bucket of the account. An empty one means
// silence, as before there were remnants.
const (
	remnantTries       = 1024 // keys at once
	remnantTriesSecond = 256  // keys a second
)

// remnants bounds how many keys of ended sessions are tried for requests that nothing else opens.
// The agent has one; the goroutines of the links' handlers take from it. The zero value is ready.
type remnants struct {
	mu    sync.Mutex
	tries map[hive.AccountName]*tries // only of accounts that are held
}

type tries struct {
	left float64
	at   time.Time
}

// take reports whether one more key may be tried for a request to the account.
func (m *remnants) take(account hive.AccountName, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.tries == nil {
		m.tries = map[hive.AccountName]*tries{}
	}
	t := m.tries[account]
	if t == nil {
		t = &tries{left: remnantTries, at: now}
		m.tries[account] = t
	}
	if elapsed := now.Sub(t.at).Seconds(); elapsed > 0 {
		t.left, t.at = min(remnantTries, t.left+elapsed*remnantTriesSecond), now
	}
	if t.left < 1 {
		return false
	}
	t.left--
	return true
}

// byRemnant finds the ended session whose key opens a request, newest first.
func (a *Agent) byRemnant(ctx context.Context, d delivered) (*run, whose) {
	// A session that has just expired leaves its remnant when it is ended, not at a later sweep.
	if err := a.ledger.EndExpired(ctx, string(d.msg.Account)); err != nil {
		return nil, nobodys
	}
	for _, rem := range a.ledger.RemnantsOf(string(d.msg.Account)) {
		if !a.remnants.take(d.msg.Account, d.arrived) {
			return nil, nobodys
		}
		clear, err := d.sealed.Open(string(rem.AuthKey))
		if err != nil {
			continue
		}
		return &run{delivered: d, app: rem.App, authKey: secret.Hide(string(rem.AuthKey)), remnant: rem, clear: clear},
			ended
	}
	return nil, nobodys
}

// serveEnded answers an application that its session has ended, if it was never told anything else
// about this request and never will be. A payload of another shape has no nonce by which that could
// be made sure, so it is met with silence, like whatever the policy meets so.
func (a *Agent) serveEnded(ctx context.Context, r *run) {
	a.noticeAt(trace.Ended, r)
	kind, ok := r.endedKind()
	may := ok && !a.policy.Load().policy.Ignores(kind, r.app, r.msg.Account)
	if may {
		var err error
		if may, err = a.ledger.MayTell(r.remnant.ID, int64(r.nonce), r.digest); err != nil {
			a.log.Error("ledger does not know what a session left", append(r.attrs(), "err", err)...)
		}
	}
	if !may {
		a.ledger.Drop(r.key)
		a.drop(r.delivered, dropEnded)
		return
	}
	var answer protocol.Answer
	var brief *short
	outcome := "ignored"
	result, err := a.ledger.Admit(ctx, ledger.Admission{
		Key: r.key, Account: string(r.msg.Account), Kind: r.msg.Kind.String(), Remnant: r.remnant.ID,
		Nonce: int64(r.nonce), Ticket: r.ticket, Turn: r.app,
	}, func(v ledger.View) ledger.Ruling {
		told := v.Replay == ledger.SessionOver
		if told {
			outcome, answer = "refused", r.nack(protocol.TextSessionExpired)
		}
		ruling := ledger.Ruling{Verdict: ledger.Denied, Record: a.endedRecord(r, kind, told)}
		one := audit.Denial{Kind: r.msg.Kind.String(), Result: outcome, Code: audit.CodeEnded}
		brief = a.sumUp(r, one, &ruling, func() protocol.Answer { return answer })
		return ruling
	})
	if err != nil {
		// The promise was not recorded, so nothing is said.
		a.log.Error("request in an ended session not recorded", append(r.attrs(), "err", err)...)
		a.ledger.Drop(r.key)
		a.drop(r.delivered, dropEnded)
		return
	}
	// On disk: the refusal, and that this request is used up. The next start answers by the record.
	crashpoint("denied")
	a.metrics.Request(r.msg.Kind.String(), outcome, string(audit.CodeEnded), time.Since(r.arrived))
	if brief != nil {
		a.countShort(r, brief, result.Number)
		a.send(ctx, r.delivered, answer)
		return
	}
	a.log.Info("request "+outcome, append(r.attrs(), "number", result.Number, "code", audit.CodeEnded)...)
	a.settle(ctx, granted{run: r, number: result.Number}, ledger.Settlement{Outcome: outcome}, answer)
}

// endedKind reads the nonce of a request in an ended session, and what it asks for. It reports
// false if the payload is no request of its kind.
func (r *run) endedKind() (policy.Kind, bool) {
	if r.msg.Kind == protocol.Sign {
		data, err := protocol.DecodeSignReqData(r.clear)
		r.nonce = data.Nonce
		return policy.Sign, err == nil
	}
	data, err := protocol.DecodeChallengeReqData(r.clear)
	r.nonce = data.Nonce
	if data.Decrypt {
		return policy.Decrypt, err == nil
	}
	return policy.Challenge, err == nil
}

// renews reports whether an auth_req in an ended session may have it again without a link, as far
// as the rules and the ledger say now: the commit decides. If not, it is remembered, so that it
// never does under another policy, and waits for its link as any other.
func (a *Agent) renews(ctx context.Context, r *run) bool {
	data, err := protocol.DecodeAuthReqData(r.clear)
	if err != nil {
		return false
	}
	may, err := a.ledger.MayRenew(r.remnant.ID, r.digest)
	if err != nil {
		a.log.Error("ledger does not know what a session left", append(r.attrs(), "err", err)...)
		return false
	}
	if !may {
		return false
	}
	p := proposal{run: r, request: r.authRequest(data)}
	a.foresee(&p)
	if a.ledger.Now().Sub(r.remnant.Ended) <= p.prospect.Renew() {
		return true
	}
	a.noteAuth(ctx, r.delivered, r.remnant.ID)
	return false
}

// noteAuth remembers an auth_req of a live or ended session that is not judged: what was delivered
// once renews nothing later.
func (a *Agent) noteAuth(ctx context.Context, d delivered, id ledger.SessionID) {
	if d.msg.Kind != protocol.Auth {
		return
	}
	if err := a.ledger.NoteAuth(ctx, id, d.digest); err != nil {
		a.log.Error("auth request not remembered", append(d.attrs(), "err", err)...)
	}
}

// noteHeld remembers the auth_reqs that wait for a link and are sealed with the auth_key of a
// session that was just made: another one of them, or a person, has made it.
func (a *Agent) noteHeld(ctx context.Context, s *ledger.Session) {
	for _, d := range a.pairings.heldFor(hive.AccountName(s.Account)) {
		if _, err := d.sealed.Open(string(s.AuthKey)); err == nil {
			a.noteAuth(ctx, d, s.ID)
		}
	}
}
