package gate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"pksa/agent/policy"
	"pksa/protocol/hive"
)

const rules = `version: 2
allow:
  - {name: votes, request: sign, accounts: [alice], apps: [bot], operations: [vote]}
limits:
  - {name: pace, apps: [bot], operations: [vote], count: 2 per 1h}
`

const voteCase = "account: alice\napp: bot\ncases:\n  - {name: %s, request: sign, " +
	"operations: [vote: {voter: alice, author: bob, permlink: p, weight: 1}], %s}\n"

// home returns a folder with a policy and these tests of it.
func home(t *testing.T, tests string) (string, *policy.Policy) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "policy.yaml")
	p, problems := policy.Compile(file, []byte(rules), policy.Options{})
	if p == nil {
		t.Fatal(problems)
	}
	if err := os.WriteFile(TestsOf(file)[0], []byte(tests), 0o600); err != nil {
		t.Fatal(err)
	}
	return file, p
}

func TestRun(t *testing.T) {
	bad := "account: alice\napp: bot\ncases:\n"
	for i := range 7 {
		bad += fmt.Sprintf("  - {name: c%d, request: auth, expect: allow}\n", i)
	}
	for name, test := range map[string]struct{ tests, says string }{
		"they pass": {fmt.Sprintf(voteCase, "a",
			"steps: [{times: 2, expect: allow}, {expect: deny, code: limit}]"), ""},
		"one fails": {fmt.Sprintf(voteCase, "a", "expect: deny"),
			`1 of the 1 tests of the policy fail:` + "\n" + `FILE:4: "a": want deny, got allow`},
		"a step fails": {fmt.Sprintf(voteCase, "a", "steps: [\n    {times: 3, expect: allow}]"),
			`FILE:5: "a": the 3rd of 3 times: want allow, got deny`},
		"many fail":       {bad, "\nand 2 more"},
		"no tests":        {"cases: [{name: a}]", "the tests of the policy cannot be read:\nFILE:1:9: "},
		"too large":       {strings.Repeat("# more\n", MostFile/7+1), "FILE has more than 96 KiB"},
		"of another file": {"policy: other.yaml\n" + fmt.Sprintf(voteCase, "a", "expect: deny"), ""},
		"of this file":    {"policy: policy.yaml\n" + fmt.Sprintf(voteCase, "a", "expect: deny"), "want deny"},
	} {
		t.Run(name, func(t *testing.T) {
			file, p := home(t, test.tests)
			err := Run(t.Context(), file, p, hive.Mainnet)
			var failed *FailedError
			switch {
			case test.says == "" && err != nil:
				t.Error(err)
			case test.says != "" && !errors.As(err, &failed):
				t.Errorf("not refused: %v", err)
			case test.says != "" && (failed.File != TestsOf(file)[0] ||
				!strings.Contains(strings.ReplaceAll(err.Error(), failed.File, "FILE"), test.says)):
				t.Errorf("%v", err)
			}
		})
	}
}

func TestRunWithoutTests(t *testing.T) {
	file, p := home(t, "")
	if err := os.Remove(TestsOf(file)[0]); err != nil {
		t.Fatal(err)
	}
	if err := Run(t.Context(), file, p, hive.Mainnet); err != nil {
		t.Error(err)
	}
	if err := os.Mkdir(TestsOf(file)[0], 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Run(t.Context(), file, p, hive.Mainnet); err == nil || !strings.Contains(err.Error(), "is no file") {
		t.Error(err)
	}
}

// A policy may end in .yml, and its tests in either way, and all of them count.
func TestEitherEndingIsAGate(t *testing.T) {
	good, bad := fmt.Sprintf(voteCase, "a", "expect: allow"), fmt.Sprintf(voteCase, "a", "expect: deny")
	for _, test := range []struct {
		says  string // which file of tests refuses; empty if none does
		files map[string]string
	}{
		{"a_test.yml", map[string]string{"a.yml": rules, "a_test.yml": bad}},
		{"a_test.yaml", map[string]string{"a.yml": rules, "a_test.yaml": bad}},
		{"a_test.yml", map[string]string{"a.yaml": rules, "a_test.yml": bad}},
		{"a_test.yaml", map[string]string{"a.yml": rules, "a_test.yaml": bad, "a_test.yml": good}},
		{"a.yml_test.yaml", map[string]string{"a.yml": rules, "a.yml_test.yaml": bad}},
		{"a_test.yaml", map[string]string{"a": rules, "a_test.yaml": bad}},
		{"", map[string]string{"a.yml": rules, "a_test.yml": good}},
		// a_test.yaml is of a.yaml, which ends as it does.
		{"", map[string]string{"a.yml": rules, "a.yaml": rules, "a_test.yaml": bad, "a_test.yml": good}},
		{"a_test.yaml", map[string]string{"a.yml": rules, "a.yaml": rules, "a_test.yaml": "policy: a.yml\n" + bad}},
	} {
		dir, file := t.TempDir(), ""
		for name, content := range test.files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			if content == rules {
				file = filepath.Join(dir, name)
			}
		}
		if test.files["a.yml"] != "" {
			file = filepath.Join(dir, "a.yml")
		}
		p, problems := policy.Compile(file, []byte(rules), policy.Options{})
		if p == nil {
			t.Fatal(problems)
		}
		err := Run(t.Context(), file, p, hive.Mainnet)
		var failed *FailedError
		got := ""
		if errors.As(err, &failed) {
			got = filepath.Base(failed.File)
		} else if err != nil {
			t.Error(err)
		}
		if got != test.says {
			t.Errorf("%v: refused by %q: %v", test.files, got, err)
		}
	}
	for file, want := range map[string]string{"x_test.yaml": "x.yaml", "x_test.yml": "x.yml", "x.yaml": "",
		"x_test": ""} {
		if got, ok := PolicyOf(file); got != want || ok != (want != "") {
			t.Errorf("%s is about %q %t", file, got, ok)
		}
	}
}

// A context that ends is no word about the tests; time that has passed is.
func TestRunEnds(t *testing.T) {
	file, p := home(t, fmt.Sprintf(voteCase, "a", "expect: allow"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Run(ctx, file, p, hive.Mainnet); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	late, done := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer done()
	var failed *FailedError
	if err := run(t.Context(), late, file, p, hive.Mainnet); !errors.As(err, &failed) ||
		!strings.Contains(err.Error(), "take more than 10s") {
		t.Error(err)
	}
}

// The densest files of the largest size take less than MostMemory. The heap that was asked of the
// system only grows, so it shows what all of them needed at most.
func TestMemoryIsBounded(t *testing.T) {
	fill := func(head, each, end string) string {
		return head + strings.Repeat(each, (MostFile-len(head)-len(end))/len(each)) + end
	}
	const one = "account: alice\napp: b\ncases: [{name: a, request: sign, expect: deny, operations: ["
	files := []string{
		fill(one, "a,", "]}]"),
		fill(one+"], counters: [", "{},", "]}]"),
		fill("account: alice\napp: b\ncases: [{name: a, request: auth, steps: [", "{expect: deny},", "]}]"),
		fill("cases:\n", "-\n", ""),
		fill("cases: {", "?,", "}"),
		fill("cases: ", "[", "]"),
	}
	defer debug.SetGCPercent(debug.SetGCPercent(25)) // garbage is no part of what the tests hold
	var before, after runtime.MemStats
	debug.FreeOSMemory()
	runtime.ReadMemStats(&before)
	for i, src := range files {
		if len(src) > MostFile {
			t.Fatalf("file %d has %d bytes", i, len(src))
		}
		file, p := home(t, src)
		_ = Run(t.Context(), file, p, hive.Mainnet)
	}
	runtime.ReadMemStats(&after)
	if took := after.HeapSys - before.HeapSys + before.HeapIdle; took > MostMemory {
		t.Errorf("%d MiB", took>>20)
	} else {
		t.Logf("%d MiB of %d", took>>20, MostMemory>>20)
	}
}
