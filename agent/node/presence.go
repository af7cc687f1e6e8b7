package node

import (
	"context"
	"slices"
	"time"

	"pksa/protocol/hive"
)

// Presence is what the hosts say of a transaction after its expiration.
type Presence struct {
	// Found is a host by which the transaction is in a block, with the number of that block; empty
	// if no host says so.
	Found string
	Block uint32
	// Absent are the hosts whose last irreversible block is past the expiration and that do not
	// know the transaction.
	Absent []string
	// Early is true if our own clock is not past the expiration: nobody was asked.
	Early bool
}

// Never reports whether the transaction provably never reached the chain: two hosts say so, and no
// host that answered has it. With a single host it never does, unlike an [Outcome]: here nobody
// waits for an answer, and money is at stake.
func (p Presence) Never() bool { return p.Found == "" && len(p.Absent) >= 2 }

// Presence asks every host whether the chain has the transaction. It never sends. One that has it
// outweighs all that do not.
func (c *Client) Presence(ctx context.Context, id hive.TxID, expiration hive.Time) Presence {
	if time.Since(expiration.Time()) <= clockMargin {
		return Presence{Early: true} // a node whose clock is ahead proves nothing
	}
	e := &effort{c: c, tx: Transaction{ID: id, Expiration: expiration}}
	var p Presence
	var voices []string // of those in p.Absent
	for _, n := range c.candidates() {
		if ctx.Err() != nil || slices.Contains(voices, n.voice) {
			continue
		}
		s, block, err := e.look(ctx, n, true)
		switch {
		case err != nil:
		case s == found && block != 0:
			p.Found, p.Block = n.host, block
			return p
		case s == dead || s == deadByStatus:
			p.Absent, voices = append(p.Absent, n.host), append(voices, n.voice)
		}
	}
	return p
}
