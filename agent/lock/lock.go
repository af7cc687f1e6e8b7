// Package lock knows whether the wallet is locked, by whom and since when, and how long it was
// idle. Start with [State.Begin] and [State.End]. What a lock does to keys and links, package agent
// does.
//
// # What it promises
//
// A lock has begun or it has not: whoever asks in between is told that it has. It ends with
// [State.End] alone, and with the process.
package lock

import (
	"sync"
	"time"
)

// Still begins the text of an error of an unlock after which the keystore was opened: what keeps
// the wallet locked is something else.
const Still = "still locked: "

// Status is whether the wallet is locked.
type Status struct {
	Locked bool      `json:"locked"`
	Since  time.Time `json:"since,omitzero"`
	// By is who, or what, locked it, for people.
	By      string `json:"by,omitempty"`
	Already bool   `json:"already,omitempty"` // it was so before
	// Bring means that it stays locked, because the agent cannot read by itself what opens the
	// keystore: who unlocks brings it.
	Bring bool `json:"bring,omitempty"`
}

// Promises returns the members that no answer of the agent lacks.
func (Status) Promises() []string { return []string{"locked"} }

// State is how the lock stands. Make one with [New]. Its methods may be called concurrently.
type State struct {
	want chan string // holds one: why the wallet is to be locked

	mu      sync.Mutex // guards all that follows
	now     Status
	leaving chan struct{} // closed when a lock begins
	used    time.Time     // when the last request was admitted, or the wallet was unlocked
}

// New returns the state of a wallet that is not locked, and was used now.
func New(now time.Time) *State {
	return &State{want: make(chan string, 1), leaving: make(chan struct{}), used: now}
}

// Begin locks. It returns false if it was locked already.
func (s *State) Begin(by string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now.Locked {
		return false
	}
	s.now = Status{Locked: true, Since: now, By: by}
	close(s.leaving)
	return true
}

// End unlocks.
func (s *State) End(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now.Locked {
		s.leaving = make(chan struct{})
	}
	s.now, s.used = Status{}, now
	select {
	case <-s.want: // of before: whoever unlocked knew of it
	default:
	}
}

// Status returns how the lock stands.
func (s *State) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// Locked reports whether a lock has begun and has not ended.
func (s *State) Locked() bool { return s.Status().Locked }

// Leaving returns what is closed when the next lock begins; it is closed while one holds.
func (s *State) Leaving() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.leaving
}

// Used notes that a request was admitted.
func (s *State) Used(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used = now
}

// Idle returns how long no request was admitted. It is zero while the wallet is locked.
func (s *State) Idle(now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now.Locked {
		return 0
	}
	return now.Sub(s.used)
}

// Want asks for a lock, and why; [State.Wanted] delivers it. The first reason stands.
func (s *State) Want(why string) {
	select {
	case s.want <- why:
	default:
	}
}

// Wanted delivers why the wallet is to be locked.
func (s *State) Wanted() <-chan string { return s.want }
