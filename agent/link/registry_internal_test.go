package link

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pksa/protocol/hive"
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
			if want := min(windowFirst+n, windowMost); len(r.out) != want {
				t.Fatalf("%d outstanding after %d acknowledgements, want %d", len(r.out), n, want)
			}
		}
		return r
	}
	drained := func(what string, r *registry, most int) {
		t.Helper()
		for len(r.out) > 1 {
			r.leave(r.out[0]) // as if none of them had been acknowledged
		}
		r.errors = 0
		if fill(r); len(r.out) != most {
			t.Errorf("%d outstanding after %s, want %d", len(r.out), what, most)
		}
	}
	r := grown()
	r.refused("account does not exist", nil, now)
	drained("an error", r, window)
	r = grown()
	now = now.Add(ackTimeout)
	r.expire(now)
	drained("silence", r, windowFirst)
	r = grown()
	r.begin(entries, now)
	drained("another connection", r, windowFirst)
}

// An error belongs to the account that its text names, also late, and also of several outstanding.
// One that names nobody, or somebody who was not asked, belongs to the one that is outstanding, if
// that is one.
func TestWhoseErrorItIs(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	const refusal = "invalid proof of key: "
	for _, c := range []struct {
		text   string
		change func(r *registry, all map[string]*entry) // of the state after a, b and c were asked
		want   string
		errors int // that nobody owns
	}{
		{refusal + "b", nil, "b", 0},
		{refusal + "d", nil, "", 1},
		{refusal + "nobody", nil, "", 1},
		{"this is no proof of b", nil, "", 1},
		{"refused", nil, "", 1},
		{refusal + "a", func(r *registry, all map[string]*entry) { r.setAside(all["a"], now) }, "a", 0},
		{refusal + "a", func(r *registry, all map[string]*entry) { r.acknowledged(all["a"]) }, "", 1},
		{refusal + "a", func(r *registry, all map[string]*entry) { r.remove(all["a"]); r.leave(all["b"]) }, "a", 0},
		{"refused", func(r *registry, all map[string]*entry) { r.remove(all["a"]); r.leave(all["b"]) }, "", 1},
		{"refused", func(r *registry, all map[string]*entry) { r.leave(all["a"]); r.leave(all["b"]) }, "c", 0},
	} {
		r := &registry{rate: Rate{PerSecond: 1e9, Burst: 1e9}}
		all, list := map[string]*entry{}, []*entry{}
		for _, name := range []string{"a", "b", "c", "d"} {
			all[name] = &entry{account: Account{Name: hive.AccountName(name)}}
			list = append(list, all[name])
		}
		r.begin(list[:3], now)
		for range 3 {
			r.next(now)
		}
		if c.change != nil {
			c.change(r, all)
		}
		got := ""
		if e := r.refused(c.text, all[nameIn(c.text)], now); e != nil {
			got = string(e.account.Name)
		}
		if got != c.want || r.errors != c.errors || got != "" && slices.Contains(r.out, all[got]) {
			t.Errorf("%q: of %q, %d of nobody", c.text, got, r.errors)
		}
		if removed := all["a"]; removed.state == gone && (removed.tries > 0 || len(r.parked) > 0) {
			t.Errorf("%q: what was removed is asked again", c.text)
		}
	}
}

// While nothing is acknowledged, only errors that come soon let more be outstanding.
func TestWindowOfErrors(t *testing.T) {
	for _, late := range []time.Duration{soon - 1, soon} {
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		r := &registry{rate: Rate{PerSecond: 1e9, Burst: 1e9}}
		entries := make([]*entry, 1000)
		for i := range entries {
			entries[i] = &entry{account: Account{Name: hive.AccountName(fmt.Sprint("user-", i))}}
		}
		r.begin(entries, now)
		for range 200 {
			for e, _ := r.next(now); e != nil; e, _ = r.next(now) {
			}
			now = now.Add(late)
			name := string(r.out[0].account.Name)
			for _, e := range r.out {
				e.sentAt = now.Add(-late)
			}
			r.refused("account does not exist: "+name, r.out[0], now)
		}
		want := windowFirst - 1
		if late < soon {
			want = window - 1
		}
		if len(r.out) != want {
			t.Errorf("answers after %s: %d outstanding, want %d", late, len(r.out), want)
		}
	}
}
