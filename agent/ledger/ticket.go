package ledger

import (
	"context"
	"sync"
)

// Ticket holds the place of a request in the order of its link and account, from the arrival of its
// frame to its admission. The holder gives it to Admit or calls Release. It may do both, in any
// order, from any goroutine. Once it is known whose request it is, the holder calls Of: then it
// waits for no request of another app.
type Ticket struct {
	lanes *lanes
	lane  laneName
	turn  chan struct{} // closed when every earlier ticket of the lane has passed that it waits for

	// Guarded by lanes.mu.
	done bool
	may  bool   // turn is closed
	app  string // empty while it is not known
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
	q.by[t.lane] = append(q.by[t.lane], t)
	q.advance(t.lane)
	return t
}

// Of names the app whose request it is, once. A call on a nil ticket does nothing.
func (t *Ticket) Of(app string) {
	if t == nil {
		return
	}
	q := t.lanes
	q.mu.Lock()
	defer q.mu.Unlock()
	t.app = app
	q.advance(t.lane)
}

// advance lets the tickets go on that nothing before them holds up.
func (q *lanes) advance(name laneName) {
	lane := q.by[name]
	for len(lane) > 0 && lane[0].done {
		lane[0] = nil
		lane = lane[1:]
	}
	if len(lane) == 0 {
		delete(q.by, name)
		return
	}
	q.by[name] = lane
	before := map[string]bool{} // apps
	for _, t := range lane {
		if t.done {
			continue
		}
		if !t.may && !before[t.app] && (t.app != "" || len(before) == 0) {
			t.may = true
			close(t.turn)
		}
		if t.app == "" {
			return // it may be of any app
		}
		before[t.app] = true
	}
}

// wait returns when all earlier tickets of the lane have passed that may be of the same app.
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
	q.advance(t.lane)
}
