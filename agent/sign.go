package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"pksa/agent/ledger"
	"pksa/agent/node"
	"pksa/agent/policy"
	"pksa/protocol"
	"pksa/protocol/hive"
)

const (
	// lifetime is how long after the chain's head time a transaction expires. Short enough to know
	// soon that it died, long enough for several nodes to be tried (transactions §2.3).
	lifetime = 40 * time.Second
	// answerMargin is how long before the end of a request the application is told that the outcome
	// is not known.
	answerMargin = 5 * time.Second
	// signatureSize is what the one signature adds to the bytes of a transaction where the chain
	// measures it: a count, and the signature.
	signatureSize = 1 + len(hive.Signature{})
	// headWait is how long a request waits for a first reference block.
	headWait = 5 * time.Second
	// headAgain is for how long after that nobody waits again; the head is fetched in the
	// background.
	headAgain = 15 * time.Second
	// mostAlike is how many seconds later a transaction may expire to differ from others with the
	// same operations: each of them is serialised again to find the next free second.
	mostAlike = 60
)

// transaction is what would be signed, and what the policy judges: its operations are decoded back
// from bytes.
type transaction struct {
	tx     hive.Transaction
	bytes  []byte
	id     hive.TxID
	digest hive.Digest
}

// serveSign is the journey of a sign_req from its decoded payload on.
func (a *Agent) serveSign(ctx context.Context, r *run, data protocol.SignReqData) {
	p := proposal{
		request: &policy.Request{
			Kind: policy.Sign, Account: r.msg.Account, App: r.app, Role: data.KeyType, Broadcast: data.Broadcast,
		},
		nonce: data.Nonce,
	}
	ops, err := a.operations(data.Ops)
	switch {
	case errors.Is(err, hive.ErrUnknownOperation):
		p.refusal = &refusal{code: policy.CodeUnsupported, reason: err.Error()}
	case err != nil:
		a.damaged(ctx, r, err.Error())
		return
	}
	p.request.Ops = ops
	if p.refusal == nil {
		a.propose(ctx, r, &p, ops)
	}
	granted, ok := a.admit(ctx, r, &p)
	if !ok {
		return
	}
	a.carryOut(ctx, r, granted, p.tx, data.Broadcast)
}

// operations reads what the application sent. An error names operation and field.
func (a *Agent) operations(raws [][]byte) ([]hive.Operation, error) {
	ops := make([]hive.Operation, len(raws))
	for i, raw := range raws {
		op, err := a.network.ParseOperation(raw)
		if err != nil {
			return nil, fmt.Errorf("operation %d: %w", i+1, err)
		}
		if err := op.Validate(); err != nil {
			return nil, fmt.Errorf("operation %d: %w", i+1, err)
		}
		ops[i] = op
	}
	return ops, nil
}

// propose builds the transaction. Without a reference block the operations are still judged, so
// that a refusal stays a refusal while no node answers; what would be allowed fails then.
func (a *Agent) propose(ctx context.Context, r *run, p *proposal, ops []hive.Operation) {
	for i, op := range ops {
		if op.PlainMemo() {
			p.refusal = &refusal{code: policy.CodePlainMemo,
				reason: fmt.Sprintf("operation %d %s: the memo begins with # but is not encrypted; it would be "+
					"readable by everybody", i+1, op.Name())}
			return
		}
	}
	head, err := a.head(ctx)
	if err != nil {
		head = node.Head{Time: hive.TimeOf(time.Now()), At: time.Now()} // for the form only: it is never signed
		p.obstacle = &obstacle{text: protocol.TextBroadcastFailed, outcome: "no node", reason: err.Error()}
	} else if skew := time.Until(head.ChainTime(time.Now())); skew.Abs() > maxSkew {
		p.refusal = &refusal{code: policy.CodeClock, reason: fmt.Sprintf("our clock is %s away from the chain's",
			skew.Abs().Round(time.Second))}
		return
	}
	p.tx, err = a.build(ops, head, a.lifetimeOf(r, p))
	var differs *differsError
	switch {
	case errors.As(err, &differs):
		a.alarm("operations decode to something else", "err", err)
		p.refusal = &refusal{code: policy.CodeUnsupported, reason: err.Error()}
	case errors.Is(err, errSameAgain):
		p.obstacle = &obstacle{text: protocol.TextBusy, outcome: "busy", reason: err.Error()}
	case err != nil:
		p.refusal = &refusal{code: policy.CodeUnsupported, reason: err.Error()}
	default:
		p.request.Ops = p.tx.tx.Operations
	}
}

// errSameAgain stops an application that sends the same operations faster than one a second for
// long.
var errSameAgain = errors.New("too many transactions with the same operations are on their way")

// head gives the head to build on. A request waits for one only while it is not known that none
// comes: others wait behind it for their turn.
func (a *Agent) head(ctx context.Context) (node.Head, error) {
	wait := headWait
	if last := a.noHead.Load(); last != nil && time.Since(*last) < headAgain {
		wait = time.Millisecond
	}
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	head, err := a.node.Head(waiting)
	if now := time.Now(); err != nil {
		a.noHead.Store(&now)
	} else {
		a.noHead.Store(nil)
	}
	return head, err
}

// differsError says that a transaction decodes to other operations than it was made of.
type differsError struct{ operation int }

func (e *differsError) Error() string {
	return fmt.Sprintf("operation %d decodes to something else than was sent", e.operation+1)
}

// build serialises a transaction and decodes it back, so that what is judged, shown and recorded is
// what the signed bytes say, and gives it an id that no other of ours has.
func (a *Agent) build(ops []hive.Operation, head node.Head, life time.Duration) (*transaction, error) {
	tx := hive.Transaction{
		RefBlockNum: head.RefBlockNum, RefBlockPrefix: head.RefBlockPrefix,
		Expiration: hive.TimeOf(head.ChainTime(time.Now()).Add(life)), Operations: ops,
	}
	if err := hive.CheckSendable(tx); err != nil {
		return nil, err
	}
	var id hive.TxID
	var bytes []byte
	latest := tx.Expiration + mostAlike
	for {
		var err error
		if bytes, err = a.network.Serialize(tx); err != nil {
			return nil, err
		}
		id = hive.TransactionID(bytes)
		if a.recent.take(id, tx.Expiration.Time(), time.Now()) {
			break
		}
		if tx.Expiration++; tx.Expiration > latest {
			return nil, errSameAgain
		}
	}
	if size := len(bytes) + signatureSize; head.MaxTransactionSize > 0 && size > head.MaxTransactionSize {
		return nil, fmt.Errorf("the transaction has %d bytes, the chain takes %d", size, head.MaxTransactionSize)
	}
	back, err := a.network.DecodeTransaction(bytes)
	if err != nil {
		return nil, &differsError{}
	}
	for i := range ops {
		if i >= len(back.Operations) || !ops[i].Equal(back.Operations[i]) {
			return nil, &differsError{i}
		}
	}
	return &transaction{back, bytes, id, a.network.SigningDigest(bytes)}, nil
}

// carryOut signs and, if asked, broadcasts what was admitted. The record that permits it is on
// disk.
func (a *Agent) carryOut(ctx context.Context, r *run, g granted, tx *transaction, broadcast bool) {
	signed, err := a.sign(r.msg.Account, g.role, tx)
	if err != nil {
		a.finish(ctx, r, g, ending{outcome: "not signed", reason: err.Error(),
			message: r.failure(protocol.TextInternal), failed: true})
		return
	}
	crashpoint("signed")
	text, err := a.network.AppendJSON(nil, signed)
	switch {
	case err != nil:
		a.finish(ctx, r, g, ending{outcome: "not signed", reason: err.Error(),
			message: r.failure(protocol.TextInternal), failed: true})
	case !broadcast:
		no := false
		a.finish(ctx, r, g, ending{outcome: "signed", message: protocol.Ack{Kind: protocol.Sign, UUID: r.msg.UUID,
			Data: text, Broadcast: &no}})
	default:
		a.broadcast(ctx, r, g, node.Transaction{ID: tx.id, Expiration: tx.tx.Expiration, JSON: text})
	}
}

func (a *Agent) sign(account hive.AccountName, role hive.Role, tx *transaction) (hive.SignedTransaction, error) {
	signed := hive.SignedTransaction{Transaction: tx.tx}
	key, ok := a.keys().Key(account, role)
	if !ok {
		return signed, fmt.Errorf("no %s key of %s is held any more", role, account)
	}
	signature, err := key.Sign(tx.digest)
	if err != nil {
		return signed, err
	}
	signed.Signatures = []hive.Signature{signature}
	return signed, nil
}

// broadcast sends the transaction until its fate is known. If that is not known shortly before the
// request ends, the application hears so, with the transaction's id, and nothing after it; the
// search goes on until the outcome is certain or the program stops, however long the nodes are
// silent, and the ledger gets it whenever it comes.
func (a *Agent) broadcast(ctx context.Context, r *run, g granted, tx node.Transaction) {
	done := make(chan node.Outcome, 1)
	a.start(func(context.Context) {
		outcome := a.node.Broadcast(ctx, tx)
		crashpoint("broadcast")
		done <- outcome
	})
	timer := time.NewTimer(time.Until(r.expires().Add(-answerMargin)))
	defer timer.Stop()
	select {
	case outcome := <-done:
		a.broadcastDone(ctx, r, g, tx.ID, outcome, false)
	case <-timer.C:
		a.settle(ctx, r, g.number, ledger.Settlement{Outcome: "uncertain", Open: true, Record: outcomeRecord("failed",
			ending{outcome: "uncertain", id: tx.ID})}, r.uncertain(tx.ID))
		a.metrics.Request("sign", "failed", "uncertain", time.Since(r.arrived))
		a.start(func(ctx context.Context) { a.broadcastDone(ctx, r, g, tx.ID, <-done, true) })
	}
}

func (a *Agent) broadcastDone(ctx context.Context, r *run, g granted, id hive.TxID, o node.Outcome, late bool) {
	e := ending{outcome: o.State.String(), reason: o.Reason, node: o.Node, id: id, silent: late}
	switch o.State {
	case node.Accepted:
		e.message = protocol.BroadcastAck(r.msg.UUID, id.String())
	case node.Refused, node.Expired:
		e.message, e.failed = r.failure(protocol.TextBroadcastFailed), true
	default:
		// The deadline of a stop. Left unfinished: the next start looks the transaction up.
		a.log.Warn("outcome of a broadcast is not known", append(r.attrs(), "tx", id.String(), "reason", o.Reason)...)
		return
	}
	if o.Code == node.CodeMissingAuthority {
		a.checkKeysSoon() // the account's keys may have been changed
	}
	a.finish(ctx, r, g, e)
}

// recentIDs are those of transactions that could still be on their way. The zero value is ready.
type recentIDs struct {
	mu    sync.Mutex
	ids   map[hive.TxID]time.Time // by expiration
	sweep int                     // at how many ids the old ones are dropped next
}

// take claims an id, or says that another request has it: equal operations in the same second.
func (r *recentIDs) take(id hive.TxID, expires, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ids == nil {
		r.ids = map[hive.TxID]time.Time{}
	}
	if _, taken := r.ids[id]; taken {
		return false
	}
	if len(r.ids) >= max(r.sweep, 1024) {
		for old, at := range r.ids {
			if now.Sub(at) > maxSkew {
				delete(r.ids, old)
			}
		}
		r.sweep = 2 * len(r.ids) // so that a sweep that finds little is not made for each transaction
	}
	r.ids[id] = expires
	return true
}
