package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

// stopper cancels at the first write.
type stopper struct {
	bytes.Buffer
	stop context.CancelFunc
}

func (w *stopper) Write(p []byte) (int, error) {
	w.stop()
	return w.Buffer.Write(p)
}

// An interrupted demo is a failure without a hint: nothing is wrong with program or machine.
func TestDemoInterrupted(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	out, errs := &stopper{stop: stop}, new(bytes.Buffer)
	status := run(ctx, []string{"demo"}, streams{nil, out, errs})
	if status != exitFailure || !strings.Contains(errs.String(), "interrupted") || strings.Contains(errs.String(),
		"hint") {
		t.Errorf("status %d, %s%s", status, out, errs)
	}
}
