package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"pksa/protocol/hive"
)

const (
	// clockMargin is how far our own clock must be past an expiration before a node is believed
	// when it says so.
	clockMargin = 6 * time.Second
	// soleAfter is how long after the expiration the word of one node begins to be enough, if no
	// other answers.
	soleAfter = 2 * time.Minute
	// historyMargin is how far the last irreversible block must be past an expiration before an
	// account history that does not know a transaction is believed: histories lag behind the chain.
	historyMargin = 2 * time.Minute
)

// witnesses are the hosts that said that a transaction is dead. What they said stays true, so they
// are collected over all rounds.
type witnesses struct {
	voices map[string]bool // of the hosts: those of the list have one together
	last   string          // the newest of them
	sole   map[string]int  // how often a host said expired_irreversible while no other answered
}

// sight is what one node knows about a transaction.
type sight uint8

const (
	silent       sight = iota // nothing that counts
	missing                   // the node does not have it now
	found                     // the node has it, queued or in a block
	dead                      // missing, and the node's last irreversible block is past the expiration
	deadByStatus              // the same, and the status is expired_irreversible
)

// round is what one round of questions has brought.
type round struct {
	gone     bool // our own clock is past the expiration
	asked    map[*endpoint]bool
	answers  int
	last     *endpoint // the last one that answered
	byStatus bool      // it said expired_irreversible
}

// lookUp asks the nodes what became of the transaction. It is final if the transaction was found or
// is dead; only then the outcome counts.
func (e *effort) lookUp(ctx context.Context) (o Outcome, final bool) {
	late := time.Since(e.tx.Expiration.Time()) // by our own clock: nodes alone cannot make it late
	r := &round{gone: late > clockMargin, asked: map[*endpoint]bool{}}
	for _, n := range e.nodes(false) {
		// Before the expiration nothing is proved, and two answers are enough to send again.
		if ctx.Err() != nil || !r.gone && r.answers >= 2 {
			break
		}
		if o, ok := e.lookAtNode(ctx, n, r); ok {
			return o, true
		}
	}
	if !r.gone || len(e.witness.voices) < e.quorum() && !e.soleWitness(r, late) {
		return Outcome{}, false
	}
	// Expired is a promise that the transaction is never included. Before it is made every node is
	// asked, also those that rest: one that has the transaction outweighs all that do not.
	for _, n := range e.c.candidates() {
		if r.asked[n] {
			continue
		}
		if o, ok := e.lookAtNode(ctx, n, r); ok {
			return o, true
		}
	}
	if ctx.Err() != nil {
		return Outcome{}, false
	}
	o = Outcome{State: Expired, Code: codeExpired, Node: e.witness.last, Reason: e.expiredReason()}
	// An application takes the reason for a promise. One host of several is no ground for that,
	// even if it is the only one that answers.
	if len(e.witness.voices) >= e.quorum() {
		o.Class = ClassExpired
	}
	return o, true
}

// expiredReason returns why the transaction is not on the chain. A host that alone refused it is
// quoted: nobody confirmed what it said, and it is the likely reason all the same.
func (e *effort) expiredReason() string {
	const reason = "the transaction was not included before it expired, and can no longer be"
	for host, v := range e.noes {
		return fmt.Sprintf("%s; %s refused it: %s", reason, host, v.reason)
	}
	return reason
}

// soleWitness reports whether the round's only answer, long after the expiration, is for the second
// time an expired_irreversible of the same host. Otherwise a wallet whose other nodes are down
// would never know.
func (e *effort) soleWitness(r *round, late time.Duration) bool {
	return r.answers == 1 && r.byStatus && late > soleAfter && e.witness.countSole(r.last.host) >= 2
}

// lookAtNode asks one node and records its answer. It reports whether the transaction was found.
func (e *effort) lookAtNode(ctx context.Context, n *endpoint, r *round) (Outcome, bool) {
	r.asked[n] = true
	s, block, err := e.look(ctx, n, r.gone)
	if err != nil {
		e.recordFailure(n, err)
		return Outcome{}, false
	}
	if s == silent {
		return Outcome{}, false
	}
	r.answers++
	r.last, r.byStatus = n, s == deadByStatus
	switch s {
	case found:
		e.blameRefusers()
		return Outcome{State: Accepted, Node: n.host, Block: block, Reason: foundReason(block)}, true
	case dead, deadByStatus:
		e.witness.add(n)
	}
	return Outcome{}, false
}

func (w *witnesses) add(n *endpoint) {
	if w.voices == nil {
		w.voices = map[string]bool{}
	}
	w.voices[n.voice] = true
	w.last = n.host
}

// countSole counts that the host was the only one to answer, and returns how often that was.
func (w *witnesses) countSole(host string) int {
	if w.sole == nil {
		w.sole = map[string]int{}
	}
	w.sole[host]++
	return w.sole[host]
}

// hosts returns how many hosts can be witnesses: two nodes behind one host are one opinion, and so
// are all that the list names.
func (c *Client) hosts() int {
	set := map[string]bool{}
	for _, n := range c.all() {
		n.mu.Lock()
		if n.chain != chainOther {
			set[n.voice] = true
		}
		n.mu.Unlock()
	}
	return len(set)
}

func foundReason(block uint32) string {
	if block == 0 {
		return "the transaction waits at a node for the next block"
	}
	return fmt.Sprintf("the transaction is in block %d", block)
}

// recordFailure keeps the reason for which a node gave no answer, beside the code that another
// gave.
func (e *effort) recordFailure(n *endpoint, err error) {
	e.last, e.lastAt = verdict{kind: unknown, code: e.last.code, reason: clip(err.Error())}, n.host
}

// look asks one node for the transaction. gone is whether our own clock is past the expiration.
func (e *effort) look(ctx context.Context, n *endpoint, gone bool) (sight, uint32, error) {
	// First the irreversible block, then the transaction. In the other order it could be included
	// between the two questions, and would be taken for dead.
	var irreversible hive.Time
	if gone {
		var err error
		if irreversible, err = e.c.irreversible(ctx, n); err != nil {
			return silent, 0, err
		}
	}
	status, block, err := e.find(ctx, n)
	if err != nil {
		return silent, 0, err
	}
	past := gone && irreversible > e.tx.Expiration
	switch status {
	case "within_mempool":
		return found, 0, nil
	case "within_reversible_block", "within_irreversible_block":
		return found, block, nil
	case "expired_irreversible":
		if past {
			return deadByStatus, 0, nil
		}
		return silent, 0, nil // the node contradicts itself
	case "unknown", "expired_reversible":
		if past {
			return dead, 0, nil
		}
		return missing, 0, nil
	}
	return e.lookInHistory(ctx, n, irreversible)
}

// irreversible returns the time of the node's last irreversible block.
func (c *Client) irreversible(ctx context.Context, n *endpoint) (hive.Time, error) {
	if err := c.observe(ctx, n); err != nil {
		return 0, err
	}
	n.mu.Lock()
	seen := n.seen
	n.mu.Unlock()
	if seen == nil {
		return 0, errOtherChain
	}
	header, err := c.header(ctx, n, seen.irreversible)
	return header.time, err
}

// find returns the status of the transaction at a node (tx §5.7): "too_old" also for a node without
// that plugin. block is 0 unless the status names one.
func (e *effort) find(ctx context.Context, n *endpoint) (status string, block uint32, err error) {
	params := append([]byte(`{"transaction_id":"`), e.tx.ID.String()...)
	params = append(append(params, `","expiration":"`...), e.tx.Expiration.String()...)
	raw, err := e.c.ask(ctx, n, query{method: "transaction_status_api.find_transaction",
		params: append(params, `"}`...)})
	var failure *callError
	if errors.As(err, &failure) && failure.reply != nil && failure.reply.missingAPI() {
		return "too_old", 0, nil
	}
	if err != nil {
		return "", 0, err
	}
	var answer struct {
		Status string `json:"status"`
		Block  uint32 `json:"block_num"`
	}
	if unmarshal(raw, &answer) == nil {
		switch answer.Status {
		case "unknown", "within_mempool", "expired_reversible", "expired_irreversible", "too_old":
			return answer.Status, 0, nil
		case "within_reversible_block", "within_irreversible_block":
			if answer.Block > 0 {
				return answer.Status, answer.Block, nil
			}
		}
	}
	return "", 0, e.c.malformed(n, "status of a transaction does not have the expected form")
}

// lookInHistory asks the account history of a node, which knows transactions of any age.
func (e *effort) lookInHistory(ctx context.Context, n *endpoint, irreversible hive.Time) (sight, uint32, error) {
	_, block, ok, err := e.c.history(ctx, n, e.tx.ID)
	switch {
	case err != nil:
		return silent, 0, err
	case ok:
		return found, block, nil
	case irreversible > e.tx.Expiration && irreversible.Time().Sub(e.tx.Expiration.Time()) > historyMargin:
		return dead, 0, nil
	}
	return missing, 0, nil
}

// history returns a transaction that is in a block by the node's account history; ok is false if it
// is in none.
func (c *Client) history(ctx context.Context, n *endpoint, id hive.TxID) (raw []byte, block uint32, ok bool,
	err error) {
	params := append(append([]byte(`["`), id.String()...), `"]`...)
	result, err := c.ask(ctx, n, query{method: "condenser_api.get_transaction", params: params})
	var failure *callError
	if errors.As(err, &failure) && failure.reply != nil && failure.reply.notFound() {
		return nil, 0, false, nil
	}
	if err != nil {
		return nil, 0, false, err
	}
	var answer struct {
		ID    string `json:"transaction_id"`
		Block uint32 `json:"block_num"`
	}
	// The id shows that the answer is to this question; what else is in it the caller checks.
	if unmarshal(result, &answer) != nil || answer.ID != id.String() || answer.Block == 0 {
		return nil, 0, false, c.malformed(n, "transaction does not have the expected form")
	}
	return result, answer.Block, true, nil
}

// TransactionJSON returns the answer of condenser_api.get_transaction, or nil if the transaction is
// in no block. One node is enough for yes; no takes two, or one if no other answers. The caller
// checks whether operations and signatures in it belong to the id. The error holds [ErrNoNode].
func (c *Client) TransactionJSON(ctx context.Context, id hive.TxID) ([]byte, error) {
	reason := ErrNoNode
	answers := 0
	for _, n := range c.candidates() {
		raw, _, ok, err := c.history(ctx, n, id)
		switch {
		case ok:
			return raw, nil
		case err == nil:
			if answers++; answers == 2 {
				return nil, nil
			}
		case ctx.Err() != nil:
			return nil, fmt.Errorf("%w: %w", ErrNoNode, err)
		default:
			reason = fmt.Errorf("%w: %s: %w", ErrNoNode, n.host, err)
		}
	}
	if answers > 0 {
		return nil, nil
	}
	return nil, reason
}
