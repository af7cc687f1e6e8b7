package ledger_test

import (
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	"pksa/agent/ledger/pg/pgtest"
)

// BenchmarkStores compares a ledger in a file with one in a database of this machine, in turn: one
// after the other, so many requests at a time.
func BenchmarkStores(b *testing.B) {
	server := pgtest.Start(b)
	for _, place := range []string{"file", "database"} {
		for _, width := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s, %d in flight", place, width), func(b *testing.B) {
				o := options("test")
				if place == "database" {
					o = o.InDatabase(server)
				}
				r := newRigWith(b, o.Beside(true))
				r.o.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
				r.reopen()
				r.slot("mybot")
				sessions := r.manySessions(1000)
				r.inFlight(sessions, 5000, 256)
				b.ResetTimer()
				begun := time.Now()
				r.inFlight(sessions, b.N, width)
				b.ReportMetric(float64(b.N)/time.Since(begun).Seconds(), "requests/s")
			})
		}
	}
}
