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

// sendMargin is how long before the expiration sending ends: what is sent later hardly makes it
// into a block, and would only make the truth come later (tx §5.6).
const sendMargin = 10 * time.Second

// Transaction is what is sent, ready made.
type Transaction struct {
	ID         hive.TxID
	Expiration hive.Time
	// JSON is the signed transaction as [hive.Network.AppendJSON] writes it. It goes out byte for
	// byte, and must not be changed meanwhile.
	JSON []byte
}

// effort is one transaction whose fate is not decided yet. One goroutine uses it.
type effort struct {
	c    *Client
	tx   Transaction
	body []byte // the request; nil: nothing may be sent
	id   uint64
	// doubt says that somebody may have the transaction although nobody said so. It is never taken
	// back.
	doubt   bool
	lagging map[*endpoint]bool // who said tapos or expiration
	last    verdict            // the last thing that a node said
	lastAt  string             // and who
	witness witnesses
}

// Broadcast puts the transaction on the chain: it sends the same bytes to one node after another
// until one has it, and looks it up by id, and sends it again, as long as an answer was lost (tx
// §5.6). It returns when the outcome is final, in the normal case after one round trip, or when ctx
// ends: then in doubt, unless nothing ever left. It may be called concurrently.
func (c *Client) Broadcast(ctx context.Context, tx Transaction) Outcome {
	e := &effort{c: c, tx: tx, id: c.nextID.Add(1), lagging: map[*endpoint]bool{}}
	params := make([]byte, 0, len(tx.JSON)+2)
	params = append(append(append(params, '['), tx.JSON...), ']')
	e.body = appendRequest(make([]byte, 0, len(params)+128), "condenser_api.broadcast_transaction", params, e.id)
	o := e.pursue(ctx)
	if o.State == Accepted && o.Block == 0 {
		c.watchAccepted(e)
	}
	return o
}

// Resolve finds out what became of a transaction that may have been sent before. It never sends. It
// returns when the transaction was found or can provably not be included any more, or when ctx
// ends: then in doubt.
func (c *Client) Resolve(ctx context.Context, id hive.TxID, expiration hive.Time) Outcome {
	e := &effort{c: c, tx: Transaction{ID: id, Expiration: expiration}, doubt: true}
	return e.pursue(ctx)
}

// pauses are those between rounds: a block, then longer.
func pauses() *backoff.ExponentialBackOff {
	return backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(3*time.Second), backoff.WithMultiplier(1.2),
		backoff.WithMaxInterval(10*time.Second),
		backoff.WithMaxElapsedTime(0), backoff.WithRandomizationFactor(0.1),
	)
}

func (e *effort) pursue(ctx context.Context) Outcome {
	pause := pauses()
	if e.body == nil {
		if o, final := e.lookUp(ctx); final {
			return o
		}
	} else if o, final := e.send(ctx, 0); final {
		return o
	}
	for (e.doubt || !e.expiresWithin(sendMargin)) && sleep(ctx, pause.NextBackOff()) {
		if e.doubt {
			if o, final := e.lookUp(ctx); final {
				return o
			}
		}
		if o, final := e.send(ctx, sendMargin); final {
			return o
		}
	}
	if e.doubt {
		return e.inDoubt()
	}
	return e.refusal()
}

// expiresWithin reports whether less than margin is left of the transaction's life.
func (e *effort) expiresWithin(margin time.Duration) bool {
	return !e.c.chainNow().Add(margin).Before(e.tx.Expiration.Time())
}

// nodes are those to ask in this round: all in the first one, later only those that do not rest,
// and never less than two.
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

// send goes once around the nodes until one has the transaction.
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
		if v.kind != unreached {
			e.last, e.lastAt = v, n.host
		}
		switch v.kind {
		case sent:
			return Outcome{State: Accepted, Code: v.code, Reason: v.reason, Node: n.host}, true
		case unknown:
			e.doubt = true
		case lagging:
			e.lagging[n] = true
			e.c.head.dropReference()
			if len(e.lagging) >= min(2, len(nodes)) {
				return e.refusal(), !e.doubt
			}
		case refused:
			return e.refusal(), !e.doubt
		case later:
			return Outcome{}, false
		}
	}
	return Outcome{}, false
}

// spread gives the transaction to several nodes, whoever has it already.
func (e *effort) spread(ctx context.Context) {
	for i, n := range e.c.candidates() {
		if i == spreadTo || e.expiresWithin(sendMargin) || ctx.Err() != nil {
			return
		}
		e.c.sendTo(ctx, n, e)
	}
}

// sendTo makes one attempt at one node.
func (c *Client) sendTo(ctx context.Context, n *endpoint, e *effort) verdict {
	result, err := c.ask(ctx, n, query{body: e.body, id: e.id, timeout: c.options.BroadcastTimeout})
	var failure *callError
	switch {
	case err == nil && result.Kind() == jsontext.KindBeginObject:
		return verdict{kind: sent}
	case err == nil:
		c.malformed(n, "answer to a broadcast is no object")
		return verdict{kind: unknown, reason: "answer to a broadcast is no object"}
	case errors.As(err, &failure) && failure.kind == kindUnreached:
		return verdict{kind: unreached, reason: failure.text}
	case errors.As(err, &failure) && failure.kind == kindAnswered:
		return verdictOf(failure.reply)
	}
	return verdict{kind: unknown, reason: clip(err.Error())}
}

// refusal is for transactions that nobody can have.
func (e *effort) refusal() Outcome {
	o := Outcome{State: Refused, Code: e.last.code, Reason: e.last.reason, Node: e.lastAt}
	if o.Code == "" {
		o.Code, o.Reason, o.Node = CodeNoNode, "no Hive API node could be reached, and the transaction was not sent", ""
		if e.expiresWithin(0) {
			o.Code, o.Reason = CodeExpired,
				"the transaction expired before a Hive API node could be reached, and was not sent"
		}
	}
	return o
}

func (e *effort) inDoubt() Outcome {
	reason := "no node could say whether the transaction is on the chain, or will be"
	if e.last.reason != "" {
		reason += fmt.Sprintf("; last from %s: %s", e.lastAt, e.last.reason)
	}
	return Outcome{State: InDoubt, Code: CodeInDoubt, Reason: reason, Node: e.lastAt}
}
