package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"pksa/agent"
	"pksa/agent/config"
	"pksa/agent/ledger"
	"pksa/agent/policy"
	"pksa/cmd/pksa/internal/oldwallet"
	"pksa/keystore"
	"pksa/protocol/hive"
)

// migrateFlags say what `migrate` takes and how.
type migrateFlags struct {
	from, unlock, relay string
	offline             bool
}

func (c *command) migrateCommand() *cobra.Command {
	var f migrateFlags
	cmd := &cobra.Command{
		Use:   "migrate --from FOLDER",
		Short: "Take over a wallet of hive-auth-pksa",
		Long: `Makes a home folder from the keys.json and storage.json of hive-auth-pksa: keys, accounts, live
sessions, the auth_req_secret as the app slot "default", relay and nodes, and a policy that is as
strict as its switches. It says what it took and what it left. The old files are only read.

All or nothing: with bad input, or a home folder that is in use, nothing is made. Keys are compared
with the accounts on the chain; --offline leaves that out. Stop hive-auth-pksa before: what it
signs after this is not known here, and two wallets would answer the same requests.`,
		Args: exactly(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.from == "" {
				return errUsage{errors.New("say where the old wallet is: --from FOLDER")}
			}
			return c.migrate(cmd.Context(), f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.from, "from", "", "the folder with keys.json and storage.json")
	flags.StringVar(&f.unlock, "unlock", "",
		"what opens the new keystore: identity:PATH (default, made if missing), file:PATH, env:NAME, "+
			"credential:NAME, command:… or prompt")
	flags.StringVar(&f.relay, "relay", "", "the relay to use instead of has_server, such as wss://hive-auth.arcange.eu")
	flags.BoolVar(&f.offline, "offline", false, "do not compare the keys with the chain")
	return cmd
}

// migration is one run of `migrate`. Everything is made in a folder inside home, and moved from
// there at the end.
type migration struct {
	*command
	flags  migrateFlags
	home   string
	stage  string
	old    *oldwallet.Wallet
	cfg    *config.Config
	made   []string
	report migrated
}

// migrated is what `migrate --json` prints.
type migrated struct {
	Home     string            `json:"home"`
	Made     []string          `json:"made"`
	Keys     []keyInfo         `json:"keys"`
	App      string            `json:"app"`
	Secret   string            `json:"secret,omitempty"` // only if the old one could not be taken
	Sessions []migratedSession `json:"sessions"`
	Relays   []string          `json:"relays"`
	Nodes    []string          `json:"nodes"`
	Left     []string          `json:"left"`   // what was not taken, and why
	Notes    []string          `json:"notes"`  // what to know about what was taken
	Delete   []string          `json:"delete"` // the old files
}

type migratedSession struct {
	ID        ledger.SessionID `json:"id"`
	Account   string           `json:"account"`
	CalledApp string           `json:"called_app"` // what the application said of itself
	Expires   time.Time        `json:"expires"`
	LastNonce int64            `json:"last_nonce"`
}

func (m *migration) left(format string, args ...any) {
	m.report.Left = append(m.report.Left, fmt.Sprintf(format, args...))
}

func (m *migration) note(format string, args ...any) {
	m.report.Notes = append(m.report.Notes, fmt.Sprintf(format, args...))
}

func (c *command) migrate(ctx context.Context, f migrateFlags) error {
	home, err := c.homeFolder()
	if err != nil {
		return err
	}
	if err := refuseUsed(home); err != nil {
		return err
	}
	old, err := oldwallet.Read(f.from)
	if err != nil {
		return hint(err, "nothing was made; --from names the folder that holds keys.json and storage.json of "+
			"hive-auth-pksa, whole and as it wrote them")
	}
	defer old.Keys.Wipe()
	m := &migration{command: c, flags: f, home: home, old: old}
	m.report.Left, m.report.Notes, m.report.Sessions = []string{}, []string{}, []migratedSession{}
	if err := m.run(ctx); err != nil {
		return err
	}
	return c.print(m.report, func(w io.Writer) { m.say(w) })
}

// refuseUsed keeps a wallet that is there from being mixed with the old one.
func refuseUsed(home string) error {
	for _, name := range []string{"keystore.age", "ledger.db", "config.yaml", "policy.yaml"} {
		path := filepath.Join(home, name)
		if _, err := os.Lstat(path); err == nil {
			return hint(fmt.Errorf("%s exists already; nothing was changed", path),
				"name another folder with --home, or move what is there away")
		}
	}
	return nil
}

// run makes everything or nothing.
func (m *migration) run(ctx context.Context) (err error) {
	text, err := m.configText()
	if err != nil {
		return err
	}
	fresh := false
	if _, err := os.Stat(m.home); errors.Is(err, os.ErrNotExist) {
		fresh = true
	}
	if err := os.MkdirAll(m.home, 0o700); err != nil {
		return err
	}
	if m.stage, err = os.MkdirTemp(m.home, ".migrate-"); err != nil {
		return err
	}
	defer func() {
		os.RemoveAll(m.stage)
		if err == nil {
			return
		}
		for _, path := range m.made { // those that settings place elsewhere
			os.Remove(path)
		}
		if fresh {
			os.Remove(m.home) // empty again
		}
	}()
	if err := m.writeNew(filepath.Join(m.stage, "config.yaml"), text, &m.made); err != nil {
		return err
	}
	if m.cfg, err = m.settingsWith(m.stage, "", ""); err != nil {
		return err
	}
	if err := m.fill(ctx); err != nil {
		return err
	}
	return m.moveHome()
}

// configText is the new config.yaml. It is read once, so that what is wrong with the old settings
// shows before anything is made.
func (m *migration) configText() (string, error) {
	values := map[string]string{"name": quoted(m.old.Name), "nonce.required": "true"}
	m.note("nonces are demanded, as hive-auth-pksa did (nonce.required in config.yaml)")
	if m.flags.unlock != "" {
		values["unlock"] = quoted(m.flags.unlock)
	}
	nodes := m.nodeAddresses()
	if len(nodes) > 0 {
		text, _ := json.Marshal(nodes)
		values["nodes"] = string(text)
	}
	switch {
	case m.flags.relay != "":
		values["relays"] = "[" + m.flags.relay + "]"
	case m.old.Relay != "":
		values["relays"] = "[" + quoted(m.old.Relay) + "]"
	default:
		m.note("storage.json names no relay; the usual one is used")
	}
	text := config.Template(values)
	_, err := config.Parse(m.home, "config.yaml", []byte(text), nil)
	var problems config.Problems
	if !errors.As(err, &problems) {
		return text, err
	}
	// A position in a file that nobody has seen says nothing; the text of the complaint names the
	// setting.
	reasons := make([]string, len(problems))
	for i, p := range problems {
		reasons[i] = p.Text
	}
	err = errors.New(strings.Join(reasons, "\n"))
	if m.old.Relay != "" && m.flags.relay == "" {
		err = fmt.Errorf("%s:%d: has_server: %w", m.old.Files[0], m.old.RelayLine, err)
	}
	return "", hint(err, "nothing was made; name the relay that your applications use with --relay wss://HOST, or "+
		"for a private network --relay '{url: ws://HOST, plaintext: true}'")
}

// quoted writes a text for YAML.
func quoted(text string) string {
	b, _ := json.Marshal(text)
	return string(b)
}

// nodeAddresses leaves out nodes that the settings would not take.
func (m *migration) nodeAddresses() []string {
	var good []string
	for _, node := range m.old.Nodes {
		if !strings.Contains(node, "://") {
			node = "https://" + node
		}
		text := "nodes: [" + quoted(node) + "]\n"
		if _, err := config.Parse(m.home, "config.yaml", []byte(text), nil); err != nil {
			var problems config.Problems
			errors.As(err, &problems)
			m.left("hive_api %s", strings.TrimPrefix(problems[0].Text, "nodes: "))
			continue
		}
		good = append(good, node)
	}
	if len(good) == 0 {
		m.note("no node of hive_api can be used; the usual ones are")
	}
	return good
}

// fill makes keystore, ledger and policy.
func (m *migration) fill(ctx context.Context) error {
	if !m.flags.offline {
		if err := m.checkBatch(ctx, m.cfg, m.old.Keys); err != nil {
			return err
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
	return m.writeNew(m.cfg.Policy, text, &m.made)
}

// heldRoles are the roles of which any account has a key.
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

// servedAccounts are those that storage.json names and that have keys. The old wallet served no
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
	err = m.addSlot(ctx, agent.Admin{Ledger: l, Keys: store})
	for _, a := range m.old.Accounts {
		if err == nil {
			err = m.addSessions(ctx, l, store, a)
		}
	}
	return errors.Join(err, l.Close())
}

// addSlot takes the old secret over. One that can be guessed is replaced, and none was set is made.
func (m *migration) addSlot(ctx context.Context, admin agent.Admin) error {
	info, err := admin.AddApp(ctx, oldwallet.App, m.old.Secret)
	if err != nil {
		m.left("auth_req_secret: %v", err)
		info, err = admin.AddApp(ctx, oldwallet.App, "")
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

// addSessions takes the live sessions of an account over. They count as made by the operator: the
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
		n := ledger.NewSession{
			Account: string(a.Name), App: oldwallet.App, AuthKey: ledger.Secret(auth.Key), Origin: ledger.Hand,
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
	s, err := l.AddSession(ctx, n, []byte(`{"act":"migrate"}`))
	switch {
	case errors.Is(err, ledger.ErrKeyLive), errors.Is(err, ledger.ErrKeyElsewhere), errors.Is(err, ledger.ErrSessions):
		m.left("session of %s (%.40q): %v", n.Account, auth.App, err)
		return nil
	case err != nil:
		return err
	}
	m.warnOfNonce(l.Now(), n, auth)
	m.report.Sessions = append(m.report.Sessions, migratedSession{s.ID, s.Account, auth.App, s.Expires, s.LastNonce})
	return nil
}

// warnOfNonce tells of sessions whose next request will be refused.
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

// moveHome puts everything in its place. Nothing is overwritten; what was moved is removed again if
// a later file cannot be.
func (m *migration) moveHome() error {
	entries, err := os.ReadDir(m.stage)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		from, to := filepath.Join(m.stage, entry.Name()), filepath.Join(m.home, entry.Name())
		if _, err := os.Lstat(to); err == nil {
			return fmt.Errorf("%s came to be in the meantime; nothing was changed", to)
		}
		if err := os.Rename(from, to); err != nil {
			return err
		}
		m.made = append(m.made, to)
	}
	for _, path := range m.made {
		if filepath.Dir(path) != m.stage {
			m.report.Made = append(m.report.Made, path)
		}
	}
	m.report.Home, m.report.Delete = m.home, m.old.Files
	for _, r := range m.cfg.Relays {
		m.report.Relays = append(m.report.Relays, r.URL)
	}
	m.report.Nodes = m.cfg.Nodes
	for _, file := range m.old.Files {
		if info, err := os.Stat(file); err == nil && info.Mode().Perm()&0o077 != 0 {
			m.note("%s could be read by other users of this machine (mode %04o): if there are any, give the "+
				"accounts new keys", file, info.Mode().Perm())
		}
	}
	return nil
}

// say is the report for people.
func (m *migration) say(w io.Writer) {
	r := m.report
	fmt.Fprintf(w, "Taken over into %s:\n\nKeys\n", r.Home)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, k := range r.Keys {
		fmt.Fprintf(t, "  %s\t%s\t%s\n", k.Account, k.Role, k.Public)
	}
	t.Flush()
	fmt.Fprintf(w, "\nApp %q, %s\n", r.App, count(len(r.Sessions), "session"))
	for _, s := range r.Sessions {
		fmt.Fprintf(t, "  %s\t%s\tcalls itself %.40q\tuntil %s\n", s.ID, s.Account, s.CalledApp, when(s.Expires))
	}
	t.Flush()
	fmt.Fprintf(w, "\nRelay  %s\nNodes  %s\n", strings.Join(r.Relays, ", "), strings.Join(r.Nodes, ", "))
	sayList(w, "Left behind", r.Left)
	sayList(w, "To know", r.Notes)
	if r.Secret != "" {
		fmt.Fprintf(w, "\nThe app has a new secret, shown once. Give it to the applications as auth_req_secret:\n\n "+
			" %s\n", r.Secret)
	}
	fmt.Fprintf(w, `
Next:
  1. hive-auth-pksa must not run any more, or two wallets answer the same requests. If it ran until
     now, stop it and migrate once more into another folder: what it answered since is not known here
  2. read %s: it allows what the old switches allowed, or less
  3. pksa run
  4. delete the old files, they hold the keys in plain text: %s
`, filepath.Join(r.Home, "policy.yaml"), strings.Join(r.Delete, " "))
}

func sayList(w io.Writer, title string, items []string) {
	if len(items) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n", title)
	for _, item := range items {
		fmt.Fprintf(w, "  %s\n", item)
	}
}
