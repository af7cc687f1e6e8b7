package policy_test

import (
	"fmt"
	"testing"
)

// What a file lost is what let requests be held back and does not any more, however it is written.
func TestLost(t *testing.T) {
	const (
		allow  = "allow: [{name: pay, request: sign, apps: any, key: active, operations: [transfer]}]\n"
		ask    = "ask: [{name: big, request: sign, apps: any, key: active, operations: [transfer], timeout: 50s}]\n"
		unless = "ask: [{name: rest, request: sign, apps: any, key: active, operations: [transfer], timeout: 50s, " +
			"only: uncovered}]\n"
		deny    = "deny: [{name: no, operations: [vote]}]\n"
		other   = "deny: [{name: not that, operations: [comment]}]\n"
		watched = "deny: [{name: no, operations: [vote], mode: observe}]\n"
		limits  = "limits: [{name: few, apps: any, requests: 3 per 1h}]\n"
	)
	for _, c := range []struct{ name, old, now, want string }{
		{"nothing", allow + deny + limits, allow + limits + other, "[]"},
		{"sections that it did not have", allow, allow, "[]"},
		{"all of them", ask + deny + limits, allow, "[ask deny limits]"},
		{"a rule that only looks", allow + deny, allow + watched, "[deny]"},
		{"a question where nothing allows", allow + unless, allow, "[]"},
	} {
		if got := fmt.Sprint(compile(t, c.now).Lost(compile(t, c.old))); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
