package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"pksa/agent/config"
	"pksa/agent/policy"
	"pksa/protocol"
)

// topic is a page of `pksa help` about what concerns several commands. Texts are for 80 columns:
// paragraphs, and blocks that begin further in. A block is one of commands, of a policy, of
// settings, or a table. Tests execute the commands and load the policies and settings.
type topic struct {
	name, summary string
	text          func() string
}

// topics are the pages, in the order in which help lists them. Where a command has the name of a
// topic, help shows both.
var topics = []topic{
	{"policy", "what is answered without you", func() string { return topicPolicy }},
	{"unlock", "where the secret is that opens the keystore", topicUnlock},
	{"relays", "how applications reach the wallet", func() string { return topicRelays }},
	{"replay", "why nothing is carried out twice", func() string { return topicReplay }},
	{"reasons", "what applications hear when the answer is no", topicReasons},
	{"files", "what lies in the home folder, and what to copy", topicFiles},
	{"settings", "each setting, with its meaning", topicSettings},
	{"environment", "the variables that count", topicEnvironment},
	{"exit-codes", "what the exit status of each command means", topicExit},
}

const topicPolicy = `The policy, policy.yaml in the home folder, says what the wallet answers without
you. What no rule allows is refused. A deny rule beats all others. The order of
rules means nothing.

    version: 2
    lists:
      friends: [bob, carol]
    allow:
      - name: sessions
        request: auth
        apps: [tipbot]
        session: 30d
      - name: tips
        request: sign
        accounts: [alice]
        apps: [tipbot]
        key: active
        operations:
          - transfer: {to: $friends, amount: {max: 1.000 HBD}}
    limits:
      - name: tips per day
        apps: [tipbot]
        spend: 10.000 HBD per 24h

apps are those that "pksa app add" made, whatever an application calls itself.
A request is auth (log in), challenge (sign a text), decrypt (read a memo) or
sign (operations of the chain). The posting key is the default; a rule for the
active key says so, and should have a limit. A field that a rule names must
fit; one that it leaves out may be anything.

Write the policy, look at it, and let the running wallet take it over:

    pksa policy check       find mistakes, and what is probably not meant
    pksa policy test        run the cases of policy_test.yaml
    pksa policy suggest     print the narrowest rules for what was refused
    pksa policy reload      put the file in force

Where a rule says ask, a request waits for you, for less than a minute. For
that the setting ask must be pending:

    ask: pending

The whole language is described in examples/docs/policy.md, and what people
fell into in examples/docs/traps.md.`

// unlockSources are the forms of the setting unlock.
var unlockSources = [][2]string{
	{"identity:PATH", "a file that \"pksa init\" makes; what servers use"},
	{"file:PATH", "a file with a passphrase, such as a secret of Docker"},
	{"env:NAME", "an environment variable; it is read once, and removed"},
	{"fd:N", "an open file, such as 0 for standard input"},
	{"credential:NAME", "a credential that systemd hands over"},
	{"command:PROGRAM", "what a program prints; there is no shell"},
	{"prompt", "you type it"},
}

func topicUnlock() string {
	return `The keystore is an encrypted file. The setting unlock says where the secret is
that opens it. The setting is never the secret itself:

` + table(unlockSources) + `
"pksa init" writes the setting, and makes an identity unless --unlock names
another source. The variable PKSA_UNLOCK takes its place for one command. A file
with a secret must belong to the user who runs the wallet, or to root, and
nobody else may read it.

    pksa keys list                           shows the public keys
    pksa keystore passwd --new file:new.txt  changes what opens the keystore
    pksa doctor                              says whether it opens

Keep a copy of keystore.age, and apart from it one of what opens it. Without
both the keys are lost.`
}

const topicRelays = `An application and the wallet meet at a relay: each connects to it, none to the
other. The setting relays names those that the wallet serves. An application
must use one of them.

    relays: [wss://hive-auth.arcange.eu]

A relay cannot read requests or answers, and holds no key. It sees names of
accounts, times, sizes, transaction ids and reasons of refusals. It can delay,
lose and repeat what it carries; "pksa help replay" says why that signs nothing.

If the application runs on the same machine, the wallet can be its relay, and
nothing but calls to Hive nodes leaves the machine:

    relays: [ws://127.0.0.1:9480]
    relay:
      listen: 127.0.0.1:9480

Look whether it works, with the agent running:

    pksa status     shows each link, and since when it stands
    pksa canary     sends a request through each relay to ourselves
    pksa doctor     tries addresses, TLS, registration and delivery

"pksa relay" runs a relay without a wallet. More: examples/docs/relay.md.`

const topicReplay = `A relay can bring a request again, at once or after months. It is never carried
out twice:

A request carries a nonce, a number that must be above the last one of its
session and near the clock of this machine (settings nonce.behind and
nonce.ahead). A request without a nonce, as older applications send it, is known
by the digest of its bytes. Nonce or digest, decision and transaction are on
disk before a key is used, so a crash changes nothing.

A request that comes again gets the answer that was recorded, or silence. After
many of them the session does not listen to that relay for a while: status shows
this as quarantine.

    pksa audit tail --code nonce --lines 20    requests with a wrong nonce
    pksa status --all                          what is silent, and why

An application that hears "nonce refused" counts wrong, has a wrong clock, or
shares its session with another program. To refuse all requests without a nonce:

    nonce:
      required: true

A copy of the home folder would sign again what the first one signed; see
"pksa help ledger moved". To judge old requests by another policy is something
else: "pksa policy replay".`

// answersHeard are the answers that are no, with what an operator can do. They are all there are.
var answersHeard = [][2]string{
	{protocol.TextRefused, "the policy, or you, said no"},
	{protocol.TextInvalid, "damaged, or of the wrong form"},
	{protocol.TextNonce, "see \"pksa help replay\""},
	{protocol.TextNotSupported, "no wallet of this kind signs that"},
	{protocol.TextBusy, "too many requests at once"},
	{protocol.TextInternal, "see the log of the wallet"},
	{protocol.TextSessionExpired, "the application logs in again"},
	{protocol.TextBroadcastCredits, "wait, or power up"},
	{protocol.TextBroadcastBalance, "the account has too little"},
	{protocol.TextBroadcastAuthority, "see \"pksa keys check\""},
	{protocol.TextBroadcastExpired, "no block took it in time"},
	{protocol.TextBroadcastRejected, "the chain said no"},
	{protocol.TextBroadcastNoNode, "no Hive node answered"},
	{protocol.TextAuthFailed, "the login was not answered by yes"},
	{protocol.TextBroadcastUncertain, "look for the transaction id first"},
}

func topicReasons() string {
	codes := [][2]string{{string(policy.CodeDenied), "the deny rule is changed"}}
	for _, code := range slices.Sorted(maps.Keys(remedies)) {
		codes = append(codes, [2]string{code, remedies[code]})
	}
	return `An application hears one of these texts, and never why the policy says no:

` + table(answersHeard) + `
Only after "broadcast uncertain" can the transaction still be found in a block.
What no secret and no session opens gets no answer at all.

The reason is in the audit trail. The number, uuid or transaction id of a
request leads to it:

    pksa audit tail --result denied    the latest refusals
    pksa why 2                         which rule, which limit, and what to do
    pksa policy suggest                rules that would have allowed them

Each refusal has a code, which "pksa audit tail --code" takes. What would allow
it, or keep it from happening:

` + strings.TrimRight(table(codes), "\n")
}

// filesOfHome are what lies in a home folder with the usual settings.
var filesOfHome = [][2]string{
	{"config.yaml", "settings"},
	{"policy.yaml", "what is answered without you"},
	{"keystore.age", "the keys, encrypted"},
	{"keystore.age.lock", "empty; keeps two commands from changing keys at once"},
	{"identity.txt", "what opens the keystore, unless unlock says else"},
	{"ledger.db, ledger.mark", "apps, sessions, limits, newest audit records"},
	{"audit/", "older audit records"},
	{"control.sock", "how commands reach the running agent"},
}

func topicFiles() string {
	return `All that belongs to a wallet lies in its home folder: the one of --home, else of
the variable PKSA_HOME, else pksa in $XDG_DATA_HOME, else ~/.local/share/pksa.

` + table(filesOfHome) + `
Copy all but control.sock, and keep identity.txt apart from keystore.age: both
together are the keys. ledger.db and ledger.mark belong together; copy them
while the wallet does not run. A copy must never run beside the wallet that it
was made of: "pksa help ledger moved" says how to move one.

Nobody else may change these files or read the secret ones. A command that finds
it otherwise says what to type.

    pksa init      makes what is missing, and changes nothing else
    pksa doctor    looks at files, modes and the room on the disk`
}

func topicSettings() string {
	return `Settings stand in config.yaml of the home folder. "pksa init" writes it with all
of them as comments. A variable takes the place of a setting: its name is
PKSA_ and the setting in capitals, with _ for dots.

` + regexp.MustCompile(`(?m) +$`).ReplaceAllString(strings.TrimRight(config.Template(nil), "\n"), "")
}

// variables are those of the environment that the program looks at, beside settings.
var variables = [][2]string{
	{"PKSA_HOME", "the home folder, if --home names none"},
	{"PKSA_…", "a setting; see \"pksa help settings\""},
	{"XDG_DATA_HOME", "where the home folder is if nothing names one"},
	{"PATH", "folders of age plugins, and of programs that settings name"},
	{"TMPDIR", "where \"pksa demo\" keeps what it makes"},
	{"CREDENTIALS_DIRECTORY", "where systemd puts credentials"},
	{"NOTIFY_SOCKET", "set by systemd: it is told how the wallet is"},
	{"WATCHDOG_USEC", "set by systemd: how often it wants a word"},
	{"WATCHDOG_PID", "set by systemd: from which process"},
	{"JOURNAL_STREAM", "set by systemd: the log goes to its journal"},
	{"KUBERNETES_SERVICE_HOST", "set by Kubernetes: this is a container"},
	{"container", "set by Podman: this is a container"},
	{"SSL_CERT_FILE", "certificates to trust, for servers"},
	{"SSL_CERT_DIR", "folders of such certificates"},
	{"ZONEINFO", "where the time zones are"},
	{"GOMEMLIMIT, GOGC", "bounds of memory, in the place of ours"},
}

func topicEnvironment() string {
	return `The program looks at these variables:

` + table(variables) + `
An empty variable counts as not set. A misspelt PKSA_ variable is an error. A
secret belongs into none of them, save into one that "env:NAME" names on
purpose: "pksa help unlock".`
}

func topicExit() string {
	rows := make([][2]string, len(exitStatuses))
	for i, s := range exitStatuses {
		rows[i] = [2]string{fmt.Sprint(s.status), s.meaning}
	}
	return `Every command ends with one of these:

` + table(rows) + `
A command that looks at something ends with 1 if that is not as it should be:

` + table(checkingCommands) + `
Errors are printed to standard error, often with a hint, which says what to do.
With --json they are an object with the members error and hint. What commands
print with --json is described in examples/docs/json.md.`
}

// table returns two columns, the second one wrapped. Commands in quotes stay whole.
func table(rows [][2]string) string {
	wide := 0
	for _, row := range rows {
		wide = max(wide, len([]rune(row[0])))
	}
	var text strings.Builder
	for _, row := range rows {
		begin := fmt.Sprintf("    %-*s  ", wide, row[0])
		said := wrapped(strings.ReplaceAll(row[1], `"`, "`"), textWidth-wide-6)
		said = strings.ReplaceAll(said, "`", `"`)
		text.WriteString(begin + strings.ReplaceAll(said, "\n  ", "\n"+strings.Repeat(" ", wide+6)) + "\n")
	}
	return text.String()
}

// topicOf returns the topic that words name: "exit codes" is exit-codes.
func topicOf(words []string) (topic, bool) {
	name := strings.Join(words, "-")
	i := slices.IndexFunc(topics, func(t topic) bool { return t.name == name })
	if i < 0 {
		return topic{}, false
	}
	return topics[i], true
}
