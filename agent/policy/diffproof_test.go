package policy_test

import (
	"context"
	"flag"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"pksa/agent/policy"
)

var (
	proofPairs = flag.Int("proofpairs", 60, "how many random pairs of policies are compared by proof")
	proofFrom  = flag.Uint64("prooffrom", 0, "the first pair")
)

// subjectsOf returns the kinds of things that a request asks for, as proofs name them.
func subjectsOf(q *policy.Request) (all []string) {
	inside := func(decrypt bool) string { return map[bool]string{true: "decrypt", false: "challenge"}[decrypt] }
	switch q.Kind {
	case policy.Sign:
		for _, op := range q.Ops {
			all = append(all, op.Name())
		}
	case policy.Auth:
		if all = []string{"session"}; q.AuthChallenge != nil {
			all = append(all, inside(q.AuthChallenge.Decrypt))
		}
	default:
		all = []string{inside(q.Kind == policy.Decrypt)}
	}
	return all
}

// contradicted says which proof an answer contradicts, if one does.
func contradicted(d *policy.Diff, q *policy.Request, was, is policy.Verdict) string {
	rank := map[policy.Verdict]int{policy.Deny: 0, policy.Ask: 1, policy.Allow: 2}
	noMore, noLess := true, true
	for _, of := range subjectsOf(q) {
		for _, proof := range d.Proofs {
			if proof.Of == of {
				noMore, noLess = noMore && proof.NoMore, noLess && proof.NoLess
			}
		}
	}
	switch {
	case noMore && rank[is] > rank[was]:
		return "no more is allowed"
	case noLess && rank[is] < rank[was]:
		return "no less is allowed"
	}
	return ""
}

// TestProofsHold compares random policies with edited ones. What is proven of them no random
// request contradicts, and no answer of the search.
func TestProofsHold(t *testing.T) {
	proven, open := 0, 0
	for seed := *proofFrom; seed < *proofFrom+uint64(*proofPairs); seed++ {
		m := maker{rand.New(rand.NewPCG(seed, 18))}
		mod := m.model()
		other := m.edited(mod)
		before, after := pen{Rand: m.Rand}.model(mod), pen{Rand: m.Rand}.model(other)
		d, problems, err := policy.Compare(context.Background(), policy.Draft{File: "old.yaml", Src: []byte(before)},
			policy.Draft{File: "new.yaml", Src: []byte(after)}, policy.DiffOptions{Now: noon, Most: 200})
		if err != nil || d == nil {
			t.Fatalf("seed %d: %v %v\n%s\n%s", seed, err, problems, before, after)
		}
		for _, proof := range d.Proofs {
			for _, holds := range []bool{proof.NoMore, proof.NoLess} {
				if holds {
					proven++
				} else {
					open++
				}
			}
		}
		for _, one := range d.Answers {
			if what := contradicted(d, one.Request, one.Was.Verdict, one.Is.Verdict); what != "" {
				t.Errorf("seed %d: proven that %s: %+v %+v\n%s\n%s", seed, what, one, d.Proofs, before, after)
			}
		}
		old, _ := policy.Compile("old.yaml", []byte(before), policy.Options{ErrorsOnly: true})
		now, _ := policy.Compile("new.yaml", []byte(after), policy.Options{ErrorsOnly: true})
		for range *diffRequests / 4 {
			q := m.request(t, pick(m, mod, other))
			late := pick(m, 0, 3*time.Second, 5*time.Second, -time.Second, 12*time.Hour, 18*time.Hour-time.Second)
			at := noon.Add(late).AddDate(0, 0, m.IntN(7)-1)
			was, is := old.Decide(q.Request, nil, at), now.Decide(q.Request, nil, at)
			if what := contradicted(d, q.Request, was.Verdict, is.Verdict); what != "" {
				t.Errorf("seed %d: proven that %s: %+v %v at %v: %v, then %v\n%+v\n%s\n%s", seed, what,
					*q.Request, q.ops, at, was, is, d.Proofs, before, after)
				break
			}
		}
	}
	if proven == 0 || open == 0 {
		t.Errorf("%d proven, %d not", proven, open)
	}
	t.Logf("%d proven, %d not", proven, open)
}

// TestProofs compares pairs of rules of which it is known what is proven.
func TestProofs(t *testing.T) {
	const head = "version: 1\nallow:\n"
	rule := func(rest string) string {
		return "  - {name: a, request: sign, accounts: [alice], apps: [shop], key: [posting, active], " + rest + "}\n"
	}
	sends := func(fields string) string { return rule("operations: [transfer: {" + fields + "}]") }
	plays := func(json string) string {
		return rule("operations: [custom_json: {id: ssc-mainnet-hive, json: {" + json + "}}]")
	}
	deny := func(fields string) string {
		return "deny:\n  - {name: d, request: sign, apps: [shop], operations: [transfer: {" + fields + "}]}\n"
	}
	both := func(rule string) string { return strings.Replace(rule, "[alice]", "[alice, bob]", 1) }
	count := func(name string) string {
		return "limits:\n  - {name: " + name + ",\n" +
			"     request: sign, apps: [shop], operations: [transfer], count: 3 per 1h}\n"
	}
	for name, c := range map[string]struct {
		old, now     string
		of           string
		noMore, less bool
	}{
		"a lower bound": {
			sends("amount: {max: 5.000 HIVE}"),
			sends("amount: {max: 4.999 HIVE}"),
			"transfer", true, false,
		},
		"a higher bound": {
			sends("amount: {max: 5.000 HIVE}"),
			sends("amount: {max: 5.001 HIVE}"),
			"transfer", false, true,
		},
		"another asset": {
			sends("amount: {max: 5.000 HIVE}"),
			sends("amount: {max: 5.000 HBD}"),
			"transfer", false, false,
		},
		"one name less":      {sends("to: [bob, carol]"), sends("to: bob"), "transfer", true, false},
		"the account itself": {sends("to: alice"), sends("to: $account"), "transfer", true, true},
		"what is not named": {
			sends("to: {not: bob}"),
			sends("to: {not: [bob, carol]}"),
			"transfer", true, false,
		},
		"not, in other words": {
			sends("to: {not: [carol, bob]}, amount: 1.000 HIVE"),
			sends("amount: {min: 1.000 HIVE, max: 1.000 HIVE}, to: {not: [bob, carol]}"),
			"transfer", true, true,
		},
		"a glob":           {sends("memo: {glob: 'a*'}"), sends("memo: {glob: 'ab*'}"), "transfer", true, false},
		"a text of a glob": {sends("memo: {glob: 'a?c'}"), sends("memo: abc"), "transfer", true, false},
		"a regexp is kept": {
			sends("memo: {regexp: '[0-9]+'}"),
			sends("memo: {regexp: '[0-9]+'}, to: bob"),
			"transfer", true, false,
		},
		"another regexp": {
			sends("memo: {regexp: '[0-9]+'}"),
			sends("memo: {regexp: '[0-9]{1,9}'}"),
			"transfer", false, false,
		},
		"not, of a pattern": {
			sends("memo: {not: {glob: 'ab*'}}"),
			sends("memo: {not: {glob: 'a*'}}"),
			"transfer", false, false,
		},
		"a deny rule": {
			sends("to: bob"),
			sends("to: bob") + deny("amount: {min: 3.000 HIVE}"),
			"transfer", true, false,
		},
		"a deny rule for others": {
			sends("to: bob"),
			sends("to: bob") + deny("to: carol"),
			"transfer", true, true,
		},
		"deny and doubt": {
			plays(".a: 1") +
				"deny:\n  - {name: d, request: sign, apps: [shop], operations: [custom_json: {json: {.a: x}}]}\n",
			plays(".a: 1"),
			"custom_json", true, true,
		},
		"a number in a text":      {plays(".a: 5"), plays(".a: {min: 5, max: 5}"), "custom_json", true, true},
		"a text that is a number": {plays(".a: 5"), plays(".a: '5'"), "custom_json", true, false},
		"numbers beside it": {
			plays(".a: {min: 1, max: 3}"),
			plays(".a: {min: 1.5, max: 2.5}"),
			"custom_json", true, false,
		},
		"a member that may be absent": {
			plays(".a: 1"),
			plays(".a: [{present: false}, 1]"),
			"custom_json", false, true,
		},
		"hours": {
			rule("operations: [vote], hours: 08:00-20:00"),
			rule("operations: [vote], hours: 09:00-20:00"),
			"vote", true, false,
		},
		"days and their hours": {
			rule("operations: [transfer]"),
			rule("operations: [transfer], hours: 00:00-12:00") +
				strings.Replace(rule("operations: [transfer], hours: 12:00-00:00"), "name: a", "name: b", 1),
			"transfer", true, true,
		},
		"dates": {
			rule("operations: [transfer], until: 2026-01-05"),
			rule("operations: [transfer], until: 2026-01-06"),
			"transfer", false, true,
		},
		"another app": {
			rule("operations: [transfer]"),
			strings.Replace(rule("operations: [transfer]"), "[shop]", "[shop, game]", 1),
			"transfer", false, true,
		},
		"another account": {
			rule("operations: [transfer]"),
			strings.Replace(rule("operations: [transfer]"), "[alice]", "[alice, bob]", 1),
			"transfer", false, true,
		},
		"sent by the app": {
			rule("operations: [transfer]"),
			rule("broadcast: any, operations: [transfer]"),
			"transfer", false, true,
		},
		"for others": {
			rule("operations: [transfer]"),
			rule("on_behalf_of: [bob], operations: [transfer]"),
			"transfer", false, true,
		},
		"another key": {
			rule("operations: [transfer]"),
			strings.Replace(rule("operations: [transfer]"), "[posting, active]", "active", 1),
			"transfer", true, true,
		},
		"asked about": {
			rule("operations: [transfer]"),
			strings.Replace("version: 1\nask:\n"+rule("operations: [transfer]"), "version: 1\nask", "ask", 1),
			"transfer", true, false,
		},
		"a takeover": {
			rule("takeover: allowed, operations: [account_update2]"),
			rule("operations: [account_update2: {posting_json_metadata: x}]"),
			"account_update2", true, false,
		},
		"numbers between": {plays(".a: {min: 1, max: 3}"), plays(".a: [1, 2, 3]"), "custom_json", true, false},
		"amounts between": {
			sends("amount: {min: 1.000 HIVE, max: 3.000 HIVE}"),
			sends("amount: [1.000 HIVE, 3.000 HIVE]"),
			"transfer", true, false,
		},
		"more beside a deny rule": {
			sends("to: bob") + deny("amount: {min: 3.000 HIVE}"),
			sends("to: [bob, carol]") + deny("amount: {min: 3.000 HIVE}"),
			"transfer", false, true,
		},
		"two accounts that are texts": {
			both(sends("to: alice")),
			both(sends("to: $account")),
			"transfer", false, false,
		},
		"a session is denied": {
			"  - {name: a, request: auth, apps: any}\n",
			"  - {name: a, request: auth, apps: any}\ndeny:\n  - {name: d, request: auth, hours: '08:00-20:00'}\n",
			"session", true, false,
		},
		"days": {
			rule("operations: [transfer], days: [mon, tue, wed]"),
			rule("operations: [transfer], days: [mon, tue]"),
			"transfer", true, false,
		},
		"any app": {
			rule("operations: [transfer]"),
			strings.Replace(rule("operations: [transfer]"), "[shop]", "any", 1),
			"transfer", false, true,
		},
		"a limit of another name": {
			rule("operations: [transfer]") + count("l"),
			rule("operations: [transfer]") + count("k"),
			"transfer", false, false,
		},
		"a limit": {
			rule("operations: [transfer]"),
			rule("operations: [transfer]") + count("l"),
			"transfer", true, false,
		},
	} {
		before, after := head+c.old, head+c.now
		if strings.HasPrefix(c.now, "ask:") {
			after = "version: 1\n" + c.now
		}
		d, problems, err := policy.Compare(context.Background(), policy.Draft{File: "old.yaml", Src: []byte(before)},
			policy.Draft{File: "new.yaml", Src: []byte(after)}, policy.DiffOptions{Now: noon, Most: 50})
		if err != nil || d == nil {
			t.Errorf("%s: %v %v\n%s\n%s", name, err, problems, before, after)
			continue
		}
		found := false
		for _, proof := range d.Proofs {
			if proof.Of != c.of {
				continue
			}
			found = true
			if proof.NoMore != c.noMore || proof.NoLess != c.less {
				t.Errorf("%s: %+v", name, proof)
			}
		}
		if !found {
			t.Errorf("%s: no proof of %s among %+v", name, c.of, d.Proofs)
		}
	}
}
