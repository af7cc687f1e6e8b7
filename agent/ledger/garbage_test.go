package ledger_test

import (
	"runtime"
	"testing"

	"pksa/agent/ledger"
)

// Who reads the trail makes little garbage: for each byte memory is taken for the sealed chunk, for
// the opened one, and where a record goes on in the next chunk; and for each record a place in a
// list. A search runs in 64 MiB because of it.
func TestReadingMakesLittleGarbage(t *testing.T) {
	for _, size := range []int{500, 7000} {
		const records, most = 2000, 3
		r := newRigWith(t, options("test").WithSegment(512))
		for n := 0; n < records; n += 100 {
			for range 100 {
				must(t, r.l.Note(ledger.Entry{Type: ledger.RecordEvent, Outcome: "test", Content: make([]byte, size)}))
			}
			must(t, r.l.Flush(ctx))
		}
		read, held := 0, 0
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		for rec, err := range r.l.Skim(1) {
			must(t, err)
			read++
			held += len(rec.Content)
		}
		runtime.ReadMemStats(&after)
		taken := int(after.TotalAlloc - before.TotalAlloc)
		if read != records || !raceDetector && taken > most*held+records*600 {
			t.Errorf("%d records of %d bytes: %d bytes were taken for each", read, size, taken/records)
		}
	}
}
