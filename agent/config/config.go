package config

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"pksa/agent/passkey"
	"pksa/keystore/access"
	"pksa/protocol/hive"
)

// Config holds every setting after defaults, file and environment. Paths are absolute.
type Config struct {
	// Home is the folder that relative paths are taken from. It is no setting: the command line or
	// PKSA_HOME chooses it before the file is found in it.
	Home string

	Name      string // how this wallet names itself to relays
	Network   string // mainnet, mirrornet or testnet
	ChainID   string // 64 hex digits, or empty for that of Network
	KeyPrefix string // of public keys in operations, or empty for that of Network
	// DatabaseRoots is the file of the authorities that Database names; empty: those of the system.
	DatabaseRoots string
	// LedgerPassword is where the password of Database is, as keystore.ParseSource reads it; empty:
	// there is none.
	LedgerPassword string
	Unlock         string // where the keystore's secret is, as keystore.ParseSource reads it
	Keystore       string
	Policy         string
	Ledger         string // its file; with Database, the mark is beside that path all the same
	Database       string // where the ledger is instead, as pg.ParseAddress reads it; empty: in its file
	Control        string // the unix socket of the running agent

	ConsoleSocket string // the narrow one, for a console; empty: none
	ConsoleUser   string // whom it serves, by name or number

	Relays []Relay
	Nodes  []string
	// NodeList is the address of a public list of nodes, or empty. Its nodes come after Nodes.
	NodeList string

	PolicyWatch bool
	Ask         string       // AskNobody, AskPending or AskPasskey
	Approve     passkey.Site // where people say yes with a passkey; zero: nowhere

	NonceRequired bool
	NonceBehind   time.Duration
	NonceAhead    time.Duration

	SessionsPerAccount int
	SessionsPerApp     int           // of one account
	Operations         int           // of one request
	TransactionLife    time.Duration // of one that an application made

	RequestsPerSecond        int // of one relay link
	AccountRequestsPerSecond int

	KeyCheckEvery  time.Duration
	PolicyApproval string        // ApprovalOff or ApprovalRequired
	Guard          string        // GuardOff, GuardWarn, GuardStop or GuardLock
	LockAfter      time.Duration // without a request that was admitted; zero: never
	Canary         time.Duration // between probes for another copy of this wallet, at each relay

	StopTimeout time.Duration

	StatusListen string
	StatusHosts  []string // names by which status.listen is asked, besides those of this machine

	RelayListen      string
	RelayCertificate string
	RelayKey         string
	RelayPlaintext   bool
	RelayAccounts    string // chain or keystore
	RelayOrigins     []string
	RelayTimeout     time.Duration
	RelayPerAddress  int    // connections of one address of another machine
	RelayProtocol    string // that it announces: 0.8 or 1
	RelayUnproven    Unproven

	AuditKeep         time.Duration // how long full segments of the audit trail are kept; zero: for ever
	AuditMax          int64         // how many bytes full segments of the audit trail may have; zero: any number
	AuditMaxSet       bool          // somebody chose that
	CheckpointAccount string        // publishes the head of the audit trail on the chain; empty: nobody does
	CheckpointEvery   time.Duration

	Hardening Hardening

	Notify []Notifier

	LogLevel  slog.Level
	LogFormat string // text or json

	Warnings Problems `json:"-"` // what was taken, and should be mended

	// Found says that there is a file: without one, all that no variable sets is as by default.
	Found bool `json:"-"`

	from  map[string]string // where the value of a setting comes from, by its path; without the defaults
	empty []string          // variables that are there and empty
}

// Relay is one HAS relay to keep a link to.
type Relay struct {
	URL string
	// Plaintext allows ws:// to a host that is not loopback: a private network between containers.
	Plaintext bool
	// Key is the relay's public key, if it is pinned: a relay that names another one is refused.
	Key hive.PublicKey
}

// Unproven names the accounts of which the wallet's own relay serves wallets that send no proof of
// key with their answers. The zero value is none.
type Unproven struct {
	Others bool // those of which this wallet holds no key
	Any    bool
	Names  []hive.AccountName
}

// Allows reports whether wallets of an account need no proof. held says whether this wallet holds a
// key of it.
func (u Unproven) Allows(account hive.AccountName, held bool) bool {
	return u.Any || u.Others && !held || slices.Contains(u.Names, account)
}

// Default returns the settings of an empty file in the given home folder.
func Default(home string) *Config {
	return &Config{
		Home:     home,
		Name:     "pksa",
		Network:  "mainnet",
		Unlock:   "identity:" + filepath.Join(home, "identity.txt"),
		Keystore: filepath.Join(home, "keystore.age"),
		Policy:   filepath.Join(home, "policy.yaml"),
		Ledger:   filepath.Join(home, "ledger.db"),
		Control:  filepath.Join(home, "control.sock"),
		Relays:   []Relay{{URL: "wss://hive-auth.arcange.eu"}},
		Nodes: []string{
			"https://api.hive.blog", "https://api.deathwing.me", "https://api.openhive.network",
			"https://rpc.mahdiyari.info", "https://techcoderx.com", "https://api.syncad.com",
			"https://hiveapi.actifit.io", "https://api.c0ff33a.uk",
		},
		Ask:                      AskNobody,
		NonceBehind:              10 * time.Minute,
		NonceAhead:               24 * time.Hour,
		SessionsPerAccount:       1000,
		RequestsPerSecond:        500,
		SessionsPerApp:           32,
		Operations:               200,
		TransactionLife:          time.Hour,
		AccountRequestsPerSecond: 50,
		KeyCheckEvery:            time.Hour,
		Guard:                    GuardWarn,
		PolicyApproval:           ApprovalOff,
		Canary:                   5 * time.Minute,
		StopTimeout:              20 * time.Second,
		AuditKeep:                400 * 24 * time.Hour,
		AuditMax:                 64 << 30,
		CheckpointEvery:          24 * time.Hour,
		RelayAccounts:            "chain",
		RelayTimeout:             time.Minute,
		RelayPerAddress:          250,
		RelayProtocol:            "1",
		RelayUnproven:            Unproven{Others: true},
		LogLevel:                 slog.LevelInfo,
		LogFormat:                "text",
	}
}

// LedgerPlace returns where the ledger is: the address of a database, or the path of its file.
func (c *Config) LedgerPlace() string {
	if c.Database != "" {
		return c.Database
	}
	return c.Ledger
}

// Load reads the file at path over the defaults, then the PKSA_… variables among environ, which has
// the form of [os.Environ]. A file that is not there counts as empty. The error is of type
// [Problems] when it is the content that is wrong, and an [*access.Error] when others could change
// the file or make one in the home folder.
func Load(home, path string, environ []string) (*Config, error) {
	keepers := access.Administered(home)
	if err := access.Folder(home, keepers...); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("home folder: %w", err)
	}
	src, err := access.Read(path, access.Decision, keepers...)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	c, err := Parse(home, path, src, environ)
	if c != nil {
		c.Found = src != nil
		if _, err := os.Lstat(path); err == nil && !c.Found {
			c.Warnings = append(c.Warnings, Problem{path, "a link that leads nowhere: what no variable sets is as by " +
				"default"})
		}
	}
	return c, err
}

// Parse does what [Load] does for a text that was read already; file only names it in errors.
func Parse(home, file string, src []byte, environ []string) (*Config, error) {
	r := &reader{config: Default(home), file: file, home: home}
	// The environment comes second: it replaces what the file has.
	r.readFile(src)
	r.readEnviron(environ)
	r.checkWhole()
	if len(r.problems) > 0 {
		return nil, r.problems
	}
	return r.config, nil
}

// Problem is one complaint. Where is "config.yaml:3:5" or the name of a variable.
type Problem struct{ Where, Text string }

// Problems is all that is wrong: first in the order of the file, then by the names of variables.
type Problems []Problem

// Error returns one complaint a line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, one := range p {
		lines[i] = one.Where + ": " + one.Text
	}
	return strings.Join(lines, "\n")
}

type reader struct {
	config   *Config
	file     string
	home     string
	above    []sectionComment // of each line of the file
	unknown  []string         // PKSA_… variables that no setting has
	problems Problems
}

func (r *reader) complain(where, format string, args ...any) {
	r.problems = append(r.problems, Problem{where, fmt.Sprintf(format, args...)})
}

// addresses returns those of all relays and nodes.
func (c *Config) addresses() []string {
	all := slices.Clone(c.Nodes)
	if c.NodeList != "" {
		all = append(all, c.NodeList)
	}
	for _, relay := range c.Relays {
		all = append(all, relay.URL)
	}
	return all
}

// checkWhole looks at what concerns more than one setting.
func (r *reader) checkWhole() {
	if r.config.AuditKeep == 0 && !r.config.AuditMaxSet {
		r.config.AuditMax = 0 // who keeps the trail for ever, keeps all of it
	}
	c := r.config
	for _, name := range r.unknown {
		// A variable that is no setting is a misspelt one, unless it holds a secret.
		if c.Unlock != "env:"+name && c.LedgerPassword != "env:"+name && !c.notifiedBy("env:"+name) {
			r.complain(name, "no setting has this variable; names that begin with PKSA_ are kept for settings; "+
				"unset it, or give it another name")
		}
	}
	if strings.HasPrefix(c.Unlock, "env:") && c.notifiedBy(c.Unlock) {
		r.complain(r.file, "unlock and notify name the same variable, %s: what opens the keystore is sent to nobody",
			c.Unlock)
	}
	if c.LedgerPassword == "prompt" {
		r.complain(r.file, "ledger_password cannot be prompt: the wallet enters the database again by itself")
	}
	if c.LedgerPassword != "" && c.LedgerPassword == c.Unlock {
		r.complain(r.file, "unlock and ledger_password name the same secret: what opens the keystore is for nothing "+
			"else")
	}
	for _, address := range c.addresses() {
		// Always taken, and never reached.
		if u, err := url.Parse(address); err == nil && strings.Contains(u.Host, ",") {
			c.Warnings = append(c.Warnings,
				Problem{r.file, fmt.Sprintf("%q: the name of a host has no comma; write each "+
					"address as an item of its own", address)})
		}
	}
	if c.ConsoleSocket == "" && c.ConsoleUser != "" {
		c.Warnings = append(c.Warnings, Problem{r.file, "console.user serves nobody: set console.socket, too"})
	}
	if c.ConsoleSocket != "" && c.ConsoleSocket == c.Control {
		r.complain(r.file, "console.socket is the same as control: a console has a socket of its own, "+
			"which offers less")
	}
	if (c.RelayCertificate == "") != (c.RelayKey == "") {
		r.complain(r.file, "relay.certificate and relay.key go together: set both or neither")
	}
	if c.RelayListen != "" && c.RelayCertificate == "" && !c.RelayPlaintext && !listensHere(c.RelayListen) {
		r.complain(r.file, "relay.listen %q is reachable from other machines: give relay.certificate and relay.key, "+
			"or say relay.plaintext: true if the network in between is private", c.RelayListen)
	}
}
