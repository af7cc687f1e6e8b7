package link

import (
	"container/heap"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// crowd is wallets that one relay has lost, in virtual time: the relay takes so many connections a
// second, the others wait in the system's queue, and beyond that nothing answers.
type crowd struct {
	wallets int
	outage  time.Duration // from the loss until the relay is back
	flaps   []time.Duration
	silent  bool // nothing answers while the relay is away; else connections are refused
	rate    int  // connections that the relay takes in a second
}

const (
	queueMost = 4096 // connections that the system keeps for a server, by default
	flapLasts = 2 * time.Second
)

// event is a wallet that asks for a connection, first or, while nothing answers, again.
type event struct {
	at, begun time.Duration
	limit     time.Duration // for the attempt
	asked     int           // how often before
	wallet    int
}

type events []event

func (e events) Len() int           { return len(e) }
func (e events) Less(i, j int) bool { return e[i].at < e[j].at }
func (e events) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)        { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := len(*e) - 1
	x := (*e)[last]
	*e = (*e)[:last]
	return x
}

// up reports whether the relay takes connections, and until when if it is not for good.
func (c crowd) up(at time.Duration) (up bool, until time.Duration) {
	for _, from := range c.flaps {
		if at >= from && at < from+flapLasts {
			return true, from + flapLasts
		}
	}
	return at >= c.outage, 0
}

// back returns how long after the relay was back each wallet was connected, sorted.
func (c crowd) back(t *testing.T) []time.Duration {
	t.Helper()
	random := rand.New(rand.NewPCG(uint64(c.rate), uint64(c.outage)))
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	// Of a long outage only the end is played.
	from := max(0, c.outage-time.Minute)
	retries, queue := make([]*retry, c.wallets), events{}
	attempt := func(wallet int, at time.Duration) {
		heap.Push(&queue, event{at: at, begun: at, limit: retries[wallet].dialLimit(), wallet: wallet})
	}
	for i := range retries {
		retries[i] = newRetry()
		retries[i].random = random.Float64
		pause := retries[i].next(time.Hour, life{served: true, lasted: time.Hour}, errClosed, begin)
		if from > 0 {
			pause = from + time.Duration(random.Int64N(int64(pauseLong)))
		}
		attempt(i, pause)
	}
	var waits []time.Duration
	var free time.Duration // when the relay has taken all that wait
	step := time.Second / time.Duration(c.rate)
	for len(queue) > 0 {
		e := heap.Pop(&queue).(event)
		again := func(l life, at time.Duration) {
			attempt(e.wallet, at+retries[e.wallet].next(at-e.begun, l, errClosed, begin.Add(at)))
		}
		up, until := c.up(e.at)
		switch {
		case e.at == e.begun+e.limit:
			again(life{}, e.at)
		case !up && !c.silent:
			again(life{}, e.at)
		case !up || (free-e.at)/step >= queueMost: // nothing answers, and the system asks again
			e.at = min(e.at+time.Second<<e.asked, e.begun+e.limit)
			e.asked++
			heap.Push(&queue, e)
		default:
			free = max(free, e.at) + step
			switch {
			case until > 0:
				again(life{served: true, lasted: until - e.at}, until)
			case free-e.begun > dialTimeout: // the relay's work is lost
				again(life{}, e.begun+dialTimeout)
			default:
				waits = append(waits, free-c.outage)
			}
		}
	}
	slices.Sort(waits)
	return waits
}

// Wallets are back soon after their relay is, however many it has lost: within 2 seconds, or twice
// the time that it needs to take them all.
func TestCrowdComesBack(t *testing.T) {
	if testing.Short() {
		t.Skip("nothing in it runs beside something else")
	}
	const wallets = 10_000
	for _, rate := range []int{500, 1000, 5000} {
		for _, outage := range []time.Duration{300 * time.Millisecond, 2 * time.Minute, 3 * time.Hour} {
			for _, silent := range []bool{false, true} {
				if silent && outage != 2*time.Minute {
					continue
				}
				waits := crowd{wallets: wallets, outage: outage, silent: silent, rate: rate}.back(t)
				most := 2 * time.Second
				if outage > youngTrouble {
					most = 10 * time.Second
				}
				most = max(most, 2*wallets*time.Second/time.Duration(rate))
				if p95 := waits[len(waits)*95/100]; p95 > most || len(waits) != wallets {
					t.Errorf("%d a second, away for %s, silent %t: 95 of 100 are back after %s, want %s", rate, outage,
						silent, p95, most)
				}
			}
		}
	}
}

// A wallet is back 2 seconds after its relay, 95 times of 100, and 5 seconds after it always, also
// if the relay came and went before, or did not answer at all; after hours, 10 seconds.
func TestWalletComesBack(t *testing.T) {
	flaps := func(gap time.Duration) (list []time.Duration) {
		for i := range 4 {
			list = append(list, time.Duration(i+1)*gap)
		}
		return list
	}
	for name, c := range map[string]crowd{
		"at once":       {outage: time.Second},
		"half a minute": {outage: 30 * time.Second},
		"two minutes":   {outage: 2 * time.Minute},
		"flaps":         {outage: 20 * time.Second, flaps: flaps(4 * time.Second)},
		"flaps slowly":  {outage: 100 * time.Second, flaps: flaps(20 * time.Second)},
		"hours":         {outage: 5 * time.Hour},
		"silent":        {outage: 30 * time.Second, silent: true},
		"silent longer": {outage: 2 * time.Minute, silent: true},
		"silent flaps":  {outage: 100 * time.Second, flaps: flaps(20 * time.Second), silent: true},
	} {
		c.wallets, c.rate = 2000, 1_000_000
		waits := c.back(t)
		p95, most := 2*time.Second, 5*time.Second
		if c.outage > youngTrouble {
			p95, most = 8*time.Second, 10*time.Second
		}
		if got := waits[len(waits)*95/100]; got > p95 {
			t.Errorf("%s: 95 of 100 are back after %s, want %s", name, got, p95)
		}
		if got := waits[len(waits)-1]; got > most {
			t.Errorf("%s: all are back after %s, want %s", name, got, most)
		}
	}
}

// A relay that asks for time gets it, and a little more by chance, so that not all come at once.
func TestRelayThatAsksForTime(t *testing.T) {
	busy := func(status int, after string) error {
		return fmt.Errorf("upgrade: %w", newRefusal(&http.Response{StatusCode: status,
			Header: http.Header{"Retry-After": {after}}}, errors.New("no upgrade")))
	}
	again := websocket.CloseError{Code: websocket.StatusTryAgainLater}
	now := time.Now()
	inThreeMinutes := now.UTC().Add(3 * time.Minute)
	for name, test := range map[string]struct {
		errs []error
		want time.Duration // pause after the last of them
	}{
		"seconds":          {[]error{busy(503, "30")}, 30 * time.Second},
		"without status":   {[]error{busy(500, "20")}, 20 * time.Second},
		"a date":           {[]error{busy(429, inThreeMinutes.Format(http.TimeFormat))}, 3 * time.Minute},
		"a past date":      {[]error{busy(429, "Thu, 01 Jan 2026 00:00:00 GMT")}, time.Second},
		"too long":         {[]error{busy(429, "4000000000")}, time.Hour},
		"no number":        {[]error{busy(429, "soon")}, time.Second},
		"429":              {[]error{busy(429, "")}, time.Second},
		"429 three times":  {[]error{busy(429, ""), busy(429, ""), busy(429, "")}, 4 * time.Second},
		"1013 for long":    {slices.Repeat([]error{again}, 40), time.Minute},
		"an hour, then no": {[]error{busy(503, "3600"), busy(503, "")}, 2 * time.Second},
	} {
		for _, chance := range []float64{0, 0.999} {
			r := newRetry()
			r.random = func() float64 { return chance }
			var got time.Duration
			for _, err := range test.errs {
				got = r.next(0, life{}, err, now)
			}
			want := test.want + time.Duration(chance*float64(test.want)/4)
			if off := got - want; off < -2*time.Second*min(1, want/time.Minute) || off > 0 {
				t.Errorf("%s: %s, want %s", name, got, want)
			}
		}
	}
	// Once it has served, it is asked as soon as before.
	r := newRetry()
	r.next(0, life{}, again, now)
	r.next(0, life{served: true, lasted: time.Minute}, errClosed, now)
	if r.busy != 0 {
		t.Error("a relay that has served is still busy")
	}
	for _, err := range []error{errClosed, errors.New("x"), busy(403, ""), websocket.CloseError{Code: 1000}} {
		if _, ok := needsTime(err); ok {
			t.Errorf("%v asks for time", err)
		}
	}
}

// An attempt that nobody answered was a pause, too; a connection that served was none.
func TestAttemptIsAPause(t *testing.T) {
	for range 100 {
		r := newRetry()
		if pause := r.next(dialShort, life{}, errClosed, time.Now()); pause > pauseShort/8 {
			t.Errorf("%s after an attempt of %s", pause, dialShort)
		}
		if pause := r.next(time.Hour, life{served: true}, errClosed, time.Now()); pause < pauseShort/4 {
			t.Errorf("%s after a connection", pause)
		}
	}
}

// A slow resolver is waited for before the first connection, now and then later, and always once it
// was worth it.
func TestDialLimits(t *testing.T) {
	r := newRetry()
	limits := func(n int) (list []time.Duration) {
		for range n {
			list = append(list, r.dialLimit())
		}
		return list
	}
	want := []time.Duration{dialShort, 7 * time.Second, dialTimeout, dialShort}
	if got := limits(4); !slices.Equal(got, want) {
		t.Errorf("at first %v, want %v", got, want)
	}
	r.next(0, life{served: true, slow: true}, errClosed, time.Now())
	if got := limits(40); slices.Min(got) != dialTimeout {
		t.Errorf("after a slow one %v", got)
	}
	r.next(0, life{served: true}, errClosed, time.Now())
	got := limits(64)
	slices.Sort(got)
	if got[61] != dialShort || got[62] != dialTimeout {
		t.Errorf("after a fast one %v", got)
	}
}

// TestingChance has the link draw its pauses from f, which returns numbers in [0, 1).
func (l *Link) TestingChance(f func() float64) { l.chance = f }
