package ledger

import (
	"context"
	"sync"
)

// Ticket holds the place of a request in the order of its link and account, from the arrival of its
// frame to its admission. The holder gives it to Admit or calls Release. It may do both, in any
// order, from any goroutine.
type Ticket struct {
	lanes *lanes
	lane  laneName
	turn  chan struct{} // closed when every earlier ticket of the lane has passed
	done  bool          // guarded by lanes.mu
}

type laneName struct{ link, account string }

// lanes is the tickets that have not passed yet, by link and account, oldest first.
type lanes struct {
	mu sync.Mutex
	by map[laneName][]*Ticket
}

// Ticket takes the next place in the order of this link and account. The reader of the link calls
// it for each frame in turn.
func (l *Ledger) Ticket(link, account string) *Ticket {
	q := &l.lanes
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.by == nil {
		q.by = map[laneName][]*Ticket{}
	}
	t := &Ticket{lanes: q, lane: laneName{link, account}, turn: make(chan struct{})}
	lane := append(q.by[t.lane], t)
	q.by[t.lane] = lane
	if len(lane) == 1 {
		close(t.turn)
	}
	return t
}

// wait returns when all earlier tickets of the lane have passed.
func (t *Ticket) wait(ctx context.Context) error {
	if t == nil {
		return nil
	}
	select {
	case <-t.turn:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Release frees the ticket's place. Later tickets of the lane go on when the earlier ones have
// passed too. A second call does nothing, and so does a call on a nil ticket.
func (t *Ticket) Release() {
	if t == nil {
		return
	}
	q := t.lanes
	q.mu.Lock()
	defer q.mu.Unlock()
	if t.done {
		return
	}
	t.done = true
	lane := q.by[t.lane]
	for len(lane) > 0 && lane[0].done {
		lane[0] = nil
		lane = lane[1:]
	}
	if len(lane) == 0 {
		delete(q.by, t.lane)
		return
	}
	q.by[t.lane] = lane
	select {
	case <-lane[0].turn: // was at the head before
	default:
		close(lane[0].turn)
	}
}
