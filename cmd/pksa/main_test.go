package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/rogpeppe/go-internal/testscript"

	"pksa/agent"
	"pksa/agent/client"
	"pksa/agent/control"
	"pksa/agent/node/memchain"
	"pksa/agent/relay"
	"pksa/agent/relay/relaytest"
	"pksa/agent/status"
	"pksa/keystore/durable/durabletest"
	"pksa/keystore/plugintest"
	"pksa/protocol"
	"pksa/protocol/hive"
)

// noRace skips a test under -short, with which the race detector runs: it does one thing after the
// other, and there it would take many times as long for nothing.
func noRace(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("one thing after the other")
	}
}

// Scripts run the program as `exec pksa …`, as a process of its own.
func TestMain(m *testing.M) {
	durabletest.Memory()
	testscript.Main(allTests{m}, map[string]func(){"pksa": scriptMain, plugintest.Program: plugintest.Main})
}

// scriptMain runs the program on a machine that a script describes: TEST_WALLET_PLACE is where
// services keep a wallet, TEST_USER the number of the user who runs it, TEST_MEMLOCK says that no
// memory may be locked, TEST_CLOCK that the kernel does not know whether its clock is right, and
// TEST_CONTAINER that it is a container: no other machine of the tests is one.
func scriptMain() {
	place := os.Getenv("TEST_WALLET_PLACE")
	walletPlaces = func() []string { return []string{place} }
	inContainer = func() bool { return os.Getenv("TEST_CONTAINER") != "" }
	limitLocks(os.Getenv("TEST_MEMLOCK"))
	becomeUser(os.Getenv("TEST_USER"))
	if os.Getenv("TEST_CLOCK") != "" {
		kernelClock = func() error { return errors.New("the kernel does not know") }
	}
	if slices.Contains(os.Args, "--json") || slices.Contains(os.Args, "export") {
		os.Exit(checkedMain())
	}
	main()
}

// misfits is the exit status of a command in a script whose JSON differs from its schema.
const misfits = 97

// checkedMain is main for what prints JSON, which it holds against the schema.
func checkedMain() int {
	var out, errs bytes.Buffer
	status := runMain(streams{os.Stdin, io.MultiWriter(os.Stdout, &out), io.MultiWriter(os.Stderr, &errs)})
	if complaints := printedBy(os.Args[1:], out.Bytes(), errs.Bytes()); complaints != nil {
		fmt.Fprintf(os.Stderr, "not as its schema says:\n%s\n", strings.Join(complaints, "\n"))
		return misfits
	}
	return status
}

func TestScripts(t *testing.T) {
	t.Parallel()
	params := scriptParams("testdata/script")
	withDatabases(t, &params)
	testscript.Run(t, params)
}

// scriptParams returns how the scripts of a folder are run.
func scriptParams(folder string) testscript.Params {
	return testscript.Params{
		Dir:                 folder,
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("PKSA_HOME", filepath.Join(e.WorkDir, "home"))
			if runtime.GOOS != "linux" {
				e.Setenv("PKSA_HARDENING", "best") // other systems want it set
			}
			e.Setenv("GORACE", "atexit_sleep_ms=0") // else each command of a race test sleeps a second
			e.Values["pairing"] = make(chan error, 1)
			e.Values["fault"] = new(atomic.Pointer[relaytest.Fault])
			e.Values["memchain"] = new(atomic.Pointer[memchain.Chain])
			return nil
		},
		Condition: func(name string) (bool, error) {
			if name != "root" {
				return false, fmt.Errorf("there is no condition %q", name)
			}
			return os.Geteuid() == 0, nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"status":     scriptStatus,
			"wif":        scriptWIF,
			"stub":       scriptStub,
			"old":        scriptOld,
			"mask":       scriptMask,
			"capture":    scriptCapture,
			"mode":       scriptMode,
			"flip":       scriptFlip,
			"tamper":     scriptTamper,
			"chain":      scriptChain,
			"rekey":      scriptRekey,
			"relay":      scriptRelay,
			"await":      scriptAwait,
			"app":        scriptApp,
			"json":       scriptJSON,
			"lines":      scriptLines,
			"empty":      scriptEmpty,
			"uncomment":  scriptUncomment,
			"port":       scriptPort,
			"listens":    scriptListens,
			"samesecret": scriptSameSecret,
			"marked":     scriptMarked,
			"wrapped":    scriptWrapped,
			"locked":     scriptLocked,
			"chatlink":   scriptChatLink,
			"picture":    scriptPicture,
		},
	}
}

// testKey is the key of an account that exists on the script's chain only.
func testKey(account, role string) *hive.PrivateKey {
	r, err := hive.ParseRole(role)
	if err != nil {
		panic(err)
	}
	return memchain.Key(hive.AccountName(account), r)
}

// scriptWIF writes a private key: wif ACCOUNT ROLE FILE.
func scriptWIF(ts *testscript.TestScript, _ bool, args []string) {
	write(ts, args[2], testKey(args[0], args[1]).WIF()+"\n")
}

// scriptStub writes an identity of age-plugin-stub, and sets the variable RECIPIENT to its
// recipient: stub BEHAVIOUR FILE.
func scriptStub(ts *testscript.TestScript, _ bool, args []string) {
	write(ts, args[1], plugintest.Identity(args[0]))
	ts.Setenv("RECIPIENT", plugintest.Recipient(args[0]))
}

func write(ts *testscript.TestScript, name, text string) {
	ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o600))
}

// scriptOld fills a template of the old wallet's files: KEY(account,role), and MS(hours) for
// instants.
func scriptOld(ts *testscript.TestScript, _ bool, args []string) {
	text := ts.ReadFile(args[0])
	text = regexp.MustCompile(`KEY\((\w+),(\w+)\)`).ReplaceAllStringFunc(text, func(s string) string {
		m := strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune("(,)", r) })
		return testKey(m[1], m[2]).WIF()
	})
	text = regexp.MustCompile(`MS\(-?\d+\)`).ReplaceAllStringFunc(text, func(s string) string {
		hours, _ := strconv.Atoi(s[3 : len(s)-1])
		return fmt.Sprint(time.Now().Add(time.Duration(hours) * time.Hour).UnixMilli())
	})
	write(ts, args[1], text)
}

// masks are what differs from run to run.
var masks = []struct{ find, put string }{
	{`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z`, "INSTANT"},
	{`INSTANT \((in )?\d+ (s|min|h|d)( ago)?\)`, "INSTANT (LENGTH)"},
	{`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`, "UUID"},
	{`\b[A-Z2-7]{52}\b`, "SECRET"},
	{`\b[0-9a-f]{64}\b`, "SHA256"},
	{`sha256 [0-9a-f]{16}`, "sha256 HASH"},
	{`\b[0-9a-f]{40}\b`, "TRANSACTION"},
	{`\b(1f|20)[0-9a-f]{22}…`, "SIGNATURE…"},
	{`\b(1f|20)[0-9a-f]{128}\b`, "SIGNATURE"},
	{`127\.0\.0\.1:\d+`, "127.0.0.1:PORT"},
	{`go1\.[0-9.]+`, "GO"},
	{`pksa (of a version that its build was not told|v[^ ]+) \(`, "pksa VERSION ("},
	{`commit TRANSACTION[^\n]*\n`, ""},
	{`for [a-z]+/[a-z0-9]+; protections: [a-z, -]+\n`, "for SYSTEM; protections: NAMES\n"},
	{`after [0-9.]+(µ|m)?s\b`, "after A WHILE"},
	{`head block \d+`, "head block NUMBER"},
	{`block \d+, read \d+ s ago`, "block NUMBER, read LENGTH ago"},
	{`"ms":\d+`, `"ms":MS`},
	{`(?s)\nHardening\n.*`, "\nHardening\n  …\n"}, // depends on the machine
}

// scriptMask writes the last output without what differs from run to run: mask stdout|stderr|FILE
// OUT.
func scriptMask(ts *testscript.TestScript, _ bool, args []string) {
	text := strings.ReplaceAll(ts.ReadFile(args[0]), ts.Getenv("WORK"), "$WORK")
	for _, m := range masks {
		text = regexp.MustCompile(m.find).ReplaceAllString(text, m.put)
	}
	write(ts, args[1], text)
}

// scriptCapture keeps a group of a pattern found in the last output: capture NAME PATTERN.
func scriptCapture(ts *testscript.TestScript, _ bool, args []string) {
	m := regexp.MustCompile("(?m)" + args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if m == nil {
		ts.Fatalf("stdout has no %s", args[1])
	}
	ts.Setenv(args[0], m[len(m)-1])
}

// scriptMode compares permissions: mode 0600 FILE...
func scriptMode(ts *testscript.TestScript, _ bool, args []string) {
	for _, file := range args[1:] {
		info, err := os.Stat(ts.MkAbs(file))
		ts.Check(err)
		if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != args[0] {
			ts.Fatalf("%s has mode %s", file, got)
		}
	}
}

// scriptFlip changes one byte in the middle of a file.
func scriptFlip(ts *testscript.TestScript, _ bool, args []string) {
	text := []byte(ts.ReadFile(args[0]))
	text[len(text)/2] ^= 1
	write(ts, args[0], string(text))
}

// scriptChain starts a chain in memory with alice, bob and mallory and sets NODE: chain.
func scriptChain(ts *testscript.TestScript, _ bool, _ []string) {
	chain := memchain.NewChain(memchain.Options{})
	for _, name := range []hive.AccountName{"alice", "bob", "mallory"} {
		chain.AddUser(name)
	}
	ts.Value("memchain").(*atomic.Pointer[memchain.Chain]).Store(chain)
	ctx, stop := context.WithCancel(context.Background())
	url, wait, err := memchain.Listen(ctx, chain.NewNode("script"))
	ts.Check(err)
	ts.Defer(func() {
		stop()
		wait()
	})
	ts.Setenv("NODE", url)
}

// scriptRelay starts a relay for alice, bob and mallory, also with the keys that a name with a 2
// behind it gives them, and sets RELAY. It does to frames what fault says.
func scriptRelay(ts *testscript.TestScript, _ bool, _ []string) {
	keys := map[hive.AccountName][]hive.PublicKey{}
	fault := ts.Value("fault").(*atomic.Pointer[relaytest.Fault])
	carry := func(w *relaytest.Wire, f relaytest.Frame) {
		if fault := fault.Load(); fault != nil {
			(*fault)(w, f)
			return
		}
		w.Pass(f)
	}
	for _, account := range []string{"alice", "bob", "mallory"} {
		for _, role := range []string{"posting", "active", "memo"} {
			keys[hive.AccountName(account)] = append(keys[hive.AccountName(account)], testKey(account, role).Public(),
				testKey(account+"2", role).Public())
		}
	}
	server, err := relaytest.Start(relaytest.Options{Loopback: true, Fault: carry, Relay: relay.Options{
		Server: "127.0.0.1", Keys: relay.FixedKeys(keys), Logger: slog.New(slog.DiscardHandler)}})
	ts.Check(err)
	ts.Defer(server.Close)
	ts.Setenv("RELAY", server.URL)
}

// awaitTimeout bounds what a test waits for another process. Only what is broken takes so long,
// however many tests run beside it.
const awaitTimeout = time.Minute

// scriptAwait waits until the agent serves so many registered accounts, with or without a node:
// await N.
func scriptAwait(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	socket := filepath.Join(ts.Getenv("PKSA_HOME"), "control.sock")
	ctx, cancel := context.WithTimeout(context.Background(), awaitTimeout)
	defer cancel()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		var s agent.Status
		err := control.Call(ctx, socket, agent.MethodStatus, struct{}{}, &s)
		ready := !slices.ContainsFunc(s.Hindrances,
			func(h status.Hindrance) bool { return h.Cause != status.CauseNode && h.Cause != status.CausePaused })
		if err == nil && ready && len(s.Links) == 1 && s.Links[0].Registered == want {
			return
		}
		select {
		case <-ctx.Done():
			ts.Fatalf("the agent does not serve: %v, %+v", err, s)
		case <-ticker.C:
		}
	}
}

// scriptApp plays an application at RELAY:
//
//	app login SECRET           keeps the session in the file session
//	app use AUTH_KEY           the same with a key that was made by hand
//	app challenge|vote|transfer
//	app pair FILE              writes the link into FILE, and waits in the background
//	app paired                 waits for that
//
// With !, the last argument is a part of the error that is wanted, or the word silence.
func scriptApp(ts *testscript.TestScript, neg bool, args []string) {
	timeout := awaitTimeout
	if args[len(args)-1] == "silence" {
		timeout = 700 * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	app, err := client.Dial(ctx, client.Options{
		Relay: ts.Getenv("RELAY"), App: protocol.AppInfo{Name: "script"}, Logger: slog.New(slog.DiscardHandler)})
	ts.Check(err)
	ts.Defer(func() { app.Close() })
	err = playApp(ctx, ts, app, args)
	switch {
	case neg && err == nil:
		ts.Fatalf("the wallet agreed")
	case neg && args[len(args)-1] == "silence" && errors.Is(err, context.DeadlineExceeded):
	case neg && !strings.Contains(err.Error(), args[len(args)-1]):
		ts.Fatalf("got %v", err)
	case !neg:
		ts.Check(err)
	}
}

func playApp(ctx context.Context, ts *testscript.TestScript, app *client.Client, args []string) error {
	if args[0] == "login" {
		grant, err := app.Authenticate(ctx, client.Auth{Account: "alice", Secret: client.Secret(args[1])})
		if err != nil {
			return err
		}
		return keepSession(ts, grant.Session)
	}
	paired := ts.Value("pairing").(chan error)
	switch args[0] {
	case "use":
		return keepSession(ts, client.NewSession("alice", args[1]))
	case "pair":
		pairing, err := app.Pair(ctx, client.Auth{Account: "alice"})
		if err == nil {
			write(ts, args[1], pairing.Link()+"\n")
			go func() { paired <- keepPaired(ts, pairing) }()
		}
		return err
	case "paired":
		return <-paired
	}
	session, err := client.LoadSession([]byte(ts.ReadFile("session")))
	ts.Check(err)
	defer keepSession(ts, session)
	switch args[0] {
	case "challenge":
		_, err = app.Challenge(ctx, session, client.Challenge{Role: hive.Posting, Text: "login as alice"})
	case "vote":
		_, err = app.Sign(ctx, session, client.SignRequest{Role: hive.Posting, Operations: []client.Operation{{
			Name: "vote", Fields: map[string]any{"voter": "alice", "author": "bob", "permlink": "a-post",
				"weight": 10000}}}})
	case "transfer":
		_, err = app.Sign(ctx, session, client.SignRequest{Role: hive.Active, Operations: []client.Operation{{
			Name: "transfer", Fields: map[string]any{"from": "alice", "to": "bob", "amount": "1.000 HIVE",
				"memo": ""}}}})
	default:
		ts.Fatalf("app %s?", args[0])
	}
	return err
}

func keepPaired(ts *testscript.TestScript, p *client.Pairing) error {
	ctx, cancel := context.WithTimeout(context.Background(), awaitTimeout)
	defer cancel()
	grant, err := p.Wait(ctx)
	if err != nil {
		return err
	}
	return keepSession(ts, grant.Session)
}

// keepSession keeps the nonces, which must grow.
func keepSession(ts *testscript.TestScript, s *client.Session) error {
	text, err := s.Save()
	if err == nil {
		write(ts, "session", string(text))
	}
	return err
}

// scriptJSON checks that the last output is JSON and nothing else: json stdout|stderr.
func scriptJSON(ts *testscript.TestScript, _ bool, args []string) {
	var v any
	if text := ts.ReadFile(args[0]); json.Unmarshal([]byte(text), &v) != nil {
		ts.Fatalf("%s is not one JSON value:\n%s", args[0], text)
	}
}

// scriptLines checks that each line of the last output is a JSON value: lines stdout.
func scriptLines(ts *testscript.TestScript, _ bool, args []string) {
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		if !json.Valid([]byte(line)) {
			ts.Fatalf("not JSON: %s", line)
		}
	}
}

// scriptEmpty checks that a folder has no entries, or none whose name begins as given: empty FOLDER
// [PREFIX].
func scriptEmpty(ts *testscript.TestScript, _ bool, args []string) {
	entries, err := os.ReadDir(ts.MkAbs(args[0]))
	ts.Check(err)
	for _, e := range entries {
		if len(args) == 1 || strings.HasPrefix(e.Name(), args[1]) {
			ts.Fatalf("%s holds %s", args[0], e.Name())
		}
	}
}

// scriptUncomment takes the signs # away from what the starter policy shows, as it says to do.
func scriptUncomment(ts *testscript.TestScript, _ bool, args []string) {
	head, shown, ok := strings.Cut(ts.ReadFile(args[0]), "#\n")
	if !ok {
		ts.Fatalf("%s shows nothing", args[0])
	}
	write(ts, args[1], head+regexp.MustCompile(`(?m)^# ?`).ReplaceAllString(shown, ""))
}

// scriptPort sets a variable to a free address of loopback: port NAME.
func scriptPort(ts *testscript.TestScript, _ bool, args []string) {
	address, err := relaytest.FreeAddress()
	ts.Check(err)
	ts.Setenv(args[0], address)
}

// scriptListens waits until somebody listens at an address: listens ADDRESS.
func scriptListens(ts *testscript.TestScript, _ bool, args []string) {
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for range awaitTimeout / (10 * time.Millisecond) {
		if conn, err := net.Dial("tcp", args[0]); err == nil {
			conn.Close()
			return
		}
		<-ticker.C
	}
	ts.Fatalf("nobody listens at %s", args[0])
}

// scriptMarked writes a text with a byte order mark: marked utf-8|utf-16le|utf-16be FILE OUT.
func scriptMarked(ts *testscript.TestScript, _ bool, args []string) {
	text := "\ufeff" + strings.ReplaceAll(ts.ReadFile(args[1]), "\n", "\r\n")
	orders := map[string]binary.AppendByteOrder{"utf-16le": binary.LittleEndian, "utf-16be": binary.BigEndian}
	order, wide := orders[args[0]]
	if !wide {
		write(ts, args[2], text)
		return
	}
	var out []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		out = order.AppendUint16(out, unit)
	}
	write(ts, args[2], string(out))
}

// scriptWrapped writes a text with a line end after each 60 bytes, and an empty line behind it if
// that is asked for: wrapped FILE OUT [Enter].
func scriptWrapped(ts *testscript.TestScript, _ bool, args []string) {
	var lines []string
	for line := range slices.Chunk([]byte(strings.TrimSpace(ts.ReadFile(args[0]))), 60) {
		lines = append(lines, string(line))
	}
	write(ts, args[1], strings.Join(lines, "\n")+strings.Repeat("\n", len(args)-1))
}

// scriptChatLink writes a pairing link as chat bots send it: chatlink [-compact] FILE OUT.
func scriptChatLink(ts *testscript.TestScript, _ bool, args []string) {
	link, err := protocol.ParsePairingLink(ts.ReadFile(args[len(args)-2]))
	ts.Check(err)
	uri, err := link.URI()
	ts.Check(err)
	payload := strings.TrimPrefix(uri, "has://auth_req/")
	if args[0] == "-compact" {
		body := append([]byte{255, byte(len(link.Host))}, link.Host...)
		for _, uuid := range []string{string(link.UUID), string(link.Key)} {
			digits, err := hex.DecodeString(strings.ReplaceAll(uuid, "-", ""))
			ts.Check(err)
			body = append(body, digits...)
		}
		payload = "1" + base64.RawURLEncoding.EncodeToString(append(body, link.Account...))
	}
	write(ts, args[len(args)-1], "https://waivio.example/has#"+payload+"\n")
}

// scriptPicture writes a picture that shows a pairing link: picture FILE.
func scriptPicture(ts *testscript.TestScript, _ bool, args []string) {
	picture, err := os.ReadFile(pictureFile)
	ts.Check(err)
	write(ts, args[0], string(picture))
}
