package agent

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"pksa/agent/audit"
	"pksa/agent/control"
	"pksa/agent/ledger"
	"pksa/agent/provision"
	"pksa/keystore"
	"pksa/protocol/hive"
	"pksa/protocol/plain"
	"pksa/protocol/sorts"
)

// maxSession is the longest session that can be made by hand.
const maxSession = 366 * 24 * time.Hour

// minSecret is the shortest secret of a slot that the operator may bring, in bytes. The key
// derivation of sealed payloads is cheap, so that a shorter one can be guessed from one recorded
// request (HAS §10).
const minSecret = 16

// Admin manages slots and sessions. The control socket of a running agent offers it; commands use
// it directly when no agent runs and they hold the ledger themselves. All methods may be called
// concurrently. Each change writes an audit record.
type Admin struct {
	Ledger *ledger.Ledger
	Keys   *keystore.Store
}

// Trail returns the audit trail, for reading.
func (m Admin) Trail() audit.Trail {
	return audit.Trail{Ledger: m.Ledger, LedgerID: m.Keys.LedgerID()}
}

// CopyLedger makes a copy of the ledger for a backup.
func (m Admin) CopyLedger() (LedgerCopy, error) {
	record, _ := m.Ledger.Head() // before the copy, so that all of it is in there
	path, err := m.Ledger.Copy()
	return LedgerCopy{path, record}, err
}

// AppInfo is a slot as people see it. The secret is shown when the slot is made or rotated, never
// again.
type AppInfo struct {
	Name     string    `json:"name"`
	Created  time.Time `json:"created"`
	Rotated  time.Time `json:"rotated"`
	Sessions int       `json:"sessions"`
	// NoncesOnly is set after the ledger was restored: requests without nonce are refused until
	// `app rotate`.
	NoncesOnly bool `json:"nonces_only,omitempty"`
	// SameSecretAs is the app that has the same secret and keeps it. The secret of this one is
	// disabled until `app rotate`: a secret names one app.
	SameSecretAs string        `json:"same_secret_as,omitempty"`
	Paused       time.Time     `json:"paused,omitzero"`   // since when each request of it is told to come again later
	Answers      string        `json:"answers,omitempty"` // form of refusals: AnswersNack or AnswersDocumented
	Secret       ledger.Secret `json:"secret,omitempty"`
	Ended        int           `json:"sessions_ended,omitempty"` // by `app rotate --end-sessions`, just now
	Already      bool          `json:"already,omitempty"`        // by `app add`: it was there, with this secret
}

// SessionInfo is a session as people see it. AuthKey is filled when it was made by hand just now.
type SessionInfo struct {
	ID      ledger.SessionID `json:"id"`
	Account string           `json:"account"`
	App     string           `json:"app"`
	Origin  string           `json:"origin"`
	Relay   string           `json:"relay,omitempty"`
	// Claim is the name that the application gave itself. It proves nothing.
	Claim    string        `json:"calls_itself,omitempty"`
	Created  time.Time     `json:"created"`
	Expires  time.Time     `json:"expires"`
	LastUsed time.Time     `json:"last_used"`
	AuthKey  ledger.Secret `json:"auth_key,omitempty"`
	Quiet    []Quarantine  `json:"quarantine,omitempty"`
	Already  bool          `json:"already,omitempty"` // by `session add` and `pair`: it was there
	// RelayAdded says that the relay is not in the settings: the wallet is connected to it while
	// such a session lives.
	RelayAdded bool `json:"relay_added,omitempty"`
	// More is how many live sessions are beyond this page of the list. It stands in the last of a
	// page.
	More int `json:"more,omitzero"`
}

func sessionInfo(s *ledger.Session) SessionInfo {
	return SessionInfo{
		ID: s.ID, Account: s.Account, App: s.App, Origin: s.Origin.String(), Relay: s.Relay, Claim: s.Claim,
		Created: s.Created, Expires: s.Expires, LastUsed: s.LastUsed, RelayAdded: s.AddedRelay,
	}
}

func act(what string) []byte {
	content, _ := json.Marshal(map[string]string{"act": what})
	return content
}

// CheckAppName returns an error that says what is wrong, if no app may have the name.
func CheckAppName(name string) error {
	if name == OwnSlot {
		return errOwnSlot
	}
	if err := ledger.CheckSlotName(name); err != nil {
		return Admin{}.explain(name, err)
	}
	return nil
}

// The forms in which an app gets what is definite and negative.
const (
	AnswersNack       = "nack"       // a *_nack with its reason, on which the clients in the wild act
	AnswersDocumented = "documented" // an *_err as the protocol's pages say; the relay cannot read the reason
)

// checkAnswers reports whether a form of answers is the documented one. Empty is the usual one.
func checkAnswers(form string) (documented bool, err error) {
	switch form {
	case AnswersNack, "":
		return false, nil
	case AnswersDocumented:
		return true, nil
	}
	return false, fmt.Errorf("%s is no form of answers; say %s or %s", plain.Quote(form, 32), AnswersNack,
		AnswersDocumented)
}

func appInfo(s ledger.Slot) AppInfo {
	info := AppInfo{Name: s.Name, Created: s.Created, Rotated: s.Rotated, NoncesOnly: s.NoncesOnly,
		SameSecretAs: s.SameSecretAs, Answers: AnswersNack, Paused: s.Paused}
	if s.Documented {
		info.Answers = AnswersDocumented
	}
	return info
}

// SetAnswers sets the form of the answers that an app gets from now on.
func (m Admin) SetAnswers(ctx context.Context, name, form string) (AppInfo, error) {
	documented, err := checkAnswers(form)
	if err != nil {
		return AppInfo{}, err
	}
	slot, err := m.Ledger.SetAnswers(ctx, name, documented, act("app answers "+form))
	if err != nil {
		return AppInfo{}, m.explain(name, err)
	}
	return appInfo(slot), nil
}

// AddApp makes a slot. An empty secret asks for a random one, empty answers for the usual form. A
// slot of that name with this very secret is what was asked for, so that a wallet can be
// provisioned twice.
func (m Admin) AddApp(ctx context.Context, name, secret, answers string) (AppInfo, error) {
	if name == OwnSlot {
		return AppInfo{}, errOwnSlot
	}
	given := secret
	secret, err := slotSecret(secret)
	if err != nil {
		return AppInfo{}, err
	}
	documented, err := checkAnswers(answers)
	if err != nil {
		return AppInfo{}, err
	}
	slot, err := m.Ledger.AddSlotAs(ctx, ledger.Slot{Name: name, Secret: ledger.Secret(secret), Documented: documented},
		act("app add"))
	if errors.Is(err, ledger.ErrSlotExists) && given != "" {
		return m.sameApp(name, given, answers)
	}
	if err != nil {
		return AppInfo{}, m.explain(name, err)
	}
	info := appInfo(slot)
	info.Secret = ledger.Secret(secret)
	return info, nil
}

// sameApp returns the slot if it has the secret, and answers in the form that is asked for.
func (m Admin) sameApp(name, secret, answers string) (AppInfo, error) {
	slot, ok := m.Ledger.Slot(name)
	if !ok || slot.Secret != ledger.Secret(secret) {
		// A rotation would shut out an application that has the right secret.
		return AppInfo{}, fmt.Errorf("there is an app %q already, and it keeps its secret, which is not the given "+
			"one; check which of the two the application has (`pksa app list` says since when this one is in force)",
			name)
	}
	info := appInfo(slot)
	if answers != "" && answers != info.Answers {
		return AppInfo{}, fmt.Errorf("there is an app %q already, with this secret, and its answers are %s; "+
			"`pksa app answers %s %s` changes that", name, info.Answers, name, answers)
	}
	info.Already = true
	return info, nil
}

// RotateApp sets a new secret of a slot; the old one makes no new session. The slot's sessions go
// on unless they are to end with it. The result holds how many go on, and how many ended.
func (m Admin) RotateApp(ctx context.Context, name, secret string, endSessions bool) (AppInfo, error) {
	if name == OwnSlot {
		return AppInfo{}, errOwnSlot
	}
	secret, err := slotSecret(secret)
	if err != nil {
		return AppInfo{}, err
	}
	var slot ledger.Slot
	var ended []*ledger.Session
	if endSessions {
		slot, ended, err = m.Ledger.RotateSlotAndEnd(ctx, name, ledger.Secret(secret), act("app rotate"))
	} else {
		slot, err = m.Ledger.RotateSlot(ctx, name, ledger.Secret(secret), act("app rotate"))
	}
	if err != nil {
		return AppInfo{}, m.explain(name, err)
	}
	info := appInfo(slot)
	info.Secret, info.Ended = ledger.Secret(secret), len(ended)
	for _, s := range m.Ledger.Sessions() {
		if s.App == name {
			info.Sessions++
		}
	}
	return info, nil
}

// RemoveApp ends a slot and its sessions, and returns how many sessions it had.
func (m Admin) RemoveApp(ctx context.Context, name string) (int, error) {
	ended, err := m.Ledger.RemoveSlot(ctx, name, act("app remove"))
	if err != nil {
		return 0, m.explain(name, err)
	}
	return len(ended), nil
}

// Apps lists the slots by name.
func (m Admin) Apps() []AppInfo {
	sessions := map[string]int{}
	for _, s := range m.Ledger.Sessions() {
		sessions[s.App]++
	}
	apps := []AppInfo{} // a list in JSON, too
	for _, slot := range m.Ledger.Slots() {
		info := appInfo(slot)
		info.Sessions = sessions[slot.Name]
		apps = append(apps, info)
	}
	sorts.By(apps, func(a, b AppInfo) int { return strings.Compare(a.Name, b.Name) })
	return apps
}

// ApplyParams is what the wallet is to hold. An agent of before this method refuses the call.
type ApplyParams struct {
	Wanted provision.Wanted `json:"wanted"`
	Prune  bool             `json:"prune,omitempty"` // remove and replace, too
	Try    bool             `json:"try,omitempty"`   // change nothing, and say what would be changed
}

// Apply brings slots and sessions to what is wanted, in one commit, and says what it did. If there
// are complaints, it did nothing. Where more than 2,000 sessions end, those beyond that end before,
// in commits of their own; where more are opened, those beyond that are opened after it.
func (m Admin) Apply(ctx context.Context, p ApplyParams) (provision.Applied, error) {
	done, _, err := m.apply(ctx, p)
	return done, err
}

// apply returns the sessions that it opened, too.
func (m Admin) apply(ctx context.Context, p ApplyParams) (done provision.Applied, opened []*ledger.Session, err error) {
	home := provision.Home{Holds: m.holds, Usual: defaultSession, Length: checkLength,
		Usable: func(account string) error { return m.usable(hive.AccountName(account)) },
		Secret: func(s ledger.Secret) error { _, err := slotSecret(string(s)); return err },
		Key:    func(s ledger.Secret) error { return checkAuthKey(string(s)) }}
	var openings []int
	planned := false
	opened, err = m.Ledger.Arrange(ctx, p.Try, func(s ledger.Standing) (a ledger.Arrangement, _ error) {
		var now provision.Applied
		a, openings, now = provision.Plan(p.Wanted, p.Prune, s, home)
		if !planned || now.Complaints != nil { // later it lacks what has ended by then
			planned, done = true, now
		}
		a.Audit = act("apply")
		return a, nil
	})
	var refused *ledger.ArrangeError
	if err != nil && !errors.As(err, &refused) {
		return provision.Applied{}, nil, err // the plan may still run, when ctx has ended
	}
	if c, ok := provision.Refused(p.Wanted, openings, err, m.explain); ok {
		return provision.Applied{Changes: []provision.Change{}, Left: []provision.Change{},
			Complaints: []provision.Complaint{c}}, nil, nil
	}
	return done, opened, err
}

// holds returns what to do if no key of an account in a role is held.
func (m Admin) holds(account, role string) error {
	r, err := hive.ParseRole(role)
	if err != nil {
		return err
	}
	if _, ok := m.Keys.Public(hive.AccountName(account), r); !ok {
		return fmt.Errorf("no %s key of %s is held; import one with `pksa keys import %s --role %s --from prompt`",
			role,
			account, account, role)
	}
	return nil
}

// SessionRequest is a session that the operator makes by hand.
type SessionRequest struct {
	App     string         `json:"app"`
	Account string         `json:"account"`
	AuthKey control.Secret `json:"auth_key"` // empty: a random one is made and shown once
	Length  time.Duration  `json:"length"`   // zero: 24 h
	Paired  bool           `json:"paired"`   // the key comes from a pairing link
}

// AddSession makes a session without an auth_req: the operator gives its auth_key to the
// application, or has it from the application (HAS §10 calls that the safest way).
func (m Admin) AddSession(ctx context.Context, q SessionRequest) (SessionInfo, error) {
	account, err := hive.ParseAccountName(q.Account)
	if err != nil {
		return SessionInfo{}, err
	}
	if err := m.checkSession(q.App, account, q.Length); err != nil {
		return SessionInfo{}, err
	}
	made := len(q.AuthKey) == 0
	if made {
		q.AuthKey = control.Secret(newUUID())
	}
	if err := checkAuthKey(string(q.AuthKey)); err != nil {
		return SessionInfo{}, err
	}
	if q.Length == 0 {
		q.Length = defaultSession
	}
	origin := ledger.Hand
	if q.Paired {
		origin = ledger.Paired
	}
	s, err := m.Ledger.AddSession(ctx, ledger.NewSession{
		Account: q.Account, App: q.App, AuthKey: ledger.Secret(q.AuthKey), Origin: origin,
		Expires: m.Ledger.Now().Add(q.Length),
	}, act("session add"))
	if errors.Is(err, ledger.ErrKeyLive) {
		if info, ok := m.liveSession(q.App, account, ledger.Secret(q.AuthKey)); ok {
			return info, nil
		}
	}
	if err != nil {
		return SessionInfo{}, m.explain(q.App, err)
	}
	info := sessionInfo(s)
	if made {
		info.AuthKey = ledger.Secret(q.AuthKey)
	}
	return info, nil
}

// checkAuthKey returns what is wrong with an auth_key that the operator brings.
func checkAuthKey(key string) error {
	if len(key) > maxAuthKey || len(key) < minSecret {
		return fmt.Errorf("an auth_key has %d to %d bytes; applications use a uuid", minSecret, maxAuthKey)
	}
	return nil
}

// liveSession returns the live session of an app and account that has this auth_key. What was to be
// made is there then; its end stays, because a session is never extended.
func (m Admin) liveSession(app string, account hive.AccountName, key ledger.Secret) (SessionInfo, bool) {
	for _, s := range m.Ledger.Sessions() {
		if s.AuthKey == key && s.App == app && s.Account == string(account) {
			info := sessionInfo(s)
			info.Already = true
			return info, true
		}
	}
	return SessionInfo{}, false
}

// checkSession reports what a session made by a person lacks: the slot, a key, a length that is
// allowed.
func (m Admin) checkSession(app string, account hive.AccountName, length time.Duration) error {
	if app == OwnSlot {
		return errOwnSlot
	}
	if _, ok := m.Ledger.Slot(app); !ok {
		return fmt.Errorf("there is no app %q; make it with `pksa app add %s`", app, app)
	}
	if err := m.usable(account); err != nil {
		return err
	}
	return checkLength(length)
}

func checkLength(length time.Duration) error {
	if length < 0 || length > maxSession {
		return errors.New("a session lasts at most a year")
	}
	return nil
}

// usable returns what to do if no key is held that answers in sessions of the account.
func (m Admin) usable(account hive.AccountName) error {
	if _, ok := m.Keys.LowestKey(account); !ok {
		return fmt.Errorf("no key of %s is held; import one with `pksa keys import %s --role posting --from prompt`",
			account, account)
	}
	return nil
}

// Sessions lists the live sessions, the oldest first.
func (m Admin) Sessions() []SessionInfo {
	infos := []SessionInfo{} // a list in JSON, too
	for _, s := range m.Ledger.Sessions() {
		infos = append(infos, sessionInfo(s))
	}
	sorts.By(infos, func(a, b SessionInfo) int { return cmp.Compare(a.ID, b.ID) })
	return infos
}

// RevokeSession ends a session. Its auth_key never makes one again.
func (m Admin) RevokeSession(ctx context.Context, id ledger.SessionID) (SessionInfo, error) {
	s, err := m.Ledger.EndSession(ctx, id, act("session revoke"))
	if errors.Is(err, ledger.ErrNoSession) {
		if len(m.hadEnded(id)) > 0 {
			return SessionInfo{},
				fmt.Errorf("there is no live session %d: it has ended; see `pksa session list --ended`",
					id)
		}
		return SessionInfo{}, fmt.Errorf("there is no live session %d; see `pksa session list`", id)
	}
	if err != nil {
		return SessionInfo{}, err
	}
	return sessionInfo(s), nil
}

// EndedInfo is an ended session as people see it, while something of it is left: a request in it is
// answered with "session expired" (30 days, at most 32 an app and account).
type EndedInfo struct {
	ID      ledger.SessionID `json:"id"`
	Account string           `json:"account"`
	App     string           `json:"app"`
	Origin  string           `json:"origin"`
	Created time.Time        `json:"created"`
	Ended   time.Time        `json:"ended"`
	How     string           `json:"how"`
	// More is how many ended sessions are beyond this page of the list. It stands in the last of a
	// page.
	More int `json:"more,omitzero"`
}

func endedInfo(r *ledger.Remnant) EndedInfo {
	return EndedInfo{ID: r.ID, Account: r.Account, App: r.App, Origin: r.Origin.String(), Created: r.Created,
		Ended: r.Ended, How: r.Outcome}
}

// EndedSessions lists what is left of ended sessions, by number.
func (m Admin) EndedSessions() []EndedInfo {
	infos := []EndedInfo{} // a list in JSON, too
	for _, r := range m.Ledger.Remnants() {
		infos = append(infos, endedInfo(r))
	}
	return infos
}

// endedPage returns a page of that list.
func (m Admin) endedPage(_ context.Context, q SessionsParams) ([]EndedInfo, error) {
	return pageOf(m.EndedSessions(), q, func(s *EndedInfo) (ledger.SessionID, *int) { return s.ID, &s.More })
}

// hadEnded returns those of the sessions that have ended and of which something is left.
func (m Admin) hadEnded(ids ...ledger.SessionID) (ended []ledger.SessionID) {
	for _, r := range m.Ledger.Remnants() {
		if slices.Contains(ids, r.ID) {
			ended = append(ended, r.ID)
		}
	}
	return ended
}

// ForgetSession drops what is left of an ended session: its application hears nothing any more.
func (m Admin) ForgetSession(ctx context.Context, id ledger.SessionID) (EndedInfo, error) {
	r, err := m.Ledger.ForgetRemnant(ctx, id, act("session forget"))
	if errors.Is(err, ledger.ErrNoRemnant) {
		return EndedInfo{}, fmt.Errorf("nothing is left of a session %d; see `pksa session list --ended`", id)
	}
	if err != nil {
		return EndedInfo{}, err
	}
	return endedInfo(r), nil
}

// RevokeParams names the sessions that end: those with the numbers, or those that fit all that is
// set of app, account and age. All alone is every session.
type RevokeParams struct {
	IDs     []ledger.SessionID `json:"ids,omitempty"`
	App     string             `json:"app,omitempty"`
	Account string             `json:"account,omitempty"`
	Older   time.Duration      `json:"older,omitempty"` // made longer ago than this
	All     bool               `json:"all,omitempty"`
	// Quiet lets nobody be told that the sessions have ended: they may live in another wallet.
	Quiet bool `json:"quiet,omitempty"`
}

// Revoked is what ended.
type Revoked struct {
	Ended   []SessionInfo      `json:"ended"`
	Missing []ledger.SessionID `json:"missing"` // numbers that no live session has
	// HadEnded are those of the missing that ended before, while something of them is left.
	HadEnded []ledger.SessionID `json:"had_ended,omitempty"`
}

// Check returns an error unless exactly one way to name sessions is used.
func (p RevokeParams) Check() error {
	filter := p.App != "" || p.Account != "" || p.Older != 0
	ways := 0
	for _, used := range [...]bool{len(p.IDs) > 0, filter, p.All} {
		if used {
			ways++
		}
	}
	switch {
	case ways == 0:
		return errors.New("say which sessions end: numbers, or --app, --account, --older, or --all")
	case ways > 1:
		return errors.New("say which sessions end in one way: numbers, or --app, --account and --older, or --all")
	case p.Older < 0:
		return errors.New("an age is not negative")
	}
	return nil
}

// fits reports whether a session is one of those that app, account and age, or All, name.
func (p RevokeParams) fits(app, account string, created, now time.Time) bool {
	if len(p.IDs) > 0 {
		return false
	}
	return (p.App == "" || app == p.App) && (p.Account == "" || account == p.Account) &&
		(p.Older == 0 || created.Before(now.Add(-p.Older)))
}

// Choose returns those of the sessions that would end now.
func (p RevokeParams) Choose(sessions []SessionInfo) (chosen []SessionInfo) {
	numbers := map[ledger.SessionID]bool{}
	for _, id := range p.IDs {
		numbers[id] = true
	}
	now := time.Now()
	for _, s := range sessions {
		if numbers[s.ID] || p.fits(s.App, s.Account, s.Created, now) {
			chosen = append(chosen, s)
		}
	}
	return chosen
}

// EndSessions ends many sessions, 2,000 in one commit. Their auth_keys never make sessions again. A
// number that no live session has keeps the others from nothing: the operator may be in a hurry.
func (m Admin) EndSessions(ctx context.Context, p RevokeParams) (Revoked, error) {
	if err := p.Check(); err != nil {
		return Revoked{}, err
	}
	if p.App != "" {
		if _, ok := m.Ledger.Slot(p.App); !ok {
			return Revoked{}, m.explain(p.App, ledger.ErrNoSlot)
		}
	}
	if p.Account != "" {
		if _, err := hive.ParseAccountName(p.Account); err != nil {
			return Revoked{}, fmt.Errorf("%q: %w", p.Account, err)
		}
	}
	now := m.Ledger.Now()
	ended, missing, err := m.Ledger.EndSessions(ctx, ledger.Revocation{IDs: p.IDs, Quiet: p.Quiet,
		Which: func(s *ledger.Session) bool { return p.fits(s.App, s.Account, s.Created, now) },
		Audit: act("session revoke"),
	})
	if err != nil {
		return Revoked{}, err
	}
	out := Revoked{Ended: []SessionInfo{}, Missing: append([]ledger.SessionID{}, missing...), // lists in JSON, too
		HadEnded: m.hadEnded(missing...)}
	for _, s := range ended {
		out.Ended = append(out.Ended, sessionInfo(s))
	}
	return out, nil
}

// explain returns the ledger's errors as sentences that say what to do.
func (m Admin) explain(app string, err error) error {
	var taken *ledger.SecretTakenError
	switch {
	case errors.As(err, &taken) && taken.App == app:
		return fmt.Errorf("this is the secret that app %q has now; give it another one, or none to have one made", app)
	case errors.As(err, &taken):
		return fmt.Errorf("app %q has this secret already, and a secret names one app; give %q a secret of its own, "+
			"or none to have one made", taken.App, app)
	case errors.Is(err, ledger.ErrNoSlot):
		return fmt.Errorf("there is no app %q; see `pksa app list`", app)
	case errors.Is(err, ledger.ErrSlotExists):
		return fmt.Errorf("there is an app %q already, and its secret was shown when it was made; if the secret is "+
			"lost, `pksa app rotate %s` makes a new one, and the old one opens no more sessions", app, app)
	case errors.Is(err, ledger.ErrSlotName):
		return fmt.Errorf("%q cannot be the name of an app: lower-case letters, digits, - and _, at most 32, the "+
			"first a letter or digit, and not `any`", app)
	case errors.Is(err, ledger.ErrKeyElsewhere):
		return errors.New("this auth_key belongs to another account or app; an application makes a key of its own " +
			"for each account")
	case errors.Is(err, ledger.ErrKeyLive):
		return errors.New("this auth_key has a live session already; see `pksa session list`")
	case errors.Is(err, ledger.ErrKeySpent):
		return errors.New("this auth_key was revoked, or took requests without nonces: it makes no session again; " +
			"let the application make a new one")
	}
	return err
}

func slotSecret(given string) (string, error) {
	switch {
	case given == "":
		return rand.Text() + rand.Text(), nil
	case len(given) < minSecret:
		return "", fmt.Errorf("a secret of %d bytes can be guessed from one recorded request; give at least %d, or "+
			"none to have one made", len(given), minSecret)
	}
	return given, nil
}

// newUUID makes a random uuid (version 4), the form that applications use for auth_keys.
func newUUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}
