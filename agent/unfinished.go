package agent

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"pksa/agent/audit"
	"pksa/agent/ledger"
	"pksa/agent/node"
	"pksa/agent/policy"
	"pksa/agent/refund"
	"pksa/protocol"
	"pksa/protocol/hive"
	"pksa/protocol/secret"
)

// takeUpUnfinished goes on with what an earlier process left: nothing of it is signed or sent
// again. Transactions are looked up by id until they are found or provably expired; what had none
// is answered with an error.
func (a *Agent) takeUpUnfinished(ctx context.Context, background *sync.WaitGroup) error {
	left, err := a.ledger.Unfinished()
	if err != nil {
		return fmt.Errorf("reading unfinished requests: %w", err)
	}
	charged := a.chargedUntil(ctx, left)
	for _, u := range left {
		// A delivery of the same request must know that nobody here will answer it, see join.
		a.earlier.Store(u.Key, true)
		switch {
		case u.Verdict == ledger.Pending:
			// Whoever was asked then cannot know that the question is still open.
			a.settleLate(u, "refused", ending{outcome: "nobody was asked any more"}, lateNack(protocol.TextRefused))
		case u.Verdict == ledger.Denied:
			a.settleDenied(u)
		case u.TxID != [20]byte{}:
			// It may be on the chain, on its way, or never sent: only the chain knows. Its id stays
			// taken, so that no new request gets the answer to it.
			a.recent.remember(hive.TxID(u.TxID), u.TxExpires, time.Now())
			background.Go(func() { a.lookUp(ctx, u, charged[hive.TxID(u.TxID)].Until) })
		default:
			// A signature was lost, or was answered and not recorded. Making it once more could be
			// a second answer to one request.
			a.settleLate(u, "failed", ending{outcome: "cut off"}, lateDoubt(protocol.TextInternal))
		}
	}
	if len(left) > 0 {
		a.log.Info("taking up what the last run left unfinished", "requests", len(left))
	}
	return nil
}

// settleDenied answers a request that was refused just before the process ended. Its record says
// how, so that a request that is met with silence stays so, and another wallet may still answer it.
func (a *Agent) settleDenied(u ledger.Unfinished) {
	var ruled struct {
		Result string      `json:"result"`
		Code   policy.Code `json:"code"`
	}
	for r, err := range a.ledger.Audit(u.Number) {
		if err == nil && r.Number == u.Number {
			err = json.Unmarshal(r.Content, &ruled)
		}
		if err != nil {
			a.log.Error("record of a refusal not read; the request is met with silence", "number", u.Number, "err", err)
			ruled.Result = "ignored"
		}
		break
	}
	answer := lateNack(protocol.TextRefused)
	switch {
	case ruled.Result == "ignored":
		answer = nil
	case ruled.Result == "failed":
		answer = lateNack(protocol.TextInternal)
	case ruled.Code == policy.CodeNonce:
		answer = lateNack(protocol.TextNonce)
	case ruled.Code == policy.CodeUnsupported:
		answer = lateNack(protocol.TextNotSupported)
	case ruled.Code == policy.CodeClock, ruled.Code == audit.CodeBusy, ruled.Code == audit.CodePaused:
		answer = lateNack(protocol.TextBusy)
	}
	result := cmp.Or(ruled.Result, "refused")
	a.settleLate(u, result, ending{outcome: result}, answer)
}

// rememberIDs claims the ids of the transactions that earlier processes admitted not long before
// the record with this number. Equal operations in the same second would get the same id again: the
// chain would take the second for the first, and one transaction would answer two requests.
//
// Where a record of that time is lost or cannot be read, its id is not known. Then no transaction
// is made until every one of that time has expired.
func (a *Agent) rememberIDs(number uint64) { a.rememberBefore(number, a.recordsBetween) }

// rememberBefore does what rememberIDs does. read reads the records from one number on and before
// another.
func (a *Agent) rememberBefore(number uint64, read func(from, to uint64) ([]madeAt, bool)) {
	now := time.Now()
	since := a.ledger.Now().Add(-maxSkew)
	next := since.Add(maxSkew) // the time of the record at to
	// The trail can only be read forward, so it is read in steps, the newest first. They begin with
	// one record, which is mostly all of that time: a step into an old segment may read a large
	// file whole. Steps are made smaller again where a record cannot be read.
	for to, step := number, uint64(1); to > 1 && !next.Before(since); {
		from := max(to, step+1) - step
		records, ok := read(from, to)
		if !ok && step > 1 {
			step = 1
			continue
		}
		if !ok {
			a.recent.wait(now.Add(maxSkew))
			a.log.Warn("a record of the last minutes is lost or cannot be read: no transaction is made before others "+
				"of that time have expired", "record", from, "until", now.Add(maxSkew))
			return
		}
		for _, r := range records {
			if r.id != (hive.TxID{}) {
				a.recent.remember(r.id, r.at.Add(maxSkew), now)
			}
		}
		if len(records) > 0 {
			next = records[0].at
		}
		to, step = from, min(2*step, mostStep)
	}
}

// mostStep is how many records are read at once while ids are looked for.
const mostStep = 1000

// madeAt is what is remembered of a record: its transaction, if it has one. Contents can be large,
// and a thousand of them must not be held at a start.
type madeAt struct {
	number uint64
	id     hive.TxID
	at     time.Time
}

// recordsBetween reads the records from one number on and before another. It returns false if one
// of them is lost or cannot be read.
func (a *Agent) recordsBetween(from, to uint64) (list []madeAt, ok bool) {
	for _, h := range a.ledger.Holes() {
		if h.From < to && h.To >= from {
			return nil, false
		}
	}
	for r, err := range a.ledger.Audit(from) {
		switch {
		case err != nil:
			return nil, len(list) > 0 && list[len(list)-1].number == to-1 // the fault comes after them
		case r.Number >= to:
			return list, true
		}
		list = append(list, madeAt{r.Number, hive.TxID(r.TxID), r.Time})
	}
	return list, true
}

// inherited reports whether a request in work was left by an earlier process.
func (a *Agent) inherited(key ledger.RequestKey) bool {
	_, ok := a.earlier.Load(key)
	return ok
}

// chargedUntil returns until when the charges of unfinished transactions count, for all at once: it
// reads every charge.
func (a *Agent) chargedUntil(ctx context.Context, left []ledger.Unfinished) map[hive.TxID]refund.Charged {
	var fates []ledger.Fate
	for _, u := range left {
		if u.TxID != [20]byte{} {
			fates = append(fates, ledger.Fate{TxID: u.TxID, Number: u.Number})
		}
	}
	if len(fates) == 0 {
		return nil
	}
	charged, err := a.charged(ctx, fates)
	if err != nil {
		a.log.Warn("charges of unfinished transactions are not shown apart if these failed", "err", err)
	}
	return charged
}

// lookUp finds out what became of a transaction that may have been sent. Its charges count until
// charged; zero if it has none.
func (a *Agent) lookUp(ctx context.Context, u ledger.Unfinished, charged time.Time) {
	id := hive.TxID(u.TxID)
	o := a.node.Resolve(ctx, id, hive.TimeOf(u.TxExpires))
	// On disk: what the earlier process left. The next start looks the transaction up once more.
	crashpoint("resolved")
	e := ending{outcome: o.State.String(), reason: o.Reason, node: o.Node, block: o.Block, id: id}
	a.log.Info("unfinished transaction looked up", "number", u.Number, "tx", id.String(), "outcome", o.State.String())
	switch o.State {
	case node.Accepted:
		a.settleLate(u, "answered", e, func(r *run) protocol.Answer {
			return protocol.BroadcastAck(r.msg.UUID, id.String())
		})
	case node.Refused, node.Expired:
		e.charged, e.told = charged, failureText(o, id)
		// Not a nack: the earlier process may have given its signature away.
		a.settleLate(u, "failed", e, lateDoubt(failureText(o, id)))
	default: // stopping again: the next start goes on
	}
}

// lateAnswer makes the answer to a request that an earlier process left. The run has what the
// ledger kept of it. A nil one means that nothing is said.
type lateAnswer func(*run) protocol.Answer

func lateNack(reason string) lateAnswer {
	return func(r *run) protocol.Answer { return r.nack(reason) }
}

func lateDoubt(text string) lateAnswer {
	return func(r *run) protocol.Answer { return r.doubt(text) }
}

// settleLate records the outcome of an inherited request. Nothing is sent: the answer waits in the
// ledger until the relay delivers the request again.
func (a *Agent) settleLate(u ledger.Unfinished, result string, e ending, answer lateAnswer) {
	s := ledger.Settlement{Outcome: e.outcome, Record: outcomeRecord(result, e), ChargedUntil: e.charged}
	if r, ok := a.lateRun(u); ok && answer != nil {
		frame, err := encode(answer(r))
		if err != nil {
			a.alarm(alarmLate, "number", u.Number, "err", err)
		}
		s.Answer = frame
	}
	if err := a.ledger.Settle(u.Number, s); err != nil {
		a.log.Error("outcome not recorded", "number", u.Number, "err", err)
	}
}

// lateRun returns what the ledger kept of an inherited request, for its answer. The session's key
// seals that; if the session has ended meanwhile, there is none. The key of an auth_req that made
// no session is lost, and its answer is an auth_err, in which nothing is sealed.
func (a *Agent) lateRun(u ledger.Unfinished) (*run, bool) {
	uuid, err := protocol.ParseUUID(u.Key.UUID)
	if err != nil {
		return nil, false
	}
	r := &run{delivered: delivered{msg: protocol.Request{UUID: uuid}, digest: u.Digest},
		documented: a.ledger.Documented(u.App)}
	switch u.Kind {
	case protocol.Auth.String():
		r.msg.Kind = protocol.Auth
	case protocol.Sign.String():
		r.msg.Kind = protocol.Sign
	default:
		r.msg.Kind = protocol.Challenge
	}
	session, ok := a.ledger.Session(u.Session)
	if !ok {
		r.documented = true
		return r, r.msg.Kind == protocol.Auth
	}
	r.authKey = secret.Hide(string(session.AuthKey))
	return r, true
}

// crashpoint names an instant at which a power cut is tried. In every build but that of the crash
// tests it does nothing.
func crashpoint(name string) { ledger.Crashpoint(name) }
