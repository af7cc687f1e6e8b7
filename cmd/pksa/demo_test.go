package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
)

// stopAt cancels when a text was written.
type stopAt struct {
	bytes.Buffer
	text string
	stop context.CancelFunc
}

func (w *stopAt) Write(p []byte) (int, error) {
	n, err := w.Buffer.Write(p)
	if strings.Contains(w.String(), w.text) {
		w.stop()
	}
	return n, err
}

// An interrupt ends the demo wherever it stands, and nothing is left behind.
func TestDemoInterrupted(t *testing.T) {
	for _, at := range []string{"1. ", "registered", "2. ", "6. ", "7. "} {
		dir := t.TempDir()
		t.Setenv("TMPDIR", dir)
		ctx, stop := context.WithCancel(t.Context())
		out, errs := &stopAt{text: at, stop: stop}, new(bytes.Buffer)
		if status := run(ctx, []string{"demo"}, streams{nil, out, errs}); status != 1 ||
			!strings.Contains(errs.String(), "interrupted") {
			t.Errorf("at %q: status %d, %s%s", at, status, out, errs)
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("at %q: left %v", at, left)
		}
	}
}

// Exit statuses are what scripts and services see.
func TestExitStatus(t *testing.T) {
	t.Setenv("PKSA_HOME", t.TempDir()+"/none")
	for line, want := range map[string]int{
		"":                         0,
		"help":                     0,
		"version":                  0,
		"keys":                     0,
		"frobnicate":               2,
		"keys frobnicate":          2,
		"init --frobnicate":        2,
		"policy check a b":         2,
		"keys import a b":          2,
		"app add":                  2,
		"session add alice":        2,
		"keys import alice":        2,
		"migrate":                  2,
		"status":                   1,
		"keys list":                1,
		"policy check none.yaml":   1,
		"migrate --from none.here": 1,
	} {
		out, errs := new(bytes.Buffer), new(bytes.Buffer)
		if got := run(t.Context(), strings.Fields(line), streams{strings.NewReader(""), out, errs}); got != want {
			t.Errorf("pksa %s: status %d, want %d: %s", line, got, want, errs)
		}
		if want != 0 && !strings.HasPrefix(errs.String(), "pksa: error: ") {
			t.Errorf("pksa %s says %s", line, errs)
		}
	}
}
