package ledger

import "hash/maphash"

// known is the requests that the ledger knows. Most of them have their answer in the store and wait
// to be forgotten: of these there is an index alone. Ledger.mu guards it.
type known struct {
	runs    map[RequestKey]*run
	numbers map[uint64]*run         // judged, outcome not known
	firsts  map[[32]byte]RequestKey // by digest: of the judged runs with it, the first, if none is done

	// done is the requests whose outcome is final and in the store, by hashes of their keys and
	// digests. The hashes have a seed of the process, so that nobody can choose keys or digests
	// that meet.
	done doneRuns
	seed maphash.Seed
}

// newKnown returns room for so many requests that are done.
func newKnown(done int) known {
	k := known{runs: map[RequestKey]*run{}, numbers: map[uint64]*run{}, firsts: map[[32]byte]RequestKey{},
		seed: maphash.MakeSeed()}
	k.done.makeRoom(done)
	return k
}

func (k *known) len() int { return len(k.runs) + k.done.count }

func (k *known) ofKey(key RequestKey) uint64 { return maphash.Comparable(k.seed, key) }

func (k *known) ofDigest(digest [32]byte) uint64 { return maphash.Bytes(k.seed, digest[:]) }

// find returns where the answer of a request is in the store, if it is done.
func (k *known) find(key RequestKey) (doneRun, bool) { return k.done.find(k.ofKey(key)) }

// number returns that of a request; zero if it was not judged, or is not known.
func (k *known) number(key RequestKey) uint64 {
	if r := k.runs[key]; r != nil {
		return r.number
	}
	d, _ := k.find(key)
	return d.number
}

// judged notes that the judging of a run is committed.
func (k *known) judged(r *run, number uint64) {
	r.number, r.claimed = number, false
	k.numbers[number] = r
	k.first(r)
}

// first notes a judged run as the first with its digest, if there is none.
func (k *known) first(r *run) {
	if _, there := k.done.firstOf(k.ofDigest(r.digest)); there {
		return
	}
	if _, there := k.firsts[r.digest]; !there {
		k.firsts[r.digest] = r.key
	}
}

// firstOf returns the first judged request with a digest: the run, or where its answer is.
func (k *known) firstOf(digest [32]byte) (r *run, d doneRun, found bool) {
	if d, found = k.done.firstOf(k.ofDigest(digest)); found {
		return nil, d, true
	}
	r = k.runs[k.firsts[digest]]
	return r, doneRun{}, r != nil
}

// finish keeps the index of a run alone. Those who wait have the run itself.
func (k *known) finish(r *run) {
	first := k.firsts[r.digest] == r.key
	if first {
		delete(k.firsts, r.digest)
	}
	delete(k.runs, r.key)
	delete(k.numbers, r.number)
	k.done.add(doneRun{k.ofKey(r.key), k.ofDigest(r.digest), r.end, r.number}, first)
}

// forget drops a request that is done.
func (k *known) forget(key RequestKey, number uint64) { k.done.remove(k.ofKey(key), number) }

// index makes the other maps from the runs, and leaves the index alone of those that are done.
func (k *known) index() {
	for key, r := range k.runs {
		if first := k.runs[k.firsts[r.digest]]; r.number != 0 && (first == nil || r.number < first.number) {
			k.firsts[r.digest] = key
		}
	}
	for _, r := range k.runs {
		switch {
		case r.stored && r.final:
			k.finish(r)
		case r.number != 0: // it can still be settled
			k.numbers[r.number] = r
		}
	}
}
