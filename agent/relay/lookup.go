package relay

import (
	"context"
	"errors"
	"time"

	"pksa/protocol/hive"
)

// A registration may name any account, and looking its keys up asks a node of the chain, which the
// wallet in this process needs for its own transactions. So strangers have a small share of the
// look-ups: one at a time for each connection, and for all of them together as many as share says.
// A connection that has proved accounts looks freely for as long as few of its registrations fail;
// the accounts of Options.Known never wait.
const (
	lookupsPerSecond = 5
	lookupsAtOnce    = 10
	freeLookups      = 64 // registrations beside each other, of one connection
	// What the chain does not have is remembered for absentTTL. Reaching maxAbsent empties that
	// memory, which only costs look-ups.
	maxAbsent = 10_000
	absentTTL = 30 * time.Second
)

var errNoTurn = errors.New("too many strangers look keys up")

// share is what strangers have of the look-ups. They take their turns in the order in which they
// ask.
type share struct{ pace }

// reserve returns how long it is until the turn that it takes. It takes none, and reports false, if
// that is longer than most.
func (s *share) reserve(now time.Time, most time.Duration) (wait time.Duration, ok bool) {
	return s.pace.reserve(now, time.Second/lookupsPerSecond, lookupsAtOnce, 1, most)
}

// turnFor returns the wait for the turn of one look-up for this connection: none for a registration
// that is worked on beside others, and as long as the connection is trusted.
func (s *socket) turnFor(account hive.AccountName) turn {
	r := s.relay
	if r.options.Known(account) || s.trust() > 0 {
		return atOnce
	}
	return func(ctx context.Context) (done func(), err error) {
		// One at a time: registrations beside each other may have lost their trust.
		select {
		case s.asking <- struct{}{}:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		wait, ok := r.share.reserve(time.Now(), r.options.Limits.Lookup)
		if err = errNoTurn; ok {
			err = sleep(ctx, wait)
		}
		if err != nil {
			<-s.asking
			r.count(func(c *Counters) { c.OverLimit++ })
			return nil, err
		}
		return func() { <-s.asking }, nil
	}
}

// trust returns how many registrations may be worked on beside each other, without the strangers'
// share: one for each two accounts that the connection has proved, but for those that were refused.
func (s *socket) trust() int {
	s.relay.mu.Lock()
	defer s.relay.mu.Unlock()
	return s.trustLocked()
}

func (s *socket) trustLocked() int { return min(freeLookups, len(s.accounts)/2-s.failed) }

// beginBeside reports whether the connection is trusted, and waits until one more registration may
// be worked on beside the others.
func (s *socket) beginBeside(ctx context.Context) bool {
	for {
		s.relay.mu.Lock()
		trust := s.trustLocked()
		free := s.beside < trust
		if free {
			s.beside++
		}
		s.relay.mu.Unlock()
		if free || trust <= 0 {
			return free
		}
		select {
		case <-s.done:
		case <-ctx.Done():
			return false
		}
	}
}

func (s *socket) endBeside() {
	s.relay.mu.Lock()
	s.beside--
	s.relay.mu.Unlock()
	signal(s.done)
}
