package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/go-json-experiment/json/jsontext"

	"pksa/protocol/hive"
)

// sendMargin is how long before the expiration sending ends. What is sent later hardly makes it
// into a block, and puts off the moment at which the outcome is known (tx §5.6).
const sendMargin = 10 * time.Second

// blockTime is the time from one block to the next.
const blockTime = 3 * time.Second

// Transaction is a signed transaction, ready to be sent.
type Transaction struct {
	ID         hive.TxID
	Expiration hive.Time
	// JSON is the signed transaction as [hive.Network.AppendJSON] writes it. It is sent byte for
	// byte. The caller must not change it while Broadcast runs, or later: [Client.Run] may still
	// send it.
	JSON []byte
	// Lost is told of a transaction that was accepted and provably never reached the chain, by
	// [Client.Run], which looks after up to 4,096 of them. nil: nobody is told.
	Lost func(context.Context, Outcome)
}

// effort is one transaction whose fate is not decided yet. One goroutine uses it.
type effort struct {
	c    *Client
	tx   Transaction
	body []byte // the request; nil: nothing may be sent
	id   uint64
	// doubt is true once a node may have the transaction without having said so. It never becomes
	// false again: from then on only the chain itself can tell that the transaction is not there.
	doubt   bool
	noes    map[string]verdict // the last refusal of each host that refused
	last    verdict            // of the last node that was reached
	lastAt  string             // the host of that node
	takenBy string             // the host that has it by its own word; empty: none
	witness witnesses
}

// Broadcast puts the transaction on the chain. It sends the same bytes to one node after another
// until one has it; if an answer was lost, it looks the transaction up by id and sends it again (tx
// §5.6). It returns when the outcome is final, in the normal case after one round trip, or when ctx
// ends: the outcome is then in doubt, unless nothing was ever sent. It may be called concurrently.
func (c *Client) Broadcast(ctx context.Context, tx Transaction) Outcome {
	e := &effort{c: c, tx: tx, id: c.nextID.Add(1), noes: map[string]verdict{}}
	params := make([]byte, 0, len(tx.JSON)+2)
	params = append(append(append(params, '['), tx.JSON...), ']')
	e.body = appendRequest(make([]byte, 0, len(params)+128), broadcastMethod, params, e.id)
	o := e.pursue(ctx)
	if o.State == Accepted && o.Block == 0 {
		c.watchAccepted(e)
	}
	return o
}

// Resolve returns what became of a transaction that may have been sent before. It never sends. It
// returns when the transaction was found or can provably not be included any more, or when ctx
// ends: the outcome is then in doubt. It may be called concurrently.
func (c *Client) Resolve(ctx context.Context, id hive.TxID, expiration hive.Time) Outcome {
	e := &effort{c: c, tx: Transaction{ID: id, Expiration: expiration}, doubt: true}
	return e.pursue(ctx)
}

// pauses returns the pauses between rounds, which grow to ten seconds.
func pauses(first time.Duration, factor float64) *backoff.ExponentialBackOff {
	return backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(first), backoff.WithMultiplier(factor),
		backoff.WithMaxInterval(10*time.Second),
		backoff.WithMaxElapsedTime(0), backoff.WithRandomizationFactor(0.1),
	)
}

// pace is how the rounds of an effort follow each other: one block (3 s), then longer. Where one
// node is all there is, the first rounds follow at once: there is no other to go to, and what a
// front end could not do this time it can mostly do the next.
type pace struct {
	rounds, soon *backoff.ExponentialBackOff
}

func newPace() pace { return pace{pauses(blockTime, 1.2), pauses(100*time.Millisecond, 2)} }

// next returns the pause before the next round. None leads past the first moment at which a node is
// believed that the transaction is dead: an application waits for that word, and not for long.
func (p pace) next(e *effort) time.Duration {
	pause := p.nextOfAll(e)
	if due := time.Until(e.tx.Expiration.Time().Add(clockMargin + time.Second)); due > 0 {
		return min(pause, due)
	}
	return pause
}

func (p pace) nextOfAll(e *effort) time.Duration {
	switch {
	case e.waits(): // each block is a new chance, and nothing before it
		p.rounds.Reset()
	case e.c.oneNodeForAll():
		if soon := p.soon.NextBackOff(); soon < blockTime {
			return soon
		}
	}
	return p.rounds.NextBackOff()
}

// pursue looks up and sends in turn until the outcome is final, or ctx ends.
func (e *effort) pursue(ctx context.Context) Outcome {
	pace := newPace()
	if e.body == nil {
		if o, final := e.lookUp(ctx); final {
			return o
		}
	} else if o, final := e.send(ctx, 0); final { // margin 0: even a late transaction gets one try
		return o
	}
	// Settled, no node has it: when the time for sending is over, giving up is a refusal, and a
	// true one. Unsettled, only ctx ends the loop, because a refusal would be a guess then.
	for (e.unsettled() || !e.expiresWithin(sendMargin)) && sleep(ctx, pace.next(e)) {
		// First look: what is found needs not be sent, and a node that has it would only answer
		// that it is a duplicate.
		if e.unsettled() {
			if o, final := e.lookUp(ctx); final {
				return o
			}
		}
		if o, final := e.send(ctx, sendMargin); final {
			return o
		}
	}
	if e.unsettled() {
		return e.inDoubt()
	}
	return e.refusal()
}

// unsettled reports whether a node may have the transaction: one that did not say so, or the only
// host that refused it. One host that refuses may lie, keep the transaction and pass it on later.
func (e *effort) unsettled() bool {
	return e.doubt || len(e.noes) > 0 && e.voices(anyNo) < e.quorum()
}

// quorum returns how many hosts must say the same before it is believed: two, or one if the list
// has no other of our chain.
func (e *effort) quorum() int { return max(1, min(2, e.c.hosts())) }

// agreed reports whether enough hosts refused the transaction in the same way.
func (e *effort) agreed(kind verdictKind) bool {
	return e.voices(func(v verdict) bool { return v.kind == kind }) >= e.quorum()
}

// voices returns how many independent refusals are of that kind.
func (e *effort) voices(counts func(verdict) bool) int {
	set := map[string]bool{}
	for _, v := range e.noes {
		if counts(v) {
			set[v.voice] = true
		}
	}
	return len(set)
}

func anyNo(verdict) bool { return true }

// expiresWithin reports whether less than margin is left of the transaction's life.
func (e *effort) expiresWithin(margin time.Duration) bool {
	return !e.c.chainNow().Add(margin).Before(e.tx.Expiration.Time())
}

// nodes returns the nodes to ask in this round: all in the first one, later only those that do not
// rest, but at least two. Transactions that wait for hours must not wear down nodes that fail.
func (e *effort) nodes(first bool) []*endpoint {
	nodes := e.c.candidates()
	if first {
		return nodes
	}
	now := time.Now()
	awake := nodes[:0]
	for _, n := range nodes {
		if len(awake) < 2 || !n.resting(now) {
			awake = append(awake, n)
		}
	}
	return awake
}

// send goes around the nodes once, until one has the transaction. It sends nothing when less than
// margin is left of the transaction's life.
func (e *effort) send(ctx context.Context, margin time.Duration) (o Outcome, final bool) {
	if e.body == nil {
		return Outcome{}, false
	}
	nodes := e.nodes(margin == 0)
	for _, n := range nodes {
		if e.expiresWithin(margin) || ctx.Err() != nil {
			break
		}
		v := e.c.sendTo(ctx, n, e)
		// A node that was not reached knows nothing of the transaction: the last word of another
		// one stands. So does that of the first host of those that refuse alike.
		if before, no := e.noes[e.lastAt]; v.kind != unreached && !(no && before.kind == v.kind) {
			e.last, e.lastAt = v, n.host
		}
		switch v.kind {
		case sent:
			e.takenBy = n.host
			e.blameRefusers()
			return Outcome{State: Accepted, Code: v.code, Reason: v.reason, Node: n.host}, true
		case unknown:
			e.doubt = true // it may have passed the transaction on before its answer was lost
		case deaf:
			// Its word alone is not certain, as that of a refusal; but of the chain it says
			// nothing, so that the others are asked in any case.
			v.voice = n.voice
			e.noes[n.host] = v
		case lagging, refused, later:
			if o, over, final := e.refusedBy(n, v); over {
				return o, final
			}
		}
	}
	// Hosts that refuse for different reasons refuse all the same; but the next block may change
	// the mind of one that waits for it.
	if e.voices(anyNo) >= e.quorum() && !e.waits() {
		return e.refusal(), !e.doubt
	}
	return Outcome{}, false
}

// refusedBy records the refusal of one node. over means that no other node needs to be asked in
// this round, final that none ever needs to.
func (e *effort) refusedBy(n *endpoint, v verdict) (o Outcome, over, final bool) {
	v.voice = n.voice
	e.noes[n.host] = v
	if v.kind == lagging {
		// It may be this node that is behind. When two say so it is the transaction, and the next
		// one should be built on another block.
		e.c.head.dropReference()
	}
	if !e.agreed(v.kind) {
		return Outcome{}, false, false
	}
	if v.kind == later {
		// The limit is that of the node's own view of one block. A second one that says the same
		// has the same view, and so will the others; all of them take it in the next block.
		return Outcome{}, true, false
	}
	// Final only if no node can have received it without saying so.
	return e.refusal(), true, !e.doubt
}

// waits reports whether a host would take the transaction in a later block.
func (e *effort) waits() bool {
	for _, v := range e.noes {
		if v.kind == later {
			return true
		}
	}
	return false
}

// blameRefusers remembers against the hosts that refused the transaction for good that another one
// has it. What changes from one block to the next is held against nobody.
func (e *effort) blameRefusers() {
	for host, v := range e.noes {
		if v.kind == refused && host != e.takenBy && v.code != codeTooSoon && v.code != codeNotEnoughRC {
			e.c.blame(host, "refused the transaction "+e.tx.ID.String()+", which the chain took: "+v.reason)
		}
	}
	clear(e.noes)
}

// spread sends the transaction to several nodes, whether they have it already or not.
func (e *effort) spread(ctx context.Context) {
	for i, n := range e.c.candidates() {
		if i == spreadTo || e.expiresWithin(sendMargin) || ctx.Err() != nil {
			return
		}
		e.c.sendTo(ctx, n, e)
	}
}

// sendTo sends the transaction to one node, once.
func (c *Client) sendTo(ctx context.Context, n *endpoint, e *effort) verdict {
	result, err := c.ask(ctx, n, query{body: e.body, id: e.id, timeout: c.options.BroadcastTimeout})
	var failure *callError
	switch {
	case err == nil && result.Kind() == jsontext.KindBeginObject:
		return verdict{kind: sent}
	case err == nil:
		// Something answered that is no node of Hive; what it did with the transaction is unknown.
		c.malformed(n, "answer to a broadcast is no object")
		return verdict{kind: unknown, reason: "answer to a broadcast is no object"}
	case errors.As(err, &failure) && failure.kind == kindUnreached:
		return verdict{kind: unreached, reason: failure.text}
	case errors.As(err, &failure) && failure.kind == kindAnswered:
		return verdictOf(failure.reply)
	}
	return verdict{kind: unknown, reason: clip(err.Error())}
}

// refusal returns the outcome of a transaction that no node can have.
func (e *effort) refusal() Outcome {
	o := Outcome{State: Refused, Code: e.last.code, Reason: e.last.reason, Node: e.lastAt, Class: e.class()}
	if o.Code == "" {
		o.Code, o.Reason, o.Node = codeNoNode, "no Hive API node could be reached, and the transaction was not sent", ""
		if e.expiresWithin(0) {
			o.Code, o.Reason = codeExpired,
				"the transaction expired before a Hive API node could be reached, and was not sent"
		}
	}
	return o
}

// class returns for which reason enough hosts refused the transaction. One host alone must not
// choose it: an application acts on it.
func (e *effort) class() Class {
	if len(e.noes) == 0 {
		return ClassNoNode
	}
	votes := func(c Class) int {
		return e.voices(func(v verdict) bool { return classOf(v.code) == c })
	}
	best := classOf(e.last.code)
	for c := ClassCredits; c <= ClassNoNode; c++ {
		if votes(c) > votes(best) {
			best = c
		}
	}
	switch {
	case votes(best) < e.quorum():
		return ClassRejected
	// The same error says that the expiration is too far ahead, and a node whose time is wrong has
	// it for one that is right.
	case best == ClassExpired && time.Since(e.tx.Expiration.Time()) <= clockMargin:
		return ClassRejected
	}
	return best
}

// inDoubt returns the outcome of a transaction that a node may have, with the last thing a node
// said.
func (e *effort) inDoubt() Outcome {
	reason := "no node could say whether the transaction is on the chain, or will be"
	if e.last.reason != "" {
		reason += fmt.Sprintf("; last from %s: %s", e.lastAt, e.last.reason)
	}
	return Outcome{State: InDoubt, Code: codeInDoubt, Reason: reason, Node: e.lastAt}
}
