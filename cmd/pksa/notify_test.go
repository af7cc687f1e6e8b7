package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pksa/agent"
	"pksa/agent/control"
	"pksa/agent/notify"
)

// The exit status says whether each notifier works; each one has its line, and what to do.
func TestNotifyTestCommand(t *testing.T) {
	works := notify.Tested{Kind: "ntfy", Server: "https://ntfy.example", Content: "short", OK: true, MS: 12}
	fails := notify.Tested{Kind: "webhook", Server: "https://hooks.example", Content: "full", Problem: "what is wrong",
		Next: "what to do"}
	for _, tt := range []struct {
		name   string
		found  []notify.Tested
		status int
		says   string
	}{
		{"all work", []notify.Tested{works}, exitOK, "ntfy https://ntfy.example  taken after 12 ms, content: short\n"},
		{"one fails", []notify.Tested{works, fails}, exitFailure, "not taken: what is wrong\n  what to do\n"},
		{"none", []notify.Tested{}, exitFailure, "names no way"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			home := serveMethods(t, map[string]control.Handler{
				agent.MethodNotifyTest: func(context.Context, []byte) (any, error) { return tt.found, nil },
			})
			status, out, said := pksa(t, home, "notify", "test")
			if status != tt.status || !strings.Contains(out+said, tt.says) {
				t.Errorf("%d: %s%s", status, out, said)
			}
		})
	}
}

// Without an agent the command sends itself, by the settings of the file.
func TestNotifyTestWithoutAnAgent(t *testing.T) {
	var body []byte
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ = io.ReadAll(r.Body)
	}))
	defer receiver.Close()
	home := t.TempDir()
	check(t, os.Chmod(home, 0o700))
	check(t, os.WriteFile(filepath.Join(home, "hook"), []byte("a secret of the tests of this command\n"), 0o600))
	check(t, os.WriteFile(filepath.Join(home, "config.yaml"), []byte("notify: [{webhook: "+receiver.URL+
		"/a-path, secret: file:hook, content: full}]\n"), 0o600))
	status, out, said := pksa(t, home, "notify", "test", "--json")
	if status != exitOK || !strings.Contains(out, `"ok": true`) || !strings.Contains(string(body), `"kind":"test"`) ||
		strings.Contains(out+said, "a-path") {
		t.Errorf("%d: %s%s; sent %s", status, out, said, body)
	}
	check(t, os.Remove(filepath.Join(home, "hook")))
	status, out, _ = pksa(t, home, "notify", "test")
	if status != exitFailure || !strings.Contains(out, "put the secret there") {
		t.Errorf("%d: %s", status, out)
	}
}

// Status has each notifier with its last success and failure, and no secret.
func TestStatusShowsNotifiers(t *testing.T) {
	var b strings.Builder
	printNotifiers(&b, []notify.Status{
		{Kind: "ntfy", Server: "https://ntfy.example"},
		{Kind: "webhook", Server: "https://hooks.example", Sent: 3, Failed: 2, Dropped: 1, Waiting: 4,
			LastSent: time.Unix(1_700_000_000, 0), LastFailed: time.Unix(1_700_000_060, 0), Problem: "what is wrong",
			Next: "what to do"},
	})
	for _, want := range []string{"ntfy https://ntfy.example  nothing sent yet\n", "3 sent, last at ", ", 2 failed",
		", 1 event dropped, 4 waiting\n", ": what is wrong\n    what to do\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing: %s", want, b.String())
		}
	}
	f := frame{now: time.Unix(1_700_000_100, 0), wide: 80}
	lines := strings.Join(f.lines(agent.Status{Notifiers: []notify.Status{{Kind: "ntfy", Server: "https://ntfy.example",
		Problem: "what is wrong"}}}, nil), "\n")
	if !strings.Contains(lines, "nobody is told by ntfy at https://ntfy.example: what is wrong") {
		t.Errorf("%s", lines)
	}
}
