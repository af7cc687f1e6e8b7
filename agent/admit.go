package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"pksa/agent/approve"
	"pksa/agent/audit"
	"pksa/agent/cosign"
	"pksa/agent/ledger"
	"pksa/agent/link"
	"pksa/agent/policy"
	"pksa/agent/trace"
	"pksa/protocol"
	"pksa/protocol/hive"
	"pksa/protocol/plain"
)

// codeExpired is the code of a request whose answer nobody waits for any more (HAS §12).
const codeExpired policy.Code = "expired"

// proposal is a request on its way to a decision.
type proposal struct {
	run      *run
	request  *policy.Request
	nonce    protocol.Nonce
	prospect *policy.Prospect // the first half of the decision; nil if refusal is set
	tx       *transaction     // of sign
	// others is the signatures of others beside a transaction that the application made; nil if it
	// did not send any, nor asks what is missing.
	others  []hive.Signature
	signers *cosign.Signers // who has to sign it; nil if nobody asked, or no node told

	refusal  *refusal  // made before the policy is asked
	obstacle *obstacle // what would be allowed cannot be done

	waits *waitingPlace // among the requests that wait for a person; nil if it has none

	newSession *ledger.NewSession // of auth; its end is set by the judge
	length     time.Duration      // of the session, where a person chose it

	draft audit.Draft // of its record

	approvals []*approve.Proof // of who said yes with a passkey
	told      []audit.Told     // that took a message of all of it before
}

// refusal is a no with its reason.
type refusal struct {
	code   policy.Code
	reason string
	full   bool // the account, or its app, has all the sessions that it may have
}

// obstacle keeps an allowed request from being served.
type obstacle struct{ text, outcome, reason string }

// granted is what was judged and recorded.
type granted struct {
	run      *run
	number   uint64 // of the audit record
	admitted bool   // the commit allows it: without this no key is reached, see [Agent.reach]
	role     hive.Role
	session  *ledger.Session
	exact    *protocol.SignAckData // of a transaction that the application made: its answer
	answered bool                  // the application got an answer already, and gets no other one
	// charged is until when the charges for its transaction count; zero if there are none.
	charged time.Time
	// shown is what the line of the log says beside the outcome: what the request does, and by
	// which rules.
	shown []any
}

// judged is what the judge found, for the answer and the record.
type judged struct {
	inForce  *policy.Policy // at the time of the commit
	decision policy.Decision
	refusal  *refusal
	obstacle *obstacle
	replay   ledger.Replay
	session  *ledger.Session // of an auth_req whose key got its session while this one waited
	charged  time.Time       // until when the charges for its transaction count
	short    *short          // of a request that stands in a sum of denials
}

// foresee makes the first half of the decision, what the rules say. It knows no counters, so it is
// made here, before the request waits for its turn; [Agent.decide] makes the second half.
func (a *Agent) foresee(p *proposal) {
	// By the ledger's time, as the other half: rules compare it with instants of the application.
	p.prospect = a.policy.Load().policy.Prospect(p.request, a.ledger.Now())
}

// admit takes a request through nonce, decision and the one durable commit. It answers what is not
// granted, and reports whether the request may be carried out.
//
// Also what is surely denied goes through the commit: it uses up its nonce there, so that nobody
// can bring it again under a laxer policy.
func (a *Agent) admit(ctx context.Context, p *proposal) (granted, bool) {
	r := p.run
	if p.prospect == nil && p.refusal == nil { // of sign, it was needed earlier
		a.foresee(p)
	}
	p.draft = a.draft(p)
	var j judged
	result, err := a.ledger.Admit(ctx, a.admission(r, p.nonce), func(v ledger.View) ledger.Ruling {
		var ruling ledger.Ruling
		j, ruling = a.judge(p, v)
		if ruling.Verdict == ledger.Denied {
			j.short = a.sumUp(r, r.denial(j), &ruling, func() protocol.Answer { return a.answerTo(r, j) })
		}
		return ruling
	})
	if err != nil {
		a.giveUp(ctx, p, err)
		a.notAdmitted(ctx, r, err)
		return granted{}, false
	}
	if result.Verdict == ledger.Pending {
		return a.ask(ctx, p, result.Number, j)
	}
	return a.ruled(ctx, p, result, j)
}

// giveUp frees what a request holds of which the ledger has recorded nothing. After a commit that
// failed it may have.
func (a *Agent) giveUp(ctx context.Context, p *proposal, err error) {
	a.asks.leave(p)
	if ctx.Err() == nil && !errors.Is(err, ledger.ErrCommit) {
		a.unsigned(p)
	}
}

// unsigned frees the id of what will not be signed. An id that an application made is taken
// once its request is allowed.
func (a *Agent) unsigned(p *proposal) {
	if p.tx != nil && !p.request.Exact {
		a.recent.release(p.tx.id)
	}
}

// admission returns what the ledger must know of a request to use it up. Now it waits for its turn:
// the work on it is over.
func (a *Agent) admission(r *run, nonce protocol.Nonce) ledger.Admission {
	a.endLarge(r)
	admission := ledger.Admission{
		Key: r.key, Account: string(r.msg.Account), Kind: r.msg.Kind.String(), Turn: r.app,
		Nonce: int64(nonce), RequireNonce: a.settings().NonceRequired && r.msg.Kind != protocol.Auth, Ticket: r.ticket,
	}
	switch {
	case r.session != nil:
		admission.Session = r.session.ID
	case r.remnant != nil:
		admission.Remnant = r.remnant.ID
	default:
		admission.App = r.app // the digest of an auth_req is kept as long as the secret of its slot
	}
	return admission
}

// ruled goes on with what the ledger has recorded: the request may be carried out, or is answered.
func (a *Agent) ruled(ctx context.Context, p *proposal, result ledger.Admitting, j judged) (granted, bool) {
	g := granted{run: p.run, number: result.Number, role: p.request.Role, session: result.Session, charged: j.charged}
	if j.session != nil {
		g.session = j.session
	}
	if result.Verdict == ledger.Admitted {
		g.admitted = true
		a.lock.Used(time.Now())
		// On disk: the ruling with nonce, charges, session and transaction. Nothing is signed. The
		// next start looks the transaction up until it has expired; a request without one is
		// answered with an error.
		crashpoint("admitted")
		does, parts := effects(p.request, p.newSession != nil, maxEffects)
		rules := ruleNames(j.decision.Rules)
		g.shown = []any{"does", logged(does, parts), "rules", logged(rules, len(rules))}
		a.log.Debug("request admitted", append(append(p.run.attrs(), "number", g.number), g.shown...)...)
		if j.decision.Tell {
			a.tellAllowed(p, g.number, rules)
		}
		return g, true
	}
	a.unsigned(p)
	// On disk: the refusal with its nonce, and no answer. The next start answers by the record.
	crashpoint("denied")
	a.refuse(ctx, g, j)
	return granted{}, false
}

func ruleNames(rules []policy.RuleRef) []string {
	names := make([]string, len(rules))
	for i, rule := range rules {
		names[i] = rule.Name
	}
	return names
}

// judge decides. It runs on the ledger's committing goroutine, inside the commit that its ruling is
// part of, one judge at a time: it computes, and does no I/O. Whatever it finds, the nonce or
// digest is consumed.
func (a *Agent) judge(p *proposal, v ledger.View) (judged, ledger.Ruling) {
	j := judged{replay: v.Replay, refusal: p.refusal, inForce: a.policy.Load().policy}
	a.asks.leave(p) // before it is judged again: it must not be refused for its own reserve
	// The nonce comes first: a replay gets the answer of a replay, and never learns what the policy
	// says today.
	switch {
	case v.Replay != ledger.Fresh:
		j.refusal = &refusal{code: policy.CodeNonce, reason: replayReason(v.Replay)}
		if ahead := time.Until(v.Now); v.Replay == ledger.NonceBehind && ahead > maxSkew {
			j.refusal.reason = fmt.Sprintf("the nonce is too far behind the ledger's last record, which is %s in the "+
				"future; `pksa ledger clock` leads the ledger back", ahead.Round(time.Minute))
		}
	case j.refusal != nil:
	case !p.run.expires().After(time.Now()):
		// The application listens no longer. What is done now is done behind its back, and it may
		// have asked again.
		j.refusal = &refusal{code: codeExpired,
			reason: "the request expired while it waited for its turn or for a node"}
	case a.paused.Load():
		j.refusal = &refusal{code: audit.CodePaused, reason: "the operator paused the wallet (`pksa pause`)"}
	case a.appPaused(p.run.app) != "":
		j.refusal = &refusal{code: audit.CodePaused,
			reason: fmt.Sprintf("the operator paused this app (`pksa pause %s`)", p.run.app)}
	default:
		if account := a.guard.Stopped(p.accounts); account != "" {
			j.refusal = &refusal{code: audit.CodeGuard, reason: guardReason(account)}
			break
		}
		a.decide(p, v, &j)
	}
	ruling := ledger.Ruling{Verdict: ledger.Denied}
	switch {
	case j.refusal != nil || j.obstacle != nil:
	case j.decision.Verdict == policy.Ask:
		// Nothing is charged before the answer, and yet its cost is reserved: else a hundred could
		// wait for the room of one.
		ruling.Verdict = ledger.Pending
		setTransaction(&ruling, p)
	default:
		ruling.Verdict = ledger.Admitted
		ruling.Charges = a.budget.charge(v, j.inForce, j.decision.Charges, p)
		if p.request.Exact {
			a.recent.takeExact(p.tx.id, p.run.app, time.Now())
		}
		ruling.NewSession = p.newSession
		setTransaction(&ruling, p)
		if len(ruling.Charges) > 0 && p.sent() != nil && !p.request.Exact {
			j.charged = ruling.Charges[0].Expires
		}
	}
	ruling.Record = a.judgedRecord(p, j)
	return j, ruling
}

// setTransaction puts what may be broadcast into the ruling. What is only signed has no fate on the
// chain to be looked up after a crash: the application gets an error then, and no signature.
func setTransaction(ruling *ledger.Ruling, p *proposal) {
	if tx := p.sent(); tx != nil {
		ruling.TxID, ruling.TxBytes, ruling.TxExpires = tx.id, tx.bytes, tx.tx.Expiration.Time()
		if p.request.Exact {
			ruling.TxBytes = nil // by which the next start knows it, see takeUpUnfinished
		}
	}
}

// sent returns the transaction that will be broadcast, nil if none will.
func (p *proposal) sent() *transaction {
	if p.tx == nil || !p.request.Broadcast {
		return nil
	}
	return p.tx
}

// decide makes the second half of the decision, and then looks whether what is allowed can be done.
// The limits are judged by the counters that the commit finds, after the requests before this one.
// What the rules said is taken from the first half; if another policy is in force by now, or a rule
// depends on the time, they are judged again.
func (a *Agent) decide(p *proposal, v ledger.View, j *judged) {
	var problem string
	a.budget.use(v, func(book *policy.Book) {
		j.decision, problem = a.budget.conclude(p, a.asks.beside(book), j.inForce, v.Now)
	})
	switch {
	case j.decision.Verdict == policy.Deny:
		j.refusal = &refusal{code: j.decision.Code, reason: j.decision.Reason}
		return
	case problem != "":
		j.refusal = &refusal{code: policy.CodeLimit, reason: "limit: " + problem}
		return
	case j.decision.Verdict == policy.Ask:
		if nobody := a.nobodyToAsk(v, j.decision.Consents); nobody != "" {
			j.refusal = &refusal{code: policy.CodeNobodyToAsk,
				reason: "the policy says to ask a person, and " + nobody + ": " + j.decision.Reason}
			return
		}
	}
	if p.request.Approved {
		if lacks := a.lacksYes(p, v, j.decision.Consents); lacks != "" {
			j.refusal = &refusal{code: policy.CodeRefused, reason: "the yes does not count: " + lacks}
			return
		}
	}
	// What follows may have changed since the request came: the clock stepped, a command removed a
	// key, another request opened the session. After the policy, so that a request that is denied
	// anyway learns nothing of clock and keys.
	if problem := a.clockProblem(time.Now()); problem != "" {
		j.refusal = &refusal{code: policy.CodeClock, reason: problem}
		return
	}
	for _, role := range p.roles() {
		key, held := a.keys.Key(p.run.msg.Account, role)
		switch {
		case !held:
			j.refusal = &refusal{code: policy.CodeWrongKey, reason: "no " + role.String() +
				" key of this account is held"}
			return
		case role == hive.Signing && !signsFor(p.request.Ops, key.Public()):
			j.refusal = &refusal{code: policy.CodeWrongKey,
				reason: "the operation names another signing key of the witness than the one that is held"}
			return
		}
	}
	if p.newSession != nil {
		a.openSession(p, v, j)
	}
	j.obstacle = p.obstacle
	if j.obstacle == nil && p.request.Exact && p.request.Broadcast && p.signers == nil {
		j.obstacle = &obstacle{text: protocol.TextBusy, outcome: "busy",
			reason: "the policy denied it when nodes would have been asked who has to sign, and another is in " +
				"force now"}
	}
	if j.decision.Verdict == policy.Ask && j.refusal == nil && j.obstacle == nil {
		j.refusal = a.asks.reserve(p, j.decision.Reserved())
	}
}

// openSession decides whether the session may be made, and until when it lives.
func (a *Agent) openSession(p *proposal, v ledger.View, j *judged) {
	n := p.newSession
	if s, live := v.SessionWithKey(n.AuthKey); live && s.Account == n.Account && s.App == n.App {
		// Another auth_req with this key was judged while this one was on its way.
		j.session, p.newSession = s, nil
		return
	}
	length := p.length
	if length == 0 {
		length = j.decision.Session
	}
	n.Expires = v.Now.Add(length)
	err := v.MayOpen(*n)
	if rem := p.run.remnant; rem != nil && err == nil {
		err = v.MayRenew(rem.ID, j.decision.Renew)
	}
	if err != nil {
		full := errors.Is(err, ledger.ErrSessions) || errors.Is(err, ledger.ErrAppSessions)
		j.refusal = &refusal{code: audit.CodeSession, reason: err.Error(), full: full}
	}
}

// roles returns the roles of the keys that will be used.
func (p *proposal) roles() []hive.Role {
	switch {
	case p.request.Kind == policy.Sign:
		return policy.SigningRoles(p.request.Ops)
	case p.request.Kind != policy.Auth:
		return []hive.Role{p.request.Role}
	case p.request.AuthChallenge != nil:
		return []hive.Role{p.request.AuthChallenge.Role}
	}
	return nil
}

// refuse answers a denied request as HAS §12 wants it.
func (a *Agent) refuse(ctx context.Context, g granted, j judged) {
	r, one, reason := g.run, g.run.denial(j), ""
	if j.refusal == nil {
		reason = j.obstacle.reason
	} else {
		reason = j.refusal.reason
		a.noticeRefusal(r, j)
	}
	var m protocol.Answer
	if j.short != nil {
		m = j.short.answer
	} else {
		m = a.answerTo(r, j)
	}
	if one.Code == policy.CodeNonce && j.replay != ledger.SecretSpent {
		a.countFault(&a.byReplay, r)
		if m == nil {
			a.metrics.Dropped(dropReplay)
		}
	}
	r.refused = withCode(one.Code, reason)
	a.metrics.Request(r.msg.Kind.String(), one.Result, string(one.Code), time.Since(r.arrived))
	attrs := append(r.attrs(), "number", g.number, "code", one.Code, "reason", plain.Cut(reason, maxLogged))
	if j.short != nil {
		a.log.Debug("request "+one.Result, attrs...) // the sum has a line
		a.countShort(r, j.short, g.number)
		a.send(ctx, r.delivered, m)
		return
	}
	a.log.Info("request "+one.Result, attrs...)
	a.settle(ctx, g, ledger.Settlement{Outcome: one.Result}, m)
}

// tooFast returns the refusal of a request above the rate of its account and the share of its app;
// nil if it is within. The request takes the way of all others to the ledger, where its nonce is
// used up: what was called busy is never carried out, whoever brings it again.
func (a *Agent) tooFast(r *run) *refusal {
	if r.pace == link.InTime {
		return nil
	}
	return &refusal{code: audit.CodeBusy, reason: fmt.Sprintf("more than %d requests a second for %s, "+
		"and more than the share of %s (limits.account_requests_per_second)", a.settings().AccountRequestsPerSecond,
		r.msg.Account, r.app)}
}

// noticeRefusal shows refusals that are a mistake of the application in status and log.
func (a *Agent) noticeRefusal(r *run, j judged) {
	switch {
	case j.refusal.full:
		a.noticed(trace.SessionsFull, r.delivered)
	case j.refusal.code == audit.CodeBusy:
		a.noticed(trace.Busy, r.delivered)
	}
}

// silent reports whether a refusal is met with silence: where a rule says so, and where an answer
// would tell somebody else than the application.
func (r *run) silent(j judged) bool {
	switch j.refusal.code {
	case policy.CodeNonce:
		return r.msg.Kind == protocol.Auth || !tells(j.replay)
	case codeExpired:
		return true
	case audit.CodePaused:
		return false
	case policy.CodeUnsupported:
		return j.decision.Silent && r.msg.Kind == protocol.Auth
	}
	return j.decision.Silent
}

// tells reports whether a request may be told that it was not carried out and never will be: it was
// never judged before, and the commit uses it up.
func tells(replay ledger.Replay) bool {
	switch replay {
	case ledger.Fresh, ledger.NonceLow, ledger.NonceAhead, ledger.NonceBehind, ledger.NonceRange, ledger.NonceRequired:
		return true
	}
	return false
}

// withCode returns the reason with the code before it. Reasons of the policy begin with it already.
func withCode(code policy.Code, reason string) string {
	if strings.HasPrefix(reason, string(code)+":") {
		return reason
	}
	return string(code) + ": " + reason
}

// guardReason returns why nothing of a stopped account is signed.
func guardReason(account hive.AccountName) string {
	return fmt.Sprintf("account %s was changed on the chain, and not by this wallet; `pksa guard list` shows how, and "+
		"`pksa guard accept %[1]s` goes on", account)
}

// accounts returns the account whose key is asked for, and those in whose name the operations act.
func (p *proposal) accounts() []hive.AccountName {
	names := []hive.AccountName{p.run.msg.Account}
	for _, op := range p.request.Ops {
		by := op.Required()
		names = slices.Concat(names, by.Owner, by.Active, by.Posting)
	}
	return names
}

func replayReason(replay ledger.Replay) string {
	switch replay {
	case ledger.NonceLow:
		return "the nonce is not above the last one: a replay, or two requests that overtook each other"
	case ledger.NonceAhead:
		return "the nonce is too far ahead of our clock"
	case ledger.NonceBehind:
		return "the nonce is too far behind our clock: the request was held back"
	case ledger.NonceRange:
		return "the nonce is out of range"
	case ledger.NonceRequired:
		return "the request has no nonce, and one is required"
	case ledger.DigestSeen:
		return "the same sealed request was here before"
	case ledger.NonceForgotten:
		return "the nonce is not above the last one, and whether this request was here before is not known any more"
	case ledger.SecretSpent:
		return "the secret of the app has had a million logins, and the wallet remembers no more: give the app " +
			"another secret"
	case ledger.SessionEnded:
		return "the session ended before the request was judged"
	}
	return "refused by the nonce rules"
}

// notAdmitted ends a request whose commit did not succeed. Nothing was signed and nothing is
// charged, but no nonce is taken either: brought again, the request would be carried out. So its
// application must not hear that nothing was done, and there is silence.
func (a *Agent) notAdmitted(ctx context.Context, r *run, err error) {
	if ctx.Err() != nil {
		// The stop's deadline came before its turn: the relay delivers it to the next start.
		a.ledger.Drop(r.key)
		a.drop(r.delivered, dropStopping)
		return
	}
	if errors.Is(err, ledger.ErrPanic) {
		a.alarm(alarmJudging, append(r.attrs(), "err", err)...)
	} else {
		a.log.Error("request not admitted", append(r.attrs(), "err", err)...)
	}
	a.metrics.Request(r.msg.Kind.String(), "failed", string(audit.CodeUnavailable), time.Since(r.arrived))
	r.refused = withCode(audit.CodeUnavailable, err.Error())
	a.ledger.Drop(r.key)
	a.dropped.add(r.relay, dropUnrecorded, 1) // not one by one: what waits for a full disk waits in memory
}

// ending is how an admitted request ended.
type ending struct {
	outcome string
	reason  string
	node    string
	block   uint32 // in which the transaction was found; 0: in none that is known
	told    string // why it failed, as the application hears it
	id      hive.TxID
	answer  protocol.Answer
	failed  bool
	charged time.Time // of what an earlier process admitted: until when the charges for its transaction count
}

// finish records the outcome of an admitted request and answers it.
func (a *Agent) finish(ctx context.Context, g granted, e ending) {
	r := g.run
	result := "answered"
	if e.failed {
		result = "failed"
	}
	if g.answered {
		e.answer = nil
	} else {
		a.metrics.Request(r.msg.Kind.String(), result, e.outcome, time.Since(r.arrived))
	}
	attrs := append(append(r.attrs(), "number", g.number, "outcome", e.outcome), g.shown...)
	if e.reason != "" {
		attrs = append(attrs, "reason", e.reason)
	}
	a.log.Info("request "+result, attrs...)
	s := ledger.Settlement{Outcome: e.outcome, Record: outcomeRecord(result, e)}
	if e.failed {
		s.ChargedUntil = g.charged
	}
	a.settle(ctx, g, s, e.answer)
}
