package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"pksa/agent/config"
	"pksa/cmd/pksa/internal/oldwallet"
	"pksa/keystore/durable"
	"pksa/protocol/hive"
)

// migrateFlags are the flags of `migrate`.
type migrateFlags struct {
	from, keys, unlock, relay string
	without                   []string
	offline                   bool
}

func (c *command) migrateCommand() *cobra.Command {
	var f migrateFlags
	cmd := &cobra.Command{
		Use:   "migrate --from FOLDER",
		Short: "Take over a wallet of hive-auth-pksa",
		Long: `Makes a home folder from the keys.json and storage.json of hive-auth-pksa. It
takes over keys, accounts, live sessions, the auth_req_secret as the app
"default", relay and nodes, and makes a policy that is as strict as the old
switches. It prints what it took and what it left. The old files are only read.

It takes all or nothing: if the input has faults, or the home folder is in use,
it makes nothing. What no version of hive-auth-pksa reads is named and left out;
a setting that is not known is refused, because it may forbid something. Keys
are compared with the accounts on the chain. If one account is gone from the
chain or has other keys there, --without leaves it behind; --offline compares
nothing. Stop hive-auth-pksa first: this wallet does not know what the old one
signs later, and both would answer the same requests.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.from == "" {
				return errUsage{errors.New("name the folder of the old wallet: --from FOLDER")}
			}
			return c.migrate(cmd.Context(), f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.from, "from", "", "`folder` with keys.json and storage.json")
	flags.StringVar(&f.keys, "keys", "",
		"`file` of the keys, if it is not the one that storage.json names, nor keys.json")
	flags.StringSliceVar(&f.without, "without", nil, "leave this `account` behind; may be repeated")
	flags.StringVar(&f.unlock, "unlock", "",
		"`source` that opens the new keystore: identity:PATH (default, made if missing), file:PATH, env:NAME, "+
			"credential:NAME, command:… or prompt")
	flags.StringVar(&f.relay, "relay", "", "`relay` to use instead of has_server, such as wss://hive-auth.arcange.eu")
	flags.BoolVar(&f.offline, "offline", false, "do not compare the keys with the chain")
	return cmd
}

// migration is one run of `migrate`. It makes everything in a folder inside home and moves it from
// there at the end, so that a home is never half made.
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

func (c *command) migrate(ctx context.Context, f migrateFlags) error {
	home, err := c.homeFolder()
	if err != nil {
		return err
	}
	if err := refuseUsed(home); err != nil {
		return err
	}
	old, err := oldwallet.Read(f.from, f.keys)
	if err != nil {
		return oldWalletHint(err)
	}
	defer old.Keys.Wipe()
	m := &migration{command: c, flags: f, home: home, old: old}
	m.report.Left, m.report.Notes, m.report.Sessions = []string{}, []string{}, []migratedSession{}
	if err := m.leaveAccounts(); err != nil {
		return err
	}
	for _, unread := range old.Unread {
		m.left("%s", unread)
	}
	for _, note := range old.Notes {
		m.note("%s", note)
	}
	if err := m.run(ctx); err != nil {
		return err
	}
	return c.print(m.report, m.printReport)
}

// oldWalletHint adds to an error about the old files what can be done about it.
func oldWalletHint(err error) error {
	switch {
	case errors.Is(err, oldwallet.ErrUnknown):
		return hint(err, adviceOldUnknown)
	case errors.Is(err, os.ErrNotExist):
		return hint(err, adviceOldMissing)
	}
	return hint(err, adviceOldWallet)
}

// leaveAccounts takes the accounts out that are to stay behind.
func (m *migration) leaveAccounts() error {
	for _, name := range m.flags.without {
		account, err := hive.ParseAccountName(name)
		if err != nil {
			return errUsage{fmt.Errorf("--without %q: %w", name, err)}
		}
		if !m.old.Leave(account) {
			return errUsage{fmt.Errorf("--without %s: the old wallet has no such account", account)}
		}
		m.left("account %s, with its keys and sessions: --without names it", account)
	}
	if len(m.old.Keys.Accounts()) == 0 {
		return hint(errors.New("no account is left to take over"), adviceOldNobody)
	}
	return nil
}

// refuseUsed refuses a home folder with a wallet, which must not be mixed with the old one.
func refuseUsed(home string) error {
	for _, name := range []string{"keystore.age", "ledger.db", "config.yaml", "policy.yaml"} {
		path := filepath.Join(home, name)
		if _, err := os.Lstat(path); err == nil {
			// Not "done already": the old wallet may have answered since, or may hold other keys.
			return hint(fmt.Errorf("%s exists already; nothing was changed", path), adviceUsedHome)
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
	_, statErr := os.Stat(m.home)
	missing := errors.Is(statErr, os.ErrNotExist)
	if err := os.MkdirAll(m.home, 0o700); err != nil {
		return err
	}
	// In the home folder, so that the files can be renamed to their places: that copies no secret
	// and fails for no lack of room.
	if m.stage, err = os.MkdirTemp(m.home, ".migrate-"); err != nil {
		return err
	}
	defer func() {
		os.RemoveAll(m.stage)
		if err == nil {
			return
		}
		for _, path := range m.made { // outside of the stage: what was moved, and what settings place elsewhere
			os.Remove(path)
		}
		if missing {
			os.Remove(m.home) // fails unless it is empty
		}
	}()
	if err := writeNew(filepath.Join(m.stage, "config.yaml"), text, &m.made); err != nil {
		return err
	}
	if m.cfg, err = m.settingsWith(m.stage, nil); err != nil {
		return err
	}
	if err := m.fill(ctx); err != nil {
		return err
	}
	return m.moveHome()
}

// configText returns the new config.yaml. It is read here once, so that a fault in the old settings
// is found before anything is made.
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
		values["relays"] = "[" + quoted(m.oldRelay()) + "]"
	default:
		m.note("storage.json names no relay; the usual one is used")
	}
	text := config.Template(values)
	_, err := config.Parse(m.home, "config.yaml", []byte(text), nil)
	var problems config.Problems
	if !errors.As(err, &problems) {
		return text, err
	}
	// The positions are left out: nobody has seen that file. The text of a complaint names the
	// setting.
	reasons := make([]string, len(problems))
	for i, p := range problems {
		reasons[i] = p.Text
	}
	err = errors.New(strings.Join(reasons, "\n"))
	if m.old.Relay != "" && m.flags.relay == "" {
		err = fmt.Errorf("%s:%d: has_server: %w", m.old.Files[0], m.old.RelayLine, err)
	}
	return "", hint(err, adviceOldRelay)
}

// oldRelay returns the relay of storage.json. The examples of hive-auth-pksa name public relays
// without encryption, which is refused here: then it is the same host with it.
func (m *migration) oldRelay() string {
	relay := m.old.Relay
	u, err := url.Parse(relay)
	if err != nil || u.Scheme != "ws" || u.Port() != "" && u.Port() != "80" {
		return relay
	}
	takes := func(address string) bool {
		_, err := config.Parse(m.home, "config.yaml", []byte("relays: ["+quoted(address)+"]\n"), nil)
		return err == nil
	}
	encrypted := *u
	encrypted.Scheme, encrypted.Host = "wss", u.Hostname()
	if takes(relay) || !takes(encrypted.String()) {
		return relay
	}
	m.note("has_server was %s, without encryption: %s is used; --relay names another", relay, encrypted.String())
	return encrypted.String()
}

// quoted returns a text in the form of YAML.
func quoted(text string) string {
	b, _ := json.Marshal(text)
	return string(b)
}

// nodeAddresses returns the old nodes, without those that the settings would not take.
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
		m.note("no node of hive_api can be used; the usual ones are used")
	}
	return good
}

// moveHome moves everything to its place. It overwrites nothing. Killed between two files it leaves
// the rest in the stage; as the old files are only read, both can be removed and the old wallet
// migrated again.
func (m *migration) moveHome() error {
	entries, err := os.ReadDir(m.stage)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		from, to := filepath.Join(m.stage, entry.Name()), filepath.Join(m.home, entry.Name())
		if _, err := os.Lstat(to); err == nil {
			return fmt.Errorf("%s was made by somebody else meanwhile; nothing was changed", to)
		}
		if err := os.Rename(from, to); err != nil {
			return err
		}
		m.made = append(m.made, to)
	}
	// The report says that the old wallet can be deleted. A power cut must not lose the new one
	// then.
	if err := durable.SyncFolder(m.home); err != nil {
		return err
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
