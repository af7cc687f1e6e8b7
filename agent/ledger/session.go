package ledger

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"pksa/protocol/plain"
	"pksa/protocol/sorts"
)

// SessionID names a session for good. It is the number of the audit record that made the session.
type SessionID uint64

// String returns the id in decimal.
func (id SessionID) String() string { return strconv.FormatUint(uint64(id), 10) }

// Origin is how a session came to be. The zero value is not valid.
type Origin uint8

// The three ways to a session.
const (
	Service Origin = iota + 1 // an auth_req that opened with a slot's secret
	Hand                      // made by the operator
	Paired                    // taken from a link or QR code
)

// String returns "service", "hand" or "paired".
func (o Origin) String() string {
	switch o {
	case Service:
		return "service"
	case Hand:
		return "hand"
	case Paired:
		return "paired"
	}
	return "unknown"
}

// NewSession is what a session is made of.
//
// An auth_key belongs to one account and one app: the pages of HAS ask for a key for each account
// (HAS §9.1), and a key shared by two would let a relay deliver one account's requests as the
// other's.
type NewSession struct {
	Account string
	App     string // slot name
	AuthKey Secret
	Token   Secret // empty: a fresh uuid v4
	Origin  Origin
	Relay   string // where it was made, or empty
	Claim   string // the name that the application gives itself; it proves nothing; or empty
	Expires time.Time
	// AddedRelay says that Relay is not in the settings: a person added it by pairing.
	AddedRelay bool
	// LastNonce, in ms, is what the session took before it came here, from another wallet; usually
	// zero. Only a higher nonce is fresh.
	LastNonce int64
	// Moved says that the session lives already, in another wallet: it is not refused for the other
	// sessions of its app.
	Moved bool
}

// Session is a live session at the instant at which it was asked for. It is shared: do not change
// it.
type Session struct {
	ID       SessionID
	Account  string
	App      string
	AuthKey  Secret
	Token    Secret // uuid v4, the same for life; sent, never trusted
	Origin   Origin
	Relay    string
	Claim    string // the name that the application gave itself; empty if none, and in old ledgers
	Created  time.Time
	Expires  time.Time
	LastUsed time.Time // Created if never

	// AddedRelay says that Relay was not in the settings when the session was made: the wallet is
	// connected to it for as long as such a session lives.
	AddedRelay bool

	LastNonce int64 // ms; the highest that was admitted or denied
	Nonceless bool  // took a request without nonce: its auth_key makes no session again
	// NoncesOnly demands nonces: the ledger was restored, so digests may have been lost.
	NoncesOnly bool
	Digests    int // how many ciphertexts it remembers

	judged judged
	asOf   uint64 // number of the last record that is reflected here
}

// AddSession makes a session by hand, in a commit that it may share. ErrSession, ErrNoSlot,
// ErrKeyLive, ErrKeyElsewhere, ErrKeySpent, ErrSessions, ErrAppSessions,
// ErrAllSessions.
func (l *Ledger) AddSession(ctx context.Context, n NewSession, audit []byte) (*Session, error) {
	var made *Session
	err := l.submitContext(ctx, &op{apply: func(b *batch) (err error) {
		made, err = b.addSession(n, audit)
		return err
	}})
	if err != nil {
		return nil, err
	}
	return made, nil
}

// addSession records a session that is made by hand.
func (b *batch) addSession(n NewSession, audit []byte) (*Session, error) {
	if err := b.mayOpen(n); err != nil {
		return nil, err
	}
	b.makeRoom(n)
	made := b.openSession(n, b.next())
	b.record(Record{
		Type: RecordAdmin, Outcome: "session added", Account: n.Account, App: n.App, Session: made.ID,
		Content: audit,
	}, nil)
	return made, nil
}

// EndSession revokes a session and returns it as it was. Its auth_key makes no session again.
// ErrNoSession.
func (l *Ledger) EndSession(ctx context.Context, id SessionID, audit []byte) (*Session, error) {
	var ended *Session
	err := l.submitContext(ctx, &op{apply: func(b *batch) error {
		ended = b.session(id)
		if ended == nil {
			return ErrNoSession
		}
		b.endSession(ended, ending{Outcome: "session revoked", Revoked: true, Content: audit})
		return nil
	}})
	if err != nil {
		return nil, err
	}
	return ended, nil
}

// Revocation names the sessions that are revoked: those with the ids, and all that Which wants.
type Revocation struct {
	IDs []SessionID
	// Which may be nil. It runs in the committing goroutine and must not wait.
	Which func(*Session) bool
	// Quiet leaves nothing by which their applications could be told: the sessions may live in
	// another wallet.
	Quiet bool
	Audit []byte
}

// EndSessions revokes sessions, and returns those that lived, as they were, by id. Their auth_keys
// make no sessions again. missing are the ids that no live session has. It ends 2,000 in one
// commit: after an error some of many may have ended. Those that are made meanwhile live on.
func (l *Ledger) EndSessions(ctx context.Context, r Revocation) (ended []*Session, missing []SessionID, err error) {
	why := ending{Outcome: "session revoked", Revoked: true, Quiet: r.Quiet, Content: r.Audit}
	named, newest := idSet(r.IDs), SessionID(0)
	err = l.inPortions(ctx, &ended, func(b *batch) ([]*Session, bool, error) {
		if newest == 0 {
			newest = SessionID(b.last.number)
			for _, id := range r.IDs {
				if b.liveSession(id) == nil {
					missing = append(missing, id)
				}
			}
		}
		part, left := b.someOf(b.sessionsWith(func(s *Session) bool {
			return named[s.ID] || s.ID <= newest && r.Which != nil && r.Which(s)
		}))
		return b.revoke(why, part), left, nil
	})
	if err != nil {
		return nil, nil, err
	}
	return ended, missing, nil
}

func idSet(ids []SessionID) map[SessionID]bool {
	set := make(map[SessionID]bool, len(ids))
	for _, id := range ids {
		set[id] = true
	}
	return set
}

// inPortions ends many sessions in several commits: each takes some KiB until its commit has ended.
// step ends some in its commit, and returns them and whether others are left. It ends those last
// that must end together with something else. ended gets all of them.
func (l *Ledger) inPortions(ctx context.Context, ended *[]*Session, step func(*batch) (part []*Session, left bool,
	err error)) error {
	for {
		var part []*Session
		var left bool
		err := l.submitContext(ctx, &op{apply: func(b *batch) (err error) {
			part, left, err = step(b)
			return err
		}})
		if err != nil {
			return err
		}
		*ended = append(*ended, part...)
		if !left {
			return nil
		}
	}
}

// someOf returns those of the sessions that one commit ends, and whether others are left.
func (b *batch) someOf(sessions []*Session) (part []*Session, left bool) {
	n := min(len(sessions), b.o.expireMost)
	return sessions[:n], n < len(sessions)
}

// sessionsWith returns the sessions that which wants, by id.
func (b *batch) sessionsWith(which func(*Session) bool) []*Session {
	return slices.DeleteFunc(b.allSessions(), func(s *Session) bool { return !which(s) })
}

// revoke ends sessions as the operator wants, each with a record of its own, and returns those that
// lived. An expired one that is not swept yet is ended, too: its auth_key must not come back.
func (b *batch) revoke(why ending, sessions []*Session) []*Session {
	for _, s := range sessions {
		b.endSession(s, why)
	}
	return live(sessions, b.now)
}

// mayOpen returns nil if a session can be made, otherwise the reason. It writes nothing.
func (b *batch) mayOpen(n NewSession) error {
	if n.Account == "" || n.AuthKey == "" || !n.Expires.After(b.now) || n.LastNonce < 0 || n.LastNonce > maxNonce {
		return ErrSession
	}
	slot, ok := b.slot(n.App)
	if !ok {
		return fmt.Errorf("%q: %w", n.App, ErrNoSlot)
	}
	if b.again(slot, n) {
		return ErrKeySpent
	}
	if k, ok := b.authKey(n.AuthKey); ok {
		if err := b.mayReuse(k, n); err != nil {
			return err
		}
	}
	if full := b.full(n); full != nil && b.idlest(n) == nil {
		return full
	}
	return b.err
}

// full returns the bound that a new session would pass, nil if there is room. What an earlier
// setting let an app have stays until it ends.
func (b *batch) full(n NewSession) error {
	switch {
	case b.countSessions(n.Account, "") >= b.o.SessionsPerAccount:
		return ErrSessions
	case b.countSessions(n.Account, n.App) >= b.o.SessionsPerApp && !n.Moved:
		return ErrAppSessions
	case b.allCount() >= b.o.Sessions:
		return ErrAllSessions
	}
	return nil
}

// allCount returns how many sessions there are of all accounts. Those that have expired and are not
// swept yet count: they are held, too.
func (b *batch) allCount() int { return len(b.l.state.sessions) + b.tally.more }

// tally counts sessions while a batch makes and ends many of them, each of which asks.
type tally struct {
	more    int                    // of all, than in the committed state; live or not
	lives   map[string]*tallied    // by account, of those that were asked for
	changed map[string][]SessionID // by account, those of batch.sessions that have not ended
}

// tallied is how many live sessions an account has, in all and by app.
type tallied struct {
	all  int
	apps map[string]int
}

func (t *tallied) add(app string, n int) {
	t.all += n
	t.apps[app] += n
}

// change sets a session as the batch leaves it; nil: it has ended.
func (b *batch) change(id SessionID, now *Session) {
	was := b.session(id)
	if _, before := b.sessions[id]; !before && now != nil {
		b.tally.changed[now.Account] = append(b.tally.changed[now.Account], id)
	}
	b.sessions[id] = now
	if was != nil {
		b.count(was, -1)
	}
	if now != nil {
		b.count(now, 1)
	}
}

// count counts a session that is there from now on, or is not any more.
func (b *batch) count(s *Session, n int) {
	b.tally.more += n
	if t := b.tally.lives[s.Account]; t != nil && s.Expires.After(b.now) {
		t.add(s.App, n)
	}
}

// A session must not have been used for this long before a new one may replace it. Where only its
// app is at its bound the time is short: a program that is started each minute and logs in each
// time would be refused from its 33rd start on.
const (
	replaceIdle    = time.Hour
	replaceAppIdle = 5 * time.Minute
)

// idlest returns the session that a new one may replace when its app or the account is full: of
// those that the same slot's secret made for the account and that are idle, the one whose last use
// is longest ago. It returns nil if there is none. What a person made, by hand or by pairing, is
// never replaced, and replaces nothing.
func (b *batch) idlest(n NewSession) (idlest *Session) {
	if n.Origin != Service {
		return nil
	}
	idle := replaceIdle
	if errors.Is(b.full(n), ErrAppSessions) {
		idle = replaceAppIdle
	}
	for _, s := range b.sessionsOf(n.Account) {
		if s.App != n.App || s.Origin != Service || !s.Expires.After(b.now) || s.LastUsed.After(b.now.Add(-idle)) {
			continue
		}
		if idlest == nil || cmp.Or(s.LastUsed.Compare(idlest.LastUsed), cmp.Compare(s.ID, idlest.ID)) < 0 {
			idlest = s
		}
	}
	return idlest
}

// makeRoom ends what stands in the way of a session that mayOpen allowed: an expired session with
// its auth_key, and the session that it replaces. Both write records, so makeRoom comes before the
// number of the session's own record is taken.
func (b *batch) makeRoom(n NewSession) {
	b.clearKey(n.AuthKey)
	if b.full(n) == nil {
		return
	}
	if s := b.idlest(n); s != nil {
		// Not revoked: the application may log in again, with the same auth_key if it sent nonces.
		b.endSession(s, ending{Outcome: "session replaced by a newer one of its app"})
	}
}

// mayReuse returns nil if a known auth_key may make a session again, otherwise the reason.
func (b *batch) mayReuse(k authKey, n NewSession) error {
	if k.Account != n.Account || k.App != n.App && k.App != "" {
		return ErrKeyElsewhere
	}
	nonceless := k.Nonceless
	if k.Session != 0 {
		if b.liveSession(k.Session) != nil {
			return ErrKeyLive
		}
		s := b.session(k.Session) // expired, not swept yet: it has no tombstone
		nonceless = s == nil || s.Nonceless
	}
	if k.Revoked || nonceless {
		return ErrKeySpent
	}
	return nil
}

// authKey returns what is known of an auth_key.
func (b *batch) authKey(key Secret) (authKey, bool) {
	hash := b.vault.keyHash(key)
	plain := b.get(bucketKeys, hash)
	if plain == nil {
		return authKey{}, false
	}
	k, err := decodeAuthKey(plain)
	if err != nil {
		b.fail(damaged(bucketKeys, hash))
		return authKey{}, false
	}
	return k, true
}

// clearKey ends the expired session that still has the auth_key, if there is one.
func (b *batch) clearKey(key Secret) {
	if k, ok := b.authKey(key); ok && k.Session != 0 {
		if s := b.session(k.Session); s != nil {
			b.endSession(s, ending{Outcome: "session expired", Expired: true})
		}
	}
}

// openSession writes a session that mayOpen allowed. number is that of the record that is written
// next.
func (b *batch) openSession(n NewSession, number uint64) *Session {
	s := &Session{
		ID: SessionID(number), Account: n.Account, App: n.App, AuthKey: n.AuthKey, Token: n.Token, Origin: n.Origin,
		Relay: n.Relay, Claim: plain.CutRunes(n.Claim, maxClaim), Created: b.now, LastUsed: b.now,
		Expires: fromMillis(millis(n.Expires)), LastNonce: n.LastNonce,
		AddedRelay: n.AddedRelay && n.Relay != "", asOf: number - 1,
	}
	if s.Token == "" {
		s.Token = newToken()
	}
	if k, ok := b.authKey(n.AuthKey); ok {
		s.LastNonce = max(s.LastNonce, k.LastNonce) // it resumes above what it took before
	}
	if b.tries {
		b.putKey(s, authKey{Account: s.Account, App: s.App, Session: s.ID})
		b.change(s.ID, s)
		return s
	}
	b.resume(s)
	if slot, ok := b.slot(n.App); ok {
		s.NoncesOnly = slot.NoncesOnly
	}
	s.judged = judged{covers: s.LastNonce}
	// Both are written at once, not gathered: the trail does not hold secrets.
	b.put(bucketSessions, numberKey(number), s.encode())
	if s.Claim != "" {
		b.put(bucketMeta, claimKey(s.ID), []byte(s.Claim))
	}
	if s.AddedRelay {
		b.put(bucketMeta, addedRelayKey(s.ID), []byte(s.Relay))
	}
	b.putKey(s, authKey{Account: s.Account, App: s.App, Session: s.ID, LastNonce: s.LastNonce})
	b.change(s.ID, s)
	return s
}

func (b *batch) putKey(s *Session, k authKey) {
	b.put(bucketKeys, b.vault.keyHash(s.AuthKey), k.encode())
}

// maxClaim is how much of the name that an application gives itself is kept, in runes.
const maxClaim = 64

// claimKey returns the key of a session's claim among the facts. It does not stand in the session's
// own value, which programs of before it would call damaged; they pass over facts that they do not
// know. A claim whose session they ended stays, and nobody reads it: numbers are not given twice.
func claimKey(id SessionID) []byte { return slices.Concat(claimPrefix, numberKey(uint64(id))) }

var claimPrefix = []byte("claim ")

// newToken returns a uuid v4.
func newToken() Secret {
	var u [16]byte
	_, _ = rand.Read(u[:])
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	return Secret(fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:]))
}

// ending is why a session ends.
type ending struct {
	Outcome string
	Revoked bool
	Expired bool // by itself
	Quiet   bool // it leaves no remnant
	Content []byte
}

// endSession ends a session, leaves a tombstone for its auth_key and a remnant, and records the
// reason.
func (b *batch) endSession(s *Session, why ending) {
	if b.tries {
		b.leaveTombstone(s, why)
		b.change(s.ID, nil)
		return
	}
	if !why.Quiet {
		b.leaveRemnant(s, why) // before its digests are dropped
	}
	b.delete(bucketSessions, numberKey(uint64(s.ID)))
	if len(s.judged.list) > 0 {
		b.delete(bucketMeta, judgedKey(s.ID))
	}
	if s.Claim != "" {
		b.delete(bucketMeta, claimKey(s.ID))
	}
	if s.AddedRelay {
		b.delete(bucketMeta, addedRelayKey(s.ID))
	}
	b.leaveTombstone(s, why)
	b.change(s.ID, nil)
	b.forget(sessionOwner(s.ID)) // the tombstone refuses what the digests refused
	kind := RecordEnded
	if why.Revoked {
		kind = RecordAdmin
	}
	b.record(Record{
		Type: kind, Outcome: why.Outcome, Account: s.Account, App: s.App, Session: s.ID, Content: why.Content,
	}, nil)
}

func (b *batch) leaveTombstone(s *Session, why ending) {
	b.putKey(s, authKey{
		Account: s.Account, App: s.App, Ended: b.now, LastNonce: s.LastNonce, Revoked: why.Revoked,
		Nonceless: s.Nonceless,
	})
}

// inOrder returns the sessions that the batch changed: first those that ended, then the others in
// the order of their last change.
func (b *batch) inOrder() []SessionID {
	ids := slices.Collect(maps.Keys(b.sessions))
	at := func(id SessionID) uint64 {
		if s := b.sessions[id]; s != nil {
			return s.asOf
		}
		return 0
	}
	sorts.By(ids, func(x, y SessionID) int { return cmp.Compare(at(x), at(y)) })
	return ids
}

// allSessions returns all sessions as the batch sees them, by id.
func (b *batch) allSessions() []*Session {
	all := maps.Clone(b.l.state.sessions)
	maps.Copy(all, b.sessions)
	var list []*Session
	for _, id := range slices.Sorted(maps.Keys(all)) {
		if all[id] != nil {
			list = append(list, all[id])
		}
	}
	return list
}

// sessionsOf returns those of an account, in no order. The list of the account is short where that
// of all sessions may be long, and a login of a full app asks each time.
func (b *batch) sessionsOf(account string) []*Session {
	var list []*Session
	for _, s := range b.l.state.accounts[account] {
		if _, changed := b.sessions[s.ID]; !changed {
			list = append(list, s)
		}
	}
	for _, id := range b.tally.changed[account] {
		if s := b.sessions[id]; s != nil {
			list = append(list, s)
		}
	}
	return list
}

// countSessions returns how many live sessions an account has, of one app or, with none named, of
// all.
func (b *batch) countSessions(account, app string) int {
	t := b.tally.lives[account]
	if t == nil {
		t = &tallied{apps: map[string]int{}}
		for _, s := range live(b.sessionsOf(account), b.now) {
			t.add(s.App, 1)
		}
		b.tally.lives[account] = t
	}
	if app == "" {
		return t.all
	}
	return t.apps[app]
}
