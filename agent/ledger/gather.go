package ledger

import "maps"

// gather copies the changes that stand in the trail into the buckets that are read by key, when as
// many have come since the last time as fill a segment, or as many bytes. The records before that
// need not be read at the next start, and may leave the store.
func (b *batch) gather() {
	if !b.gatherNow && b.since.records <= b.o.segment && b.since.bytes <= b.o.segmentBytes {
		return
	}
	b.gathered = b.last.number
	// All in the commit that carries the new number: read again, a change that was gathered twice
	// would count twice, and one that was left out would be lost with its record.
	b.gatherSessions()
	b.gatherDigests()
	b.gatherRequests()
	b.gatherCharges()
	b.put(bucketMeta, metaGathered, encodeNumber(b.gathered))
}

func (b *batch) gatherSessions() {
	changed := maps.Clone(b.l.state.dirty) // not changed itself: the commit may fail
	for id := range b.sessions {
		changed[id] = struct{}{}
	}
	for id := range changed {
		if s := b.session(id); s != nil { // ended ones have left the bucket already
			b.putSession(s)
		}
	}
}

func (b *batch) gatherDigests() {
	dropped := map[owner]bool{}
	for _, o := range b.forgotten {
		dropped[o] = true
	}
	for o, digests := range b.l.state.recent {
		if !dropped[o] {
			b.keepDigests(o, digests)
		}
	}
	for o, digests := range b.digests {
		b.keepDigests(o, digests)
	}
}

func (b *batch) keepDigests(o owner, digests map[[32]byte]struct{}) {
	for digest := range digests {
		b.put(digestBucket(o), digest[:], nil)
	}
}

func (b *batch) gatherRequests() {
	changed := maps.Clone(b.l.state.positions)
	maps.Copy(changed, b.positions)
	now := millis(b.now)
	for number, at := range changed {
		if b.dropped[number] {
			continue
		}
		q, ok := b.findRequest(at.end, number)
		if !ok || q.Final && at.end <= now {
			continue // what is not final stays past its end: its outcome is still looked for
		}
		b.put(bucketRequests, endKey(at.end, number), q.encode())
	}
}

func (b *batch) gatherCharges() {
	if b.recharged {
		return
	}
	now := millis(b.now)
	for _, list := range [][]counted{b.l.state.charges, b.charges} {
		for _, c := range list {
			if end := c.end(); end > now {
				b.put(bucketCharges, endKey(end, c.number), encodeCharges(c.charges))
			}
		}
	}
}
