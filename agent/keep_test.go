package agent_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pksa/agent/client"
	"pksa/agent/relay/relaytest"
)

// bot is one run of an application that keeps its session.
func (w *world) bot(t *testing.T, file string) (*client.Kept, error) {
	t.Helper()
	return w.dial().Keep(t.Context(), client.Login{Account: "alice", Secret: secret, File: file})
}

// sessionOf is the one session that alice should have.
func (w *world) sessionOf(t *testing.T) string {
	t.Helper()
	live := w.ledger.SessionsOf("alice")
	if len(live) != 1 {
		t.Fatalf("alice has %d sessions", len(live))
	}
	return live[0].ID.String()
}

func (w *world) revokeAll(t *testing.T) {
	t.Helper()
	for _, s := range w.ledger.SessionsOf("alice") {
		if _, err := w.ledger.EndSession(t.Context(), s.ID, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// However often a bot starts, it has one session, which it notices to be ended: at its next start
// at once, and while it runs by the answer to its next request, which it then makes again.
func TestKeptSession(t *testing.T) {
	policy := strings.Replace(allowAll, "session: 24h", "session: 2h", 1)
	within(t, worldOptions{policy: policy}, func(t *testing.T, w *world) {
		file := filepath.Join(t.TempDir(), "mybot.session")
		for i := range 5 {
			kept, err := w.bot(t, file)
			if err != nil {
				t.Fatalf("run %d: %v", i, err)
			}
			if _, err := kept.Sign(t.Context(), vote("post")); err != nil {
				t.Fatalf("run %d: %v", i, err)
			}
			time.Sleep(16 * time.Minute) // beyond an hour the wallet is asked about the session
		}
		first := w.sessionOf(t)
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the file: %v, %v", info.Mode(), err)
		}

		w.revokeAll(t)
		time.Sleep(time.Hour)
		begun := time.Now()
		kept, err := w.bot(t, file)
		if took := time.Since(begun); err != nil || took > 5*time.Second {
			t.Fatalf("after its session was ended, it started within %s: %v", took, err)
		}
		second := w.sessionOf(t)
		if second == first {
			t.Error("the session is still there")
		}

		w.revokeAll(t)
		if _, err := kept.Sign(t.Context(), vote("post")); err != nil {
			t.Errorf("in a session that was ended meanwhile: %v", err)
		}
		if third := w.sessionOf(t); third == second {
			t.Error("the session is still there")
		}

		time.Sleep(2 * time.Hour) // beyond its end
		if _, err := kept.Sign(t.Context(), vote("post")); err != nil {
			t.Errorf("after its end: %v", err)
		}
		w.sessionOf(t)
	})
}

// A session that lives is kept although the policy lets nobody log in any more: the wallet refuses
// to confirm it with the words for one that has ended.
func TestKeptSessionOutlivesItsRule(t *testing.T) {
	within(t, worldOptions{}, func(t *testing.T, w *world) {
		file := filepath.Join(t.TempDir(), "mybot.session")
		if _, err := w.bot(t, file); err != nil {
			t.Fatal(err)
		}
		first := w.sessionOf(t)
		w.write("policy.yaml", "version: 1\nallow:\n"+
			"  - {name: votes, request: sign, apps: any, operations: [vote]}\n")
		if err := w.agent.ReloadPolicy(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			time.Sleep(2 * time.Hour)
			kept, err := w.bot(t, file)
			if err != nil {
				t.Fatalf("run %d: %v", i, err)
			}
			if _, err := kept.Sign(t.Context(), vote("post")); err != nil {
				t.Fatalf("run %d: %v", i, err)
			}
		}
		if now := w.sessionOf(t); now != first {
			t.Errorf("session %s became %s", first, now)
		}
	})
}

// A wallet that ends each session again makes the bot stop, not fill the session table.
func TestKeptSessionsAreBounded(t *testing.T) {
	within(t, worldOptions{}, func(t *testing.T, w *world) {
		file := filepath.Join(t.TempDir(), "mybot.session")
		made := map[string]bool{}
		var last error
		kept, err := w.bot(t, file)
		if err != nil {
			t.Fatal(err)
		}
		for range 8 {
			for _, s := range w.ledger.SessionsOf("alice") {
				made[s.ID.String()] = true
			}
			w.revokeAll(t)
			if _, last = kept.Sign(t.Context(), vote("post")); last != nil {
				break
			}
		}
		// The next run is bounded by the same file.
		if kept, err = w.bot(t, file); err == nil {
			_, last = kept.Sign(t.Context(), vote("post"))
		}
		if !errors.Is(last, client.ErrTooManyLogins) || len(made) != 5 ||
			len(w.ledger.SessionsOf("alice")) != 0 {
			t.Errorf("%d sessions, and then %v", len(made), last)
		}
		time.Sleep(time.Hour)
		if _, err := w.bot(t, file); err != nil {
			t.Errorf("an hour later: %v", err)
		}
	})
}

// A bot that is cut off before it hears of its session goes on with the same one.
func TestKeptSessionSurvivesACut(t *testing.T) {
	var heard atomic.Bool
	within(t, worldOptions{fault: func(w *relaytest.Wire, f relaytest.Frame) {
		if f.To == relaytest.ToClient && f.Cmd == "auth_ack" && !heard.Load() {
			return
		}
		w.Pass(f)
	}}, func(t *testing.T, w *world) {
		file := filepath.Join(t.TempDir(), "mybot.session")
		ctx, cut := context.WithTimeout(t.Context(), time.Second)
		defer cut()
		login := client.Login{Account: "alice", Secret: secret, File: file}
		if _, err := w.dial().Keep(ctx, login); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("cut off: %v", err)
		}
		made := w.sessionOf(t)
		heard.Store(true)
		if _, err := w.bot(t, file); err != nil {
			t.Fatal(err)
		}
		if got := w.sessionOf(t); got != made {
			t.Error("there is another session")
		}
	})
}

// A refused login leaves no session to be tried for ever, and says that it was refused. A file of
// another kind, of another account, or that cannot be written, is an error before anything is
// asked.
func TestKeptSessionErrors(t *testing.T) {
	nobodyLogsIn := "version: 1\nallow:\n  - {name: votes, request: sign, apps: any, operations: [vote]}\n"
	within(t, worldOptions{policy: nobodyLogsIn}, func(t *testing.T, w *world) {
		folder := t.TempDir()
		for range 8 {
			if _, err := w.bot(t, filepath.Join(folder, "one")); !errors.Is(err, client.ErrRefused) {
				t.Errorf("a refused login: %v", err)
				break
			}
		}
		if err := os.WriteFile(filepath.Join(folder, "other"), []byte("something else"), 0o600); err != nil {
			t.Fatal(err)
		}
		bobs, err := client.NewSession("bob", "").Save()
		if err == nil {
			err = os.WriteFile(filepath.Join(folder, "bobs"), bobs, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		asked := len(w.outcomes())
		for name, want := range map[string]string{"other": "not a kept session", "bobs": "a session of bob",
			"missing/folder": "cannot be kept"} {
			if _, err := w.bot(t, filepath.Join(folder, name)); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if now := len(w.outcomes()); now != asked {
			t.Errorf("the wallet was asked %d times", now-asked)
		}
		if n := len(w.ledger.SessionsOf("alice")); n != 0 {
			t.Errorf("%d sessions", n)
		}
	})
}
