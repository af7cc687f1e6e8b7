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

	"pksa/agent"
	"pksa/agent/control"
	"pksa/agent/ledger"
	"pksa/agent/relay/relaytest"
	"pksa/keystore/filelock"
)

// saidBy are the files of which scripts have to show texts: those that name a command, or those
// that match a pattern.
var saidBy = []struct{ file, texts string }{
	{"../../agent/admin.go", ""},
	{"../../agent/ask.go", ""},
	{"../../agent/clock.go", ""},
	{"../../agent/link/register.go", ""},
	{"../../agent/refund/refund.go", ""},
	{"../../agent/status.go", ""},
	{"../../agent/twin.go", ""},
	// what to do stands behind a colon
	{"../../keystore/errors.go", `: |^wrong passphrase|another way|not of the kind`},
}

// unsaid are parts of those texts that no command of this program leads to, or that other tests
// execute.
var unsaid = []string{
	"there is no live session",         // `pksa session revoke` asks for several, and has a hint
	"a person is asked",                // in the log, while somebody waits
	"wait for your yes or no",          // the reason of a refusal in the log, after twenty that wait: see package agent
	"this auth_key has a live session", // `pksa session add` shows it, as if it was made now
	"no proof of key can be made",      // of keys that are gone: see package link
	"a file of this name exists",       // commands that make a keystore look before; only a race shows it
	"may or may not have been kept",    // after an error of the disk: see package keystore
	"opened for reading only",          // the agent's keystore, which it never changes
}

// checkSaid fails for a text of these files that no script has shown.
func (r *hintRun) checkSaid(t *testing.T) {
	texts := textsOf(t, "../../agent", "../../keystore")
	for _, by := range saidBy {
		if len(texts[by.file]) == 0 {
			t.Errorf("%s has no text", by.file)
		}
		for _, text := range texts[by.file] {
			wanted := len(commandsIn(text)) > 0
			if by.texts != "" {
				wanted = regexp.MustCompile(by.texts).MatchString(text)
			}
			excused := func(part string) bool { return strings.Contains(text, part) }
			if wanted && !r.shown(text) && !slices.ContainsFunc(unsaid, excused) {
				t.Errorf("%s: no script shows this text and executes what it names: %q", by.file, text)
			}
		}
	}
}

// shown reports whether a script has shown a text, which may be a format.
func (r *hintRun) shown(text string) bool {
	pattern := regexp.MustCompile(`%[a-z]`).ReplaceAllString(regexp.QuoteMeta(text), ".+")
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
	ts.Check(c.withLedger(context.Background(), func(path string, o ledger.Options) error {
		o.Now = func() time.Time { return time.Now().Round(0).Add(-2 * time.Hour) }
		mark := strings.TrimSuffix(path, ".db") + ".mark"
		if err := errors.Join(os.Remove(path), os.Remove(mark), ledger.Create(path, o)); err != nil {
			return fmt.Errorf("making an old ledger: %w", err)
		}
		l, err := ledger.Open(path, o)
		if err != nil {
			return err
		}
		_, err = l.Append(context.Background(), ledger.Entry{Type: ledger.RecordEvent, Outcome: "of two hours ago"})
		return errors.Join(err, l.Close())
	}))
}
