// Package places shares a bounded number of places between apps, so that one with many requests
// leaves room for those with few. Each app has some places of its own; the others go to whoever
// comes first.
package places

import "sync"

// Room is a number of requests and of their bytes.
type Room struct{ Requests, Bytes int }

// fits reports whether one more request of some bytes has a place here.
func (r Room) fits(size int) bool { return r.Requests > 0 && r.Bytes >= size }

// Table is the places of a wallet's requests. Make it with [New]. Its methods may be called
// concurrently.
type Table struct {
	own Room // of each app

	mu     sync.Mutex
	shared Room            // that is left for all
	apps   map[string]Room // that is taken of each app's own
}

// New returns a table in which each app has places of its own, and all share some more.
func New(own, shared Room) *Table {
	return &Table{own: own, shared: shared, apps: map[string]Room{}}
}

// Take finds a place for a request of an app, and returns what frees it: a second call of that does
// nothing. It returns false if the app's own places are taken, and those that are shared, too.
func (t *Table) Take(app string, size int) (leave func(), ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	taken := t.apps[app]
	left := Room{t.own.Requests - taken.Requests, t.own.Bytes - taken.Bytes}
	switch {
	case left.fits(size):
		t.apps[app] = Room{taken.Requests + 1, taken.Bytes + size}
		return sync.OnceFunc(func() { t.leaveOwn(app, size) }), true
	case t.shared.fits(size):
		t.shared = Room{t.shared.Requests - 1, t.shared.Bytes - size}
		return sync.OnceFunc(func() { t.leaveShared(size) }), true
	}
	return nil, false
}

func (t *Table) leaveOwn(app string, size int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	taken := t.apps[app]
	if taken = (Room{taken.Requests - 1, taken.Bytes - size}); taken.Requests == 0 {
		delete(t.apps, app)
		return
	}
	t.apps[app] = taken
}

func (t *Table) leaveShared(size int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.shared = Room{t.shared.Requests + 1, t.shared.Bytes + size}
}
