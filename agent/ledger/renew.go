package ledger

import (
	"bytes"
	"context"
	"slices"
	"time"
)

// An auth_key whose session has expired can have it again, where the policy says so, by an auth_req
// that is sealed with it. No nonce is inside of one, so its digest is what tells whether it was
// here before: a remnant has the digests of all auth_reqs that were ever judged in the session, or
// that came with its auth_key since. If they are not all known, nothing is renewed.

// claimRenewal finds out whether an auth_req in an ended session may make the session again. It
// writes nothing.
func (b *batch) claimRenewal(v *remnant, digest [32]byte) claim {
	slot, ok := b.slot(v.App)
	switch {
	case !ok, !b.renewable(&v.Remnant):
		return claim{replay: SessionEnded}
	// Also what was judged with the secret of the app before the session was made: the relay may
	// leave the auth_key out.
	case v.has(digest), b.seen(slotOwner(slot), digest):
		return claim{replay: DigestSeen}
	}
	return claim{replay: Fresh, spends: SpentSessionDigest, remnant: v}
}

// renewable reports whether a remnant is one whose session may be had again: it expired by itself,
// what came in it is known, and its app has the secret that it had when the session was made.
func (b *batch) renewable(r *Remnant) bool {
	slot, ok := b.slot(r.App)
	return ok && r.Expired && r.Known && !slot.Rotated.After(r.Created)
}

// MayRenew returns nil if an auth_req with the auth_key of an ended session may have it again
// within this time of its end, otherwise the reason: ErrNoRemnant, ErrRenew.
func (v View) MayRenew(id SessionID, within time.Duration) error {
	r := v.b.remnantOf(id)
	switch {
	case r == nil:
		return ErrNoRemnant
	case !v.b.renewable(r), v.Now.Sub(r.Ended) > within:
		return ErrRenew
	}
	return nil
}

// MayRenew reports whether an auth_req may have an ended session again, as far as is known now; the
// commit decides.
func (l *Ledger) MayRenew(id SessionID, digest [32]byte) (bool, error) {
	r, err := l.reading()
	if err != nil {
		return false, err
	}
	v, err := r.remnant(id)
	if err != nil || v == nil {
		return false, err
	}
	l.mu.RLock()
	slot, ok := l.state.slots[v.App]
	l.mu.RUnlock()
	return ok && v.Expired && v.Known && !slot.Rotated.After(v.Created) && !v.has(digest), nil
}

// NoteAuth remembers an auth_req that came with the auth_key of a live or ended session and was not
// judged, so that it never has the session again. It returns when that is on disk.
func (l *Ledger) NoteAuth(ctx context.Context, id SessionID, digest [32]byte) error {
	return l.submitContext(ctx, &op{apply: func(b *batch) error {
		if s := b.session(id); s != nil {
			b.noteAuth(s, digest)
			return nil
		}
		v := b.wholeRemnant(id)
		if v != nil && v.Expired && v.Known && !v.has(digest) {
			v.remember(digest)
			b.putRemnant(v)
		}
		return nil
	}})
}

// noteAuth remembers an auth_req in a session. No record tells of it, so it is written at once.
func (b *batch) noteAuth(s *Session, digest [32]byte) {
	owner := sessionOwner(s.ID)
	b.noteLogin(s.App, digest) // nor does it make another one with the secret of the app
	// With more, nothing is renewed, and nothing need be remembered for it.
	if s.Digests > remnantDigests || b.seen(owner, digest) {
		return
	}
	b.put(digestBucket(owner), digest[:], nil)
	fresh := b.update(s, b.last.number, func(s *Session) { s.Digests++ })
	b.putSession(fresh)
}

// NoteLogin remembers an auth_req that opened with the secret of an app and was not judged, so that
// it makes no session when it comes again. It returns when that is on disk.
func (l *Ledger) NoteLogin(ctx context.Context, app string, digest [32]byte) error {
	return l.submitContext(ctx, &op{apply: func(b *batch) error {
		b.noteLogin(app, digest)
		return nil
	}})
}

func (b *batch) noteLogin(app string, digest [32]byte) {
	slot, ok := b.slot(app)
	if o := slotOwner(slot); ok && !b.seen(o, digest) && !b.secretSpent(o) {
		b.put(digestBucket(o), digest[:], nil)
		b.counted[o]++
	}
}

func (v *remnant) has(digest [32]byte) bool { return slices.Contains(v.digests, digest) }

// remember adds a digest. If there are too many, they are not all known any more.
func (v *remnant) remember(digest [32]byte) {
	if len(v.digests) >= remnantDigests {
		v.Known = false
		return
	}
	v.digests = slices.SortedFunc(slices.Values(append(v.digests, digest)),
		func(a, b [32]byte) int { return bytes.Compare(a[:], b[:]) })
}
