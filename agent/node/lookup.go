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
	// that it is over.
	clockMargin = 6 * time.Second
	// soleAfter is how long after the expiration the word of one node is enough when no other
	// answers.
	soleAfter = 2 * time.Minute
	// historyMargin is how far the last irreversible block must be past an expiration before an
	// account history that does not know a transaction counts: histories follow the chain at a
	// distance.
	historyMargin = 2 * time.Minute
)

// witnesses are the hosts that said that a transaction is dead.
type witnesses struct {
	hosts map[string]bool
	last  string
	sole  map[string]int // how often a host said expired_irreversible while no other answered
}

// sight is what one node knows about a transaction.
type sight uint8

const (
	silent       sight = iota // it says nothing about its fate
	missing                   // it does not have it now
	found                     // it has it, queued or in a block
	dead                      // it does not have it, and its last irreversible block is past the expiration
	deadByStatus              // the same, with the status expired_irreversible
)

// round is one look around.
type round struct {
	asked   map[*endpoint]bool
	answers int
	last    *endpoint // that answered
	said    bool      // it said expired_irreversible
}

// lookUp asks the nodes what became of the transaction.
func (e *effort) lookUp(ctx context.Context) (o Outcome, final bool) {
	late := time.Since(e.tx.Expiration.Time())
	gone := late > clockMargin
	r := &round{asked: map[*endpoint]bool{}}
	for _, n := range e.nodes(false) {
		// Before the expiration two opinions are enough to send again, which needs no certainty.
		if ctx.Err() != nil || !gone && r.answers >= 2 {
			break
		}
		if o, ok := e.lookAtNode(ctx, n, gone, r); ok {
			return o, true
		}
	}
	lone := r.answers == 1 && r.said && late > soleAfter && e.witness.alone(r.last.host) >= 2
	if len(e.witness.hosts) < min(2, e.c.hosts()) && !lone || !gone {
		return Outcome{}, false
	}
	// Before that word is given everybody is asked, those that rest as well: one that has it is
	// worth more than all that do not.
	for _, n := range e.c.candidates() {
		if r.asked[n] {
			continue
		}
		if o, ok := e.lookAtNode(ctx, n, gone, r); ok {
			return o, true
		}
	}
	if ctx.Err() != nil {
		return Outcome{}, false
	}
	return Outcome{
		State: Expired, Code: CodeExpired, Node: e.witness.last,
		Reason: "the transaction was not included before it expired, and can no longer be",
	}, true
}

// lookAtNode asks one node and notes what it says. It is true if the transaction was found.
func (e *effort) lookAtNode(ctx context.Context, n *endpoint, gone bool, r *round) (Outcome, bool) {
	r.asked[n] = true
	s, block, err := e.c.look(ctx, n, e.tx, gone)
	if err != nil {
		e.recordFailure(n, err)
		return Outcome{}, false
	}
	if s == silent {
		return Outcome{}, false
	}
	r.answers++
	r.last, r.said = n, s == deadByStatus
	switch s {
	case found:
		return Outcome{State: Accepted, Node: n.host, Block: block, Reason: foundReason(block)}, true
	case dead, deadByStatus:
		e.witness.add(n.host)
	}
	return Outcome{}, false
}

func (w *witnesses) add(host string) {
	if w.hosts == nil {
		w.hosts = map[string]bool{}
	}
	w.hosts[host] = true
	w.last = host
}

func (w *witnesses) alone(host string) int {
	if w.sole == nil {
		w.sole = map[string]int{}
	}
	w.sole[host]++
	return w.sole[host]
}

// hosts is how many nodes there are that can be witnesses for each other.
func (c *Client) hosts() int {
	set := map[string]bool{}
	for _, n := range c.nodes {
		n.mu.Lock()
		if n.chain != chainOther {
			set[n.host] = true
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

func (e *effort) recordFailure(n *endpoint, err error) {
	e.last, e.lastAt = verdict{kind: unknown, code: e.last.code, reason: clip(err.Error())}, n.host
}

// look asks one node. gone says that our own clock is past the expiration.
func (c *Client) look(ctx context.Context, n *endpoint, tx Transaction, gone bool) (sight, uint32, error) {
	// First the irreversible block, then the transaction: the other way round it could be included
	// between the questions.
	var irreversible hive.Time
	if gone {
		var err error
		if irreversible, err = c.irreversible(ctx, n); err != nil {
			return silent, 0, err
		}
	}
	status, block, err := c.find(ctx, n, tx)
	if err != nil {
		return silent, 0, err
	}
	past := gone && irreversible > tx.Expiration
	switch status {
	case "within_mempool":
		return found, 0, nil
	case "within_reversible_block", "within_irreversible_block":
		return found, block, nil
	case "expired_irreversible":
		if past {
			return deadByStatus, 0, nil
		}
		return silent, 0, nil // it contradicts itself
	case "unknown", "expired_reversible":
		if past {
			return dead, 0, nil
		}
		return missing, 0, nil
	}
	return c.lookInHistory(ctx, n, tx, irreversible)
}

// irreversible asks for the time of the last irreversible block.
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

// find asks for the status (tx §5.7). Nodes without that plugin, and those that do not look back so
// far, give "too_old".
func (c *Client) find(ctx context.Context, n *endpoint, tx Transaction) (status string, block uint32, err error) {
	params := append([]byte(`{"transaction_id":"`), tx.ID.String()...)
	params = append(append(params, `","expiration":"`...), tx.Expiration.String()...)
	raw, err := c.ask(ctx, n, query{method: "transaction_status_api.find_transaction", params: append(params, `"}`...)})
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
	return "", 0, c.malformed(n, "status of a transaction does not have the expected form")
}

// lookInHistory asks the account history, which knows transactions of any age.
func (c *Client) lookInHistory(ctx context.Context, n *endpoint, tx Transaction, irreversible hive.Time) (sight, uint32,
	error) {
	_, block, ok, err := c.history(ctx, n, tx.ID)
	switch {
	case err != nil:
		return silent, 0, err
	case ok:
		return found, block, nil
	case irreversible > tx.Expiration && irreversible.Time().Sub(tx.Expiration.Time()) > historyMargin:
		return dead, 0, nil
	}
	return missing, 0, nil
}

// history fetches a transaction that is in a block.
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
	if unmarshal(result, &answer) != nil || answer.ID != id.String() || answer.Block == 0 {
		return nil, 0, false, c.malformed(n, "transaction does not have the expected form")
	}
	return result, answer.Block, true, nil
}

// TransactionJSON returns the answer of condenser_api.get_transaction, nil if the chain has the
// transaction in no block: by the word of one node for yes and of two for no, or of one if no other
// answers. Whether operations and signatures in it belong to the id is for the caller to check. The
// error holds ErrNoNode.
func (c *Client) TransactionJSON(ctx context.Context, id hive.TxID) ([]byte, error) {
	var reason error = ErrNoNode
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
