package link

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// ask has an app ask the bucket at an instant of a test, which is given in seconds.
func (s *shared) ask(at float64, r Rate, app string) bool {
	return s.spendFor(time.Unix(1_000_000, 0).Add(time.Duration(at*float64(time.Second))), r, app)
}

// Nine apps that stay within their shares are never refused beside one that asks ten times as often
// as all of them may, at any times; that one has all that they leave, and all together have no more
// than the rate.
func TestWithinTheirShares(t *testing.T) {
	r := Rate{PerSecond: 50, Burst: 100}
	const seconds, step = 120, 1. / 500
	for seed := range uint64(20) {
		chance, s := rand.New(rand.NewPCG(seed, 1)), shared{}
		quiet := [9]struct{ tokens, pace float64 }{}
		for i := range quiet {
			quiet[i].tokens, quiet[i].pace = 10, chance.Float64()*2 // how often it asks for what it may
		}
		served, loud := 0, 0
		for n := range int(seconds / step) {
			at := float64(n) * step
			if s.ask(at, r, "loud") {
				loud++
			}
			for i := range quiet {
				q := &quiet[i]
				q.tokens = min(10, q.tokens+step*5)
				if q.tokens < 1.1 || chance.Float64() > 5*step*q.pace {
					continue
				}
				q.tokens--
				served++
				if !s.ask(at, r, fmt.Sprint("quiet ", i)) {
					t.Fatalf("seed %d: quiet app %d is refused after %.2f s", seed, i, at)
				}
			}
		}
		most, least := r.PerSecond*seconds+2*r.Burst, r.PerSecond*seconds*0.99
		if all := float64(served + loud); all > most || all < least {
			t.Errorf("seed %d: %d of the quiet ones and %d of the loud one in %d s", seed, served, loud, seconds)
		}
	}
}

// Two apps that ask for more than there is have the same, however much more one of them asks for.
func TestLoudAppsHaveTheSame(t *testing.T) {
	r, s, served := Rate{PerSecond: 50, Burst: 100}, shared{}, map[string]int{}
	for n := range 60 * 1000 {
		at := float64(n) / 1000
		if s.ask(at, r, "louder") {
			served["louder"]++
		}
		if n%15 == 0 && s.ask(at, r, "loud") {
			served["loud"]++
		}
	}
	if served["loud"] < 25*60-5 || served["louder"] < 25*60-5 || served["loud"]+served["louder"] > 50*60+200 {
		t.Errorf("of 50 a second in 60 s: %v", served)
	}
}

// Apps that come and go in turns, so that each finds its share full, have not twice the rate by it.
func TestAppsInTurns(t *testing.T) {
	r := Rate{PerSecond: 50, Burst: 100}
	for _, pause := range []float64{0, 1, 2, 5, 19, 21, 25, 40} {
		s, served, last := shared{}, 0, 0.0
		for at := 0.0; at < 200; at += pause + 0.1 {
			for app := range mostShares {
				for s.ask(at, r, fmt.Sprint(app)) {
					served++
				}
			}
			last = at
		}
		if most := int(1.5*r.PerSecond*last + 5*r.Burst); served > most {
			t.Errorf("all %v s: %d in %v s, %d at the most", pause, served, last, most)
		}
	}
}

// So many apps have a share each; others have one together.
func TestSharesOfManyApps(t *testing.T) {
	for _, n := range []int{mostShares - 1, mostShares, mostShares + 1, mostShares + 2} {
		r, s := Rate{PerSecond: 1e-9, Burst: 1000}, shared{}
		for app := range n {
			if !s.ask(0, r, fmt.Sprint("app ", app)) {
				t.Errorf("app %d of %d is refused", app, n)
			}
		}
		if got := len(s.shares); got != min(n, mostShares+1) {
			t.Errorf("%d apps have %d shares", n, got)
		}
		for s.ask(0, r, "app 0") {
		}
		for app := range n { // each uses up its own share
			own := 0
			for s.ask(0, r, fmt.Sprint("app ", app)) {
				own++
			}
			late := app > mostShares // another one has used up the share that it has, too
			if app > 0 && (own == 0) != late {
				t.Errorf("app %d of %d has %d more tokens", app, n, own)
			}
		}
	}
}

// A share that nobody uses is forgotten after ten times as long as it takes to fill.
func TestSharesAreForgotten(t *testing.T) {
	r := Rate{PerSecond: 50, Burst: 100}
	for _, c := range []struct {
		after float64
		left  int
	}{{19.9, 2}, {20, 2}, {20.1, 1}} {
		s := shared{}
		s.ask(0, r, "gone")
		s.ask(c.after, r, "here")
		if len(s.shares) != c.left {
			t.Errorf("after %v s there are %d shares", c.after, len(s.shares))
		}
	}
}
