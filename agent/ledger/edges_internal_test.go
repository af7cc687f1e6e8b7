package ledger

import "testing"

// A session remembers so many of the requests that were judged in it. Of those at or below the one
// that left, it does not know.
func TestJudgedRequestsOfASession(t *testing.T) {
	for n, covers := range map[int]int64{63: 0, 64: 0, 65: 1, 66: 2} {
		var j judged
		for i := range n {
			j = j.with(int64(i+1), [32]byte{byte(i + 1)})
		}
		if len(j.list) != min(n, 64) || j.covers != covers || j.has([32]byte{1}) != (n <= 64) ||
			!j.has([32]byte{byte(n)}) {
			t.Errorf("of %d requests %d are remembered, those up to %d are not", n, len(j.list), j.covers)
		}
	}
}

// Requests wait for the segments when more than four of them are gathered, by their number or their
// bytes.
func TestLagOfSegments(t *testing.T) {
	l := &Ledger{o: Options{segment: 8, segmentBytes: 1000}}
	for _, c := range []struct {
		amount
		lags bool
	}{
		{amount{31, 0}, false}, {amount{32, 0}, false}, {amount{33, 0}, true},
		{amount{1, 3999}, false}, {amount{1, 4000}, false}, {amount{1, 4001}, true},
	} {
		if l.leaving = c.amount; l.lags() != c.lags {
			t.Errorf("%d records of %d bytes: requests wait: %t", c.records, c.bytes, l.lags())
		}
	}
}
