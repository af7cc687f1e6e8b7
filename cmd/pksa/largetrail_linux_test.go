package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"pksa/agent/ledger"
	"pksa/keystore"
	"pksa/protocol/hive"
)

var trailBytes = flag.Int64("trailbytes", 10_000_000,
	"how large the audit trail is that the wallet starts with; a long run takes 10 GB")

// TestServesBesideALargeTrail starts the running program on a trail of large records, as earlier
// programs wrote them of each request, kills it, and starts it once more. It serves each time, in
// little memory.
func TestServesBesideALargeTrail(t *testing.T) {
	if testing.Short() {
		t.Skip("fills a trail")
	}
	// A start reads the records of the last minutes, for the ids of transactions that may be on
	// their way. No wallet writes a hundredth of this trail within minutes, so all of it is of the
	// day before.
	const record, most, ago = 600_000, 128 << 20, 24 * time.Hour
	h := &hostile{killWorld: newWorldOf(t, homeParts{
		policy: hostilePolicy, apps: []string{"lowly", "payer", "honest"},
		accounts: []hive.AccountName{"alice", "carol"},
		settings: map[string]string{"ask": "pending", "log.level": "error"},
		ago:      ago,
	})}
	h.catchUp()
	h.binary = thisProgram(t)
	h.withLedgerOf(ago, func(l *ledger.Ledger, _ *keystore.Store) {
		// Signs of which the ledger can pack next to nothing: the trail is as large as its records.
		const signs = "!#$%&()*,-.:;=?@[]^_{|}~"
		chance, text := rand.New(rand.NewPCG(1, 1)), make([]byte, record)
		for i := range text {
			text[i] = signs[chance.IntN(len(signs))]
		}
		e := ledger.Entry{Type: ledger.RecordEvent, Outcome: "test", Content: fmt.Appendf(nil, `{"text":"%s"}`, text)}
		for range *trailBytes / record {
			if _, err := l.Append(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
	})
	size := h.size(t) // what is in no segment yet, too
	if size < *trailBytes/100*95 {
		t.Fatalf("the home has %d bytes", size)
	}
	var peak int64
	var back time.Duration
	for range 2 {
		begun := time.Now()
		h.start("")
		h.await("the start on a large trail", ready)
		back = time.Since(begun)
		ctx, stop := context.WithCancel(t.Context())
		before, over := h.heard.Load(), make(chan struct{})
		go func() {
			defer close(over)
			h.honest(ctx)
		}()
		for h.heard.Load() < before+3 {
			if h.asked.Load() > 3000 {
				t.Error("the honest app gets no answers")
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		stop()
		<-over
		peak = max(peak, h.peak(t))
		h.kill()
	}
	t.Logf("a trail of %d MB: resident %d MiB at the most, ready after %v", size/1e6, peak>>20,
		back.Round(time.Millisecond))
	if peak > most && !raceDetected() {
		t.Errorf("resident %d MiB, at most %d are allowed", peak>>20, most>>20)
	}
}
