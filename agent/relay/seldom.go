package relay

import "time"

// seldomEvery is how often one kind of event that others can cause is logged.
const seldomEvery = time.Minute

// seldom decides when an event is logged that happens again and again. Relay.mu guards it.
type seldom struct {
	next     time.Time
	unlogged uint64
}

// happened counts an event. It returns how many there were since one was logged, and zero if that
// was a short while ago.
func (s *seldom) happened(now time.Time) (unlogged uint64) {
	s.unlogged++
	if now.Before(s.next) {
		return 0
	}
	unlogged = s.unlogged
	s.next, s.unlogged = now.Add(seldomEvery), 0
	return unlogged
}
