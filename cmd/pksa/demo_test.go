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
