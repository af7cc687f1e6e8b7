package client_test

import (
	"context"
	"testing"
	"time"

	"pksa/agent/client"
	"pksa/protocol"
	"pksa/protocol/hive"
)

type whoAsks struct{}

// The application is told of a request that waits for a person, and not of one that the wallet
// answers by itself.
func TestWaiting(t *testing.T) {
	cases := map[string]struct {
		after, answer time.Duration
		told          []time.Duration // when, from the request on
	}{
		"answered at once":     {0, 0, nil},
		"answered soon":        {0, time.Second, nil},
		"by a person":          {0, 20 * time.Second, []time.Duration{2 * time.Second}},
		"by a person, sooner":  {500 * time.Millisecond, time.Second, []time.Duration{500 * time.Millisecond}},
		"told of each request": {-1, time.Second, []time.Duration{0}},
		"never":                {0, time.Hour, []time.Duration{2 * time.Second}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var told []time.Duration
				var begun time.Time
				w := newWorld(t, nil, func(o *client.Options) {
					o.WaitingAfter = c.after
					o.Waiting = func(ctx context.Context, wait client.Waiting) {
						if ctx.Value(whoAsks{}) != "me" {
							return // the login
						}
						told = append(told, time.Since(begun))
						if wait.Kind != protocol.Sign || wait.Account != "alice" ||
							wait.Until.Sub(begun) != time.Minute {
							t.Errorf("told of %+v", wait)
						}
					}
				})
				s := w.login()
				begun = time.Now()
				w.setAnswer(func(protocol.Request) (protocol.Message, bool) {
					time.Sleep(c.answer)
					return nil, c.answer > time.Minute
				})
				ctx := context.WithValue(t.Context(), whoAsks{}, "me")
				_, err := w.client.Sign(ctx, s, vote(1))
				if ok := c.answer < time.Minute; ok != (err == nil) {
					t.Error(err)
				}
				if len(told) != len(c.told) || len(told) > 0 && told[0] != c.told[0] {
					t.Errorf("told after %v, wanted %v", told, c.told)
				}
			})
		})
	}
}

// A callback that takes its time loses no answer.
func TestWaitingMayBeSlow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, nil, func(o *client.Options) {
			o.Waiting = func(context.Context, client.Waiting) { time.Sleep(30 * time.Second) }
		})
		s := w.login()
		w.setAnswer(func(protocol.Request) (protocol.Message, bool) { time.Sleep(3 * time.Second); return nil, false })
		begun := time.Now()
		_, err := w.client.Challenge(t.Context(), s, client.Challenge{Role: hive.Posting, Text: "hello"})
		if took := time.Since(begun); err != nil || took != 32*time.Second {
			t.Errorf("%v after %s", err, took)
		}
	})
}
