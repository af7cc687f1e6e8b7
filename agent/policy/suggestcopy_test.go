package policy_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"pksa/agent/policy"
	"pksa/protocol/hive"
)

func tipTo(t *testing.T, to, amount string) policy.Seen {
	t.Helper()
	return policy.Seen{Request: sign("tipbot", hive.Active, transfer(t, to, amount, "")), Time: noon}
}

// What a draft allows and was never seen is counted as one counts who tries all combinations.
func TestUnseenIsCounted(t *testing.T) {
	names := []string{"bob", "carol", "dave", "erin"}
	memos := []string{"a", "b", "c"}
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 5))
		var seen []policy.Seen
		came := map[string]bool{}
		for range 1 + rng.IntN(7) {
			to, memo := names[rng.IntN(len(names))], memos[rng.IntN(len(memos))]
			came[to+memo] = true
			seen = append(seen, policy.Seen{Request: sign("tipbot", hive.Active, transfer(t, to, "1.000 HBD", memo)),
				Time: noon})
		}
		draft := policy.Suggest(seen, 0)
		p := drafted(t, draft.YAML)
		allowed := int64(0)
		for _, to := range names {
			for _, memo := range memos {
				q := sign("tipbot", hive.Active, transfer(t, to, "1.000 HBD", memo))
				if p.Decide(q, nil, noon).Verdict == policy.Allow {
					allowed++
				}
			}
		}
		if draft.Named != allowed || draft.Seen != int64(len(came)) || draft.Free != 0 {
			t.Fatalf("seed %d: %d of %d combinations, want %d of %d, free %d:\n%s", seed, draft.Seen, draft.Named,
				len(came), allowed, draft.Free, draft.YAML)
		}
		want := fmt.Sprintf("  # It allows %d combinations of what it names: %d were seen, %d never.\n", allowed,
			len(came), allowed-int64(len(came)))
		if allowed > int64(len(came)) && !strings.Contains(draft.YAML, want) {
			t.Fatalf("seed %d: no line\n%s in\n%s", seed, want, draft.YAML)
		}
	}
}

// Accounts, other accounts, elements of lists and forms of JSON are combined, too.
func TestUnseenOfEveryPlace(t *testing.T) {
	carol := sign("curator", hive.Posting, vote(t, "carol", "bob", 100))
	for name, c := range map[string]struct {
		seen              []policy.Seen
		named, seenOfThem int64
		free              int
	}{
		"nothing": {nil, 0, 0, 0},
		"of two accounts": {[]policy.Seen{engine(t, "alice", "x", `{"to":"bob"}`),
			engine(t, "bob", "x", `{"to":"bob"}`)}, 2, 2, 0},
		"on behalf": {[]policy.Seen{{Request: carol, Time: noon}}, 2, 1, 1},
		"elements":  {[]policy.Seen{engine(t, "alice", "x", `{"to":["bob","carol"],"qty":1}`)}, 2, 2, 0},
		"elements of maps": {[]policy.Seen{engine(t, "alice", "x", `{"a":"1a","b":"2b"}`,
			`{"a":"3a","b":"4b"}`)}, 4, 2, 0},
		"two forms of JSON": {[]policy.Seen{engine(t, "alice", "x", `{"a":"1a"}`),
			engine(t, "alice", "x", `{"b":"1a"}`)}, 2, 2, 0},
		"by place": {[]policy.Seen{engine(t, "alice", "x", `["go",{"a":"1a"}]`),
			engine(t, "alice", "x", `["go",{"a":"2a"}]`)}, 2, 2, 0},
		"texts": {[]policy.Seen{challengeOf("web", "login"), challengeOf("web", "logout")}, 2, 2, 0},
	} {
		got := policy.Suggest(c.seen, 0)
		if got.Named != c.named || got.Seen != c.seenOfThem || got.Free != c.free {
			t.Errorf("%s: %d of %d, %d free; want %d of %d, %d free\n%s", name, got.Seen, got.Named, got.Free,
				c.seenOfThem, c.named, c.free, got.YAML)
		}
	}
}

// A copy of a policy has the new rules behind the old ones, and every line of the old ones.
func TestDraftIsAddedToAPolicy(t *testing.T) {
	draft := policy.Suggest([]policy.Seen{tipTo(t, "bob", "1.000 HBD")}, policy.Headroom)
	for src, want := range map[string]string{
		"version: 2\n": "version: 2\nallow:\n+ limits:\n+ ",
		"# mine\nversion: 2\nallow:\n  - {name: a, request: auth, apps: [b]} # x\n\n# of limits\nlimits:\n" +
			"    - {name: l, apps: [b], requests: 1 per 1h}\n# end": "# mine\nversion: 2\nallow:\n" +
			"  - {name: a, request: auth, apps: [b]} # x\n+ \n# of limits\nlimits:\n" +
			"    - {name: l, apps: [b], requests: 1 per 1h}\n  + # end\n",
		"allow:\n- name: a\n  # of a\n  request: auth\n  apps: [b]\n  # behind\nversion: 2\notherwise: ignore": "" +
			"allow:\n- name: a\n  # of a\n  request: auth\n  apps: [b]\n  # behind\n- version: 2\n" +
			"otherwise: ignore\nlimits:\n+ ",
		"version: 2\r\nallow:\r\n  - {name: a, request: auth, apps: [b]}\r\n": "version: 2\r\nallow:\r\n" +
			"  - {name: a, request: auth, apps: [b]}\r\n+ limits:\n+ ",
	} {
		out, err := draft.AddTo("policy.yaml", []byte(src))
		if err != nil {
			t.Errorf("%q: %v", src, err)
			continue
		}
		p, problems := policy.Compile("policy.yaml", out, policy.Options{TrapsWarn: true})
		if p == nil {
			t.Errorf("%q became\n%s%v", src, out, problems)
			continue
		}
		if d := p.Decide(tipTo(t, "bob", "1.100 HBD").Request, nil, noon); d.Verdict != policy.Allow {
			t.Errorf("%q became\n%s%s", src, out, d.Reason)
		}
		// The new lines as a sign: the rules and the limits begin as far in as those before.
		var short strings.Builder
		for line := range strings.Lines(string(out)) {
			if strings.Contains(src, strings.TrimRight(line, "\r\n")) || line == "allow:\n" || line == "limits:\n" {
				short.WriteString(line)
			} else if in, ok := strings.CutSuffix(line, "- name: transfer of tipbot for alice\n"); ok {
				short.WriteString(in[:max(0, len(in)-2)] + map[bool]string{true: "+ ", false: "- "}[in != ""])
			} else if in, ok := strings.CutSuffix(line, "- name: tipbot in 24h\n"); ok {
				short.WriteString(in[:max(0, len(in)-2)] + "+ ")
			}
		}
		if short.String() != want {
			t.Errorf("%q became\n%s, in short\n%q, want\n%q", src, out, short.String(), want)
		}
	}
	for _, src := range []string{"", "- a\n", "a: [\n", "version: 2\nallow: [{name: a, request: auth, apps: [b]}]\n",
		"{version: 2}\n", "version: 2\nallow: x\n", "version: 2\n...\n", "a: &b c\n"} {
		if out, err := draft.AddTo("policy.yaml", []byte(src)); err == nil {
			t.Errorf("%q became\n%s", src, out)
		}
	}
}

// Whatever a policy has: a copy of it with a draft says what it said, and allows what was drafted
// from. Names are new, and nothing that is allowed meets a new limit.
func TestDraftsAreAddedToAnyPolicy(t *testing.T) {
	added, allowed := 0, 0
	at := func(k int) time.Time { return noon.Add(time.Duration(k) * time.Hour) }
	for i := range uint64(150) {
		m := maker{rand.New(rand.NewPCG(i, 79))}
		mod := m.model()
		src := []byte(pen{Rand: m.Rand}.model(mod))
		inForce, _ := policy.Compile("policy.yaml", src, policy.Options{TrapsWarn: true})
		var seen []policy.Seen
		var others []*policy.Request
		for k := range 8 {
			q := m.request(t, mod).Request
			if inForce.Decide(q, nil, at(k)).Code == policy.CodeUncovered {
				seen = append(seen, policy.Seen{Request: q, Time: at(k)})
			} else {
				others = append(others, q)
			}
		}
		draft := inForce.Suggest(seen, policy.Headroom)
		if draft.Rules == 0 {
			continue
		}
		out, err := draft.AddTo("policy.yaml", src)
		if err != nil {
			if strings.Contains(err.Error(), "stands in brackets") {
				continue
			}
			t.Fatalf("seed %d: %v\n%s", i, err, src)
		}
		added++
		p, problems := policy.Compile("policy.yaml", out, policy.Options{TrapsWarn: true})
		if p == nil {
			t.Fatalf("seed %d:\n%s%v", i, out, problems.Errors())
		}
		for k, q := range others {
			was, is := inForce.Decide(q, nil, at(k)), p.Decide(q, nil, at(k))
			if was.Verdict == policy.Allow {
				allowed++
				if is.Verdict != policy.Allow {
					t.Fatalf("seed %d: what was allowed is not: %s\n%s", i, is.Reason, out)
				}
			}
		}
		for line := range bytes.Lines(src) {
			if !bytes.Contains(out, bytes.TrimRight(line, "\n")) {
				t.Fatalf("seed %d: no line %q in\n%s", i, line, out)
			}
		}
	}
	if added < 30 || allowed < 20 {
		t.Errorf("%d copies, %d requests that were allowed; the test proves little", added, allowed)
	}
}

// A limit would bind what the policy in force allows, since it cannot tell rules apart.
func TestNoLimitBindsWhatIsAllowed(t *testing.T) {
	const src = `version: 2
allow:
  - name: transfer of tipbot for alice
    request: sign
    accounts: [alice]
    apps: [tipbot]
    key: active
    operations: [transfer: {to: carol, amount: {max: 5.000 HBD}}]
limits: [{name: tips, apps: [tipbot], spend: 9.000 HBD per 24h}]
`
	inForce, problems := policy.Compile("policy.yaml", []byte(src), policy.Options{})
	if inForce == nil {
		t.Fatal(problems)
	}
	draft := inForce.Suggest([]policy.Seen{tipTo(t, "bob", "1.000 HBD")}, policy.Headroom)
	const why = "a limit of transfer of tipbot: it would bind the rule \"transfer of tipbot for alice\" " +
		"(policy.yaml:3), too; seen without it: 1.000 HBD in 24h"
	if draft.Limits != 0 || !strings.Contains(draft.YAML, why) ||
		!strings.Contains(draft.YAML, "name: 'transfer of tipbot for alice, 2'") {
		t.Errorf("%d limits:\n%s", draft.Limits, draft.YAML)
	}
	// Another app has none.
	other := tipTo(t, "bob", "1.000 HBD")
	other.Request.App = "other"
	if draft := inForce.Suggest([]policy.Seen{other}, policy.Headroom); draft.Limits != 1 {
		t.Error(draft.YAML)
	}
}

// A draft is judged before a person narrows it.
func TestTrapsWarn(t *testing.T) {
	const src = "version: 2\nallow: [{name: a, request: sign, accounts: [alice], apps: [b], key: active, " +
		"operations: [transfer]}]\n"
	if p, problems := policy.Compile("p.yaml", []byte(src), policy.Options{}); p != nil {
		t.Fatal("no trap", problems)
	}
	p, problems := policy.Compile("p.yaml", []byte(src), policy.Options{TrapsWarn: true})
	if p == nil || len(problems.Warnings()) == 0 {
		t.Error(problems)
	}
	if p, _ := policy.Compile("p.yaml", []byte("version: 2\nalow: x\n"), policy.Options{TrapsWarn: true}); p != nil {
		t.Error("an error is taken")
	}
}

func FuzzAddTo(f *testing.F) {
	for _, src := range []string{"version: 2\nallow:\n  - {name: a} # b\n\n# c\nlimits:\n  - a",
		"allow:\n- |\n  x\n # y",
		"allow:\n  - 'a\n\n    b'\n# c", "limits:\n  - a\n  \nallow: [\n  b]\n", "allow:\r\n - a\r\nd: e"} {
		f.Add([]byte(src))
	}
	draft := policy.Suggest([]policy.Seen{{Request: &policy.Request{Kind: policy.Auth, Account: "alice", App: "web"},
		Time: time.Unix(0, 0)}}, 0)
	f.Fuzz(func(t *testing.T, src []byte) {
		out, err := draft.AddTo("p.yaml", src)
		if err != nil {
			return
		}
		before, _ := policy.Compile("p.yaml", src, policy.Options{ErrorsOnly: true})
		after, problems := policy.Compile("p.yaml", out, policy.Options{TrapsWarn: true})
		if before != nil && after == nil {
			t.Errorf("%q became %q: %v", src, out, problems)
		}
	})
}
