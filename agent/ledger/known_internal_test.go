package ledger

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
)

// seen is a request as a list would keep it.
type seen struct {
	r    *run
	done bool
}

// Whatever is judged, done and forgotten, the index says what a list of whole requests says.
func TestKnownAgainstAList(t *testing.T) {
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 7))
		k, number := newKnown(0), uint64(0)
		var list []*seen
		first := func(digest [32]byte) *seen { // of those that are known, the first that was judged
			for _, s := range list {
				if s.r.digest == digest {
					return s
				}
			}
			return nil
		}
		var firsts = map[[32]byte]*seen{}
		for range 400 {
			switch random.IntN(4) {
			case 0, 1:
				number++
				r := &run{key: RequestKey{"relay", fmt.Sprint(number)}, digest: [32]byte{byte(random.IntN(9))},
					end: int64(number) + 5}
				k.runs[r.key] = r
				k.judged(r, number)
				list = append(list, &seen{r: r})
				if firsts[r.digest] == nil {
					firsts[r.digest] = list[len(list)-1]
				}
			case 2:
				if len(list) > 0 {
					s := list[random.IntN(len(list))]
					if !s.done {
						s.done = true
						k.finish(s.r)
					}
				}
			case 3:
				if len(list) > 0 {
					i := random.IntN(len(list))
					s := list[i]
					k.forget(s.r.key, s.r.number+1) // of another life of the key: nothing
					if _, done := k.find(s.r.key); done != s.done {
						t.Fatalf("seed %d: request %d is forgotten by the number of another", seed, s.r.number)
					}
					if k.forget(s.r.key, s.r.number); s.done {
						list = slices.Delete(list, i, i+1)
						if firsts[s.r.digest] == s {
							firsts[s.r.digest] = nil // the next that is judged will be the first
						}
					}
				}
			}
			for _, s := range list {
				d, done := k.find(s.r.key)
				want := doneRun{k.ofDigest(s.r.digest), s.r.end, s.r.number}
				if done != s.done || done && d != want {
					t.Fatalf("seed %d: request %d: %+v, %t, want %t", seed, s.r.number, d, done, s.done)
				}
				if k.number(s.r.key) != s.r.number || (k.runs[s.r.key] == nil) != s.done ||
					(k.numbers[s.r.number] == nil) != s.done {
					t.Fatalf("seed %d: request %d is not known as it is", seed, s.r.number)
				}
			}
			for digest, want := range firsts {
				r, d, found := k.firstOf(digest)
				if found != (want != nil) || found && !want.done && r != want.r ||
					found && want.done && d.number != want.r.number {
					t.Fatalf("seed %d: the first of %v is %v %v %t, want %v", seed, digest[0], r, d, found, want)
				}
			}
			if k.len() != len(list) || len(k.doneFirsts)+len(k.firsts) > 9 {
				t.Fatalf("seed %d: %d are known, want %d", seed, k.len(), len(list))
			}
		}
		// Made anew from the whole requests it knows the same, and the first of a digest is the
		// oldest that is left.
		again := newKnown(0)
		for _, s := range list {
			s.r.stored, s.r.final = s.done, s.done
			again.runs[s.r.key] = s.r
		}
		again.index()
		for _, s := range list {
			if _, done := again.find(s.r.key); done != s.done || again.number(s.r.key) != s.r.number {
				t.Fatalf("seed %d: request %d is not known again", seed, s.r.number)
			}
			r, d, _ := again.firstOf(s.r.digest)
			if want := first(s.r.digest); want.done && d.number != want.r.number || !want.done && r != want.r {
				t.Fatalf("seed %d: the first of %v is %v %v", seed, s.r.digest[0], r, d)
			}
		}
	}
}

// A request that is done takes 80 bytes of memory at most, room for growth included.
func TestMemoryOfKnownRequests(t *testing.T) {
	const requests, most = 100_000, 80
	k := newKnown(0)
	inUse := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := inUse()
	for i := range requests {
		r := &run{key: RequestKey{"wss://relay.example/", fmt.Sprintf("9b0e2dc3-f574-4766-abdd-%012x", i)}}
		copy(r.digest[:], fmt.Sprintf("%032d", i))
		k.runs[r.key] = r
		k.judged(r, uint64(i+1))
		k.finish(r)
	}
	got := (inUse() - before) / requests
	if t.Logf("%d bytes each", got); got > most || k.len() != requests {
		t.Errorf("%d bytes for each of %d", got, k.len())
	}
	runtime.KeepAlive(&k)
}

// TestingMeet lets the hash of a key meet that of a request that is done, as if its digest were
// another one.
func (l *Ledger) TestingMeet(key, done RequestKey, digest [32]byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	d, found := l.known.find(done)
	d.digest = l.known.ofDigest(digest)
	l.known.done[l.known.ofKey(key)] = d
	l.known.doneFirsts[d.digest] = l.known.ofKey(done)
	return found
}
