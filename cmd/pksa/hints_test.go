package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	bolt "go.etcd.io/bbolt"

	"pksa/agent/config"
	"pksa/agent/ledger"
	"pksa/cmd/pksa/internal/logtail"
)

// hintRun is what the scripts below testdata/hints have shown.
type hintRun struct {
	mu      sync.Mutex
	chains  []*chain        // one for each script
	printed map[string]bool // hints, by name
	led     map[string]bool // hints and the number of a command in them: "name 1"
	said    []string        // texts with commands that were executed
}

// chain is the way of one script from a failure to what ends it.
type chain struct {
	origin  []string // the command line that failed first
	visited []string // the hints that were met since
	failed  bool     // the last command failed, and its hint was not looked at yet
	hint    *advice
	lines   [][]string // the commands in the last hint
	running *exec.Cmd  // an agent that a hint has started
	locked  *os.File   // whose lock the script holds
}

// open reports whether the way has no end yet.
func (at *chain) open() bool { return at.failed || at.hint != nil }

// Every hint is printed in a script below testdata/hints, every command in it is executed there in
// that very state, and the way leads to a command that succeeds, past no hint twice.
func TestHints(t *testing.T) {
	t.Parallel()
	seen := &hintRun{printed: map[string]bool{}, led: map[string]bool{}}
	params := scriptParams("testdata/hints")
	hasDatabases := withDatabases(t, &params)
	t.Run("scripts", func(t *testing.T) {
		setup := params.Setup
		params.Setup = func(e *testscript.Env) error {
			seen.mu.Lock()
			defer seen.mu.Unlock()
			at := new(chain)
			seen.chains = append(seen.chains, at)
			e.Values["chain"] = at
			return setup(e)
		}
		params.Cmds["try"] = scriptTry
		params.Cmds["hinted"] = seen.scriptHinted
		params.Cmds["said"] = seen.scriptSaid
		params.Cmds["future"] = scriptFuture
		params.Cmds["follow"] = seen.scriptFollow
		params.Cmds["again"] = scriptAgain
		params.Cmds["leads"] = scriptLeads
		params.Cmds["halt"] = scriptHalt
		params.Cmds["serving"] = scriptServing
		params.Cmds["yield"] = scriptYield
		params.Cmds["damage"] = scriptDamage
		params.Cmds["chown"] = scriptChown
		params.Cmds["fault"] = scriptFault
		params.Cmds["until"] = scriptUntil
		params.Cmds["aged"] = scriptAged
		params.Cmds["relock"] = scriptRelock
		params.Cmds["held"] = scriptHeld
		params.Cmds["pages"] = scriptPages
		testscript.Run(t, params)
	})
	if t.Failed() || t.Skipped() {
		return
	}
	for _, at := range seen.chains {
		if at.open() {
			t.Errorf("%s came to no end, after the hints %v", strings.Join(at.origin, " "), at.visited)
		}
	}
	if all, _ := filepath.Glob("testdata/hints/*.txtar"); len(seen.chains) < len(all) {
		t.Skipf("%d of %d scripts did run", len(seen.chains), len(all))
	}
	t.Run("limit release", seen.limitRelease)
	t.Run("limit texts", seen.limitTexts)
	t.Run("running", seen.running)
	t.Run("commands", seen.commands)
	seen.checkSaid(t)
	for name, a := range advices {
		if os.Geteuid() != 0 && slices.Contains(rootHints, name) ||
			!hasDatabases && slices.Contains(databaseHints, name) {
			continue
		}
		if !seen.printed[name] {
			t.Errorf("no script prints hint %q: write one, see testdata/hints/README.md", name)
		}
		for i := range commandsIn(a.text) {
			if key := fmt.Sprint(name, " ", i+1); !seen.led[key] {
				t.Errorf("no script executes command %d of hint %q", i+1, name)
			}
		}
	}
}

// rootHints are hints whose state only root can make: files of other users.
var rootHints = []string{"wrong-user", "other-user", "foreign-folder", "volume"}

// databaseHints are hints that need a PostgreSQL server.
var databaseHints = []string{"ledger-elsewhere", "ledger-database", "move-from", "database-empty", "database-locked",
	"database-loss", "deposed"}

// commandsIn returns the command lines of this program in a hint.
func commandsIn(hint string) [][]string {
	var lines [][]string
	for _, m := range regexp.MustCompile("`(pksa|%s) ?([^`]*)`").FindAllStringSubmatch(hint, -1) {
		lines = append(lines, shellWords(m[1]+" "+m[2]))
	}
	return lines
}

// shellWords splits a command line as a shell does.
func shellWords(line string) []string {
	var words []string
	for _, m := range regexp.MustCompile(`'[^']*'|[^ ]+`).FindAllString(line, -1) {
		words = append(words, strings.Trim(m, "'"))
	}
	return words
}

func chainOf(ts *testscript.TestScript) *chain { return ts.Value("chain").(*chain) }

// execute runs a command line, which has to succeed or to fail.
func execute(ts *testscript.TestScript, neg bool, line []string) {
	at := chainOf(ts)
	err := ts.Exec(line[0], line[1:]...)
	if (err != nil) != neg {
		ts.Fatalf("%s: %v", strings.Join(line, " "), err)
	}
	at.failed = neg
	if !neg {
		*at = chain{running: at.running, locked: at.locked}
	}
}

// scriptTry runs a command that fails, and begins with it: try pksa ARG... With ! it has the status
// of success, and a hint nevertheless.
func scriptTry(ts *testscript.TestScript, neg bool, args []string) {
	at := chainOf(ts)
	if at.open() {
		ts.Fatalf("%s came to no end, after the hints %v", strings.Join(at.origin, " "), at.visited)
	}
	execute(ts, !neg, args)
	at.origin, at.failed = args, true
}

// scriptHinted checks which hint the last output ends with: hinted NAME. None may be met twice: it
// would be a circle.
func (r *hintRun) scriptHinted(ts *testscript.TestScript, _ bool, args []string) {
	at := chainOf(ts)
	a := advices[args[0]]
	if a == nil {
		ts.Fatalf("there is no hint %q", args[0])
	}
	said := regexp.MustCompile(`(?m)^pksa: hint: `).Split(ts.ReadFile("stderr"), -1)[1:]
	for i := range said {
		said[i], _, _ = strings.Cut(said[i], "\npksa: ")
	}
	i := slices.IndexFunc(said, a.matches)
	if i < 0 {
		ts.Fatalf("hint %q is not what was printed: %q", args[0], said)
	}
	text := strings.TrimRight(said[i], "\n")
	if slices.Contains(at.visited, a.name) {
		ts.Fatalf("%s leads in a circle: %v, %s", strings.Join(at.origin, " "), at.visited, a.name)
	}
	at.visited = append(at.visited, a.name)
	at.hint, at.lines, at.failed = a, commandsIn(text), false
	r.mu.Lock()
	defer r.mu.Unlock()
	r.printed[a.name] = true
	r.said = append(r.said, strings.Join(strings.Fields(ts.ReadFile("stderr")), " "))
}

// scriptSaid takes the commands in what the last command said, as those of a hint: said TEXT. They
// are in the sentence with the text, on standard output or in an error.
func (r *hintRun) scriptSaid(ts *testscript.TestScript, _ bool, args []string) {
	at := chainOf(ts)
	all := strings.Join(strings.Fields(ts.ReadFile("stdout")+" "+ts.ReadFile("stderr")), " ")
	i := strings.Index(all, args[0])
	if i < 0 {
		ts.Fatalf("it does not say %q: %s", args[0], all)
	}
	rest, _, _ := strings.Cut(all[i:], " pksa: ")
	at.hint, at.lines, at.failed = &advice{name: "said " + args[0], text: rest}, commandsIn(rest), false
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = append(r.said, all)
}

// scriptFuture writes a record of the day after tomorrow into the ledger of the home folder.
func scriptFuture(ts *testscript.TestScript, _ bool, _ []string) {
	c := &command{streams: streams{strings.NewReader(""), io.Discard, io.Discard}, home: ts.Getenv("PKSA_HOME")}
	ts.Check(c.withLedger(context.Background(), func(cfg *config.Config, o ledger.Options) error {
		o.Now = func() time.Time { return time.Now().Round(0).Add(48 * time.Hour) }
		l, err := ledger.Open(cfg.Ledger, o)
		if err != nil {
			return err
		}
		_, err = l.Append(context.Background(), ledger.Entry{Type: ledger.RecordEvent, Outcome: "of the future"})
		return errors.Join(err, l.Close())
	}))
}

// matches reports whether a text is this hint, with something in the place of its verbs.
func (a *advice) matches(text string) bool {
	text = strings.TrimRight(text, "\n")
	pattern := regexp.QuoteMeta(a.text)
	pattern = regexp.MustCompile("`pksa ").ReplaceAllString(pattern, "`pksa (--home [^`]+ )?")
	pattern = regexp.MustCompile(`%[a-z]`).ReplaceAllString(pattern, "(?s:.+)")
	return regexp.MustCompile("^"+pattern+"$").MatchString(text) && !strings.Contains(text, "%!")
}

// scriptFollow runs a command of the last hint, as it was printed: follow [N] [WORD=VALUE...]. A
// value takes the place of a word that is for the person to fill in.
func (r *hintRun) scriptFollow(ts *testscript.TestScript, neg bool, args []string) {
	at := chainOf(ts)
	n := 1
	if len(args) > 0 && len(args[0]) == 1 {
		fmt.Sscan(args[0], &n)
		args = args[1:]
	}
	if at.hint == nil || n > len(at.lines) {
		ts.Fatalf("the last hint has no command %d", n)
	}
	line := slices.Clone(at.lines[n-1])
	for _, arg := range args {
		word, value, _ := strings.Cut(arg, "=")
		i := slices.Index(line, word)
		if i < 0 {
			ts.Fatalf("%v has no word %s", line, word)
		}
		line[i] = value
	}
	r.mu.Lock()
	r.led[fmt.Sprint(at.hint.name, " ", n)] = true
	r.mu.Unlock()
	if slices.Contains(line, "run") {
		at.running = startAgent(ts, line)
		return
	}
	state := *at
	execute(ts, neg, line)
	if !neg {
		*at = state // a way ends where what failed succeeds
	}
}

// startAgent runs a command that goes on, and waits until it answers.
func startAgent(ts *testscript.TestScript, line []string) *exec.Cmd {
	ts.Check(ts.Exec("env"))
	cmd := exec.Command(filepath.Join(strings.Split(ts.Getenv("PATH"), string(os.PathListSeparator))[0], line[0]),
		line[1:]...)
	cmd.Dir, cmd.Env = ts.MkAbs("."), strings.Split(strings.TrimRight(ts.ReadFile("stdout"), "\n"), "\n")
	said := new(logtail.Buffer)
	cmd.Stderr = said
	ts.Check(cmd.Start())
	ts.Defer(func() { _ = cmd.Process.Kill() }) // an error: it has ended
	if !agentAnswers(ts, line[:slices.Index(line, "run")]) {
		ts.Fatalf("%v does not serve: %s", line, said.Last(100))
	}
	return cmd
}

// agentAnswers waits until an agent answers commands that begin with these words.
func agentAnswers(ts *testscript.TestScript, line []string) bool {
	for range awaitTimeout / (10 * time.Millisecond) {
		if ts.Exec(line[0], slices.Concat(line[1:], []string{"pending"})...) == nil {
			return true
		}
		<-time.After(10 * time.Millisecond)
	}
	return false
}

// scriptServing waits until the agent of the home folder answers.
func scriptServing(ts *testscript.TestScript, _ bool, _ []string) {
	if !agentAnswers(ts, []string{"pksa"}) {
		ts.Fatalf("the agent does not serve")
	}
}

// scriptYield lets the wallet of the home folder have yielded to another copy.
func scriptYield(ts *testscript.TestScript, _ bool, _ []string) {
	c := &command{streams: streams{strings.NewReader(""), io.Discard, io.Discard}, home: ts.Getenv("PKSA_HOME")}
	cfg, err := c.settings()
	ts.Check(err)
	store, err := c.offline(context.Background(), cfg)
	ts.Check(err)
	err = store.ledger.Yield(context.Background(), ledger.Yield{At: time.Now(), Relay: "wss://relay.example/"},
		ledger.Entry{Type: ledger.RecordEvent, Outcome: "yielded", Content: []byte("{}")})
	ts.Check(errors.Join(err, store.close()))
}

// scriptDamage alters bytes of a value in the ledger of the home folder: damage BUCKET KEY BYTES,
// where the key is a number or a name.
func scriptDamage(ts *testscript.TestScript, _ bool, args []string) {
	key := []byte(args[1])
	if n, err := strconv.ParseUint(args[1], 10, 64); err == nil {
		key = binary.BigEndian.AppendUint64(nil, n)
	}
	count, err := strconv.Atoi(args[2])
	ts.Check(err)
	ts.Check(alterValue(filepath.Join(ts.Getenv("PKSA_HOME"), "ledger.db"), args[0], key, count))
}

// alterValue alters bytes of a value in a ledger that is closed.
func alterValue(path, bucket string, key []byte, count int) error {
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte(bucket))
		value := slices.Clone(b.Get(key))
		for i := range count {
			value[20+i] ^= 0x41
		}
		return b.Put(key, value)
	})
	return errors.Join(err, db.Close())
}

// scriptChown gives a folder and all in it to another user, who can get there: chown NUMBER FOLDER.
func scriptChown(ts *testscript.TestScript, _ bool, args []string) {
	user, err := strconv.Atoi(args[0])
	ts.Check(err)
	folder := ts.MkAbs(args[1])
	ts.Check(filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, user, user))
	}))
	for up := filepath.Dir(folder); up != filepath.Clean(os.TempDir()) && up != "/"; up = filepath.Dir(up) {
		ts.Check(os.Chmod(up, 0o711))
	}
}

// scriptHalt stops the agent that a hint has started, and waits until it has ended.
func scriptHalt(ts *testscript.TestScript, _ bool, _ []string) {
	at := chainOf(ts)
	ts.Check(at.running.Process.Signal(os.Interrupt))
	ts.Check(at.running.Wait())
	at.running = nil
}

// scriptAgain runs the command that failed first: again, or ! again where the next hint follows.
func scriptAgain(ts *testscript.TestScript, neg bool, _ []string) {
	execute(ts, neg, chainOf(ts).origin)
}

// scriptLeads runs the command that a person was after, where that is not the one that failed:
// leads pksa ARG...
func scriptLeads(ts *testscript.TestScript, neg bool, args []string) { execute(ts, neg, args) }

// Hints are printed in one place only, and made in one file only, where the test above finds them.
func TestHintsAreRegistered(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		if file != "hints.go" && regexp.MustCompile(`\badvise\("|advice\{`).Match(text) {
			t.Errorf("%s makes a hint; all are made in hints.go", file)
		}
		if file != "exit.go" && strings.Contains(string(text), "pksa: hint") && file != "main.go" {
			t.Errorf("%s prints a hint by itself; give the error one by the function hint", file)
		}
	}
}
