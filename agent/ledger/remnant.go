package ledger

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"pksa/protocol/secret"
	"pksa/protocol/sorts"
)

// A session that ends leaves a remnant, so that an application which does not know it yet can be
// told. Whoever is told "session expired" may ask again elsewhere: it is a promise that this very
// request was not carried out and never will be. So a remnant speaks only of requests of which the
// ledger can show that they were never judged, and each of them is used up in the commit that comes
// before the answer.
//
// Remnants are facts of the meta bucket. Programs that are older do not know them and pass over
// them.

// Bounds on remnants. Anybody whom the policy lets log in can have sessions end.
const (
	remnantLife    = 30 * 24 * time.Hour
	remnantsOfApp  = 32 // of an app and account; the oldest leaves
	remnantDigests = 64 // that one remembers; with more, it does not speak of requests without nonce
)

// Remnant is what is left of a session that has ended. It is shared: do not change it.
type Remnant struct {
	ID      SessionID
	Account string
	App     string
	AuthKey Secret
	Origin  Origin
	Created time.Time
	Ended   time.Time
	Outcome string // how it ended, as its record says

	LastNonce int64 // ms; of the session, and of what was told since that it has ended
	// Known says that the digests of all requests without nonce that were ever judged in the
	// session are known.
	Known bool
	// Expired says that the session came to its end by itself, and nothing speaks against its
	// auth_key.
	Expired bool
}

// Format writes everything but the key.
func (r Remnant) Format(f fmt.State, verb rune) { secret.Format(f, verb, r) }

// remnant is a remnant as it is stored. The digests are not held in memory.
type remnant struct {
	Remnant
	digests [][32]byte // of requests without nonce, in order
	judged  judged     // of those with one, as the session remembered them, and those that were told
}

var remnantPrefix = []byte("remnant ")

func remnantKey(id SessionID) []byte { return slices.Concat(remnantPrefix, numberKey(uint64(id))) }

func (v *remnant) encode() []byte {
	var w writer
	w.byte(1)
	w.text(v.Account)
	w.text(v.App)
	w.text(string(v.AuthKey))
	w.byte(byte(v.Origin))
	w.time(v.Created)
	w.time(v.Ended)
	w.text(v.Outcome)
	w.uint(uint64(v.LastNonce))
	w.bool(v.Known)
	w.bool(v.Expired)
	w.uint(uint64(len(v.digests)))
	for _, d := range v.digests {
		w.fixed(d[:])
	}
	w.judged(v.judged)
	return w.b
}

func decodeRemnant(id SessionID, b []byte) (*remnant, error) {
	r := reader{b: b}
	r.version(1)
	v := &remnant{Remnant: Remnant{ID: id, Account: r.text(), App: r.text(), AuthKey: Secret(r.text())}}
	v.Origin = Origin(r.byte())
	v.Created, v.Ended, v.Outcome = r.time(), r.time(), r.text()
	v.LastNonce = r.int64()
	v.Known, v.Expired = r.bool(), r.bool()
	n := r.uint()
	r.bad = r.bad || n > remnantDigests
	for i := uint64(0); i < n && !r.bad; i++ {
		var d [32]byte
		copy(d[:], r.take(32))
		// In order, each once: there is one way to write a remnant.
		r.bad = r.bad || i > 0 && bytes.Compare(v.digests[i-1][:], d[:]) >= 0
		v.digests = append(v.digests, d)
	}
	v.judged = r.judged()
	return v, r.end()
}

// remnants reads what is left of ended sessions. It is part of load.
func (f *loaded) remnants() error {
	for p, err := range scan(f.in, bucketMeta, remnantPrefix) {
		if err != nil {
			return err
		}
		name, ok := bytes.CutPrefix(p.key, remnantPrefix)
		if !ok {
			break // the facts that follow in the order of the names
		}
		plain, err := f.vault.open(bucketMeta, p.key, p.value)
		if err != nil {
			return err
		}
		id, err := numberOf(name)
		if err != nil {
			return damaged(bucketMeta, p.key)
		}
		v, err := decodeRemnant(SessionID(id), plain)
		if err != nil {
			return damaged(bucketMeta, p.key)
		}
		f.state.remnants[v.ID] = &v.Remnant
	}
	f.state.arrangeRemnants()
	return nil
}

// arrangeRemnants builds the lists of accounts, newest first. The slices are never changed.
func (st *state) arrangeRemnants() {
	st.ended = map[string][]*Remnant{}
	for _, r := range st.remnants {
		st.ended[r.Account] = append(st.ended[r.Account], r)
	}
	for _, list := range st.ended {
		sorts.By(list, newestFirst)
	}
}

func newestFirst(a, b *Remnant) int {
	return cmp.Or(b.Ended.Compare(a.Ended), cmp.Compare(b.ID, a.ID))
}

// RemnantsOf returns what is left of the ended sessions of an account, newest first. The slice is
// shared: do not change it.
func (l *Ledger) RemnantsOf(account string) []*Remnant {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.state.ended[account]
}

// Remnants returns what is left of all ended sessions, by id.
func (l *Ledger) Remnants() []*Remnant {
	l.mu.RLock()
	defer l.mu.RUnlock()
	all := slices.Collect(maps.Values(l.state.remnants))
	sorts.By(all, func(a, b *Remnant) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// ForgetRemnant drops what is left of an ended session, and returns it as it was. ErrNoRemnant.
func (l *Ledger) ForgetRemnant(ctx context.Context, id SessionID, audit []byte) (*Remnant, error) {
	var gone *Remnant
	err := l.submitContext(ctx, &op{apply: func(b *batch) error {
		if gone = b.remnantOf(id); gone == nil {
			return ErrNoRemnant
		}
		b.dropRemnant(id)
		b.record(Record{Type: RecordAdmin, Outcome: "ended session forgotten", Account: gone.Account, App: gone.App,
			Session: id, Content: audit}, nil)
		return nil
	}})
	if err != nil {
		return nil, err
	}
	return gone, nil
}

// remnantOf returns a remnant as the batch sees it, nil if there is none.
func (b *batch) remnantOf(id SessionID) *Remnant {
	if r, ok := b.remnants[id]; ok {
		return r
	}
	return b.l.state.remnants[id]
}

// remnantsOf returns the remnants of an account as the batch sees them, in no order.
func (b *batch) remnantsOf(account string) (list []*Remnant) {
	for _, r := range b.l.state.ended[account] {
		if _, changed := b.remnants[r.ID]; !changed {
			list = append(list, r)
		}
	}
	for _, r := range b.remnants {
		if r != nil && r.Account == account {
			list = append(list, r)
		}
	}
	return list
}

// allRemnants returns the ids of the remnants that which wants, as the batch sees them, by id.
func (b *batch) allRemnants(which func(*Remnant) bool) (ids []SessionID) {
	all := maps.Clone(b.l.state.remnants)
	maps.Copy(all, b.remnants)
	for id, r := range all {
		if r != nil && which(r) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

func (b *batch) putRemnant(v *remnant) {
	b.remnants[v.ID] = &v.Remnant
	b.put(bucketMeta, remnantKey(v.ID), v.encode())
}

func (b *batch) dropRemnant(id SessionID) {
	b.remnants[id] = nil
	b.delete(bucketMeta, remnantKey(id))
}

// wholeRemnant reads a remnant with its digests; nil if there is none.
func (b *batch) wholeRemnant(id SessionID) *remnant {
	v, err := b.lookup.remnant(id)
	if err != nil {
		b.fail(err)
	}
	return v
}

func (r lookup) remnant(id SessionID) (*remnant, error) {
	plain, err := r.value(bucketMeta, remnantKey(id))
	if err != nil || plain == nil {
		return nil, err
	}
	v, err := decodeRemnant(id, plain)
	if err != nil {
		return nil, damaged(bucketMeta, remnantKey(id))
	}
	return v, nil
}

// leaveRemnant writes what is left of a session that ends now. It comes before the session's
// digests are dropped.
func (b *batch) leaveRemnant(s *Session, why ending) {
	v := &remnant{Remnant: Remnant{
		ID: s.ID, Account: s.Account, App: s.App, AuthKey: s.AuthKey, Origin: s.Origin, Created: s.Created,
		Ended: b.now, Outcome: why.Outcome, LastNonce: s.LastNonce, Expired: why.Expired && !s.NoncesOnly,
	}}
	v.digests, v.Known = b.digestsOf(s)
	v.judged = s.judged
	b.putRemnant(v)
	var same []*Remnant
	for _, r := range b.remnantsOf(s.Account) {
		if r.App == s.App {
			same = append(same, r)
		}
	}
	if len(same) > remnantsOfApp {
		sorts.By(same, newestFirst)
		for _, r := range same[remnantsOfApp:] {
			b.dropRemnant(r.ID)
		}
	}
}

// digestsOf returns the digests of a session, and whether they are all that there ever were: none
// of a session of a restored ledger, whose digests may be lost, nor of one that has too many.
func (b *batch) digestsOf(s *Session) (list [][32]byte, known bool) {
	if s.NoncesOnly || s.Digests > remnantDigests {
		return nil, false
	}
	all := map[[32]byte]struct{}{}
	owner := sessionOwner(s.ID)
	maps.Copy(all, b.digests[owner])
	for _, recent := range b.l.state.recentDigests() {
		maps.Copy(all, recent[owner])
	}
	pairs, _, err := b.in.list(digestBucket(owner), nil, remnantDigests+1)
	if err != nil {
		b.fail(err)
		return nil, false
	}
	for _, p := range pairs {
		if len(p.key) == 32 {
			all[[32]byte(p.key)] = struct{}{}
		}
	}
	if len(all) > remnantDigests || len(all) != s.Digests {
		return nil, false
	}
	list = slices.SortedFunc(maps.Keys(all), func(a, b [32]byte) int { return bytes.Compare(a[:], b[:]) })
	return list, true
}

// claimRemnant finds out whether a request in an ended session may be told so, and what that uses
// up. It writes nothing.
func (b *batch) claimRemnant(a *Admission, digest [32]byte) claim {
	v := b.wholeRemnant(a.Remnant)
	if v == nil {
		return claim{replay: SessionEnded}
	}
	// A program that knows no remnants may have given the auth_key another life. What was judged in
	// that one, this remnant does not know.
	if k, ok := b.authKey(v.AuthKey); ok && (k.Session != 0 || !k.Ended.Equal(v.Ended)) {
		return claim{replay: SessionEnded}
	}
	if a.Kind == KindAuth {
		return b.claimRenewal(v, digest)
	}
	if !v.unjudged(a.Nonce, digest, b.o.nonceWindow().under(b.l.state.floor, b.now)) {
		return claim{replay: SessionEnded}
	}
	c := claim{replay: SessionOver, spends: SpentNonce, remnant: v}
	if a.Nonce == 0 {
		c.spends = SpentSessionDigest
	}
	return c
}

// unjudged reports whether a request was surely never judged. A nonce must be fresh, as in a live
// session; without one, the digests must be known, and this one not among them.
func (v *remnant) unjudged(nonce int64, digest [32]byte, fresh func(nonce, last int64) bool) bool {
	if nonce != 0 {
		// Below the last one it may have been overtaken: what was judged is remembered.
		return fresh(nonce, v.judged.covers) && !v.judged.has(digest)
	}
	return v.Known && len(v.digests) < remnantDigests && !v.has(digest)
}

// under returns the nonce rules for one instant, above a floor.
func (w nonceWindow) under(floor int64, now time.Time) func(nonce, last int64) bool {
	return func(nonce, last int64) bool { return w.check(nonce, max(last, floor), now) == Fresh }
}

// spendRemnant uses up what was claimed in an ended session, with the record that reports it. The
// auth_key may have a session again: what was promised here holds there, too.
func (b *batch) spendRemnant(c claim, rec *Record) {
	v := c.remnant
	rec.App = v.App
	if rec.Kind == KindAuth {
		v.remember(rec.Digest) // the session that it may make gets it from here
		b.noteLogin(v.App, rec.Digest)
		b.putRemnant(v)
		return
	}
	rec.Session = v.ID
	k, ok := b.authKey(v.AuthKey)
	if !ok { // its app got another secret since then
		k = authKey{Account: v.Account, App: v.App, Ended: v.Ended}
	}
	k.LastNonce = max(k.LastNonce, v.LastNonce)
	if c.spends == SpentNonce {
		v.LastNonce, k.LastNonce = max(v.LastNonce, rec.Nonce), max(k.LastNonce, rec.Nonce)
		v.judged = v.judged.with(rec.Nonce, rec.Digest)
	} else {
		// The auth_key makes no session again: a digest could not be kept for long enough there.
		v.remember(rec.Digest)
		k.Nonceless, v.Expired = true, false
	}
	b.putRemnant(v)
	b.put(bucketKeys, b.vault.keyHash(v.AuthKey), k.encode())
}

// MayTell reports whether a request in an ended session may be told so, as far as is known now. It
// is for dropping replays without a commit: the commit decides.
func (l *Ledger) MayTell(id SessionID, nonce int64, digest [32]byte) (bool, error) {
	r, err := l.reading()
	if err != nil {
		return false, err
	}
	v, err := r.remnant(id)
	if err != nil || v == nil {
		return false, err
	}
	l.mu.RLock()
	fresh := l.o.nonceWindow().under(l.state.floor, l.nowLocked())
	l.mu.RUnlock()
	return v.unjudged(nonce, digest, fresh), nil
}

// resume hands what a remnant knows to the session that its auth_key gets again, and drops it.
func (b *batch) resume(s *Session) {
	for _, r := range b.remnantsOf(s.Account) {
		if r.AuthKey != s.AuthKey {
			continue
		}
		s.LastNonce = max(s.LastNonce, r.LastNonce)
		if v := b.wholeRemnant(r.ID); v != nil {
			for _, d := range v.digests {
				// Written at once: no record of this session's brings them back.
				b.put(digestBucket(sessionOwner(s.ID)), d[:], nil)
			}
			s.Digests += len(v.digests)
		}
		b.dropRemnant(r.ID)
	}
}

// sweepRemnants drops the remnants that are old.
func (b *batch) sweepRemnants() {
	for _, id := range b.allRemnants(func(r *Remnant) bool { return !r.Ended.Add(remnantLife).After(b.now) }) {
		b.dropRemnant(id)
	}
}

// doubtRemnant makes a remnant as cautious as a restored ledger must be: which requests were judged
// since the copy was made, it does not know.
func (b *batch) doubtRemnant(id SessionID) {
	if v := b.wholeRemnant(id); v != nil {
		v.Known, v.Expired, v.judged = false, false, judged{covers: v.LastNonce}
		b.putRemnant(v)
	}
}

// turnRemnant lets a remnant have ended at an instant, ms. There may be none.
func (b *batch) turnRemnant(id SessionID, now int64) {
	v := b.wholeRemnant(id)
	if v == nil {
		return
	}
	if k, ok := b.authKey(v.AuthKey); ok && k.Session == 0 && k.Ended.Equal(v.Ended) {
		k.Ended = fromMillis(now)
		b.put(bucketKeys, b.vault.keyHash(v.AuthKey), k.encode())
	}
	v.Ended = fromMillis(now)
	b.putRemnant(v)
}

// dropRemnantsOf drops the remnants of an app.
func (b *batch) dropRemnantsOf(app string) {
	for _, id := range b.allRemnants(func(r *Remnant) bool { return r.App == app }) {
		b.dropRemnant(id)
	}
}

// publishRemnants makes the remnants of the batch the committed ones.
func (b *batch) publishRemnants(st *state) {
	if len(b.remnants) == 0 {
		return
	}
	changed := map[string]bool{}
	for id, r := range b.remnants {
		if old := st.remnants[id]; old != nil {
			changed[old.Account] = true
		}
		if r == nil {
			delete(st.remnants, id)
			continue
		}
		changed[r.Account] = true
		st.remnants[id] = r
	}
	for account := range changed {
		var list []*Remnant
		for _, r := range st.ended[account] {
			if _, is := b.remnants[r.ID]; !is {
				list = append(list, r)
			}
		}
		for _, r := range b.remnants {
			if r != nil && r.Account == account {
				list = append(list, r)
			}
		}
		sorts.By(list, newestFirst)
		if len(list) == 0 {
			delete(st.ended, account)
		} else {
			st.ended[account] = list
		}
	}
}
