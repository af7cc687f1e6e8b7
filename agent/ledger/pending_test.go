package ledger

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestPendingShowsWhatWillBe makes random edits over a random bucket, some of them large, and
// compares what a batch sees with what the store holds after the commit.
func TestPendingShowsWhatWillBe(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	value := func() []byte {
		if rng.IntN(6) == 0 {
			return make([]byte, listBytes*(1+rng.IntN(3))/2)
		}
		return []byte{byte(rng.IntN(256))}
	}
	for range 60 {
		at := &memStore{disk: newMemDisk()}
		mustDo(t, at.create(nil, func() error { return nil }), at.open(), at.secure())
		var edits []edit
		for range rng.IntN(12) {
			edits = append(edits, edit{actPut, bucketSlots, fmt.Append(nil, rng.IntN(20)), value()})
		}
		mustDo(t, at.commit(edits))
		p := pending{under: at}
		for range rng.IntN(12) {
			e := edit{actPut, bucketSlots, fmt.Append(nil, rng.IntN(20)), value()}
			switch rng.IntN(12) {
			case 0:
				e = edit{act: actDrop, bucket: bucketSlots}
			case 1, 2, 3, 4, 5:
				e.act, e.value = actDelete, nil
			}
			p.add(e)
		}
		var seen []pair
		for pair, err := range scan(&p, bucketSlots, nil) {
			mustDo(t, err)
			seen = append(seen, pair)
		}
		mustDo(t, at.commit(p.edits))
		left := at.disk.buckets[bucketSlots]
		want := slices.Sorted(maps.Keys(left))
		if !slices.EqualFunc(seen, want, func(p pair, key string) bool {
			return string(p.key) == key && bytes.Equal(p.value, left[key])
		}) {
			t.Fatalf("the batch sees %d pairs, then there are %q", len(seen), want)
		}
	}
}

func mustDo(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}
