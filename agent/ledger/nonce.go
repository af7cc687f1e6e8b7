package ledger

import (
	"slices"
	"time"
)

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
	owners []owner // of the digest; none if it belongs to the session that the request makes

	remnant *remnant // of SessionOver
}

// claim finds out what a request would use up, and whether that is still unused. It writes nothing.
func (b *batch) claim(a *Admission, digest [32]byte, s *Session) claim {
	switch {
	case a.Remnant != 0:
		return b.claimRemnant(a, digest)
	case a.Session != 0 && s == nil:
		return claim{replay: SessionEnded} // between the reading of the request and this commit
	case s != nil:
		return b.claimIn(s, a, digest)
	case a.App != "":
		slot, ok := b.slot(a.App)
		if !ok {
			return claim{replay: SessionEnded}
		}
		if b.seen(slotOwner(slot), digest) {
			return claim{replay: DigestSeen}
		}
		if a.Garbled {
			return claim{replay: Fresh}
		}
		if b.secretSpent(slotOwner(slot)) {
			return claim{replay: SecretSpent}
		}
		return claim{replay: Fresh, spends: SpentSlotDigest, owners: []owner{slotOwner(slot)}}
	}
	return claim{replay: Fresh, spends: SpentNothing}
}

// claimNames returns the names of what is read when a request is claimed.
func (b *batch) claimNames(a *Admission, digest [32]byte) (names []name) {
	if a.Remnant != 0 {
		return []name{{bucketMeta, remnantKey(a.Remnant)}}
	}
	add := func(o owner) { names = append(names, name{digestBucket(o), digest[:]}) }
	app := a.App
	if s := b.liveSession(a.Session); s != nil {
		add(sessionOwner(s.ID))
		app = ""
		if a.Kind == KindAuth {
			app = s.App
		}
	}
	if slot, ok := b.l.state.slots[app]; ok {
		add(slotOwner(slot))
		names = append(names, slotNames(app)...)
	}
	return names
}

// claimIn claims a request in a session.
func (b *batch) claimIn(s *Session, a *Admission, digest [32]byte) claim {
	owners := b.ownersIn(s, a.Kind)
	// Whatever it is, and whatever kind of request it comes as: once judged, it is judged.
	if s.judged.has(digest) || slices.ContainsFunc(owners, func(o owner) bool { return b.seen(o, digest) }) {
		return claim{replay: DigestSeen}
	}
	switch {
	case a.Garbled:
		return claim{replay: Fresh}
	case a.Nonce == 0:
		return b.claimDigest(s, a, owners)
	}
	floor := b.l.state.floor
	switch replay := b.o.nonceWindow().check(a.Nonce, max(s.LastNonce, floor), b.now); replay {
	case NonceLow:
		if a.Nonce <= floor || a.Nonce <= s.judged.covers {
			return claim{replay: NonceForgotten}
		}
		return claim{replay: NonceLow}
	case NonceAhead, NonceRange:
		// It cannot be the last nonce, or it would lock the session. But it must not come again
		// when the clock or the window is another one.
		if s.Digests >= b.o.DigestsPerSession || floor != 0 && millis(s.Created) <= floor {
			return claim{replay: NonceForgotten}
		}
		return claim{replay: replay, spends: SpentSessionDigest, owners: owners}
	default: // fresh, or held back for so long that all nonces below are held back too
		return claim{replay: replay, spends: SpentNonce}
	}
}

// ownersIn returns what the digests of requests in a session belong to. Those of auth_reqs belong
// to the secret of its slot, too: one that was delivered while the session lived must not make
// another one when it has ended.
func (b *batch) ownersIn(s *Session, kind string) []owner {
	owners := []owner{sessionOwner(s.ID)}
	if kind == KindAuth {
		if slot, ok := b.slot(s.App); ok {
			owners = append(owners, slotOwner(slot))
		}
	}
	return owners
}

// claimDigest claims a request without a nonce, by its digest.
func (b *batch) claimDigest(s *Session, a *Admission, owners []owner) claim {
	switch {
	case s.NoncesOnly && a.Kind != KindAuth:
		return claim{replay: NonceForgotten} // the ledger was restored: digests may be lost
	case s.Digests >= b.o.DigestsPerSession && !s.Nonceless:
		return claim{replay: NonceForgotten} // in another session of its auth_key, it would be fresh
	case s.Digests >= b.o.DigestsPerSession:
		return claim{replay: NonceRequired} // for the rest of the session's life, and its auth_key has no other
	case a.RequireNonce && a.Kind != KindAuth:
		// Used up, or it would be carried out under another setting.
		return claim{replay: NonceRequired, spends: SpentSessionDigest, owners: owners}
	}
	return claim{replay: Fresh, spends: SpentSessionDigest, owners: owners}
}

// spend uses up what was claimed, with the record that reports it, and returns the session as it is
// then.
func (b *batch) spend(c claim, r *Record, s *Session) *Session {
	r.Spent = c.spends
	for _, o := range c.owners {
		remember(b.digests, o, r.Digest)
		if o.isSlot() {
			b.counted[o]++
		}
	}
	if s == nil {
		return nil
	}
	if c.spends == SpentNothing && c.replay != NonceLow {
		return s
	}
	return b.update(s, r.Number, func(s *Session) { s.apply(r) })
}

// apply applies a judged request to its session, when the request is judged and when its record is
// read again at a start.
func (s *Session) apply(r *Record) {
	if r.Spent != SpentNothing {
		s.LastUsed = r.Time
	}
	switch r.Spent {
	case SpentNonce:
		s.LastNonce = max(s.LastNonce, r.Nonce)
	case SpentSessionDigest:
		s.Digests++
		s.Nonceless = s.Nonceless || r.Kind != KindAuth
	case SpentSlotDigest: // of the request that made it
		s.Digests++
	}
	if r.Nonce != 0 && r.Nonce <= s.LastNonce {
		s.judged = s.judged.with(r.Nonce, r.Digest)
	}
}
