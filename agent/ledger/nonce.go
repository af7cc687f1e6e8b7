package ledger

import "time"

// maxNonce is the largest integer that every JSON reader agrees on (HAS §9.3).
const maxNonce = 1<<53 - 1

// nonceWindow is how far a nonce may lie from our clock, in either direction.
type nonceWindow struct{ ahead, behind time.Duration }

func (o *Options) nonceWindow() nonceWindow { return nonceWindow{o.NonceAhead, o.NonceBehind} }

// check applies HAS §9.3 to a nonce in ms: it must be strictly above the last one that counts, and
// not too far from our clock.
func (w nonceWindow) check(nonce, last int64, now time.Time) Replay {
	switch {
	case nonce < 1 || nonce > maxNonce:
		return NonceRange
	case nonce <= last:
		return NonceLow
	case nonce > millis(now.Add(w.ahead)):
		return NonceAhead
	case nonce < millis(now.Add(-w.behind)):
		return NonceBehind
	}
	return Fresh
}

// claim is what a request would use up.
type claim struct {
	replay Replay
	spends Spending
	owner  owner // of the digest; empty if it belongs to the session that the request makes

	remnant *remnant // of SessionOver
}

// claim finds out what a request would use up, and whether that is still unused. It writes nothing.
func (b *batch) claim(a *Admission, digest [32]byte, s *Session) claim {
	switch {
	case a.Remnant != 0:
		return b.claimRemnant(a, digest)
	case a.Session != 0 && s == nil:
		return claim{replay: SessionEnded} // between the reading of the request and this commit
	case s != nil && a.Nonce != 0:
		last := max(s.LastNonce, b.l.state.floor)
		return claim{replay: b.o.nonceWindow().check(a.Nonce, last, b.now), spends: SpentNonce}
	case s != nil:
		return b.claimDigest(a, digest, s)
	case a.App != "":
		slot, ok := b.slot(a.App)
		if !ok {
			return claim{replay: SessionEnded}
		}
		return b.newDigest(claim{spends: SpentSlotDigest, owner: slotOwner(slot)}, digest)
	}
	return claim{replay: Fresh, spends: SpentNothing}
}

// claimDigest claims a request without a nonce, by its digest.
func (b *batch) claimDigest(a *Admission, digest [32]byte, s *Session) claim {
	demanded := (a.RequireNonce || s.NoncesOnly) && a.Kind != KindAuth
	if demanded || s.Digests >= b.o.DigestsPerSession {
		return claim{replay: NonceRequired}
	}
	return b.newDigest(claim{spends: SpentSessionDigest, owner: sessionOwner(s.ID)}, digest)
}

// newDigest completes a claim of a digest: it is a replay if the owner has the digest already.
func (b *batch) newDigest(c claim, digest [32]byte) claim {
	c.replay = Fresh
	if b.seen(c.owner, digest) {
		c.replay = DigestSeen
	}
	return c
}

// spend uses up what was claimed, with the record that reports it, and returns the session as it is
// then.
func (b *batch) spend(c claim, r *Record, s *Session) *Session {
	r.Spent = c.spends
	if c.spends == SpentSessionDigest || c.spends == SpentSlotDigest {
		remember(b.digests, c.owner, r.Digest)
	}
	if s == nil {
		return nil
	}
	return b.update(s, r.Number, func(s *Session) { s.apply(r) })
}

// apply applies a judged request to its session, when the request is judged and when its record is
// read again at a start.
func (s *Session) apply(r *Record) {
	s.LastUsed = r.Time
	switch r.Spent {
	case SpentNonce:
		s.LastNonce = max(s.LastNonce, r.Nonce)
	case SpentSessionDigest:
		s.Digests++
		s.Nonceless = s.Nonceless || r.Kind != KindAuth
	}
}
