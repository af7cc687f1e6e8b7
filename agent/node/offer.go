package node

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
)

const broadcastMethod = "condenser_api.broadcast_transaction"

// ErrTakesNone means that a node answers, and takes no transactions from anybody.
var ErrTakesNone = errors.New("the node takes no transactions: it does not offer " + broadcastMethod)

// noTransaction are parameters that no node reads as a transaction. It is one parameter, because
// nodes count them before they look whether they can broadcast at all.
const noTransaction = `["no transaction"]`

// TakesTransactions asks nodes for what sends transactions, until one offers it. Nothing is sent
// that could be one, so a node refuses what it is given, and that is the answer that is wanted. The
// error holds [ErrNoNode], and [ErrTakesNone] if the last node answered and does not offer it.
func (c *Client) TakesTransactions(ctx context.Context) error {
	reason := ErrNoNode
	for _, n := range c.candidates() {
		err := c.takesTransactions(ctx, n)
		if err == nil {
			return nil
		}
		reason = fmt.Errorf("%w: %s: %w", ErrNoNode, n.host, err)
	}
	return reason
}

// notOffered are the statuses by which front ends say that they pass a method on to nobody.
var notOffered = []int{http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed,
	http.StatusNotImplemented}

func (c *Client) takesTransactions(ctx context.Context, n *endpoint) error {
	_, err := c.ask(ctx, n, query{method: broadcastMethod, params: []byte(noTransaction)})
	var failure *callError
	switch {
	case !errors.As(err, &failure): // it takes anything, also this
		return nil
	case failure.reply != nil && failure.reply.missingAPI(), slices.Contains(notOffered, failure.status):
		return ErrTakesNone
	case failure.kind == kindAnswered, failure.status/100 == 4: // it does not like the parameters
		return nil
	}
	return failure
}
