package policy_test

import (
	"strings"
	"testing"
	"time"

	"pksa/agent/policy"
)

// TestRenew: a session can be had again as long as the shortest of the rules says that let the
// login pass; one that says nothing lets nothing be renewed.
func TestRenew(t *testing.T) {
	for name, c := range map[string]struct {
		rules string
		want  time.Duration
	}{
		"none": {"allow: [{name: a, request: auth, apps: any}]", 0},
		"one":  {"allow: [{name: a, request: auth, apps: any, renew: 7d}]", 7 * 24 * time.Hour},
		"the shorter": {"allow: [{name: a, request: auth, apps: any, renew: 7d}, {name: b, request: auth, apps: " +
			"any, renew: 2h}]", 2 * time.Hour},
		"one without": {"allow: [{name: a, request: auth, apps: any, renew: 7d}, {name: b, request: auth, apps: any}]",
			0},
		"an ask rule": {"ask: [{name: a, request: auth, apps: any, renew: 7d}]", 7 * 24 * time.Hour},
		"denied": {"allow: [{name: a, request: auth, apps: any, renew: 7d}]\ndeny: [{name: b, request: auth}]",
			0},
		"observed": {"allow: [{name: a, request: auth, apps: any, renew: 7d}, {name: b, mode: observe, request: " +
			"auth, apps: any}]",
			7 * 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			p, problems := policy.Compile("policy.yaml", []byte("version: 1\n"+c.rules+"\n"), policy.Options{})
			if p == nil {
				t.Fatal(problems)
			}
			q := &policy.Request{Kind: policy.Auth, Account: "alice", App: "app"}
			if d := p.Decide(q, nil, noon); d.Renew != c.want {
				t.Errorf("renewed within %s, want %s", d.Renew, c.want)
			}
			if got := p.Prospect(q, noon).Renew(); got != c.want {
				t.Errorf("the first half says %s, want %s", got, c.want)
			}
			report := p.Report(q, nil, noon)
			said := strings.Contains(report.Text(), "it can be had again by its auth_key")
			if want := c.want != 0 && name != "an ask rule"; said != want {
				t.Errorf("the report says so: %v", said)
			}
			q.ManualSession = true
			if d := p.Decide(q, nil, noon); d.Renew != 0 {
				t.Errorf("a session that the operator made: %s", d.Renew)
			}
		})
	}
}

// TestIgnores: a deny rule that says ignore has requests of its apps and accounts met with silence,
// and so has the whole policy where no rule lets an app do anything of the kind.
func TestIgnores(t *testing.T) {
	const votes = "allow: [{name: votes, request: sign, apps: [bot], operations: [vote]}]\n"
	for name, c := range map[string]struct {
		rules string
		app   string
		want  bool
	}{
		"nothing says so": {votes, "bot", false},
		"a rule of the app": {votes + "deny: [{name: d, request: sign, apps: [bot], answer: ignore}]",
			"bot", true},
		"a rule of any app": {votes + "deny: [{name: d, request: sign, operations: [transfer], answer: ignore}]",
			"bot", true},
		"a rule of another app": {votes + "deny: [{name: d, request: sign, apps: [other], answer: ignore}]", "bot",
			false},
		"a rule of another kind": {votes + "deny: [{name: d, request: decrypt, answer: ignore}]", "bot", false},
		"of another account": {votes + "deny: [{name: d, request: sign, accounts: [carol], answer: ignore}]", "bot",
			false},
		"a rule that answers": {votes + "deny: [{name: d, request: sign}]", "bot", false},
		"only observed": {votes + "deny: [{name: d, mode: observe, request: sign, answer: ignore}]", "bot",
			false},
		"otherwise, permitted":     {votes + "otherwise: ignore", "bot", false},
		"otherwise, not permitted": {votes + "otherwise: ignore", "other", true},
	} {
		t.Run(name, func(t *testing.T) {
			p, problems := policy.Compile("policy.yaml", []byte("version: 1\n"+c.rules+"\n"), policy.Options{})
			if p == nil {
				t.Fatal(problems)
			}
			if got := p.Ignores(policy.Sign, c.app, "alice"); got != c.want {
				t.Errorf("ignored: %v", got)
			}
		})
	}
}
