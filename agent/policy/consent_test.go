package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"pksa/agent/policy"
	"pksa/protocol/hive"
)

// Each name counts once, and names of others not at all.
func TestConsentIsMet(t *testing.T) {
	for _, tt := range []struct {
		c    policy.Consent
		by   string
		want bool
	}{
		{policy.Consent{TellFirst: true}, "told", true}, {policy.Consent{TellFirst: true}, "", false},
		{policy.Consent{Approvals: 1, TellFirst: true}, "eve told", true},
		{policy.Consent{Approvals: 1, TellFirst: true}, "eve", false},
		{policy.Consent{Approvals: 1, TellFirst: true}, "told", false},
		{policy.Consent{Approvals: 1}, "", false}, {policy.Consent{Approvals: 1}, "eve", true},
		{policy.Consent{Approvals: 2}, "anna anna", false}, {policy.Consent{Approvals: 2}, "anna eve", true},
		{policy.Consent{Approvers: []string{"anna", "bob"}, Approvals: 2}, "anna eve", false},
		{policy.Consent{Approvers: []string{"anna", "bob"}, Approvals: 2}, "bob eve anna", true},
		{policy.Consent{Approvers: []string{"anna", "bob"}, Approvals: 1}, "eve", false},
		{policy.Consent{Approvers: []string{"anna", "bob"}, Approvals: 1}, "bob", true},
	} {
		by, told := strings.CutSuffix(tt.by, "told")
		if got := tt.c.Met(strings.Fields(by), told); got != tt.want {
			t.Errorf("%v by %q: %t", tt.c, tt.by, got)
		}
		_, lacks := policy.Unmet([]policy.Consent{{Approvals: 0}, tt.c}, strings.Fields(by), told)
		if lacks == tt.want {
			t.Errorf("%v by %q: lacks %t", tt.c, tt.by, lacks)
		}
	}
}

// What each rule that asks demands is demanded, each once, of those alone that are asked about. It
// stands in the decision on a request with a yes, too, and in none that denies.
func TestConsents(t *testing.T) {
	p := compile(t, `
allow: [{name: v, request: sign, apps: any, operations: [vote]}]
ask:
  - {name: a, request: sign, apps: any, operations: [vote], approvers: [carol, anna], approvals: 2}
  - {name: b, request: sign, apps: any, operations: [vote], approvals: 2}
  - {name: c, request: sign, apps: any, operations: [vote], approvals: 2}
  - {name: d, request: sign, apps: any, operations: [vote], only: uncovered, approvers: any}
  - {name: e, request: sign, apps: any, operations: [vote], mode: observe, approvals: 5}
  - {name: f, request: sign, apps: any, operations: [delete_comment], approvers: any, tell_first: true}
  - {name: g, request: sign, apps: any, operations: [vote], tell_first: true}
  - {name: h, request: sign, apps: any, operations: [vote], tell_first: false}
limits: [{name: l, count: 3 per request}]
`)
	q := sign("x", hive.Posting, op(t, "vote", `{"voter":"alice","author":"bob","permlink":"p","weight":1}`))
	for _, approved := range []bool{false, true} {
		q.Approved = approved
		want := "[a yes of 2 approvers a yes of 2 of anna, carol a yes, after a notification of all of it]"
		if got := fmt.Sprint(p.Decide(q, nil, noon).Consents); got != want {
			t.Errorf("approved %t: %s", approved, got)
		}
		report := p.Report(q, nil, noon)
		if text := report.Text(); !strings.Contains(text, "\nIt takes a yes of 2 of anna, carol, with passkeys.\n"+
			"It takes a yes, after a notification of all of it.\n") {
			t.Errorf("approved %t: %s", approved, text)
		}
	}
	full := *q
	full.Ops = []hive.Operation{q.Ops[0], q.Ops[0], q.Ops[0], q.Ops[0]}
	if d := p.Decide(&full, nil, noon); d.Code != policy.CodeLimit || d.Consents != nil {
		t.Errorf("%+v", d)
	}
	q.Ops = append(q.Ops, op(t, "delete_comment", `{"author":"alice","permlink":"p"}`))
	if got := fmt.Sprint(p.Decide(q, nil, noon).Consents); !strings.Contains(got, "a yes of an approver, after") {
		t.Error(got)
	}
	q.Ops = append(q.Ops, op(t, "comment", `{"parent_author":"","parent_permlink":"p","author":"alice","permlink":"p",
		"title":"","body":"b","json_metadata":""}`))
	if d := p.Decide(q, nil, noon); d.Verdict != policy.Deny || d.Consents != nil {
		t.Errorf("%+v", d)
	}
}

// What can be no demand is an error, and one that those who are enrolled cannot meet is warned of.
func TestConsentsAreChecked(t *testing.T) {
	said := func(keys string, enrolled []string) string {
		_, problems := policy.Compile("policy.yaml", []byte("version: 1\nask:\n"+
			"  - {name: a, request: auth, apps: [x], accounts: [alice], "+keys+"}\n"),
			policy.Options{Approvers: enrolled})
		return fmt.Sprint(problems)
	}
	for keys, want := range map[string]string{
		"approvals: 0": "from 1 to 5", "approvals: 6": "from 1 to 5", "approvals: two": "from 1 to 5",
		"approvals: 02": "from 1 to 5", "approvals: [2]": "", "approvers: [Anna]": "no name of an approver",
		"approvers: [any]": "without brackets", "approvers: anna": "write [anna]", "approvers: [-a]": "no name",
		"approvers: [anna, bob], approvals: 3": "from 1 to 2", "approvers: []": "", "tell_first: yes": "true",
	} {
		if text := said(keys, nil); !strings.Contains(text, want) || !strings.Contains(text, "policy.yaml:3") {
			t.Errorf("%s: %s", keys, text)
		}
	}
	const demand = "approvers: [anna, bob], approvals: 1"
	for want, enrolled := range map[string][]string{"so it denies": {"carol"},
		"and bob has no passkey": {"anna"}} {
		if text := said(demand, enrolled); !strings.Contains(text, want) {
			t.Errorf("%q: %s", enrolled, text)
		}
	}
	for _, enrolled := range [][]string{nil, {"anna", "bob"}} {
		if text := said(demand, enrolled); strings.Contains(text, "passkey") {
			t.Errorf("%q: %s", enrolled, text)
		}
	}
}

// Whoever demands that people are told first, and has nobody told, hears what that comes to.
func TestNobodyIsToldFirst(t *testing.T) {
	for keys, want := range map[string]string{
		"tell_first: true": "only a yes at the command line counts", "tell_first: false": "",
		"tell_first: true, approvers: any": "so it denies", "approvers: any": "",
	} {
		for _, env := range []policy.Options{{NobodyToTellAll: true}, {NobodyToTellAll: true, OnlyPasskeys: true}, {}} {
			_, problems := policy.Compile("policy.yaml", []byte("version: 1\nask:\n"+
				"  - {name: a, request: auth, apps: [x], accounts: [alice], "+keys+"}\n"), env)
			want := want
			switch {
			case !env.NobodyToTellAll:
				want = ""
			case env.OnlyPasskeys && want != "":
				want = "so it denies"
			}
			text := fmt.Sprint(problems)
			if told := strings.Contains(text, "content: full"); told != (want != "") || !strings.Contains(text, want) {
				t.Errorf("%s, %+v: %s", keys, env, text)
			}
		}
	}
}
