package policy_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pksa/agent/policy"
	"pksa/protocol/hive"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares with a file, or writes it.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s:\ngot:\n%s\nwant:\n%s", file, got, want)
	}
}

func inputs(t *testing.T, folder string, least int) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", folder, "*.yaml"))
	if err != nil || len(files) < least {
		t.Fatalf("%d files in %s, %v", len(files), folder, err)
	}
	return files
}

func TestBadFiles(t *testing.T) {
	for _, file := range inputs(t, "bad", 30) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			p, problems := policy.Compile("policy.yaml", src, policy.Options{})
			if p != nil || len(problems.Errors()) == 0 {
				t.Error("the file is taken")
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".golden", problems.String())
		})
	}
}

// Where only passkeys count and nobody has one, the same is said with other advice.
func TestNoApproverIsWarnedOf(t *testing.T) {
	const src = "version: 1\nask:\n  - {name: a, request: auth, apps: any}\n" +
		"limits:\n  - {name: b, requests: 5 per 1h, over: ask}\n"
	for _, env := range []policy.Options{{NoApprover: true}, {NoApprover: true, NobodyToAsk: true}, {}} {
		_, problems := policy.Compile("policy.yaml", []byte(src), env)
		text := fmt.Sprint(problems)
		for _, who := range []string{`rule "a" asks, and `, `limit "b" asks, and `} {
			passkey := strings.Contains(text, who+"nobody has a passkey to say yes with, so it denies")
			if want := env.NoApprover && !env.NobodyToAsk; passkey != want {
				t.Errorf("%+v: %s", env, text)
			}
		}
	}
}

// Two names of one wallet may be near each other: then none of them is the other one, misspelt.
func TestMisspeltNamesOfTheWallet(t *testing.T) {
	const src = "version: 2\n" +
		"allow:\n  - {name: a, request: sign, accounts: [alice], apps: [tipbot], operations: [vote]}\n" +
		"deny:\n  - {name: b, accounts: [alise], operations: [vote]}\n  - {name: c, apps: [tipbott]}\n"
	env := policy.Options{Apps: []string{"tipbot", "tipbott"}, Accounts: []hive.AccountName{"alice", "alise"}}
	if p, problems := policy.Compile("policy.yaml", []byte(src), env); p == nil {
		t.Error(problems)
	}
	if p, problems := policy.Compile("policy.yaml", []byte(src), policy.Options{}); p != nil || len(problems) != 2 {
		t.Errorf("not misspelt: %v", problems)
	}
}

// A file NAME.right.yaml is the right way of what NAME.yaml does wrong, and is not warned of.
func TestWarnings(t *testing.T) {
	env := policy.Options{Apps: []string{"tipbot", "trader"}, Accounts: []hive.AccountName{"alice"}, Now: noon,
		NobodyToAsk: true}
	right := env
	right.NobodyToAsk = false
	for _, file := range inputs(t, "warn", 5) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(file, ".right.yaml") {
				if p, problems := policy.Compile("policy.yaml", src, right); p == nil || len(problems) > 0 {
					t.Errorf("the right way is warned of:\n%v", problems)
				}
				return
			}
			p, problems := policy.Compile("policy.yaml", src, env)
			if p == nil {
				t.Error("the file is refused")
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".golden", problems.String())
		})
	}
}
