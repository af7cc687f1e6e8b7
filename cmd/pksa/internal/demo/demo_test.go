package demo_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"pksa/cmd/pksa/internal/demo"
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

// tempFolder makes a folder in which the demo makes its own.
func tempFolder(t *testing.T) string {
	dir := t.TempDir()
	for _, name := range []string{"TMPDIR", "TMP"} { // unix, Windows
		t.Setenv(name, dir)
	}
	return dir
}

// An interrupt ends the demo in whatever step it is, and nothing is left behind.
func TestInterrupted(t *testing.T) {
	for _, at := range []string{"1. ", "registered", "2. ", "6. ", "7. "} {
		dir := tempFolder(t)
		ctx, stop := context.WithCancel(t.Context())
		out := &stopAt{text: at, stop: stop}
		err := demo.Run(ctx, demo.Options{Out: out, Mark: "ok"})
		if err == nil || !strings.Contains(err.Error(), "interrupted") {
			t.Errorf("at %q: %v, %s", at, err, out)
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("at %q: left %v", at, left)
		}
	}
}

// Every step goes as it should, and leaves nothing behind.
func TestJSON(t *testing.T) {
	dir := tempFolder(t)
	var out bytes.Buffer
	if err := demo.Run(t.Context(), demo.Options{Out: &out, JSON: true}); err != nil {
		t.Fatal(err)
	}
	steps := 0
	for line := range strings.Lines(out.String()) {
		var step struct{ OK bool }
		if err := json.Unmarshal([]byte(line), &step); err != nil || !step.OK {
			t.Errorf("%v: %s", err, line)
		}
		steps++
	}
	if steps != 7 {
		t.Errorf("%d steps", steps)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}
