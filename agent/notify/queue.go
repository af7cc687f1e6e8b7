package notify

import "slices"

// What the queue of one notifier holds at most.
const (
	MostEvents = 64
	MostBytes  = 64 << 10
)

// queue is the events that one notifier has still to send, the oldest first. Its owner guards it.
type queue struct {
	events []Event
	bytes  int
}

// put adds an event, and returns how many were dropped for it: less urgent ones, the newest first,
// or the event itself.
func (q *queue) put(e Event) (dropped int) {
	size := e.size()
	for len(q.events) >= MostEvents || q.bytes+size > MostBytes {
		dropped++
		i := q.least()
		if i < 0 || !moreUrgent(e, q.events[i]) {
			return dropped
		}
		q.bytes -= q.events[i].size()
		q.events = slices.Delete(q.events, i, i+1)
	}
	q.events = append(q.events, e)
	q.bytes += size
	return dropped
}

// least returns the place of the newest of the least urgent events; -1: there is none.
func (q *queue) least() int {
	least := -1
	for i, e := range q.events {
		if least < 0 || !moreUrgent(e, q.events[least]) {
			least = i
		}
	}
	return least
}

// take removes the first events, and returns them.
func (q *queue) take(n int) []Event {
	taken := slices.Clone(q.events[:n])
	q.events = slices.Delete(q.events, 0, n)
	for _, e := range taken {
		q.bytes -= e.size()
	}
	return taken
}

// remove takes out the event of a place.
func (q *queue) remove(i int) Event {
	e := q.events[i]
	q.events = slices.Delete(q.events, i, i+1)
	q.bytes -= e.size()
	return e
}

// takeIf removes the events for which f says so, and returns them.
func (q *queue) takeIf(f func(Event) bool) (taken []Event) {
	q.events = slices.DeleteFunc(q.events, func(e Event) bool {
		if !f(e) {
			return false
		}
		taken = append(taken, e)
		q.bytes -= e.size()
		return true
	})
	return taken
}

func moreUrgent(a, b Event) bool {
	of, _ := rank(a.Kind)
	than, _ := rank(b.Kind)
	return of < than
}
