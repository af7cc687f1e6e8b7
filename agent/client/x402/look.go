package x402

import (
	"context"
	"errors"
	"fmt"
	"time"

	"pksa/agent/client"
)

// Fate is what became of a transfer.
type Fate uint8

// The fates of a transfer.
const (
	Unknown Fate = iota // it was not looked for, or may still be carried out
	OnChain             // the chain has it
	Never               // the chain does not have it, and no block takes it any more
)

// String returns the fate in words.
func (f Fate) String() string {
	switch f {
	case OnChain:
		return "on the chain"
	case Never:
		return "never on the chain"
	default:
		return "not known"
	}
}

// settled is how long after the end of a transfer's life a node's word that it is not there counts:
// until then another branch of the chain, which has it, may win.
const settled = time.Minute

// Look looks for the transfer once and sets payment.Fate. What a node returns is checked against
// the id; that it has nothing is the node's word, also where its address is that of several nodes:
// one of them must not be a minute behind the others. It must not be called for one payment from
// two goroutines at once.
func (p *Payer) Look(ctx context.Context, payment *Payment) error {
	// The head comes first: a transfer that is not there by then cannot come later.
	head, err := p.o.Node.Head(ctx)
	if err != nil {
		return fmt.Errorf("x402: asking for the newest block: %w", err)
	}
	raw, err := p.o.Node.Transaction(ctx, payment.ID)
	switch {
	case errors.Is(err, client.ErrNoTransaction) || err == nil && raw == nil:
		if head.Time.Sub(payment.Expires) > settled {
			payment.Fate = Never
		}
		return nil
	case err != nil:
		return fmt.Errorf("x402: looking for transaction %s: %w", payment.ID, err)
	}
	if _, err := client.CheckTransaction(p.o.Network, raw, payment.ID); err != nil {
		return fmt.Errorf("x402: %w", err)
	}
	payment.Fate = OnChain
	return nil
}

// await looks until the fate is known, until ctx ends, or until no node has said for a while what
// it should know by then.
func (p *Payer) await(ctx context.Context, payment *Payment) error {
	ctx, cancel := context.WithDeadline(ctx, payment.Expires.Add(2*settled))
	defer cancel()
	tick := time.NewTicker(p.o.LookEvery)
	defer tick.Stop()
	for {
		err := p.Look(ctx, payment)
		if payment.Fate != Unknown {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, context.Cause(ctx))
		case <-tick.C:
		}
	}
}
