package main

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"pksa/agent"
	"pksa/agent/control"
	"pksa/agent/ledger"
)

// The list of sessions goes over all pages. It asks an agent of before there were pages, which
// refuses members that it does not know, as commands did before.
func TestSessionsInPages(t *testing.T) {
	entry := func(id ledger.SessionID, more int) map[string]any {
		return map[string]any{"id": id, "account": "alice", "app": "web", "expires": time.Now(),
			"ended": time.Now(), "more": more}
	}
	for _, pages := range []bool{true, false} {
		calls := 0
		list := func(_ context.Context, params []byte) (any, error) {
			calls++
			if !pages {
				return []any{entry(1, 0), entry(2, 0), entry(7, 0)}, control.Decode(params, &struct{}{})
			}
			var q agent.SessionsParams
			err := control.Decode(params, &q)
			return map[ledger.SessionID][]any{0: {entry(1, 0), entry(2, 1)}, 2: {entry(7, 0)}}[q.After], err
		}
		home := serveMethods(t, map[string]control.Handler{agent.MethodSessionList: list, agent.MethodEndedList: list})
		for _, args := range [][]string{{"session", "list"}, {"session", "list", "--ended"}} {
			calls = 0
			status, out, errs := pksa(t, home, args...)
			words := strings.Fields(out)
			if status != 0 || !slices.Contains(words, "1") || !slices.Contains(words, "7") || calls != map[bool]int{
				true: 2, false: 1}[pages] {
				t.Errorf("pages %t, %v: %d calls, status %d: %s%s", pages, args, calls, status, out, errs)
			}
			status, out, _ = pksa(t, home, append(args, "--json")...)
			if status != 0 || strings.Contains(out, "more") || strings.Count(out, `"id"`) != 3 {
				t.Errorf("pages %t, %v: as JSON %s", pages, args, out)
			}
		}
	}
}
