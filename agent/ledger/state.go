package ledger

import (
	"cmp"
	"slices"
	"time"

	"pksa/protocol/sorts"
)

// state is what is committed, as far as it is kept in memory.
type state struct {
	format   uint64 // of the store
	last     chainEnd
	gathered uint64    // number of the last record that is gathered: the buckets reflect the records up to it
	since    amount    // of records from that one on
	whole    uint64    // number of the last record that no gathering, which goes on, has yet to move
	floor    int64     // ms; no nonce at or below counts
	turns    []uint64  // records at which it was led back; the slice is never changed
	holes    []Hole    // parts of the trail that were given up; the slice is never changed
	created  int64     // ms; when the ledger was made, zero if it does not say
	yield    *Yield    // nil: has not yielded
	paused   time.Time // since when; zero: not
	approved *approved // the policy that was approved last; nil: none has to be
	kept     uint64    // records before it were removed as the settings say
	fates    map[[20]byte]Fate

	remnants map[SessionID]*Remnant
	ended    map[string][]*Remnant // by account, newest first; the slices are never changed

	slots    map[string]Slot
	sessions map[SessionID]*Session
	accounts map[string][]*Session // live ones, most recently used first; the slices are never changed

	gathering *gathering // nil: none goes on
	// late is set if a segment could have been gathered before the ledger was opened. The first
	// commit gathers all then: programs that each commit a little would never come to its end.
	late bool

	// Not gathered yet, and in no gathering that goes on; requests and charges are in both:
	recent    map[owner]map[[32]byte]struct{} // digests
	counts    map[owner]int                   // digests of slots, once they were counted; of the committing goroutine
	dirty     map[SessionID]struct{}          // sessions that changed
	positions map[uint64]position             // requests that changed, by number
	charges   []counted
}

// amount is how many records there are, and their bytes as they lie in the store.
type amount struct{ records, bytes uint64 }

func (a *amount) add(size int) { a.records, a.bytes = a.records+1, a.bytes+uint64(size) }

// remove takes away as much as there is.
func (a *amount) remove(b amount) {
	a.records -= min(a.records, b.records)
	a.bytes -= min(a.bytes, b.bytes)
}

// position is where in the trail the latest state of a request stands.
type position struct {
	record uint64
	end    int64
}

// counted is the charges of one request.
type counted struct {
	number  uint64
	record  uint64 // that says so: of what waited for a person it is a later one
	charges []Charge
}

// end returns when the last of the charges expires, in ms.
func (c *counted) end() (end int64) {
	for _, charge := range c.charges {
		end = max(end, millis(charge.Expires))
	}
	return end
}

func newState() *state {
	return &state{
		slots:     map[string]Slot{},
		sessions:  map[SessionID]*Session{},
		accounts:  map[string][]*Session{},
		recent:    map[owner]map[[32]byte]struct{}{},
		counts:    map[owner]int{},
		dirty:     map[SessionID]struct{}{},
		positions: map[uint64]position{},
		fates:     map[[20]byte]Fate{},
		remnants:  map[SessionID]*Remnant{},
		ended:     map[string][]*Remnant{},
	}
}

func remember(m map[owner]map[[32]byte]struct{}, o owner, digest [32]byte) {
	if m[o] == nil {
		m[o] = map[[32]byte]struct{}{}
	}
	m[o][digest] = struct{}{}
}

// recentDigests returns the digests that are not gathered yet, in one or two parts.
func (st *state) recentDigests() []map[owner]map[[32]byte]struct{} {
	if st.gathering == nil {
		return []map[owner]map[[32]byte]struct{}{st.recent}
	}
	return []map[owner]map[[32]byte]struct{}{st.recent, st.gathering.recent}
}

// forget drops the digests of an owner that are not gathered yet.
func (st *state) forget(o owner) {
	delete(st.counts, o)
	for _, recent := range st.recentDigests() {
		delete(recent, o)
	}
}

// putFirst puts sessions of an account at the head of its list, in place of their older selves, the
// last one first.
func (st *state) putFirst(account string, changed []*Session) {
	list := st.accounts[account]
	fresh := make([]*Session, 0, len(list)+len(changed))
	older := make(map[*Session]bool, len(changed))
	for _, s := range slices.Backward(changed) {
		fresh = append(fresh, s)
		if was := st.sessions[s.ID]; was != nil {
			older[was] = true
		}
		st.sessions[s.ID] = s
	}
	// By pointer: in a list of a thousand, a look into each session costs more than the copy.
	if len(changed) == 1 && len(older) == 1 {
		for was := range older {
			at := slices.Index(list, was)
			fresh, list = append(fresh, list[:at]...), list[at+1:]
		}
	} else if len(older) > 0 {
		list = slices.DeleteFunc(slices.Clone(list), func(s *Session) bool { return older[s] })
	}
	st.accounts[account] = append(fresh, list...)
}

func (st *state) remove(id SessionID) {
	s := st.sessions[id]
	if s == nil {
		return
	}
	delete(st.sessions, id)
	delete(st.dirty, id)
	st.forget(sessionOwner(id))
	list := slices.DeleteFunc(slices.Clone(st.accounts[s.Account]), func(o *Session) bool { return o.ID == id })
	if len(list) == 0 {
		delete(st.accounts, s.Account)
		return
	}
	st.accounts[s.Account] = list
}

// arrange builds the lists of accounts from the sessions.
func (st *state) arrange() {
	for _, s := range st.sessions {
		st.accounts[s.Account] = append(st.accounts[s.Account], s)
	}
	for _, list := range st.accounts {
		sorts.By(list, func(a, b *Session) int {
			return cmp.Or(b.LastUsed.Compare(a.LastUsed), cmp.Compare(b.ID, a.ID))
		})
	}
}

// live returns the unexpired sessions of a list. It returns the list itself if none has expired.
func live(list []*Session, now time.Time) []*Session {
	for i, s := range list {
		if s.Expires.After(now) {
			continue
		}
		kept := slices.Clone(list[:i])
		for _, s := range list[i:] {
			if s.Expires.After(now) {
				kept = append(kept, s)
			}
		}
		return kept
	}
	return list
}

// SessionsOf returns the live sessions of an account, most recently used first. The slice is
// shared: do not change it.
func (l *Ledger) SessionsOf(account string) []*Session {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return live(l.state.accounts[account], l.nowLocked())
}

// Sessions returns all live sessions in the order in which they were made.
func (l *Ledger) Sessions() []*Session {
	l.mu.RLock()
	defer l.mu.RUnlock()
	now := l.nowLocked()
	var all []*Session
	for _, list := range l.state.accounts {
		all = append(all, live(list, now)...)
	}
	sorts.By(all, func(a, b *Session) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// Session returns a live session by its id.
func (l *Ledger) Session(id SessionID) (*Session, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	s := l.state.sessions[id]
	if s == nil || !s.Expires.After(l.nowLocked()) {
		return nil, false
	}
	return s, true
}

// Slots returns all slots by name.
func (l *Ledger) Slots() []Slot {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.state.allSlots()
}

// Slot returns a slot by its name.
func (l *Ledger) Slot(name string) (Slot, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	s, ok := l.state.slots[name]
	if !ok {
		return s, false
	}
	all := l.state.allSlots()
	return all[slices.IndexFunc(all, func(s Slot) bool { return s.Name == name })], true
}

// Documented reports whether a slot's app gets the documented form of answers.
func (l *Ledger) Documented(name string) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.state.slots[name].Documented
}

// allSlots returns all slots by name. Of slots with one secret only the first keeps it; the others
// name it.
func (st *state) allSlots() []Slot {
	all := make([]Slot, 0, len(st.slots))
	for _, s := range st.slots {
		all = append(all, s)
	}
	sorts.By(all, func(a, b Slot) int { return cmp.Compare(a.Name, b.Name) })
	first := make(map[Secret]string, len(all))
	for i, s := range all {
		if name, taken := first[s.Secret]; taken {
			all[i].SameSecretAs = name
			continue
		}
		first[s.Secret] = s.Name
	}
	return all
}
