package link_test

import (
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/link"
)

// TestProgressInLog: the log says how far many registrations are, and when all are done. One
// account has one line.
func TestProgressInLog(t *testing.T) {
	for n, want := range map[int][]string{
		2500: {"registered=1000 of=2500", "registered=2000 of=2500", "registered=2500 of=2500"},
		2:    {"registered=2 of=2"},
		1:    nil,
	} {
		synctest.Test(t, func(t *testing.T) {
			var log strings.Builder
			var mu sync.Mutex
			w := start(t, &relay{}, link.Options{Logger: slog.New(slog.NewTextHandler(locked{&log, &mu}, nil))},
				many(n)...)
			for w.link.Status().Registered < n {
				time.Sleep(100 * time.Millisecond)
			}
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if got := strings.Count(log.String(), `msg="accounts registered"`); got != len(want) {
				t.Errorf("%d accounts: %d lines, want %d\n%s", n, got, len(want), log.String())
			}
			for _, line := range want {
				if !strings.Contains(log.String(), line) {
					t.Errorf("%d accounts: no %q", n, line)
				}
			}
		})
	}
}
