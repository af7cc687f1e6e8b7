package agent

import (
	"errors"
	"strings"
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

// A short message names no app, and each text leads to the end.
func TestEndOfQuarantine(t *testing.T) {
	for _, c := range []struct {
		who        listener
		hint, away string
	}{
		{listener{session: 7}, "`pksa session release 7`", "`pksa session release 7`"},
		{listener{app: "mybot"}, "`pksa session release --app mybot`", "`pksa status` "},
	} {
		hint, away := c.who.ends()
		if !strings.HasPrefix(hint, c.hint) || !strings.Contains(away, c.away) ||
			strings.Contains(away, "mybot") {
			t.Errorf("%+v: %q, %q", c.who, hint, away)
		}
	}
}
