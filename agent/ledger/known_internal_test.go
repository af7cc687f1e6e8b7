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
				want := doneRun{k.ofKey(s.r.key), k.ofDigest(s.r.digest), s.r.end, s.r.number}
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
			if k.len() != len(list) || len(slices.Collect(k.done.digests.all))+len(k.firsts) > 9 {
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

// Of a request that is done 64 bytes stay in memory at most, room for growth included, wherever
// growth has come to.
func TestMemoryOfKnownRequests(t *testing.T) {
	const requests, most = 100_000, 64
	k := newKnown(0)
	inUse := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before, worst := inUse(), int64(0)
	for i := range requests {
		r := &run{key: RequestKey{"wss://relay.example/", fmt.Sprintf("9b0e2dc3-f574-4766-abdd-%012x", i)}}
		copy(r.digest[:], fmt.Sprintf("%032d", i))
		k.runs[r.key] = r
		k.judged(r, uint64(i+1))
		k.finish(r)
		if n := int64(i + 1); n > requests/2 && n%1_000 == 0 {
			worst = max(worst, (inUse()-before)/n)
		}
	}
	if t.Logf("up to %d bytes each", worst); worst > most || k.len() != requests {
		t.Errorf("up to %d bytes for each of %d", worst, k.len())
	}
	// Most of the room goes when most of the requests do.
	for i := range requests - 1_000 {
		k.forget(RequestKey{"wss://relay.example/", fmt.Sprintf("9b0e2dc3-f574-4766-abdd-%012x", i)}, uint64(i+1))
	}
	if left := inUse() - before; left > 1<<20 {
		t.Errorf("%d bytes for 1,000 that are left", left)
	}
	// What is forgotten makes room for what comes.
	room := cap(k.done.list)
	for i := range 10 * requests {
		k.done.add(doneRun{key: uint64(i), number: uint64(i)}, true)
		k.done.remove(uint64(i), uint64(i))
	}
	if got := cap(k.done.list); got != room {
		t.Errorf("room for %d became room for %d", room, got)
	}
	runtime.KeepAlive(&k)
}

// The index of those that are done says what maps say, while it grows and shrinks, for hashes that
// meet in the same place of its tables, too.
func TestDoneAgainstMaps(t *testing.T) {
	for seed := range uint64(30) {
		random := rand.New(rand.NewPCG(seed, 8))
		// Hashes of a few high bits all belong to few places, and to the last one, too.
		hash := func() uint64 { return uint64(random.IntN(512))<<55 | uint64(random.IntN(3)) }
		var s doneRuns
		byKey, firsts := map[uint64]doneRun{}, map[uint64]uint64{}
		for step := range 4_000 {
			d := doneRun{hash(), hash(), int64(step), uint64(step + 1)}
			if step/1_000%2 == 0 || random.IntN(4) == 0 {
				if old, there := byKey[d.key]; there && firsts[old.digest] == d.key {
					delete(firsts, old.digest)
				}
				_, there := firsts[d.digest]
				s.add(d, !there)
				if byKey[d.key] = d; !there {
					firsts[d.digest] = d.key
				}
			} else {
				old, there := byKey[d.key]
				s.remove(d.key, old.number+uint64(random.IntN(2))) // of another number: nothing
				if _, kept := s.find(d.key); there && !kept {
					if delete(byKey, d.key); firsts[old.digest] == d.key {
						delete(firsts, old.digest)
					}
				}
			}
			if step%97 != 0 {
				continue
			}
			for high := range uint64(512) {
				for low := range uint64(3) {
					h := high<<55 | low
					got, found := s.find(h)
					if want, there := byKey[h]; found != there || got != want {
						t.Fatalf("seed %d, step %d: %x is %+v %t, want %+v %t", seed, step, h, got, found, want, there)
					}
					first, found := s.firstOf(h)
					if key, there := firsts[h]; found != there || found && first != byKey[key] {
						t.Fatalf("seed %d, step %d: first of %x is %+v %t, want %x", seed, step, h, first, found, key)
					}
				}
			}
			if s.count != len(byKey) || cap(s.list) > max(leastDone, 5*s.count) {
				t.Fatalf("seed %d, step %d: %d in room for %d, want %d", seed, step, s.count, cap(s.list), len(byKey))
			}
		}
	}
}

// TestingMeet lets the hash of a key meet that of a request that is done, as if its digest were
// another one.
func (l *Ledger) TestingMeet(key, done RequestKey, digest [32]byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	d, found := l.known.find(done)
	l.known.done.add(doneRun{l.known.ofKey(key), l.known.ofDigest(digest), d.end, d.number}, true)
	return found
}
