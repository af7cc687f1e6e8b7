package main

import (
	"bytes"
	"context"
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

	"filippo.io/age"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

	"pksa/agent"
	"pksa/agent/config"
	"pksa/agent/control"
	"pksa/agent/ledger"
	"pksa/agent/relay/relaytest"
	"pksa/keystore/filelock"
)

// saidBy are files of which scripts have to show texts beside those that name a command: those that
// match a pattern.
var saidBy = map[string]string{
	// what to do stands behind a colon
	"../../keystore/errors.go": `: |^wrong passphrase|another way|not of the kind`,
}

// unsaidFile are files whose texts are said elsewhere: hints have scripts of their own, and of the
// catalogue of metrics a page is made.
var unsaidFile = map[string]bool{"hints.go": true, "../../agent/status/catalog.go": true}

// unsaid are parts of texts that no command of this program leads to, or that only explain.
var unsaid = []string{
	"silenced as meant so",             // the command is that of the warnings above it
	"the outcome of too many",          // after 4,096 broadcasts of unknown outcome: see package agent
	"there is no live session",         // for a control socket that asks for one; the command asks for several
	"this auth_key has a live session", // `pksa session add` shows it, as if it was made now
	"no proof of key can be made",      // of keys that are gone: see package link
	"a file of this name exists",       // commands that make a keystore look before; only a race shows it
	"may or may not have been kept",    // after an error of the disk: see package keystore
	"opened for reading only",          // the agent's keystore, which it never changes
	"the trail up to there is another", // names what did that; package audit has the state, and nothing is to be done
	"This system lacks protections",    // of systems other than Linux
	"`%s` ",                            // what is wrong with the arguments of a command; its help is the hint
	"the nonce is too far behind",      // of the trail; status leads to the same command (said.txtar)
	"a mistake of the application",     // our own client makes none: package agent shows it (TestMistakesAreAnswered)
	"`pksa ([^-`])",                    // a pattern
	"shows the nodes",                  // of nodes that disagree or stand still: package agent (TestReadyMeansItSigns)
	"none of the held keys fits",       // the same; the line of the account leads to the same command (keys.txtar)
	// What a refused request would have needed, behind its reason (TestWhy).
	"a rule below allow that takes", "room in the limit, or", "the clocks of this machine and of",
	"a person says yes", "what was missing is there", "is looked at and accepted", "is not paused any more",
	"the operator paused the wallet", "the operator paused this app", // names what was done; status leads on
	// What the doctor advises of a wallet that runs, in the states that package doctor makes
	// (TestFaults); the commands are those that texts of these states name elsewhere.
	"another secret for it comes from", "see by `pksa limit list` what counted",
	"at fault; `pksa session release --help`", "ends the pause", "gives it its keys back",
	"see by `pksa guard list` what changed",
	// Where a policy takes an approver's yes, in states that package agent makes
	// (TestPolicyByTwoKeys), and package ledger (TestApprovedPolicy); the passkey is a browser's.
	"enrol an approver for the present address", "policy_approval has no effect", "and which one had it was lost",
	"approved last cannot be used by this program", "a changed policy takes an approver's yes",
	"whatever policy_approval says by now", "no policy is approved, and the wallet does not start until",
	// What notifications say, in states that package agent makes (TestTellsOfTroubles and those
	// beside it); the log, status and `pksa pending` lead to the same commands.
	"On the wallet's machine: ", "Somebody typed `pksa notify test`",
}

// checkSaid fails for a text of the program that names a command, and that nothing here has shown.
// Help and the descriptions of settings are not said in a state; TestTextsNameCommands holds them.
func (r *hintRun) checkSaid(t *testing.T) {
	help := helpTexts()
	for file, texts := range textsOf(t, "../../agent", "../../keystore", ".") {
		for _, text := range texts {
			wanted := len(commandsIn(text)) > 0 && !unsaidFile[file] && !strings.Contains(help, inOneLine(text))
			if by := saidBy[file]; by != "" {
				wanted = regexp.MustCompile(by).MatchString(text)
			}
			excused := func(part string) bool { return strings.Contains(text, part) }
			if wanted && !r.shown(text) && !slices.ContainsFunc(unsaid, excused) {
				t.Errorf("%s: no script shows this text and executes what it names: %q", file, text)
			}
		}
	}
	for file := range saidBy {
		if _, err := os.Stat(file); err != nil {
			t.Error(err)
		}
	}
}

// helpTexts returns all that help says, and what the settings file says of settings.
func helpTexts() string {
	var all strings.Builder
	var add func(*cobra.Command)
	add = func(c *cobra.Command) {
		all.WriteString(inOneLine(c.Short) + " " + inOneLine(c.Long) + " " + inOneLine(c.Example) + " ")
		for _, m := range regexp.MustCompile(`--([a-z-]+)`).FindAllStringSubmatch(c.Flags().FlagUsages(), -1) {
			if f := c.Flags().Lookup(m[1]); f != nil { // a usage may name a flag of another command
				all.WriteString(inOneLine(f.Usage) + " ")
			}
		}
		for _, sub := range c.Commands() {
			add(sub)
		}
	}
	add(new(command).root())
	all.WriteString(inOneLine(strings.ReplaceAll(config.Template(nil), "#", " ")))
	return all.String()
}

// inOneLine returns a text without its line ends.
func inOneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// shown reports whether a script has shown a text, which may be a format.
func (r *hintRun) shown(text string) bool {
	text = regexp.MustCompile(`%[][.\d]*[a-z]`).ReplaceAllString(inOneLine(text), "%s")
	pattern := strings.ReplaceAll(regexp.QuoteMeta(text), "%s", ".*")
	pattern = regexp.MustCompile("`pksa ").ReplaceAllString(pattern, "`pksa (--home [^`]+ )?")
	return slices.ContainsFunc(r.said, regexp.MustCompile(pattern).MatchString)
}

// scriptFault makes the relay of the script worse: fault error TEXT refuses registrations with a
// text, fault drop CMD loses what the wallet sends under this name. fault none ends that.
func scriptFault(ts *testscript.TestScript, _ bool, args []string) {
	var fault relaytest.Fault
	switch args[0] {
	case "error":
		text, err := json.Marshal(map[string]string{"cmd": "error", "error": args[1]})
		ts.Check(err)
		fault = func(w *relaytest.Wire, f relaytest.Frame) {
			if f.To == relaytest.ToRelay && f.Cmd == "register_req" {
				w.Send(relaytest.ToClient, text)
				return
			}
			w.Pass(f)
		}
	case "drop":
		fault = func(w *relaytest.Wire, f relaytest.Frame) {
			if f.To != relaytest.ToRelay || f.Cmd != args[1] {
				w.Pass(f)
			}
		}
	}
	if fault == nil {
		ts.Value("fault").(*atomic.Pointer[relaytest.Fault]).Store(nil)
		return
	}
	ts.Value("fault").(*atomic.Pointer[relaytest.Fault]).Store(&fault)
}

// scriptRelock locks a keystore by hand, as the age tool does: relock FILE OLD NEW, which are
// identity files. With a content as well it is what the file holds then.
func scriptRelock(ts *testscript.TestScript, _ bool, args []string) {
	identity := func(file string) *age.X25519Identity {
		all, err := age.ParseIdentities(strings.NewReader(ts.ReadFile(file)))
		ts.Check(err)
		return all[0].(*age.X25519Identity)
	}
	r, err := age.Decrypt(strings.NewReader(ts.ReadFile(args[0])), identity(args[1]))
	ts.Check(err)
	content, err := io.ReadAll(r)
	ts.Check(err)
	if len(args) > 3 {
		content = []byte(args[3])
	}
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, identity(args[2]).Recipient())
	ts.Check(err)
	_, err = w.Write(content)
	ts.Check(errors.Join(err, w.Close()))
	write(ts, args[0], sealed.String())
}

// scriptHeld holds the lock of a keystore as a process that changes it: held FILE, and held to let
// it go.
func scriptHeld(ts *testscript.TestScript, _ bool, args []string) {
	at := chainOf(ts)
	if len(args) == 0 {
		ts.Check(at.locked.Close())
		return
	}
	var err error
	at.locked, err = os.OpenFile(ts.MkAbs(args[0]+".lock"), os.O_RDWR|os.O_CREATE, 0o600)
	ts.Check(err)
	ts.Check(filelock.Lock(at.locked))
}

// scriptPages overwrites the head of every page of a ledger file, save for the two that begin it:
// pages FILE.
func scriptPages(ts *testscript.TestScript, _ bool, args []string) {
	text := []byte(ts.ReadFile(args[0]))
	size := os.Getpagesize()
	for at := 2 * size; at+16 <= len(text); at += size {
		copy(text[at:], bytes.Repeat([]byte{0xff}, 16))
	}
	write(ts, args[0], string(text))
}

// untilTimeout bounds what a script waits for a state that takes long by itself.
const untilTimeout = 2 * time.Minute

// scriptUntil waits until the status of the running agent has a text: until TEXT.
func scriptUntil(ts *testscript.TestScript, _ bool, args []string) {
	socket := filepath.Join(ts.Getenv("PKSA_HOME"), "control.sock")
	ctx, cancel := context.WithTimeout(context.Background(), untilTimeout)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		var s json.RawMessage
		err := control.Call(ctx, socket, agent.MethodStatus, struct{}{}, &s)
		if strings.Contains(string(s), args[0]) {
			return
		}
		select {
		case <-ctx.Done():
			ts.Fatalf("status has no %q: %v, %s", args[0], err, s)
		case <-ticker.C:
		}
	}
}

// scriptAged puts a ledger in the place of the new one of the home folder whose last record is two
// hours old.
func scriptAged(ts *testscript.TestScript, _ bool, _ []string) {
	c := &command{streams: streams{strings.NewReader(""), io.Discard, io.Discard}, home: ts.Getenv("PKSA_HOME")}
	ts.Check(c.withLedger(context.Background(), func(cfg *config.Config, o ledger.Options) error {
		o.Now = func() time.Time { return time.Now().Round(0).Add(-2 * time.Hour) }
		mark := strings.TrimSuffix(cfg.Ledger, ".db") + ".mark"
		if err := errors.Join(os.Remove(cfg.Ledger), os.Remove(mark), ledger.Create(cfg.Ledger, o)); err != nil {
			return fmt.Errorf("making an old ledger: %w", err)
		}
		l, err := ledger.Open(cfg.Ledger, o)
		if err != nil {
			return err
		}
		_, err = l.Append(context.Background(), ledger.Entry{Type: ledger.RecordEvent, Outcome: "of two hours ago"})
		return errors.Join(err, l.Close())
	}))
}
