package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pksa/agent"
	"pksa/agent/client"
	"pksa/agent/config"
	"pksa/agent/ledger"
	"pksa/agent/node/nodetest"
	"pksa/agent/relay/relaytest"
	"pksa/cmd/pksa/internal/logtail"
	"pksa/protocol/hive"
)

// spoken is a wallet that runs in this process, and whose texts are followed. A process for each
// command would cost more than all that it does.
type spoken struct {
	*killWorld
	hints *hintRun
	spoil atomic.Value // the requests that the relay cuts off: a cmd
	log   *logtail.Buffer
	stop  context.CancelFunc
	ended chan int
}

const spokenPolicy = `version: 1
allow:
  - {name: logins, request: auth, apps: any, session: 24h}
  - {name: votes, request: sign, apps: [bot, gone], operations: [vote]}
ask:
  - {name: proofs, request: challenge, apps: [asker], text: {glob: "prove *"}}
  - {name: pays, request: sign, apps: [asker], key: active, operations: [transfer]}
  - {name: posts, request: sign, apps: [asker], key: posting, operations: [comment, vote]}
limits:
  - {name: pace, apps: [asker], operations: [transfer], count: 1 per 1h}
`

// spokenDeny is what the policy file loses.
const spokenDeny = `deny:
  - {name: never, request: sign, operations: [transfer: {to: mallory}]}
`

func newSpoken(t *testing.T, r *hintRun) *spoken {
	s := &spoken{hints: r}
	s.spoil.Store("")
	s.killWorld = newWorldOf(t, homeParts{policy: spokenPolicy + spokenDeny, apps: []string{"bot", "asker", "web"},
		accounts: []hive.AccountName{"alice"}, fault: s.cutOff, twoHosts: true,
		settings: map[string]string{"hardening": "off", "policy_watch": "true", "ask": "pending", "guard": "stop",
			"limits.sessions_per_account": "5"}})
	t.Cleanup(s.halt)
	return s
}

// cutOff alters requests on their way to the wallet, as spoil says.
func (s *spoken) cutOff(w *relaytest.Wire, f relaytest.Frame) {
	var object map[string]any
	if f.To != relaytest.ToClient || f.Cmd != s.spoil.Load() || json.Unmarshal(f.Body, &object) != nil {
		w.Pass(f)
		return
	}
	sealed, err := base64.StdEncoding.DecodeString(object["data"].(string))
	check(s.t, err)
	object["data"] = base64.StdEncoding.EncodeToString(sealed[:len(sealed)-16])
	body, err := json.Marshal(object)
	check(s.t, err)
	w.Send(f.To, body)
}

// serve runs the wallet until halt.
func (s *spoken) serve() {
	s.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	s.stop, s.log, s.ended = stop, new(logtail.Buffer), make(chan int, 1)
	go func(log io.Writer, ended chan<- int) {
		ended <- run(ctx, []string{"run", "--home", s.home}, streams{strings.NewReader(""), io.Discard, log})
	}(s.log, s.ended)
	s.logged(`msg=serving`)
}

func (s *spoken) halt() {
	if s.stop == nil {
		return
	}
	s.stop()
	s.stop = nil
	if status := <-s.ended; status != exitOK {
		s.t.Errorf("the wallet ended with %d: %s", status, s.log.Last(20))
	}
}

// logged waits for a line of the log, and returns it.
func (s *spoken) logged(part string) string {
	s.t.Helper()
	for range awaitTimeout / (10 * time.Millisecond) {
		for line := range strings.Lines(s.log.String()) {
			if strings.Contains(line, part) {
				s.hints.said = append(s.hints.said, line)
				return line
			}
		}
		<-time.After(10 * time.Millisecond)
	}
	s.t.Fatalf("the log has no %q: %s", part, s.log.Last(40))
	return ""
}

// says runs a command, and returns what it said, in one line.
func (s *spoken) says(args ...string) string {
	s.t.Helper()
	status, out, said := pksa(s.t, s.home, args...)
	text := fmt.Sprintf("%d: ", status) + strings.Join(strings.Fields(out+" "+said), " ")
	s.hints.said = append(s.hints.said, text)
	return text
}

// until runs a command until it says something.
func (s *spoken) until(part string, args ...string) string {
	s.t.Helper()
	text := ""
	for range awaitTimeout / (200 * time.Millisecond) {
		if text = s.says(args...); strings.Contains(text, part) {
			return text
		}
		<-time.After(200 * time.Millisecond)
	}
	s.t.Fatalf("%v does not say %q: %s\n%s", args, part, text, s.log.Last(5))
	return ""
}

// follow runs the first command behind a part of a text, as it stands there. WORD=VALUE puts a
// value in the place of a word that is for the person to fill in; other words are added. It has to
// succeed.
func (s *spoken) follow(text, part string, words ...string) string {
	s.t.Helper()
	i := strings.Index(text, part)
	lines := commandsIn(text[max(i, 0):])
	if i < 0 || len(lines) == 0 {
		s.t.Fatalf("no command behind %q: %s", part, text)
	}
	line := lines[0][1:]
	for _, word := range words {
		from, to, ok := strings.Cut(word, "=")
		if i := slices.Index(line, from); ok && i >= 0 {
			line[i] = to
			continue
		}
		line = append(line, word)
	}
	s.hints.said = append(s.hints.said, text)
	said := s.says(line...)
	if !strings.HasPrefix(said, "0: ") {
		s.t.Fatalf("%v, which follows from %q: %s", line, text, said)
	}
	return said
}

// followed is what a text leads to: the command behind a part of it says something.
func (s *spoken) followed(want, text, part string, words ...string) {
	s.t.Helper()
	if got := s.follow(text, part, words...); !strings.Contains(got, want) {
		s.t.Errorf("what follows from %q says %q, without %q", text, got, want)
	}
}

// file writes a file of this text, that only its owner reads, and returns the source.
func (s *spoken) file(name, text string) string {
	s.t.Helper()
	path := filepath.Join(s.home, name)
	check(s.t, os.WriteFile(path, []byte(text), 0o600))
	return "file:" + path
}

// running executes what a running wallet says, in its log, its status, and refusals.
func (r *hintRun) running(t *testing.T) {
	s := newSpoken(t, r)
	s.serve()
	s.await("the start", ready)
	c := s.dial("script")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s.asksPerson(ctx, c)
	s.refuses(ctx, c)
	s.silences(ctx, c)
	s.keepsPolicy()
	s.pauses()
	s.locks()
	s.reloads()
	s.pairsAbroad(ctx)
	s.nearlyFull()
	status, err := s.status(ctx)
	check(t, err)
	s.followed("alice", readyText(s.cfg, status), "for 1 account")
	s.stopsAccount(ctx, c)
	s.withoutKeys()
}

// login returns a session of an app.
func (s *spoken) login(ctx context.Context, c *client.Client, app string) *client.Session {
	s.t.Helper()
	grant, err := c.Authenticate(ctx, client.Auth{Account: "alice", Secret: s.secrets[app],
		Session: client.NewSession("alice", "")})
	if err != nil {
		s.t.Fatalf("%v\n%s", err, s.log.Last(5))
	}
	return grant.Session
}

var voteOp = client.Operation{Name: "vote", Fields: map[string]any{"voter": "alice", "author": "bob",
	"permlink": "a-post", "weight": 10000}}

// asksPerson executes what is said while requests wait for a person.
func (s *spoken) asksPerson(ctx context.Context, c *client.Client) {
	asker := s.login(ctx, c, "asker")
	asked := make(chan error, 30)
	ask := func(role hive.Role, ops ...client.Operation) {
		go func() {
			_, err := c.Sign(ctx, asker, client.SignRequest{Role: role, Operations: ops})
			asked <- err
		}()
	}
	pay := client.Operation{Name: "transfer", Fields: map[string]any{"from": "alice", "to": "bob",
		"amount": "1.000 HIVE", "memo": ""}}
	ask(hive.Active, pay)
	s.followed("asker wants of alice", s.logged("a person is asked"), "a person is asked")
	number := regexp.MustCompile(`(\d+) asker wants`).FindStringSubmatch(s.says("pending"))[1]
	// One more than the limit takes, while the first one waits.
	ask(hive.Active, pay)
	s.followed("asker wants of alice", s.logged("of it by requests that wait for your yes or no"), "of it by requests")
	<-asked
	s.followed("pays 1.000 HIVE", s.says("approve", number), "judged once more")
	check(s.t, <-asked)
	s.followed("Nothing waits", s.says("approve", "first"), "is no number of a request")

	// What is cut in the list is shown by itself: many parts, and long ones.
	many := slices.Repeat([]client.Operation{voteOp}, 12)
	ask(hive.Posting, many...)
	s.followed("votes 100% for @bob/a-post", s.until("of 12 parts", "pending"), "these are the first")
	post := client.Operation{Name: "comment", Fields: map[string]any{"parent_author": "", "parent_permlink": "hive",
		"author": "alice", "permlink": "long", "title": "Long", "body": strings.Repeat("word ", 500),
		"json_metadata": "{}"}}
	ask(hive.Posting, post)
	s.followed(strings.TrimSpace(strings.Repeat("word ", 400)), s.until("… cut", "pending"), "… cut")

	// More than may wait.
	for i := range 19 {
		go func() {
			_, err := c.Challenge(ctx, asker, client.Challenge{Role: hive.Posting, Text: fmt.Sprint("prove ", i)})
			asked <- err
		}()
	}
	s.followed("prove 1", s.logged("and more may not"), "and more may not")
	waiting := regexp.MustCompile(`(\d+) asker wants`).FindAllStringSubmatch(s.says("pending"), -1)
	if len(waiting) != 20 {
		s.t.Errorf("%d requests wait", len(waiting))
	}
	for _, w := range waiting {
		s.says("deny", w[1])
	}
	for range 21 {
		if err := <-asked; err == nil {
			s.t.Error("the wallet agreed")
		}
	}
}

// record returns the number of the last request that was refused with a code.
func (s *spoken) record(kind, code string) string {
	s.t.Helper()
	return strings.Fields(s.says("audit", "tail", "-n", "1", "--kind", kind, "--code", code))[1]
}

// refuses executes what is said about requests that were refused.
func (s *spoken) refuses(ctx context.Context, c *client.Client) {
	bot := s.login(ctx, c, "bot")
	_, err := c.Challenge(ctx, bot, client.Challenge{Role: hive.Posting, Text: "not named"})
	if err == nil {
		s.t.Error("the wallet agreed")
	}
	text := s.says("policy", "explain", s.record("challenge", "uncovered"))
	s.followed("not named", text, "a rule in allow or ask")
	s.followed("Nothing waits", s.says("policy", "explain", s.record("challenge", "refused")), "a person's yes")
	text = s.says("policy", "suggest")
	s.followed(`limit "pace"`, text, "no rule helps", "NUMBER="+s.record("sign", "limit"))

	// A mistake of the application, and a session that has ended.
	s.spoil.Store("sign_req")
	_, err = c.Sign(ctx, bot, client.SignRequest{Role: hive.Posting, Operations: []client.Operation{voteOp}})
	s.spoil.Store("")
	if err == nil {
		s.t.Error("the wallet agreed to what was cut off")
	}
	id := regexp.MustCompile(`(\d+) alice bot`).FindStringSubmatch(s.says("session", "list"))[1]
	s.says("session", "revoke", id)
	_, err = c.Sign(ctx, bot, client.SignRequest{Role: hive.Posting, Operations: []client.Operation{voteOp}})
	if err == nil {
		s.t.Error("the wallet agreed in a session that has ended")
	}
	s.followed("bot", s.until("should log in again", "status"), "should log in again")
	s.followed("asker", s.says("session", "revoke", "first"), "is no session")
	s.followed("prove", s.says("audit", "show", "the first"), "is no number of a record")
	s.followed("pace", s.says("limit", "release", "first"), "is no number of a request")
}

// silences executes what is said about sessions and logins that a relay is not heard for.
func (s *spoken) silences(ctx context.Context, c *client.Client) {
	bot := s.login(ctx, c, "bot")
	id := regexp.MustCompile(`(\d+) alice bot`).FindStringSubmatch(s.says("session", "list"))[1]
	s.spoil.Store("sign_req")
	for range 5 {
		_, err := c.Sign(ctx, bot, client.SignRequest{Role: hive.Posting, Operations: []client.Operation{voteOp}})
		if err == nil {
			s.t.Error("the wallet agreed to what was cut off")
		}
	}
	line := s.logged("session does not listen to this relay for now")
	s.followed("listens", line, "hint=")
	s.spoil.Store("sign_req")
	for range 5 {
		_, _ = c.Sign(ctx, bot, client.SignRequest{Role: hive.Posting, Operations: []client.Operation{voteOp}})
	}
	s.followed("listens", s.until("Session "+id+" does not listen", "session", "list"), "does not listen")
	s.spoil.Store("auth_req")
	for range 5 {
		short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
		_, err := c.Authenticate(short, client.Auth{Account: "alice", Secret: s.secrets["web"],
			Session: client.NewSession("alice", "")})
		cancel()
		if err == nil {
			s.t.Error("the wallet agreed to what was cut off")
		}
	}
	s.spoil.Store("")
	s.logged("logins of this app are not heard from this relay")
	s.followed("web", s.until("Logins of app web are not heard", "status"), "Logins of app web")
}

// keepsPolicy executes what is said of a policy file that lost a section, and of one with warnings.
func (s *spoken) keepsPolicy() {
	check(s.t, os.WriteFile(s.cfg.Policy, []byte(spokenPolicy), 0o600))
	text := s.follow(s.until("is not taken", "status"), "is not taken")
	s.followed(`no app "gone"`, text, "sha256")
	s.followed(`no app "gone"`, s.says("status"), "in force since")
}

// pauses executes what is said of a wallet that its operator has paused.
func (s *spoken) pauses() {
	s.followed("Serves again", s.says("pause"), "Paused since")
	s.says("pause")
	s.followed("Serves again", s.until("paused by its operator", "status"), "each request is told")
	s.followed("Serves again", s.says("pause", "web"), "Paused since")
	s.says("pause", "web")
	s.followed("Serves again", s.logged("app web is paused by its operator"), "each request of it")
	s.says("pause", "web")
	s.followed("Serves again", s.says("status"), "app web is paused since")
	s.says("pause", "web")
	s.followed("Serves again", s.says("app", "list"), "App web is paused since")
}

// locks executes what is said of a wallet that is locked.
func (s *spoken) locks() {
	key := s.file("carol.memo", nodetest.Key("carol", hive.Memo).WIF())
	locked := s.says("lock")
	log := s.logged("the keys of the accounts are wiped")
	s.says("keys", "import", "carol", "--role", "memo", "--offline", "--from", key)
	changed := s.says("keys", "remove", "carol")
	shown := s.until("locked since", "status")
	unlocked := ""
	for text, part := range map[string]string{locked: "Locked since", log: "keys of the accounts are wiped",
		changed: "it reads the keystore", shown: "it holds no keys"} {
		s.says("lock")
		unlocked = s.follow(text, part)
		s.await("the end of the lock", ready)
	}
	s.followed("alice", unlocked, "it connects to the relays")
}

// reloads executes what is said of settings that are written otherwise than they are in force.
func (s *spoken) reloads() {
	path := filepath.Join(s.home, "config.yaml")
	before, err := os.ReadFile(path)
	check(s.t, err)
	written := func(line string) { check(s.t, os.WriteFile(path, append(slices.Clone(before), line...), 0o600)) }
	written("stop_timeout: 7s\n")
	s.followed("stop_timeout: 7s", s.says("config", "show", "stop_timeout"), "in force")
	written("stop_timeout: 8s\n")
	s.followed("stop_timeout: 8s", s.until("written otherwise", "status"), "written otherwise")
}

// nearlyFull executes what is said of an account with nearly as many sessions as it may have.
func (s *spoken) nearlyFull() {
	for range 5 {
		if text := s.says("status"); strings.Contains(text, "alice has 4 of 5 sessions") {
			s.followed("nothing was ended", text, "alice has 4 of 5 sessions")
			return
		}
		s.says("session", "add", "alice", "--app", "web")
	}
	s.t.Error(s.says("status"))
}

// pairsAbroad executes what is said of links for relays that are not in the settings.
func (s *spoken) pairsAbroad(ctx context.Context) {
	link := func(port int) string {
		return s.file(fmt.Sprint("link", port), fmt.Sprintf(`{"account":"alice",`+
			`"uuid":"0f2b7c1e-8a3d-4c55-9b21-%012d","key":"a key of its own for here %d","host":"wss://127.0.0.1:%d"}`,
			port, port, port))
	}
	plain := s.file("plain", `{"account":"alice","uuid":"0f2b7c1e-8a3d-4c55-9b21-000000000000",`+
		`"key":"a key of its own for here","host":"ws://127.0.0.1:1"}`)
	s.followed("In force since now", s.says("pair", "--app", "web", "--yes", "--link", plain, "--new-relay"),
		"is not encrypted")
	text := s.says("pair", "--app", "web", "--yes", "--link", link(1))
	_, text, _ = strings.Cut(text, "not among the relays")
	line := commandsIn(text)[0][1:]
	line[slices.Index(line, "NAME")] = "web"
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan int, 8)
	for port := 1; port <= 8; port++ {
		// They wait until all have come, however long that takes.
		args := append(slices.Clone(line), "--home", s.home, "--yes", "--wait", "10m", "--link", link(port))
		go func() { ended <- run(ctx, args, streams{strings.NewReader(""), io.Discard, io.Discard}) }()
	}
	s.await("eight relays", func(a agent.Status) bool { return len(a.Links) == 9 })
	text = s.says(append(line, "--yes", "--link", link(9))...)
	s.followed("In force since now", text, "8 relays are served")
	s.followed("while the login of the link is waited for", text, "or end sessions")
	cancel()
	for range 8 {
		<-ended
	}
}

// stopsAccount executes what is said of an account that somebody else changed while the wallet was
// down.
func (s *spoken) stopsAccount(ctx context.Context, c *client.Client) {
	bot := s.login(ctx, c, "bot")
	s.halt()
	s.chain.Change("alice", func(a *nodetest.Account) { a.Proxy = "bob" })
	s.serve()
	text := s.until("Account alice was changed", "status")
	s.followed("proxy, seen", s.says("guard", "accept", "bob"), "nothing of account bob waits")
	_, err := c.Sign(ctx, bot, client.SignRequest{Role: hive.Posting, Operations: []client.Operation{voteOp}})
	if err == nil {
		s.t.Error("the wallet signed for an account that is stopped")
	}
	s.followed("proxy", s.says("audit", "show", s.record("sign", "guard")), "account alice was changed")
	s.followed("judged and signed again", text, "Account alice was changed")
	s.halt()
}

// withoutKeys executes what is said of a relay's key that is none, and of a wallet without keys.
func (s *spoken) withoutKeys() {
	good, err := os.ReadFile(filepath.Join(s.home, "config.yaml"))
	check(s.t, err)
	bad := strings.Replace(string(good), s.relay.URL, fmt.Sprintf("{url: %q, key: STM7none}", s.relay.URL), 1)
	s.file("config.yaml", bad)
	text := s.says("status")
	s.file("config.yaml", string(good))
	s.serve()
	s.await("the start with the good settings", ready)
	s.followed(s.relay.URL, text, "is no public key")
	s.halt()
	s.says("keys", "remove", "alice")
	s.serve()
	wif := s.file("alice.posting", testKey("alice", "posting").WIF())
	s.followed("alice", s.logged("no keys are held"), "import one with", "ACCOUNT=alice", "prompt="+wif)
	s.halt()
}

// withLedgerAt opens the ledger of the stopped wallet, by a clock that is so much ahead.
func (s *spoken) withLedgerAt(ahead time.Duration, do func(context.Context, *ledger.Ledger) error) {
	s.t.Helper()
	c := &command{streams: streams{strings.NewReader(""), io.Discard, io.Discard}, home: s.home}
	check(s.t, c.withLedger(s.t.Context(), func(cfg *config.Config, o ledger.Options) error {
		o.Now = func() time.Time { return time.Now().Round(0).Add(ahead) }
		l, err := ledger.Open(cfg.Ledger, o)
		if err != nil {
			return err
		}
		return errors.Join(do(s.t.Context(), l), l.Close())
	}))
}
