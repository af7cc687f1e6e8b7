package agent

import (
	"errors"
	"testing"

	"pksa/agent/notify"
)

// A backlog of the audit trail is told of once, and again after it was gone.
func TestTellsOfBacklog(t *testing.T) {
	a := &Agent{desk: notify.New(notify.Options{Targets: []notify.Target{{Kind: notify.KindNtfy}}})}
	var told toldOf
	full := errors.New("the disk is full")
	for i, step := range []struct {
		err  error
		told int
	}{{nil, 0}, {full, 1}, {full, 1}, {nil, 1}, {full, 2}} {
		a.tellBacklog(&told, step.err)
		if n := a.desk.Status()[0].Waiting; n != step.told {
			t.Errorf("step %d: %d events", i, n)
		}
	}
}
