package agent

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
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
		case u.TxID != [20]byte{} && len(u.TxBytes) == 0:
			// An application made it, and may bring it again: it gets the same signature, and pays
			// nothing more.
			a.settleLate(u, "failed", ending{outcome: "cut off"}, lateDoubt(protocol.TextInternal))
		case u.TxID != [20]byte{}:
			// It may be on the chain, on its way, or never sent: only the chain knows. Its id stays
			// taken, so that no new request gets the answer to it.
			a.recent.remember(hive.TxID(u.TxID), "", u.TxExpires, time.Now())
			a.uncertain.add("", 1, len(u.TxBytes))
			background.Go(func() {
				defer a.uncertain.add("", -1, -len(u.TxBytes))
				a.lookUp(ctx, u, charged[hive.TxID(u.TxID)].Until)
			})
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
func (a *Agent) rememberIDs(number uint64) {
	now := time.Now()
	ok := idsBefore(a.ledger, number, a.ledger.Now().Add(-maxSkew), func(r *ledger.Record) {
		id, maker := hive.TxID(r.TxID), makerBy(r)
		if maker != "" {
			a.recent.remember(id, maker, r.Time, now)
			return
		}
		a.recent.remember(id, "", r.Time.Add(maxSkew), now)
	})
	if !ok {
		a.recent.wait(now.Add(maxSkew))
		a.log.Warn("a record of the last minutes is lost or cannot be read: no transaction is made before others "+
			"of that time have expired", "until", now.Add(maxSkew))
	}
}

// makerBy returns the app that made the transaction of a record, empty if the wallet did. After a
// person's yes the record does not say it, and the transaction counts as the wallet's.
func makerBy(r *ledger.Record) string {
	// A start reads a million of them. The content is JSON of this program, in which nothing that
	// is quoted reads so.
	if bytes.Contains(r.Content, []byte(`"transaction_by":"application"`)) {
		return r.App
	}
	return ""
}

// trail is the part of the ledger in which ids are looked for.
type trail interface {
	Skim(from uint64) iter.Seq2[*ledger.Record, error]
	Holes() []ledger.Hole
}

// fewRecords is how many records are read in vain rather than look for the first of a time exactly.
const fewRecords = 256

// idsBefore calls each with the records that have an id from an instant on, up to the record with a
// number. It returns false if one of these is lost or cannot be read.
//
// The trail is read forward, and at once: thousands of requests a second make millions of records
// in that time. So it first looks for the record to begin with, which is mostly one of the last.
// Steps back begin with one record and double: one into an old segment may read a large file.
func idsBefore(t trail, number uint64, since time.Time, each func(*ledger.Record)) bool {
	// From new on all records that are looked at are of that time; the one with the number old is
	// not, or it cannot be read. Zero is before all.
	old, new, read := uint64(0), number, true
	for step := uint64(1); new > 1; step *= 2 {
		n := max(new, step+1) - step
		at, known := timeOf(t, n)
		if !known || at.Before(since) {
			old, read = n, known
			break
		}
		new = n
	}
	for _, inVain := range []uint64{fewRecords, 0} { // where one of those cannot be read: none
		for new-old > 1 && (!read || new-old > inVain) {
			n := old + (new-old)/2
			if at, known := timeOf(t, n); known && !at.Before(since) {
				new = n
			} else {
				old, read = n, known
			}
		}
		if !read { // it may be of that time, if what follows it is
			return false
		}
		if idsBetween(t, old+1, number, each) {
			return true
		}
	}
	return false
}

// idsBetween calls each with the records that have an id from one number on and before another. It
// returns false if one of them is lost or cannot be read.
func idsBetween(t trail, from, to uint64, each func(*ledger.Record)) bool {
	for _, h := range t.Holes() {
		if h.From < to && h.To >= from {
			return false
		}
	}
	last := from - 1
	for r, err := range t.Skim(from) {
		if err != nil && last < to-1 {
			return false
		}
		if err != nil || r.Number >= to {
			break
		}
		if last = r.Number; r.TxID != [20]byte{} {
			each(r)
		}
	}
	return true
}

// timeOf returns the time of a record, of the next one if it is lost.
func timeOf(t trail, number uint64) (time.Time, bool) {
	for r, err := range t.Skim(number) {
		if err != nil {
			return time.Time{}, false
		}
		return r.Time, true
	}
	return time.Time{}, false
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
