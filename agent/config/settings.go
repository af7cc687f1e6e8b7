package config

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"pksa/agent/ledger/pg"
	"pksa/agent/passkey"
	"pksa/agent/yamlnode"
	"pksa/protocol/host"
)

// setting declares one setting.
type setting struct {
	Path    string // in the file; dots separate levels
	Doc     string // one or two sentences for people
	Example string // what a commented-out line shows; for most the default
	kind
}

// kind is how the value of a setting is read, and shown as the file would hold it.
type kind struct {
	read func(r *reader, n *yamlnode.Node) error
	show func(c *Config) string
}

// What the setting ask can be.
const (
	AskNobody  = "none"
	AskPending = "pending"
	AskPasskey = "passkey" // as pending, and a yes counts with a passkey alone
)

// What the setting policy_approval can be.
const (
	ApprovalOff      = "off"
	ApprovalRequired = "required"
)

// What the setting guard can be.
const (
	GuardOff  = "off"
	GuardWarn = "warn"
	GuardStop = "stop"
	GuardLock = "lock"
)

// Variable returns the name of the environment variable that overrides the setting.
func (s setting) Variable() string {
	return "PKSA_" + strings.ToUpper(strings.ReplaceAll(s.Path, ".", "_"))
}

// settings is the one table, in the order in which `pksa init` writes it. Each line says where the
// setting stands, what it means, an example, and how it is read.
var settings = []setting{
	{"name", "How this wallet names itself to relays.", "pksa",
		text(func(c *Config) *string { return &c.Name })},
	{"unlock", "Where the keystore's secret is: identity:PATH, file:PATH, env:NAME, fd:N, credential:NAME, " +
		"command:PROGRAM ARGS, or prompt.", "identity:identity.txt",
		source(func(c *Config) *string { return &c.Unlock })},
	{"relays", "HAS relays to serve. An application must use one of them. `plaintext: true` allows ws:// beyond " +
		"this machine; `key: STM…` pins the public key that `pksa status --all` shows.", "[wss://hive-auth.arcange.eu]",
		kind{readRelays, showRelays}},
	{"nodes", "Hive API nodes, tried in this order. https:// is required, save on this machine. " +
		"With one host only, its word is final; with three, no single one can tell a failure that is none. " +
		"`list:https://HOST/PATH` names a public node list, such as list:https://beacon.peakd.com/api/nodes: its " +
		"best " +
		"nodes come after the others (or after the usual ones, if it stands alone), and count as one host.",
		"[https://api.hive.blog, https://api.deathwing.me, https://api.openhive.network, " +
			"https://rpc.mahdiyari.info, https://techcoderx.com, https://api.syncad.com, https://hiveapi.actifit.io, " +
			"https://api.c0ff33a.uk]",
		kind{readNodes, showNodes}},
	{"network", "Which chain: mainnet, mirrornet or testnet.", "mainnet",
		oneOf(func(c *Config) *string { return &c.Network }, "mainnet", "mirrornet", "testnet")},
	{"chain_id", "The chain id, 64 hex digits, where it is not the usual one of the network.", "",
		kind{readChainID, showChainID}},
	{"key_prefix", "What public keys begin with on that chain, where it is not STM: TST on older test networks.", "",
		kind{readKeyPrefix, showKeyPrefix}},
	{"keystore", "The encrypted keys.", "keystore.age",
		path(func(c *Config) *string { return &c.Keystore })},
	{"policy", "What is answered by itself.", "policy.yaml",
		path(func(c *Config) *string { return &c.Policy })},
	{"policy_watch", "Reload the policy when its file has changed and come to rest; replace it by rename. Without " +
		"this: `pksa policy reload` or SIGHUP.", "false",
		boolean(func(c *Config) *bool { return &c.PolicyWatch })},
	{"policy_approval", "required: another policy comes into force only with an approver's yes, by a passkey, on the " +
		"page of the console, which shows what changes; until then, and over restarts, the one approved last does. " +
		"It begins with the policy in force when somebody is enrolled, and stays until `pksa policy accept --end`, " +
		"whatever this setting says. off: who writes the file decides.", ApprovalOff,
		oneOf(func(c *Config) *string { return &c.PolicyApproval }, ApprovalOff, ApprovalRequired)},
	{"ask", "How a person is asked where the policy says so: pending keeps the request for `pksa pending` and `pksa " +
		"approve`, or for a yes with a passkey; passkey does the same, and takes no yes of `pksa " +
		"approve`; none denies it.",
		"none", oneOf(func(c *Config) *string { return &c.Ask }, AskNobody, AskPending, AskPasskey)},
	{"approve.origin", "The address of the pages where people say yes with a passkey, as browsers write it: a name " +
		"with a certificate that browsers trust, or localhost. Passkeys are bound to its host: under another one, " +
		"each approver is enrolled anew.", "https://wallet.example",
		kind{readOrigin, func(c *Config) string { return c.Approve.Origin }}},
	{"ledger", "What happened: sessions, nonces, answers, audit. A file, or a PostgreSQL database: " +
		"postgres://USER@HOST/DATABASE, without a password. `pksa ledger move` brings it from one to the other.",
		"ledger.db", kind{readLedger, (*Config).LedgerPlace}},
	{"ledger_password", "Where the password of that database is, as in unlock.", "file:database-password",
		source(func(c *Config) *string { return &c.LedgerPassword })},
	{"control", "The socket by which commands reach the running agent.", "control.sock",
		path(func(c *Config) *string { return &c.Control })},
	{"console.socket", "A second socket, for the program that shows the wallet to people, which runs as a user of " +
		"its own and holds no keys. Who calls here can look, deny, revoke, pause, and hand in what " +
		"passkeys signed. In a folder that this user can enter and nobody else can write.", "/run/pksa/console.sock",
		path(func(c *Config) *string { return &c.ConsoleSocket })},
	{"console.user", "The user, by name or number, who may call there beside root and the wallet's own user.",
		"pksa-console",
		kind{readConsoleUser, func(c *Config) string { return c.ConsoleUser }}},
	{"nonce.required", "Refuse requests without a nonce. Older applications send none.", "false",
		boolean(func(c *Config) *bool { return &c.NonceRequired })},
	{"nonce.behind", "How far a nonce may lie behind our clock.", "10m",
		duration(func(c *Config) *time.Duration { return &c.NonceBehind }, time.Second, 366*24*time.Hour)},
	{"nonce.ahead", "How far a nonce may lie ahead of our clock.", "24h",
		duration(func(c *Config) *time.Duration { return &c.NonceAhead }, time.Second, 366*24*time.Hour)},
	{"limits.sessions_per_account", "Live sessions of one account, at most. At the bound a new session of an " +
		"application takes the place of one that the application's secret made and that was idle for an hour.", "1000",
		integer(func(c *Config) *int { return &c.SessionsPerAccount }, 1, 100_000)},
	{"limits.sessions_per_app", "The same of one app for one account; here five minutes idle are enough. " +
		"Sessions that a person made count, and are never replaced.", "32",
		integer(func(c *Config) *int { return &c.SessionsPerApp }, 1, 100_000)},
	{"limits.operations", "Operations of one request, at most; one with more is answered \"not supported\". The " +
		"chain " +
		"takes some 2,500 of the smallest.", "200",
		integer(func(c *Config) *int { return &c.Operations }, 1, 10_000)},
	{"limits.transaction_life", "How far ahead of the chain's time a transaction may expire that an application made " +
		"(`transaction_by` in the policy); one that lives for longer is answered \"not supported\".", "1h",
		duration(func(c *Config) *time.Duration { return &c.TransactionLife }, time.Minute, 24*time.Hour)},
	{"limits.requests_per_second", "Messages read from one relay in a second; large ones count more. It is read no " +
		"faster, and hung up on after 10 s of more.", "500",
		integer(func(c *Config) *int { return &c.RequestsPerSecond }, 1, 100_000)},
	{"limits.account_requests_per_second", "Requests for one account in a second that a secret or session opens, in " +
		"equal shares of the apps that ask; what is over is dropped. Half as many again are told \"busy\".", "50",
		integer(func(c *Config) *int { return &c.AccountRequestsPerSecond }, 1, 100_000)},
	{"audit.keep", "How long the audit trail is kept: days, or all. It goes in segments of 4096 records or 8 " +
		"MiB, the " +
		"oldest first; the newest records always stay. A bot that is asked once a second writes 100 MB a day.", "400d",
		kind{readAuditKeep, showAuditKeep}},
	{"audit.max", "How large the audit trail may become: a size such as 500MiB or 2GiB, or all, which sets no bound. " +
		"The oldest segments go first, also before their days are over. With keep: all it is all.", "64GiB",
		kind{readAuditMax, showAuditMax}},
	{"audit.checkpoint_account", "Publish the head of the audit trail with this account's posting key, as a " +
		"custom_json with the id pksa-audit, so that `pksa audit verify --chain` finds out a trail that was put " +
		"back. A rule for the app pksa must allow it.", "alice",
		kind{readCheckpointAccount, showCheckpointAccount}},
	{"audit.checkpoint_every", "How often that is done.", "24h",
		duration(func(c *Config) *time.Duration { return &c.CheckpointEvery }, time.Minute, 366*24*time.Hour)},
	{"key_check_every", "How often the held keys are compared with the chain.", "1h",
		duration(func(c *Config) *time.Duration { return &c.KeyCheckEvery }, time.Minute, 30*24*time.Hour)},
	{"guard", "What happens when somebody else changes a held account: its keys, recovery account, proxy, power-down " +
		"or a withdrawal from savings. warn says so in log, audit trail, metrics and status; stop also signs " +
		"nothing of the account until `pksa guard accept ACCOUNT`; lock also locks the wallet, as `pksa lock` does; " +
		"off does not look. It is looked at every " +
		"key_check_every, and counts when two hosts of nodes say it; with a single one, when that says it twice.",
		"warn",
		oneOf(func(c *Config) *string { return &c.Guard }, GuardOff, GuardWarn, GuardStop, GuardLock)},
	{"lock_after", "Lock the wallet when no request was admitted for so long: it wipes the keys from its memory and " +
		"takes no requests until `pksa unlock`. A time from 1m, or never.", never,
		durationOrNever(func(c *Config) *time.Duration { return &c.LockAfter }, time.Minute, 366*24*time.Hour)},
	{"canary", "How often the wallet looks, through each relay, whether another copy of it serves the same accounts. " +
		"If one does, see `pksa help ledger moved`.", "5m",
		duration(func(c *Config) *time.Duration { return &c.Canary }, 10*time.Second, 24*time.Hour)},
	{"stop_timeout", "How long a stop waits for requests that were already admitted.", "20s",
		duration(func(c *Config) *time.Duration { return &c.StopTimeout }, 0, time.Hour)},
	{"status.listen", "Serve /livez, /readyz and /metrics here. No secrets, but account names: keep it private.",
		"127.0.0.1:9481",
		address(func(c *Config) *string { return &c.StatusListen })},
	{"status.hosts", "Names by which status.listen is asked on this machine besides localhost and addresses, as a " +
		"proxy " +
		"passes them on. A request that names another host may be of a web page, and is refused.", "[metrics.example]",
		hosts(func(c *Config) *[]string { return &c.StatusHosts })},
	{"relay.listen", "Run a HAS relay of our own here, for applications on this machine or network.", "127.0.0.1:9480",
		address(func(c *Config) *string { return &c.RelayListen })},
	{"relay.certificate", "TLS certificate chain of that relay, PEM.", "",
		path(func(c *Config) *string { return &c.RelayCertificate })},
	{"relay.key", "TLS key of that relay, PEM.", "",
		path(func(c *Config) *string { return &c.RelayKey })},
	{"relay.plaintext", "Serve that relay without TLS although others can reach it: a private network between " +
		"containers.", "false",
		boolean(func(c *Config) *bool { return &c.RelayPlaintext })},
	{"relay.accounts", "Whose wallets may register there: chain (any account, checked against the nodes) or " +
		"keystore (only the accounts held here).", "chain",
		oneOf(func(c *Config) *string { return &c.RelayAccounts }, "chain", "keystore")},
	{"relay.timeout", "How long that relay keeps a request that no wallet answers.", "60s",
		duration(func(c *Config) *time.Duration { return &c.RelayTimeout }, 5*time.Second, time.Hour)},
	{"relay.connections_per_address",
		"Connections to that relay from one address of another machine, at most; of 1000 in " +
			"all. Raise it where many come through one proxy.", "250",
		integer(func(c *Config) *int { return &c.RelayPerAddress }, 1, 1000)},
	{"relay.protocol", "The protocol of HiveAuth that that relay announces: 1, or 0.8 for applications and wallets " +
		"that " +
		"take no other. It serves both in either case.", "1",
		oneOf(func(c *Config) *string { return &c.RelayProtocol }, "0.8", "1")},
	{"relay.unproven", "Accounts whose wallets may answer at that relay without a proof of key, as phone wallets of " +
		"protocol 0.8 do: others (all of which this wallet holds no key), none, any, or a list of names. For such an " +
		"account, whoever sees the wallet's registration on its way, holds it up and sends it first can answer " +
		"in its " +
		"place for the time of a connection. To name an account that this wallet holds, too, accepts that for it.",
		"others",
		kind{readUnproven, showUnproven}},
	{"relay.origins", "Web pages that may use that relay from a browser, by host: wallet.example, *.example, " +
		"localhost " +
		"with every port of it, or * for any. Programs need no entry.", "[wallet.example]",
		hosts(func(c *Config) *[]string { return &c.RelayOrigins })},
	{"notify", "How people are told, away from the wallet, that a request waits for them or that something is wrong: " +
		"a list of `{ntfy: https://SERVER, topic: NAME, token: file:PATH}` and `{webhook: https://…, secret: " +
		"file:PATH}`, eight at most. Who knows the topic reads what is sent, and so only which kind of event and " +
		"which account; `content: full` adds what a request would do. Nothing that is sent approves anything. " +
		"`pksa notify test` tries each of them.", "[{ntfy: https://ntfy.sh, topic: a-name-nobody-guesses}]",
		kind{readNotifiers, showNotifiers}},
	{"hardening", "How the process shuts itself in: best does what this machine permits, required does not start " +
		"without all of it, off is for debuggers. Or the measures that are required: core-dumps, tracing, " +
		"memory-lock, privileges, landlock. Systems other than Linux have none of them: there `pksa run` wants " +
		"this set.",
		"best",
		kind{readHardening, showHardening}},
	{"log.level", "debug, info, warn or error.", "info",
		kind{readLevel, showLevel}},
	{"log.format", "text or json.", "text",
		oneOf(func(c *Config) *string { return &c.LogFormat }, "text", "json")},
}

func text(field func(*Config) *string) kind {
	return kind{func(r *reader, n *yamlnode.Node) error {
		v, err := scalar(n)
		if err != nil {
			return err
		}
		if v == "" || len(v) > 200 {
			return fmt.Errorf("wants a text of 1 to 200 bytes")
		}
		*field(r.config) = v
		return nil
	}, func(c *Config) string { return *field(c) }}
}

func readOrigin(r *reader, n *yamlnode.Node) error {
	v, err := scalar(n)
	if err != nil {
		return err
	}
	r.config.Approve, err = passkey.ParseOrigin(v)
	return err
}

func path(field func(*Config) *string) kind {
	return kind{func(r *reader, n *yamlnode.Node) error {
		v, err := scalar(n)
		if err != nil {
			return err
		}
		if v == "" {
			return fmt.Errorf("wants a path")
		}
		*field(r.config) = r.absolute(v)
		return nil
	}, func(c *Config) string { return *field(c) }}
}

// readLedger reads where the ledger is. In a database, the file's usual path is that of the mark.
func readLedger(r *reader, n *yamlnode.Node) error {
	v, err := scalar(n)
	if err != nil {
		return err
	}
	if !strings.HasPrefix(v, "postgres://") && !strings.HasPrefix(v, "postgresql://") {
		if v == "" {
			return fmt.Errorf("wants a path, or the address of a database")
		}
		r.config.Ledger, r.config.Database, r.config.DatabaseRoots = r.absolute(v), "", ""
		return nil
	}
	a, err := pg.ParseAddress(v)
	if err != nil {
		return err
	}
	if a.Roots != "" {
		a.Roots = r.absolute(a.Roots)
	}
	r.config.Ledger, r.config.Database, r.config.DatabaseRoots = r.absolute("ledger.db"), a.String(), a.Roots
	return nil
}

// source reads an unlock source. A path in it is taken from the home folder, as every path is. The
// keystore checks the rest.
func source(field func(*Config) *string) kind {
	return kind{func(r *reader, n *yamlnode.Node) error {
		v, err := scalar(n)
		if err != nil {
			return err
		}
		kind, rest, found := strings.Cut(v, ":")
		switch {
		case found && rest != "" && (kind == "file" || kind == "identity"):
			v = kind + ":" + r.absolute(rest)
		case found && rest != "" && (kind == "env" || kind == "fd" || kind == "credential" || kind == "command"):
		case v == "prompt":
		default:
			// Not shown: it may be the secret itself, written here by mistake.
			return errors.New("this is no unlock source; it names where the secret is, and is never the secret: " +
				"write identity:PATH, file:PATH, env:NAME, fd:N, credential:NAME, command:PROGRAM or prompt")
		}
		*field(r.config) = v
		return nil
	}, func(c *Config) string { return showSource(*field(c)) }}
}

func boolean(field func(*Config) *bool) kind {
	return kind{func(r *reader, n *yamlnode.Node) error {
		switch v, err := scalar(n); {
		case err != nil:
			return err
		case v == "true" || v == "false":
			*field(r.config) = v == "true"
			return nil
		default:
			return fmt.Errorf("wants true or false, not %q", v)
		}
	}, func(c *Config) string { return strconv.FormatBool(*field(c)) }}
}

func integer(field func(*Config) *int, least, most int) kind {
	return kind{func(r *reader, n *yamlnode.Node) error {
		v, err := scalar(n)
		if err != nil {
			return err
		}
		// Written back, so that 010 and +5 are no numbers: to some readers 010 is 8.
		i, err := strconv.Atoi(v)
		if err != nil || strconv.Itoa(i) != v || i < least || i > most {
			return fmt.Errorf("wants a whole number from %d to %d, not %q", least, most, v)
		}
		*field(r.config) = i
		return nil
	}, func(c *Config) string { return strconv.Itoa(*field(c)) }}
}

func duration(field func(*Config) *time.Duration, least, most time.Duration) kind {
	return kind{func(r *reader, n *yamlnode.Node) error {
		v, err := scalar(n)
		if err != nil {
			return err
		}
		d, err := parseSpan(v)
		if err != nil || d < least || d > most {
			return fmt.Errorf("wants a time from %s to %s such as 90s, 10m, 24h or 30d, not %q", spanText(least),
				spanText(most), v)
		}
		*field(r.config) = d
		return nil
	}, func(c *Config) string { return spanText(*field(c)) }}
}

// never is the word for no time at all.
const never = "never"

// durationOrNever reads a time, or the word never, which is zero.
func durationOrNever(field func(*Config) *time.Duration, least, most time.Duration) kind {
	times := duration(field, least, most)
	return kind{func(r *reader, n *yamlnode.Node) error {
		if v, err := scalar(n); err == nil && v == never {
			*field(r.config) = 0
			return nil
		}
		if err := times.read(r, n); err != nil {
			return fmt.Errorf("%w; or the word %s", err, never)
		}
		return nil
	}, func(c *Config) string {
		if *field(c) == 0 {
			return never
		}
		return times.show(c)
	}}
}

// parseSpan reads what Go calls a duration, and whole days, as policies have them.
func parseSpan(text string) (time.Duration, error) {
	digits, inDays := strings.CutSuffix(text, "d")
	if !inDays {
		return time.ParseDuration(text)
	}
	days, err := strconv.Atoi(digits)
	if err != nil || strconv.Itoa(days) != digits || days < 1 || days > 36_600 {
		return 0, errors.New("no number of days")
	}
	return time.Duration(days) * 24 * time.Hour, nil
}

// spanText returns a bound as people write it: days, if it is whole days.
func spanText(d time.Duration) string {
	if days := d / (24 * time.Hour); days > 0 && d%(24*time.Hour) == 0 {
		return fmt.Sprintf("%dd", days)
	}
	return d.String()
}

func oneOf(field func(*Config) *string, words ...string) kind {
	return kind{func(r *reader, n *yamlnode.Node) error {
		v, err := scalar(n)
		if err != nil {
			return err
		}
		for _, w := range words {
			if v == w {
				*field(r.config) = v
				return nil
			}
		}
		return fmt.Errorf("wants %s, not %q", strings.Join(words, " or "), v)
	}, func(c *Config) string { return *field(c) }}
}

func address(field func(*Config) *string) kind {
	return kind{func(r *reader, n *yamlnode.Node) error {
		v, err := scalar(n)
		if err != nil {
			return err
		}
		if _, _, err := net.SplitHostPort(v); err != nil {
			return fmt.Errorf("wants HOST:PORT such as 127.0.0.1:9480, not %q", v)
		}
		*field(r.config) = v
		return nil
	}, func(c *Config) string { return *field(c) }}
}

func readLevel(r *reader, n *yamlnode.Node) error {
	v, err := scalar(n)
	if err != nil {
		return err
	}
	switch v {
	case "debug", "info", "warn", "error":
		return r.config.LogLevel.UnmarshalText([]byte(v))
	}
	return fmt.Errorf("wants %s, %s, %s or %s, not %q", "debug", "info", "warn", "error", v)
}

// userName is a name or number of a user, as systems have them.
var userName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}$`)

func readConsoleUser(r *reader, n *yamlnode.Node) error {
	v, err := scalar(n)
	if err != nil {
		return err
	}
	if !userName.MatchString(v) {
		return fmt.Errorf("wants a user of this machine by name or number, such as pksa-console, not %q", v)
	}
	r.config.ConsoleUser = v
	return nil
}

func readChainID(r *reader, n *yamlnode.Node) error {
	v, err := scalar(n)
	if err != nil {
		return err
	}
	if b, err := hex.DecodeString(v); err != nil || len(b) != 32 {
		return fmt.Errorf("wants 64 hex digits, not %q", v)
	}
	r.config.ChainID = strings.ToLower(v)
	return nil
}

func readKeyPrefix(r *reader, n *yamlnode.Node) error {
	v, err := scalar(n)
	if err != nil {
		return err
	}
	if len(v) != 3 || strings.Trim(v, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return fmt.Errorf("wants three capital letters, not %q", v)
	}
	r.config.KeyPrefix = v
	return nil
}

// hosts reads a list of hosts or patterns of them.
func hosts(field func(*Config) *[]string) kind {
	return kind{func(r *reader, n *yamlnode.Node) error {
		items, err := listed(n, anyText)
		if err != nil {
			return err
		}
		list := make([]string, 0, len(items))
		for _, item := range items {
			v, err := scalar(item)
			if err != nil {
				return err
			}
			if v == "" || strings.Contains(v, "/") {
				return fmt.Errorf("wants hosts such as wallet.example or *, without https://, not %q", v)
			}
			list = append(list, v)
		}
		*field(r.config) = list
		return nil
	}, func(c *Config) string { return inList(*field(c)) }}
}

func readNodes(r *reader, n *yamlnode.Node) error {
	items, err := listed(n, isAddress)
	if err != nil {
		return err
	}
	nodes, list := make([]string, 0, len(items)), ""
	err = each(items, func(item *yamlnode.Node) error {
		address, isList, err := readNode(item)
		switch {
		case err != nil:
			return err
		case isList && list != "":
			return fmt.Errorf("%q is a second node list: one is enough", address)
		case isList:
			list = address
		default:
			nodes = append(nodes, address)
		}
		return nil
	})
	if err != nil {
		return err
	}
	// A list alone leaves the usual nodes before its own: it may be out of reach, and it is not
	// asked for more than addresses.
	if len(nodes) > 0 {
		r.config.Nodes = nodes
	}
	r.config.NodeList = list
	return nil
}

// readNode reads the address of a node, or of a list of nodes.
func readNode(item *yamlnode.Node) (address string, isList bool, err error) {
	v, err := scalar(item)
	if err != nil {
		return "", false, err
	}
	address, isList = strings.CutPrefix(v, "list:")
	u, err := webURL(address)
	switch {
	case err != nil:
	case isList && (u.Scheme != "https" || u.RawQuery != ""):
		err = fmt.Errorf("%q: a node list is reached by https://, without a query", address)
	case isList:
	case u.Scheme != "https" && !(u.Scheme == "http" && host.Loopback(u.Hostname())):
		err = fmt.Errorf("%q: a Hive API node is reached by https://; http:// is for this machine only", v)
	case u.RawQuery != "" || u.ForceQuery:
		// Not quoted: what stands there is often a key of the provider.
		err = errors.New("the address of a Hive API node carries no query (what follows ?): take another node")
	}
	return address, isList, err
}

// isAddress reports whether a text that follows a comma is an address of its own. In a path a comma
// is a letter.
func isAddress(text string) bool { return strings.Contains(text, "://") }

// webURL parses what the addresses of relays and nodes have in common.
func webURL(v string) (*url.URL, error) {
	u, err := url.Parse(v)
	// Before anything that quotes the address: a password in it must not reach a log.
	if strings.Contains(v, "@") {
		return nil, errors.New("an address carries no user name or password")
	}
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("%q is no address such as wss://host or https://host", v)
	}
	if u.Fragment != "" {
		return nil, errors.New("an address carries no fragment (what follows #)")
	}
	return u, nil
}
