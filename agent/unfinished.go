package agent

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"pksa/agent/ledger"
	"pksa/agent/node"
	"pksa/agent/policy"
	"pksa/protocol"
	"pksa/protocol/hive"
	"pksa/protocol/secret"
)

// takeUpUnfinished goes on with what an earlier life of the process left: nothing of it is signed
// or sent again. Transactions are looked up by id until they are found or provably expired; what
// had none is answered with an error.
func (a *Agent) takeUpUnfinished(ctx context.Context, background *sync.WaitGroup) error {
	left, err := a.ledger.Unfinished()
	if err != nil {
		return fmt.Errorf("reading unfinished requests: %w", err)
	}
	for _, u := range left {
		a.earlier.Store(u.Key, true)
		if u.Verdict == ledger.Pending {
			a.settleLate(u, "refused", ending{outcome: "nobody was asked any more"}, protocol.TextRefused)
			continue
		}
		if u.Verdict == ledger.Denied {
			a.settleDenied(u)
			continue
		}
		if u.TxID != [20]byte{} {
			a.recent.take(hive.TxID(u.TxID), u.TxExpires, time.Now())
			background.Go(func() { a.lookUp(ctx, u) })
			continue
		}
		a.settleLate(u, "failed", ending{outcome: "cut off"}, protocol.TextInternal)
	}
	if len(left) > 0 {
		a.log.Info("taking up what the last run left unfinished", "requests", len(left))
	}
	return nil
}

// settleDenied ends a request that was refused just before the process ended: by what its record
// says, so that one that is met with silence stays so, and another wallet may still answer it.
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
	text := protocol.TextRefused
	switch {
	case ruled.Result == "ignored":
		text = silence
	case ruled.Result == "failed":
		text = protocol.TextInternal
	case ruled.Code == policy.CodeNonce:
		text = protocol.TextNonce
	case ruled.Code == policy.CodeUnsupported:
		text = protocol.TextNotSupported
	case ruled.Code == policy.CodeClock:
		text = protocol.TextBusy
	}
	result := cmp.Or(ruled.Result, "refused")
	a.settleLate(u, result, ending{outcome: result}, text)
}

// silence is the text of a late answer that is not given.
const silence = "-"

// rememberIDs claims the ids of the transactions that earlier lives of the process admitted not
// long before the record with this number. Equal operations in the same second would get the same
// id again: the chain would take the second for the first, and one transaction would answer two
// requests.
func (a *Agent) rememberIDs(number uint64) error {
	const step = 1000
	now := time.Now()
	since := a.ledger.Now().Add(-maxSkew)
	for to, older := number, false; to > 1 && !older; {
		from := max(to, step+1) - step
		for r, err := range a.ledger.Audit(from) {
			if err != nil {
				return err
			}
			if r.Number >= to {
				break
			}
			if older = older || r.Time.Before(since); r.TxID != [20]byte{} {
				a.recent.take(hive.TxID(r.TxID), r.Time.Add(maxSkew), now)
			}
		}
		to = from
	}
	return nil
}

// inherited says whether a request in work belongs to an earlier life of the process.
func (a *Agent) inherited(key ledger.RequestKey) bool {
	_, ok := a.earlier.Load(key)
	return ok
}

// lookUp finds out what became of a transaction that may or may not have been sent.
func (a *Agent) lookUp(ctx context.Context, u ledger.Unfinished) {
	id := hive.TxID(u.TxID)
	o := a.node.Resolve(ctx, id, hive.TimeOf(u.TxExpires))
	crashpoint("resolved")
	e := ending{outcome: o.State.String(), reason: o.Reason, node: o.Node, id: id}
	a.log.Info("unfinished transaction looked up", "number", u.Number, "tx", id.String(), "outcome", o.State.String())
	switch o.State {
	case node.Accepted:
		a.settleLate(u, "answered", e, "")
	case node.Refused, node.Expired:
		a.settleLate(u, "failed", e, protocol.TextBroadcastFailed)
	default: // stopping again: the next start goes on
	}
}

// settleLate records the outcome of an inherited request. Text is the error that the application
// gets if it asks again; empty means that the transaction is on the chain, silence that there is
// none.
func (a *Agent) settleLate(u ledger.Unfinished, result string, e ending, text string) {
	s := ledger.Settlement{Outcome: e.outcome, Record: outcomeRecord(result, e)}
	if m, ok := a.lateAnswer(u, text); ok {
		frame, err := encode(m)
		if err != nil {
			a.alarm("late answer does not encode", "number", u.Number, "err", err)
		}
		s.Answer = frame
	}
	if err := a.ledger.Settle(u.Number, s); err != nil {
		a.log.Error("outcome not recorded", "number", u.Number, "err", err)
	}
}

// lateAnswer makes the answer for an application that asks again after our restart. Its session's
// key seals it; if the session has ended meanwhile there is nothing to say.
func (a *Agent) lateAnswer(u ledger.Unfinished, text string) (protocol.Message, bool) {
	uuid, err := protocol.ParseUUID(u.Key.UUID)
	if err != nil || text == silence {
		return nil, false
	}
	r := &run{delivered: delivered{msg: protocol.Request{UUID: uuid}}}
	switch u.Kind {
	case protocol.Auth.String():
		r.msg.Kind = protocol.Auth
		return r.failure(protocol.TextAuthFailed), true
	case protocol.Sign.String():
		r.msg.Kind = protocol.Sign
	default:
		r.msg.Kind = protocol.Challenge
	}
	if text == "" {
		return protocol.BroadcastAck(uuid, hive.TxID(u.TxID).String()), true
	}
	session, ok := a.ledger.Session(u.Session)
	if !ok {
		return nil, false
	}
	r.authKey = secret.Hide(string(session.AuthKey))
	if text == protocol.TextRefused {
		return r.nack(), true
	}
	return r.failure(text), true
}
