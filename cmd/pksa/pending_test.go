package main

import (
	"strings"
	"testing"
	"time"

	"pksa/agent"
)

// What the list leaves out is said, with the command that shows it.
func TestPendingSaysWhatIsCut(t *testing.T) {
	asked := agent.PendingRequest{Number: 7, Kind: "sign", Account: "alice", App: "game", KeyType: "posting",
		Until: time.Now().Add(time.Minute), Effects: []string{"one", "two"}, Operations: []string{"[]", "[]"}}
	for name, c := range map[string]struct {
		change func(*agent.PendingRequest)
		want   string
	}{
		"whole": {func(*agent.PendingRequest) {}, ""},
		"parts": {func(p *agent.PendingRequest) { p.InAll = 2500 },
			"… these are the first 2 of 2500 parts; `pksa pending 7` shows all\n"},
		"text": {func(p *agent.PendingRequest) { p.Cut = true }, "… cut; `pksa pending 7` shows all\n"},
	} {
		var out strings.Builder
		shown := asked
		c.change(&shown)
		printAsked(&out, []agent.PendingRequest{shown})
		if got := out.String(); !strings.Contains(got, c.want) || c.want == "" && strings.Contains(got, "…") {
			t.Errorf("%s: %s", name, got)
		}
	}
}
