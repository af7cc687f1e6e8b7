package agent

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"pksa/agent/config"
	"pksa/agent/cosign"
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
	// countSize is what the signatures of a transaction add to its bytes besides themselves, where
	// the chain measures them: their count.
	countSize = 1
	// headWait is how long a request waits for a first reference block.
	headWait = 5 * time.Second
	// headLate is when those behind it in its account begin.
	headLate = 50 * time.Millisecond
	// headAgain is for how long after that nobody waits again; the head is fetched in the
	// background.
	headAgain = 15 * time.Second
	// signersWait is how long a request waits for nodes to say who has to sign.
	signersWait = 5 * time.Second
	// signersAgain is for how long after that in vain they are not asked again for the same app:
	// its requests wait behind that one for their turn. Others ask, since an app may choose
	// accounts for which nodes take long.
	signersAgain = 15 * time.Second
	// maxShift bounds, in seconds, how far an expiration is moved to make the id unique.
	maxShift = 60
)

// transaction is what would be signed: bytes, and what was decoded back from them.
type transaction struct {
	tx     hive.Transaction
	bytes  []byte
	id     hive.TxID
	digest hive.Digest
}

// serveSign takes a sign_req from its decoded payload on.
func (a *Agent) serveSign(ctx context.Context, r *run, data protocol.SignReqData) {
	p := proposal{
		run: r, others: data.Signatures,
		request: &policy.Request{
			Kind: policy.Sign, Account: r.msg.Account, App: r.app, Role: data.KeyType, Broadcast: data.Broadcast,
		},
		nonce: data.Nonce, refusal: a.tooFast(r),
	}
	if p.refusal != nil {
		a.admit(ctx, &p) // its operations are not even read
		return
	}
	if len(data.Ops) > a.settings().Operations {
		// Counted and not read: reading is what so many would cost. Nothing says that the policy
		// refuses it, and no other answer than "not supported" lets an application send less.
		p.refusal = &refusal{code: policy.CodeUnsupported, reason: fmt.Sprintf("%d operations in one request, and "+
			"limits.operations is %d", len(data.Ops), a.settings().Operations)}
		a.admit(ctx, &p)
		return
	}
	p.request.Exact = data.Tx != nil
	ops, err := a.operations(data.Ops)
	switch {
	case errors.Is(err, hive.ErrUnknownOperation):
		p.refusal = &refusal{code: policy.CodeUnsupported, reason: err.Error()}
	case err != nil:
		a.rejectMistake(ctx, r, err)
		return
	}
	// All that counts from here on is in ops, and they may wait for long.
	p.request.Ops, data.Ops, r.clear = ops, nil, nil
	if p.refusal == nil {
		a.propose(ctx, &p, ops, data.Tx)
	}
	granted, ok := a.admit(ctx, &p)
	if !ok {
		return
	}
	a.carryOut(ctx, granted, &p)
}

// operations reads what the application sent. An error names operation and field.
func (a *Agent) operations(raws [][]byte) ([]hive.Operation, error) {
	ops := make([]hive.Operation, len(raws))
	for i, raw := range raws {
		op, err := a.network.ParseOperation(raw)
		if err != nil {
			return nil, fmt.Errorf("operation %d: %w", i+1, hive.WithoutValue(err))
		}
		if err := op.Validate(); err != nil {
			return nil, fmt.Errorf("operation %d: %w", i+1, hive.WithoutValue(err))
		}
		ops[i] = op
	}
	return ops, nil
}

// checkExact returns why a transaction that an application made is not signed, whatever the policy
// says of it; empty if there is nothing.
func (a *Agent) checkExact(tx hive.Transaction, head node.Head) string {
	now, ends := head.ChainTime(time.Now()), tx.Expiration.Time()
	switch most := a.settings().TransactionLife; {
	case !ends.After(now):
		return fmt.Sprintf("the transaction expired at %s, and the chain's time is %s", tx.Expiration, hive.TimeOf(now))
	case ends.Sub(now) > most:
		return fmt.Sprintf("the transaction expires at %s, which is more than %s ahead of the chain's time "+
			"(limits.transaction_life)", tx.Expiration, most)
	case head.Number > 0 && tx.RefBlockNum == head.RefBlockNum && tx.RefBlockPrefix != head.RefBlockPrefix:
		return "the transaction refers to a block that the chain does not have"
	}
	return ""
}

// propose builds the transaction and makes the first half of the decision, on which the life of the
// transaction depends. Without a reference block the operations are still judged, so that a refusal
// stays a refusal while no node answers; what would be allowed fails then, unless an application
// made the transaction and only wants it signed: that needs nothing of a node.
//
// What exact says of the transaction is kept; if it is nil, the wallet makes that.
func (a *Agent) propose(ctx context.Context, p *proposal, ops []hive.Operation, exact *protocol.TxHead) {
	if code, reason := p.request.NeverSigned(); code != "" {
		p.refusal = &refusal{code: code, reason: reason}
		return
	}
	var head node.Head
	var err error
	a.meanwhile(ctx, p.run, func() { head, err = a.head(ctx) }) // mostly it is known
	if err != nil {
		head = node.Head{Time: hive.TimeOf(time.Now()), At: time.Now()} // for the form, and by this machine's clock
		if exact == nil || p.request.Broadcast {
			p.obstacle = &obstacle{text: protocol.TextBroadcastNoNode, outcome: "no node", reason: err.Error()}
		}
	} else if reason := skewProblem(head, time.Now()); reason != "" {
		p.refusal = &refusal{code: policy.CodeClock, reason: reason}
		return
	}
	tx := hive.Transaction{RefBlockNum: head.RefBlockNum, RefBlockPrefix: head.RefBlockPrefix, Operations: ops,
		Expiration: hive.TimeOf(head.ChainTime(time.Now()).Add(lifetime))}
	if exact != nil {
		tx.RefBlockNum, tx.RefBlockPrefix, tx.Expiration = exact.RefBlockNum, exact.RefBlockPrefix, exact.Expiration
		if reason := a.checkExact(tx, head); reason != "" && p.obstacle == nil {
			p.refusal = &refusal{code: policy.CodeUnsupported, reason: reason}
			return
		}
	}
	if tx.Operations, err = a.readBack(tx, head.MaxTransactionSize, len(p.others)); err == nil {
		p.request.Ops = tx.Operations
		a.foresee(p)
		if exact == nil {
			tx.Expiration = hive.TimeOf(head.ChainTime(time.Now()).Add(a.lifetimeOf(p)))
		}
		p.tx, err = a.build(tx, exact != nil)
	}
	switch maker := p.maker(); {
	case err != nil:
	case maker != "" && a.recent.full(maker, time.Now()):
		err = errExactIDs
	case p.request.Broadcast && a.uncertain.full(maker):
		err = errUncertain
	}
	var differs *differsError
	switch {
	case errors.Is(err, errSameAgain), errors.Is(err, errIDsUnknown), errors.Is(err, errManyIDs),
		errors.Is(err, errUncertain), errors.Is(err, errExactIDs):
		p.obstacle = &obstacle{text: protocol.TextBusy, outcome: "busy", reason: err.Error()}
	case err != nil:
		if errors.As(err, &differs) {
			a.alarm(alarmDiffers, "err", err)
		}
		p.refusal = &refusal{code: policy.CodeUnsupported, reason: err.Error()}
	case exact != nil && p.obstacle == nil:
		a.meanwhile(ctx, p.run, func() { a.lookAtSigners(ctx, p) })
	}
}

// meanwhile waits for nodes. Those behind the request in its account begin if that takes long.
func (a *Agent) meanwhile(ctx context.Context, r *run, wait func()) {
	a.endLarge(r)
	late := time.AfterFunc(headLate, r.letNext)
	wait()
	late.Stop()
	a.beginLarge(ctx, r)
}

// lookAtSigners finds out who has to sign a transaction that an application made, where it is to be
// broadcast or the application asks what is missing. What cannot be broadcast is known before
// anything is charged or signed. Nodes that are silent keep nothing from being signed. Of what the
// rules surely deny nobody is asked.
func (a *Agent) lookAtSigners(ctx context.Context, p *proposal) {
	if p.prospect.Outlook() == policy.SurelyDenied {
		return
	}
	others, err := cosign.Recover(p.tx.digest, p.others)
	if err != nil {
		p.refusal = &refusal{code: policy.CodeUnsupported, reason: err.Error()}
		return
	}
	if p.others == nil && !p.request.Broadcast {
		return
	}
	var ours []hive.PublicKey
	for _, role := range policy.SigningRoles(p.tx.tx.Operations) {
		if public, held := a.keys.Public(p.run.msg.Account, role); held && !slices.Contains(ours, public) {
			ours = append(ours, public) // without one of them it is refused, see decide
		}
	}
	p.signers, err = a.whoSigns(ctx, p.run.app, p.tx.tx, ours, others)
	switch {
	case !p.request.Broadcast && err != nil:
		a.log.Warn("signers not looked up: the application is not told what is missing", append(p.run.attrs(), "err",
			err)...)
	case !p.request.Broadcast:
	case err != nil:
		p.obstacle = &obstacle{text: protocol.TextBroadcastNoNode, outcome: "no node", reason: err.Error()}
	default:
		if against := p.signers.Against(ours); against != "" {
			p.obstacle = &obstacle{text: protocol.TextBroadcastAuthority, outcome: "refused", reason: against}
		}
	}
}

// whoSigns asks nodes, for an app, who has to sign a transaction.
func (a *Agent) whoSigns(ctx context.Context, app string, tx hive.Transaction, ours []hive.PublicKey,
	others []cosign.Signature) (*cosign.Signers, error) {
	if a.noSigners.last(app, signersAgain) {
		return nil, errNoSigners
	}
	asking, cancel := context.WithTimeout(ctx, signersWait)
	defer cancel()
	signers, err := cosign.LookUp(asking, a.node.Authorities, tx, a.network, ours, others)
	if err != nil && ctx.Err() == nil {
		a.noSigners.note(app, signersAgain)
	}
	return signers, err
}

// errNoSigners spares requests a wait in vain.
var errNoSigners = errors.New("no Hive API node told a moment ago which signatures accounts ask for")

// silences is when nodes were asked in vain, by app. The zero value is ready, and its methods may
// be called concurrently.
type silences struct {
	mu sync.Mutex
	at map[string]time.Time
}

// last reports whether they were, for an app, less than so long ago.
func (s *silences) last(app string, within time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.at[app]
	return ok && time.Since(at) < within
}

// note notes that they were now, and forgets what was longer ago.
func (s *silences) note(app string, within time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at == nil {
		s.at = map[string]time.Time{}
	}
	maps.DeleteFunc(s.at, func(_ string, at time.Time) bool { return time.Since(at) >= within })
	s.at[app] = time.Now()
}

// maker returns the app that made the transaction, empty if the wallet does.
func (p *proposal) maker() string {
	if p.request.Exact {
		return p.run.app
	}
	return ""
}

// lifetimeOf returns how long after the chain's head time the transaction shall expire. If a person
// has to be asked, it must outlive the request. The first half of the decision excludes most
// requests; of the others the counters of this moment say which. If they say otherwise when the
// commit looks at them, the person has as long as the transaction lives.
func (a *Agent) lifetimeOf(p *proposal) time.Duration {
	if a.settings().Ask == config.AskNobody || p.prospect.Outlook() != policy.PerhapsAsked {
		return lifetime
	}
	asked := false
	a.budget.peek(func(c policy.Counters) {
		asked = p.prospect.Conclude(a.policy.Load().policy, a.asks.beside(c), a.ledger.Now()).Verdict == policy.Ask
	})
	if !asked {
		return lifetime
	}
	return time.Until(p.run.expires()) + lifetime
}

// errSameAgain stops an application that sends the same operations faster than one a second for
// long.
var errSameAgain = errors.New("too many transactions with the same operations are on their way")

// errUncertain stops more transactions while nodes do not say what became of those before.
var errUncertain = errors.New("the outcome of too many transactions is not known yet; `pksa status` shows the nodes")

// errExactIDs stops an application that makes transactions faster than any person could want.
var errExactIDs = errors.New("the app made too many transactions in the last minutes")

// errManyIDs stops more transactions while those of the last minutes could be on their way.
var errManyIDs = errors.New("too many transactions were made in the last minutes: until some of them have expired, " +
	"no more are made")

// errIDsUnknown says that transactions may be on their way whose ids are lost.
var errIDsUnknown = errors.New("audit records of the last minutes are lost: until the transactions of that time have " +
	"expired, none is made")

// head returns the head to build on. A request waits for one only while it is not known that none
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

// differsError is a transaction that decodes to other operations than it was made of.
type differsError struct{ operation int }

func (e *differsError) Error() string {
	return fmt.Sprintf("operation %d decodes to something else than was sent", e.operation+1)
}

// readBack returns the operations of a transaction as the chain will read them: decoded from its
// bytes, not as the application wrote them. The policy sees no others. Size zero is no bound.
// others is how many signatures of others are with it.
func (a *Agent) readBack(tx hive.Transaction, maxSize, others int) ([]hive.Operation, error) {
	bytes, err := a.network.Serialize(tx)
	if err != nil {
		return nil, err
	}
	signatures := (len(policy.SigningRoles(tx.Operations)) + others) * len(hive.Signature{})
	if size := len(bytes) + countSize + signatures; maxSize > 0 && size > maxSize {
		return nil, fmt.Errorf("the transaction has %d bytes, the chain takes %d", size, maxSize)
	}
	back, err := a.decodeSame(bytes, tx.Operations)
	return back.Operations, err
}

// decodeSame decodes the bytes of a transaction that must have these operations.
func (a *Agent) decodeSame(bytes []byte, ops []hive.Operation) (hive.Transaction, error) {
	back, err := a.network.DecodeTransaction(bytes)
	if err != nil {
		return back, &differsError{}
	}
	for i := range ops {
		if i >= len(back.Operations) || !ops[i].Equal(back.Operations[i]) {
			return back, &differsError{i}
		}
	}
	return back, nil
}

// build serialises a transaction with an id that no other of ours has, and decodes the final bytes
// once more: their operations are those that are judged, shown and recorded. One that an
// application made stays as it is, however often it comes; its id is taken once it is allowed.
func (a *Agent) build(tx hive.Transaction, exact bool) (*transaction, error) {
	var id hive.TxID
	switch now := time.Now(); {
	case a.recent.waits(now):
		return nil, errIDsUnknown
	case !exact && a.recent.full("", now):
		return nil, errManyIDs
	}
	bytes, err := a.network.Serialize(tx)
	if err != nil {
		return nil, err
	}
	latest := tx.Expiration + maxShift
	for id = hive.TransactionID(bytes); !exact && !a.recent.take(id, tx.Expiration.Time(), time.Now()); {
		// Equal operations in the same second have the same id, and the chain would take the second
		// transaction for the first. One second later is another id.
		if tx.Expiration++; tx.Expiration > latest {
			return nil, errSameAgain
		}
		// It stands behind the block; that it does is seen below.
		binary.LittleEndian.PutUint32(bytes[6:], uint32(tx.Expiration))
		id = hive.TransactionID(bytes)
	}
	back, err := a.decodeSame(bytes, tx.Operations)
	if err != nil {
		return nil, err
	}
	if len(back.Operations) != len(tx.Operations) || back.RefBlockNum != tx.RefBlockNum ||
		back.RefBlockPrefix != tx.RefBlockPrefix || back.Expiration != tx.Expiration {
		return nil, &differsError{}
	}
	return &transaction{back, bytes, id, a.network.SigningDigest(bytes)}, nil
}

// recentIDs is the ids of transactions that could still be on their way. The agent has one table:
// the goroutines of requests take ids from it, and Run fills it with those of earlier processes.
// The zero value is ready.
type recentIDs struct {
	mu    sync.Mutex
	ids   map[hive.TxID]recentID
	exact map[string]int // how many of them each app made
	sweep int            // at how many ids the old ones are dropped next
	swept time.Time      // when they were dropped last
	until time.Time      // until then there may be ids that are not known
}

type recentID struct {
	expires time.Time
	maker   string // the app that made the transaction; empty: the wallet
}

// wait lets no transaction be made before an instant.
func (r *recentIDs) wait(until time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.until = until
}

func (r *recentIDs) waits(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return now.Before(r.until)
}

// mostRecent is how many ids are kept. With more, no transaction is made until some have expired.
const mostRecent = 100_000

// remember claims the id of a transaction of an earlier process. If there is no room for it,
// nothing is made as long as it could be on its way. If an app made it, maker is that app, and
// expires the time at which it was taken.
func (r *recentIDs) remember(id hive.TxID, maker string, expires, now time.Time) {
	if maker == "" && r.take(id, expires, now) {
		return
	}
	if maker != "" {
		r.takeExact(id, maker, expires)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.ids[id]; !known && r.until.Before(expires.Add(maxSkew)) {
		r.until = expires.Add(maxSkew)
	}
}

// mostRecentExact is how many ids of transactions are kept that one app made.
const mostRecentExact = 10_000

// release frees the id of a transaction that the wallet made and will not sign: else whoever is
// denied fills the table for those who are not.
func (r *recentIDs) release(id hive.TxID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if one, ok := r.ids[id]; ok && one.maker == "" {
		delete(r.ids, id)
	}
}

// full reports whether no room is left: for what an app makes or, if maker is empty, for what the
// wallet makes.
func (r *recentIDs) full(maker string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	isFull := func() bool { return len(r.ids) >= mostRecent || maker != "" && r.exact[maker] >= mostRecentExact }
	if isFull() {
		r.drop(now)
	}
	return isFull()
}

// takeExact claims the id of a transaction that an app made, so that none of ours gets the same one
// soon. Later none can: it would refer to a block that is not made yet. Where there is no room, or
// the id is taken, nothing changes.
func (r *recentIDs) takeExact(id hive.TxID, maker string, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, taken := r.ids[id]; taken || len(r.ids) >= mostRecent {
		return
	}
	if r.exact == nil {
		r.exact = map[string]int{}
	}
	r.put(id, recentID{now, maker})
	r.exact[maker]++
}

// take claims an id. It reports false if another request has it, one with equal operations in the
// same second, or if there is no room.
func (r *recentIDs) take(id hive.TxID, expires, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, taken := r.ids[id]; taken {
		return false
	}
	full := len(r.ids) >= mostRecent
	if full || len(r.ids) >= max(r.sweep, 1024) {
		r.drop(now)
	}
	if len(r.ids) >= mostRecent {
		return false
	}
	r.put(id, recentID{expires: expires})
	return true
}

// put keeps an id. The caller holds mu.
func (r *recentIDs) put(id hive.TxID, one recentID) {
	if r.ids == nil {
		r.ids = map[hive.TxID]recentID{}
	}
	r.ids[id] = one
}

// drop drops the ids of what cannot be on its way any more. The caller holds mu.
func (r *recentIDs) drop(now time.Time) {
	// Not for each transaction, also where a sweep finds little.
	if len(r.ids) >= max(r.sweep, 1024) && len(r.ids) < mostRecent || now.Sub(r.swept) >= time.Second {
		for old, one := range r.ids {
			if now.Sub(one.expires) <= maxSkew {
				continue
			}
			delete(r.ids, old)
			if one.maker == "" {
				continue
			}
			if r.exact[one.maker]--; r.exact[one.maker] == 0 {
				delete(r.exact, one.maker)
			}
		}
		r.sweep, r.swept = 2*len(r.ids), now
	}
}
