package node

import (
	"context"
	"slices"
	"time"

	"pksa/protocol/hive"
)

// Presence is what the hosts say of a transaction.
type Presence struct {
	// Found is a host by which the transaction is in a block, with the number of that block; empty
	// if no host says so.
	Found string `json:"found,omitempty"`
	Block uint32 `json:"block,omitempty"`
	// Absent are the hosts whose last irreversible block is past the expiration and that do not
	// know the transaction.
	Absent []string `json:"absent,omitempty"`
	// Missing are other hosts that have it in no block so far.
	Missing []string `json:"missing,omitempty"`
	// Early is true if our own clock is not past the expiration: [Client.Presence] has asked
	// nobody.
	Early bool `json:"early,omitempty"`
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
	return c.presence(ctx, id, expiration, maxNodes)
}

// Whereabouts asks hosts for a transaction at any time, for a person who waits: no more than one
// that has it in a block, or two that have not. It never sends. An expiration that is later than
// that of the transaction makes hosts absent later, and changes nothing else.
func (c *Client) Whereabouts(ctx context.Context, id hive.TxID, expiration hive.Time) Presence {
	return c.presence(ctx, id, expiration, 2)
}

// presence asks until one host has the transaction in a block, or so many have not.
func (c *Client) presence(ctx context.Context, id hive.TxID, expiration hive.Time, most int) Presence {
	e := &effort{c: c, tx: Transaction{ID: id, Expiration: expiration}}
	gone := time.Since(expiration.Time()) > clockMargin
	p := Presence{Early: !gone}
	var voices []string // of those in p.Absent
	for _, n := range c.candidates() {
		if len(p.Absent)+len(p.Missing) >= most || ctx.Err() != nil {
			break
		}
		if slices.Contains(voices, n.voice) {
			continue
		}
		s, block, err := e.look(ctx, n, gone)
		switch {
		case err != nil || s == silent:
		case s == found && block != 0:
			return Presence{Found: n.host, Block: block, Absent: p.Absent, Missing: p.Missing}
		case s == dead || s == deadByStatus:
			p.Absent, voices = append(p.Absent, n.host), append(voices, n.voice)
		default:
			p.Missing = append(p.Missing, n.host)
		}
	}
	return p
}
