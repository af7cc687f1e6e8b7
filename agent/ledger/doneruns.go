package ledger

import "math/bits"

// doneRun is the place in the store that the answer of a request has.
type doneRun struct {
	key    uint64 // its hash
	digest uint64 // its hash
	end    int64
	number uint64
}

// doneRuns is a set of requests that are done, by the hashes of their keys, and of the first with
// each digest by that. A request takes 32 bytes in a list and five in each of two tables of places
// in the list; with the room for growth these are 54 at most. The zero value has no room.
type doneRuns struct {
	list    []doneRun
	free    uint32 // the first place without a request, plus one; number has the next one
	count   int
	keys    placeTable // of all
	digests placeTable // of the first ones
}

// leastDone is how many requests there is room for at least.
const leastDone = 64

func keyOf(d *doneRun) uint64 { return d.key }

func digestOf(d *doneRun) uint64 { return d.digest }

// find returns the request of which the key has this hash.
func (s *doneRuns) find(key uint64) (d doneRun, found bool) {
	return s.at(s.keys.find(s.list, keyOf, key))
}

// firstOf returns the first request of which the digest has this hash.
func (s *doneRuns) firstOf(digest uint64) (d doneRun, found bool) {
	return s.at(s.digests.find(s.list, digestOf, digest))
}

func (s *doneRuns) at(place uint32, found bool) (doneRun, bool) {
	if !found {
		return doneRun{}, false
	}
	return s.list[place], true
}

// add puts a request in the place of what has the same hash of its key.
func (s *doneRuns) add(d doneRun, first bool) {
	if place, there := s.keys.find(s.list, keyOf, d.key); there {
		s.drop(place)
	}
	if s.free == 0 && len(s.list) == cap(s.list) {
		s.makeRoom(cap(s.list) + cap(s.list)/4)
	}
	place := s.free - 1
	if s.free == 0 {
		place = uint32(len(s.list))
		s.list = append(s.list, d)
	} else {
		s.free = uint32(s.list[place].number)
		s.list[place] = d
	}
	s.count++
	s.keys.add(d.key, place)
	if first {
		s.digests.add(d.digest, place)
	}
}

// remove removes a request that has this number.
func (s *doneRuns) remove(key, number uint64) {
	place, there := s.keys.find(s.list, keyOf, key)
	if !there || s.list[place].number != number {
		return
	}
	s.drop(place)
	if room := cap(s.list); room > leastDone && s.count < room/4 {
		s.makeRoom(room / 2)
	}
}

func (s *doneRuns) drop(place uint32) {
	d := s.list[place]
	s.keys.remove(s.list, keyOf, d.key, place)
	s.digests.remove(s.list, digestOf, d.digest, place)
	s.list[place] = doneRun{number: uint64(s.free)}
	s.free = place + 1
	s.count--
}

// makeRoom moves all to a list with room for so many. There must be no fewer.
func (s *doneRuns) makeRoom(room int) {
	old := *s
	room = max(room, leastDone)
	*s = doneRuns{list: make([]doneRun, 0, room), keys: newPlaceTable(room), digests: newPlaceTable(room),
		count: old.count}
	for place := range old.keys.all {
		d := old.list[place]
		fresh := uint32(len(s.list))
		s.list = append(s.list, d)
		s.keys.add(d.key, fresh)
		if first, there := old.digests.find(old.list, digestOf, d.digest); there && first == place {
			s.digests.add(d.digest, fresh)
		}
	}
}

// placeTable finds places of a list by hashes: each stands where its hash says, or behind those
// that came there before. A quarter of it is empty at least.
type placeTable []uint32 // places plus one; zero: empty

func newPlaceTable(room int) placeTable { return make(placeTable, room+room/3+1) }

// home returns where a hash belongs.
func (t placeTable) home(hash uint64) int {
	at, _ := bits.Mul64(hash, uint64(len(t)))
	return int(at)
}

func (t placeTable) next(at int) int {
	if at++; at < len(t) {
		return at
	}
	return 0
}

// find returns the place of which the request has this hash.
func (t placeTable) find(list []doneRun, of func(*doneRun) uint64, hash uint64) (place uint32, found bool) {
	if len(t) == 0 {
		return 0, false
	}
	for at := t.home(hash); t[at] != 0; at = t.next(at) {
		if of(&list[t[at]-1]) == hash {
			return t[at] - 1, true
		}
	}
	return 0, false
}

// add adds a place. No other one may have its hash.
func (t placeTable) add(hash uint64, place uint32) {
	at := t.home(hash)
	for t[at] != 0 {
		at = t.next(at)
	}
	t[at] = place + 1
}

// remove removes a place, if it is there, and moves up those behind it that are not at home.
func (t placeTable) remove(list []doneRun, of func(*doneRun) uint64, hash uint64, place uint32) {
	gap := t.home(hash)
	for ; t[gap] != place+1; gap = t.next(gap) {
		if t[gap] == 0 {
			return
		}
	}
	for at := t.next(gap); t[at] != 0; at = t.next(at) {
		// How far it is from its home, and from the gap: nothing is found before its home.
		away, step := at-t.home(of(&list[t[at]-1])), at-gap
		if away < 0 {
			away += len(t)
		}
		if step < 0 {
			step += len(t)
		}
		if away >= step {
			t[gap], gap = t[at], at
		}
	}
	t[gap] = 0
}

// all calls yield with each place.
func (t placeTable) all(yield func(uint32) bool) {
	for _, place := range t {
		if place != 0 && !yield(place-1) {
			return
		}
	}
}
