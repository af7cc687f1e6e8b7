package link

import (
	"testing"
	"time"
)

// The window of registrations grows with acknowledgements, to its edge, and is small again after an
// error, after silence and on another connection.
func TestWindowGrowsAndShrinks(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	entries := make([]*entry, 2000)
	for i := range entries {
		entries[i] = &entry{}
	}
	fill := func(r *registry) {
		for e, _ := r.next(now); e != nil; e, _ = r.next(now) {
		}
	}
	grown := func() *registry {
		r := &registry{rate: Rate{PerSecond: 1e9, Burst: 1e9}}
		r.begin(entries, now)
		fill(r)
		for n := 1; n <= windowMost; n++ {
			r.acknowledged(r.out[0])
			fill(r)
			if want := min(window+n, windowMost); len(r.out) != want {
				t.Fatalf("%d outstanding after %d acknowledgements, want %d", len(r.out), n, want)
			}
		}
		return r
	}
	drained := func(what string, r *registry) {
		t.Helper()
		for len(r.out) > 1 {
			r.leave(r.out[0]) // as if none of them had been acknowledged
		}
		r.errors = 0
		if fill(r); len(r.out) > window {
			t.Errorf("%d outstanding after %s", len(r.out), what)
		}
	}
	r := grown()
	r.refused("account does not exist", now)
	drained("an error", r)
	r = grown()
	now = now.Add(ackTimeout)
	r.expire(now)
	drained("silence", r)
	r = grown()
	r.begin(entries, now)
	drained("another connection", r)
}
