package link

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/coder/websocket"
)

// Requests live for a minute at a relay: a wallet that is away longer than the relay loses them. So
// the pauses between attempts are short, and chance spreads the wallets that one relay has lost.
// They spare nothing but the relay, and a relay that needs time can say so.
const (
	// pauseShort is the longest pause as long as the trouble is young. From then on pauses grow,
	// within minutes, up to pauseLong.
	pauseShort, pauseLong = 1750 * time.Millisecond, 8 * time.Second
	youngTrouble          = 2 * time.Minute
	troubleGrows          = time.Minute // trouble that is older by this has pauses longer by a second

	// shortLife is how long a connection has to serve for the trouble before it to be over.
	shortLife = 10 * time.Second
	// shortLives is how many shorter ones in a row end it, too. A relay that registers and hangs up
	// has all proofs made each time.
	shortLives = 3

	// busyFirst is the pause for a relay that asks for time without saying how much, and doubles up
	// to busyMost; askedMost is the longest that a relay can ask for.
	busyFirst, busyMost, askedMost = time.Second, time.Minute, time.Hour
)

// dialShort is how long name and TCP may take once a connection was made. A machine that is away,
// or a resolver, answers nothing, and the system asks again after ever longer times: attempts that
// are given up soon meet it soon after it is back. Who has never been connected may have a slow
// resolver, so the limits grow and begin again; and each patientEvery-th attempt waits, since the
// world may have become slow.
const (
	dialShort    = pauseShort
	patientEvery = 32
)

var firstLimits = [...]time.Duration{dialShort, 7 * time.Second, dialTimeout}

// life is how far an attempt came.
type life struct {
	served bool          // an account was registered; without accounts: the relay gave its key
	lasted time.Duration // from then to its end
	slow   bool          // name and TCP took longer than dialShort
}

// retry decides when the next attempt to connect is made.
type retry struct {
	trouble  time.Time // since when there is some; zero: not yet
	short    int       // connections in a row that served and ended before shortLife
	busy     int       // times in a row that the relay asked for time
	attempts int
	served   bool // some connection has
	slow     bool // and the last one that has took longer than dialShort to make

	random func() float64 // in [0, 1)
}

func newRetry() *retry { return &retry{random: rand.Float64} }

// dialLimit returns how long the next attempt may take for name and TCP.
func (r *retry) dialLimit() time.Duration {
	n := r.attempts
	r.attempts++
	switch {
	case !r.served:
		return firstLimits[n%len(firstLimits)]
	case r.slow, r.attempts%patientEvery == 0:
		return dialTimeout
	}
	return dialShort
}

// next returns the pause after an attempt that took so long, came so far and ended with an error.
func (r *retry) next(took time.Duration, l life, err error, now time.Time) time.Duration {
	if l.served {
		r.served, r.slow, r.busy = true, l.slow, 0
		if r.short++; l.lasted >= shortLife {
			r.short = 0
		}
	}
	if r.trouble.IsZero() || l.served && r.short <= shortLives {
		r.trouble = now
	}
	if asked, ok := needsTime(err); ok {
		r.busy++
		pause := min(busyFirst<<min(r.busy-1, 10), busyMost)
		if asked > 0 {
			pause = min(asked, askedMost)
		}
		return pause + time.Duration(r.random()*float64(pause)/4) // later only: it has asked
	}
	most := pauseShort
	if older := now.Sub(r.trouble) - youngTrouble; older > 0 {
		most = min(pauseShort+time.Second*time.Duration(older/troubleGrows), pauseLong)
	}
	pause := most/4 + time.Duration(r.random()*float64(most)*3/4)
	if !l.served { // an attempt that nobody answered was a pause, too
		pause = max(pause-took, time.Duration(r.random()*float64(most)/8))
	}
	return pause
}

// refusal is an HTTP reply that is no upgrade.
type refusal struct {
	status int
	after  time.Duration // that the relay asks for by Retry-After; zero: it does not say
	err    error
}

func (r *refusal) Error() string {
	if r.after > 0 {
		return fmt.Sprintf("%v (it asks for %s)", r.err, r.after)
	}
	return r.err.Error()
}

func (r *refusal) Unwrap() error { return r.err }

func newRefusal(resp *http.Response, err error) error {
	r := &refusal{status: resp.StatusCode, err: err}
	text := resp.Header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 32); err == nil {
		r.after = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		r.after = max(time.Until(at), 0).Round(time.Second)
	}
	return r
}

// needsTime reports whether a relay has asked to come back later, and after how long; zero if it
// did not say. One that floods, or names a wrong key, is left alone as if it had.
func needsTime(err error) (time.Duration, bool) {
	if r, ok := errors.AsType[*refusal](err); ok {
		busy := r.status == http.StatusTooManyRequests || r.status == http.StatusServiceUnavailable
		return r.after, busy || r.after > 0
	}
	_, wrongKey := errors.AsType[*KeyError](err)
	return 0, wrongKey || errors.Is(err, errFlood) || websocket.CloseStatus(err) == websocket.StatusTryAgainLater
}
