package relay_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/relay"
	"pksa/agent/relay/relaytest"
)

// newRelay returns a relay that does not serve yet.
func newRelay(t *testing.T) *relay.Relay {
	t.Helper()
	r, err := relay.New(relay.Options{Keys: keys, Logger: silent})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// serve runs Serve. Its error comes from the channel.
func serve(ctx context.Context, r *relay.Relay, listener *relaytest.Listener) <-chan error {
	stopped := make(chan error, 1)
	go func() { stopped <- r.Serve(ctx, listener) }()
	return stopped
}

// wantClosed fails unless Serve returns ErrClosed and the listener is closed.
func wantClosed(t *testing.T, stopped <-chan error, listener *relaytest.Listener) {
	t.Helper()
	select {
	case err := <-stopped:
		if !errors.Is(err, relay.ErrClosed) {
			t.Errorf("Serve returned %v, wanted ErrClosed", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("Serve runs on")
	}
	if _, err := listener.DialContext(t.Context(), "", ""); err == nil {
		t.Error("the listener stands")
	}
}

func TestServeOnAClosedRelay(t *testing.T) {
	for name, ended := range map[string]bool{"context lives": false, "context has ended": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, listener := newRelay(t), relaytest.Listen()
				r.Close()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if ended {
					cancel()
				}
				began := time.Now()
				wantClosed(t, serve(ctx, r, listener), listener)
				if took := time.Since(began); took > 0 {
					t.Errorf("Serve took %s", took)
				}
			})
		})
	}
}

func TestCloseEndsServe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, first, second := newRelay(t), relaytest.Listen(), relaytest.Listen()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		one, two := serve(ctx, r, first), serve(ctx, r, second)
		app := dialWith(t, "ws://relay.example", first.DialContext)
		r.Close()
		app.ended()
		wantClosed(t, one, first)
		wantClosed(t, two, second)
		if got := r.Status().Connections; got != 0 {
			t.Errorf("%d connections", got)
		}
	})
}

// TestContextEndsTwoListeners: both calls end with their context, and neither returns an error
// because the other has closed the relay.
func TestContextEndsTwoListeners(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, first, second := newRelay(t), relaytest.Listen(), relaytest.Listen()
		ctx, cancel := context.WithCancel(t.Context())
		one, two := serve(ctx, r, first), serve(ctx, r, second)
		synctest.Wait()
		cancel()
		if err := errors.Join(<-one, <-two); err != nil {
			t.Errorf("Serve returned %v", err)
		}
	})
}

func TestBrokenListenerEndsServe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, listener := newRelay(t), relaytest.Listen()
		stopped := serve(t.Context(), r, listener)
		synctest.Wait()
		listener.Close()
		if err := <-stopped; err == nil || errors.Is(err, relay.ErrClosed) {
			t.Errorf("Serve returned %v", err)
		}
		again := relaytest.Listen()
		wantClosed(t, serve(t.Context(), r, again), again)
	})
}
