package policy

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// counting is a book of one limit, and who opened which of its counters.
type counting struct {
	*rand.Rand
	book    Book
	window  time.Duration
	now     time.Time
	openers map[string]string // by split
}

// charge lets an app use a counter, as a decision does: it opens it if it is not in use.
func (c *counting) charge(app, split string) {
	charge := Charge{Limit: "l", Split: split, Unit: "count", Amount: "1"}
	if !c.book.Live("l", split, c.window, c.now) {
		charge.OpenedBy, c.openers[split] = app, app
	}
	c.book.Add(c.now, []Charge{charge})
}

// opened counts one by one what an app opened and what is in use.
func (c *counting) opened(app string) (n int) {
	for split, opener := range c.openers {
		if opener == app && c.book.Live("l", split, c.window, c.now) {
			n++
		}
	}
	return n
}

// However counters leave, are opened again by the same app or another, and windows change, an app
// has as many as can be counted one by one.
func TestOpenedAgainstTheList(t *testing.T) {
	apps := []string{"x", "y", "z"}
	for seed := range uint64(30) {
		c := &counting{Rand: rand.New(rand.NewPCG(seed, 47)), window: time.Hour, openers: map[string]string{},
			now: time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)}
		for step := range 300 {
			c.now = c.now.Add(time.Duration(c.IntN(600)) * time.Second)
			c.charge(apps[c.IntN(len(apps))], fmt.Sprint("n=", c.IntN(20)))
			switch c.IntN(30) {
			case 0:
				c.window = []time.Duration{time.Minute, time.Hour, 3 * time.Hour}[c.IntN(3)]
			case 1:
				c.book.Keep(map[string]time.Duration{"l": c.window}, c.now)
			}
			for _, app := range apps {
				want, enough := c.opened(app), c.IntN(8)-1
				got, _ := c.book.Opened(Openings{"l", app, c.window, enough}, c.now)
				if got < want || got > enough && got != want {
					t.Fatalf("seed %d, step %d: %s opened %d counters, want %d, enough are %d", seed, step, app, got,
						want, enough)
				}
			}
		}
	}
}

// An app that is at its bound has its own counters counted again and again, and nobody else's.
func TestOnlyOwnCountersAreCounted(t *testing.T) {
	c := &counting{window: time.Hour, openers: map[string]string{},
		now: time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)}
	for i := range 1000 {
		app := "quiet"
		if i%100 == 0 {
			app = "noisy"
		}
		c.charge(app, fmt.Sprint("n=", i))
	}
	for _, kept := range []bool{false, true} {
		if kept {
			c.book.Keep(map[string]time.Duration{"l": c.window}, c.now)
		}
		c.now = c.now.Add(-1) // it is counted once more
		got, _ := c.book.Opened(Openings{"l", "noisy", c.window, 9}, c.now)
		l := c.book.limits["l"]
		if own := l.tallies[0].own; got != 10 || len(own) != 10 || !l.tallies[0].whole || l.apps[0] != "noisy" {
			t.Errorf("kept %t: %d counters, %d are looked at", kept, got, len(own))
		}
	}
	c.now = c.now.Add(2 * time.Hour)
	c.charge("noisy", "n=0")
	if got, _ := c.book.Opened(Openings{"l", "noisy", c.window, 0}, c.now); got != 1 ||
		len(c.book.limits["l"].tallies[0].own) != 1 {
		t.Errorf("when the others have left: %d", got)
	}
}
