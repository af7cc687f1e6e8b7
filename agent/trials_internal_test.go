package agent

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// Whoever locks the wallet does not wait for tests of a policy.
func TestLockEndsTrials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all trials
		all.stop() // nothing runs
		slow := func(ctx context.Context) error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Hour):
				return nil
			}
		}
		begun := time.Now()
		ended := make(chan error, 1)
		go func() { ended <- all.run(t.Context(), slow) }()
		synctest.Wait()
		all.stop()
		if err := <-ended; !errors.Is(err, errMeanwhile) || !errors.Is(err, errLockedMeanwhile) ||
			time.Since(begun) > time.Second {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
		// A caller who has gone is no lock, and what comes afterwards runs to its end.
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := all.run(ctx, slow); !errors.Is(err, context.Canceled) || errors.Is(err, errMeanwhile) {
			t.Error(err)
		}
		begun = time.Now()
		if err := all.run(t.Context(), slow); err != nil || time.Since(begun) != time.Hour {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
	})
}
