package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"pksa/agent"
	"pksa/agent/ledger"
	"pksa/agent/policy"
	"pksa/cmd/pksa/internal/oldwallet"
	"pksa/keystore"
	"pksa/protocol/hive"
)

// fill makes keystore, ledger and policy in the stage, in the order in which they need each other.
func (m *migration) fill(ctx context.Context) error {
	if !m.flags.offline {
		if err := m.checkBatch(ctx, m.cfg, m.old.Keys); err != nil {
			return withoutHint(err)
		}
	}
	store, err := m.newStore(ctx, m.cfg, &m.made)
	if err != nil {
		return err
	}
	defer store.Close()
	if _, err := store.Add(m.old.Keys, keystore.AddOptions{}); err != nil {
		return err
	}
	m.report.Keys = keysOf(store)
	if err := m.fillLedger(ctx, store); err != nil {
		return err
	}
	text := m.old.Policy(heldRoles(store), m.servedAccounts(store))
	if compiled, problems := policy.Compile("policy.yaml", []byte(text), policy.Options{Now: time.Now(),
		NobodyToAsk: true}); compiled == nil {
		// unreachable: a test compiles every form
		return fmt.Errorf("the policy made of the switches has errors: %s", problems.Errors()[0])
	}
	return writeNew(m.cfg.Policy, text, &m.made)
}

// withoutHint adds to an error about keys that the chain does not know how to take the others over.
func withoutHint(err error) error {
	var gone *goneError
	var complaints keystore.Complaints
	var names []string
	switch {
	case errors.As(err, &gone):
		names = gone.accounts
	case errors.As(err, &complaints):
		for _, c := range complaints {
			account, _, _ := strings.Cut(c.Key, "/")
			if !slices.Contains(names, account) {
				names = append(names, account)
			}
		}
	default:
		return err
	}
	// A list of hundreds would hide what to do.
	const most = 5
	flags := "--without " + strings.Join(names[:min(len(names), most)], " --without ")
	if len(names) > most {
		flags += " …"
	}
	if errors.Is(err, keystore.ErrOwnerKey) {
		return hint(err, adviceWithoutOwner, flags)
	}
	return hint(err, adviceWithout, flags)
}

// heldRoles returns the roles of which any account has a key.
func heldRoles(store *keystore.Store) []hive.Role {
	var roles []hive.Role
	for _, account := range store.Accounts() {
		for _, role := range store.Roles(account) {
			if !slices.Contains(roles, role) {
				roles = append(roles, role)
			}
		}
	}
	slices.Sort(roles)
	return roles
}

// servedAccounts returns those that storage.json names and that have keys. The old wallet served no
// others.
func (m *migration) servedAccounts(store *keystore.Store) []string {
	var served []string
	for _, a := range m.old.Accounts {
		if _, ok := store.LowestKey(a.Name); ok && !slices.Contains(served, string(a.Name)) {
			served = append(served, string(a.Name))
		}
	}
	for _, account := range store.Accounts() {
		if len(served) > 0 && !slices.Contains(served, string(account)) {
			m.note("%s is not in storage.json: its keys are held, and no rule of the policy covers it", account)
		}
	}
	return served
}

func (m *migration) fillLedger(ctx context.Context, store *keystore.Store) error {
	l, err := m.openLedger(m.cfg, store)
	if err != nil {
		return err
	}
	// The app comes first: sessions belong to it.
	err = m.addApp(ctx, agent.Admin{Ledger: l, Keys: store})
	for _, a := range m.old.Accounts {
		if err == nil {
			err = m.addSessions(ctx, l, store, a)
		}
	}
	return errors.Join(err, l.Close())
}

// addApp makes the app with the old secret. It makes a new secret if there was none, or if the old
// one can be guessed.
func (m *migration) addApp(ctx context.Context, admin agent.Admin) error {
	info, err := admin.AddApp(ctx, oldwallet.App, string(m.old.Secret), "")
	if err != nil {
		// A secret that is refused stops no migration: the sessions go on without it.
		m.left("auth_req_secret: %v", err)
		info, err = admin.AddApp(ctx, oldwallet.App, "", "")
	}
	if err != nil {
		return err
	}
	m.report.App = info.Name
	if m.old.Secret == "" {
		m.left("auth_req_secret: storage.json has none")
	}
	if info.Secret != m.old.Secret {
		m.report.Secret = info.Secret
	} else if len(info.Secret) < 32 {
		m.note("auth_req_secret is short; `pksa app rotate %s` makes a better one", oldwallet.App)
	}
	return nil
}

// addSessions takes over the live sessions of an account. They count as made by the operator: the
// old wallet let a known session log in again whatever its switches said.
func (m *migration) addSessions(ctx context.Context, l *ledger.Ledger, store *keystore.Store,
	a oldwallet.Account) error {
	if _, ok := store.LowestKey(a.Name); !ok {
		m.left("account %s, with %s: keys.json has no key of it", a.Name, count(len(a.Sessions), "session"))
		return nil
	}
	now := l.Now()
	for _, auth := range a.Sessions {
		if !auth.Expires.After(now) {
			m.left("session of %s (%.40q): expired %s", a.Name, auth.App, when(auth.Expires))
			continue
		}
		if a.BadNonce(auth.Key) {
			m.left("session of %s (%.40q): its last nonce is no time, so that a request that was answered could be "+
				"answered again; let the application log in anew", a.Name, auth.App)
			continue
		}
		n := ledger.NewSession{
			Account: string(a.Name), App: oldwallet.App, AuthKey: auth.Key, Origin: ledger.Hand,
			Claim:   auth.App,
			Expires: auth.Expires, LastNonce: a.LastNonce(auth.Key),
		}
		if latest := now.Add(366 * 24 * time.Hour); n.Expires.After(latest) {
			n.Expires = latest
			m.note("the session of %s (%.40q) is cut to a year", a.Name, auth.App)
		}
		if err := m.addSession(ctx, l, n, auth); err != nil {
			return err
		}
	}
	return nil
}

func (m *migration) addSession(ctx context.Context, l *ledger.Ledger, n ledger.NewSession,
	auth oldwallet.Session) error {
	const shortest = 16 // as for sessions made by hand
	if len(auth.Key) < shortest {
		m.left("session of %s (%.40q): its auth_key has %d bytes and can be guessed; make a new one with `pksa "+
			"session add %s --app %s`",
			n.Account, auth.App, len(auth.Key), n.Account, oldwallet.App)
		return nil
	}
	n.Moved = true
	s, err := l.AddSession(ctx, n, []byte(`{"act":"migrate"}`))
	switch {
	case errors.Is(err, ledger.ErrKeyLive), errors.Is(err, ledger.ErrKeyElsewhere), errors.Is(err, ledger.ErrSessions),
		errors.Is(err, ledger.ErrAllSessions):
		m.left("session of %s (%.40q): %v", n.Account, auth.App, err)
		return nil
	case err != nil:
		return err
	}
	m.warnOfNonce(l.Now(), n, auth)
	if auth.Token && auth.Nonce == 0 {
		m.note("the session of %s (%.40q) is of a version that knew no nonces: if its application sends none, it is "+
			"refused; nonce.required: false in config.yaml allows that (examples/docs/operating.md)", n.Account,
			auth.App)
	}
	m.report.Sessions = append(m.report.Sessions, migratedSession{s.ID, s.Account, auth.App, s.Expires, s.LastNonce})
	return nil
}

// warnOfNonce notes a session whose next request will be refused.
func (m *migration) warnOfNonce(now time.Time, n ledger.NewSession, auth oldwallet.Session) {
	switch last := time.UnixMilli(n.LastNonce); {
	case n.LastNonce == 0:
	case last.After(now.Add(time.Hour)):
		m.note("the last nonce of the session of %s (%.40q) is %s: it can ask nothing before that", n.Account, auth.App,
			when(last))
	case last.Before(time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)):
		m.note("the last nonce of the session of %s (%.40q) is no time: its application counts, which is refused here",
			n.Account, auth.App)
	}
}
