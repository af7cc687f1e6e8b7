package ledger

import "hash/maphash"

// known is the requests that the ledger knows. Most of them have their answer in the store and wait
// to be forgotten: of these there is an index alone, of 48 bytes each. Ledger.mu guards it.
type known struct {
	runs    map[RequestKey]*run
	numbers map[uint64]*run         // judged, outcome not known
	firsts  map[[32]byte]RequestKey // by digest: of the judged runs with it, the first, if none is done

	// done is the requests whose outcome is final and in the store, by the hash of their keys, and
	// doneFirsts the first of those with a digest, by its hash. The hashes have a seed of the
	// process, so that nobody can choose keys or digests that meet.
	done       map[uint64]doneRun
	doneFirsts map[uint64]uint64
	seed       maphash.Seed
}

// doneRun is the place in the store that the answer of a request has.
type doneRun struct {
	digest uint64 // its hash
	end    int64
	number uint64
}

// newKnown returns room for so many requests that are done.
func newKnown(done int) known {
	return known{runs: map[RequestKey]*run{}, numbers: map[uint64]*run{}, firsts: map[[32]byte]RequestKey{},
		done: make(map[uint64]doneRun, done), doneFirsts: make(map[uint64]uint64, done), seed: maphash.MakeSeed()}
}

func (k *known) len() int { return len(k.runs) + len(k.done) }

func (k *known) ofKey(key RequestKey) uint64 { return maphash.Comparable(k.seed, key) }

func (k *known) ofDigest(digest [32]byte) uint64 { return maphash.Bytes(k.seed, digest[:]) }

// find returns where the answer of a request is in the store, if it is done.
func (k *known) find(key RequestKey) (doneRun, bool) {
	d, ok := k.done[k.ofKey(key)]
	return d, ok
}

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
	if _, there := k.doneFirsts[k.ofDigest(r.digest)]; there {
		return
	}
	if _, there := k.firsts[r.digest]; !there {
		k.firsts[r.digest] = r.key
	}
}

// firstOf returns the first judged request with a digest: the run, or where its answer is.
func (k *known) firstOf(digest [32]byte) (r *run, d doneRun, found bool) {
	if key, there := k.doneFirsts[k.ofDigest(digest)]; there {
		d, found = k.done[key]
		return nil, d, found
	}
	r = k.runs[k.firsts[digest]]
	return r, doneRun{}, r != nil
}

// finish keeps the index of a run alone. Those who wait have the run itself.
func (k *known) finish(r *run) {
	key, digest := k.ofKey(r.key), k.ofDigest(r.digest)
	if k.firsts[r.digest] == r.key {
		delete(k.firsts, r.digest)
		k.doneFirsts[digest] = key
	}
	delete(k.runs, r.key)
	delete(k.numbers, r.number)
	k.done[key] = doneRun{digest, r.end, r.number}
}

// forget drops a request that is done.
func (k *known) forget(key RequestKey, number uint64) {
	at := k.ofKey(key)
	d, there := k.done[at]
	if !there || d.number != number {
		return
	}
	delete(k.done, at)
	if k.doneFirsts[d.digest] == at {
		delete(k.doneFirsts, d.digest)
	}
}

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
