package ledger

import (
	"context"
	"errors"
	"testing"
	"time"

	"pksa/agent/ledger/pg"
)

// TestConnectionsToADatabase: so many are in use at once. Who needs one more waits until one of
// them is given back, or until there is no time left.
func TestConnectionsToADatabase(t *testing.T) {
	conns := &newPGStore(pgOptions{}).conns
	for range pgMost {
		conns.idle = append(conns.idle, rested{new(pg.Conn), time.Now().Add(time.Hour)})
	}
	now, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	late := errors.New("late")
	var taken *pg.Conn
	for n := range pgMost + 1 {
		if n == pgMost {
			cancel(late)
		}
		c, err := conns.take(now)
		if got := err == nil; got != (n < 4) || !got && !errors.Is(err, late) {
			t.Errorf("connection %d: %v", n+1, err)
		}
		if c != nil {
			taken = c
		}
	}
	conns.put(taken)
	if c, err := conns.take(t.Context()); c != taken || err != nil {
		t.Errorf("when one is free again: %v", err)
	}
}
