package policy_test

import (
	"strings"
	"testing"

	"pksa/agent/policy"
	"pksa/protocol/hive"
)

// In a wallet of several accounts a login or challenge rule without accounts is warned of, and
// still loads.
func TestLoginRulesNameAccounts(t *testing.T) {
	const rules = `version: 1
lists: {mine: [alice, bob]}
allow:
  - {name: open, request: auth, apps: [bot]}
  - {name: proofs, request: challenge, apps: [bot], text: {glob: "login *"}}
  - {name: named, request: auth, apps: [bot], accounts: [alice]}
  - {name: votes, request: sign, apps: [bot], operations: [vote]}
deny:
  - {name: never, request: auth, apps: [other]}
`
	for accounts, want := range map[string]int{"alice": 0, "alice bob": 2} {
		var held []hive.AccountName
		for _, name := range strings.Fields(accounts) {
			held = append(held, hive.AccountName(name))
		}
		p, problems := policy.Compile("p.yaml", []byte(rules), policy.Options{Accounts: held})
		if p == nil {
			t.Fatal(problems)
		}
		got := 0
		for _, w := range problems.Warnings() {
			if strings.Contains(w.Text, "names no accounts") {
				got++
			}
		}
		if got != want {
			t.Errorf("%s: %d warnings, want %d:\n%s", accounts, got, want, problems)
		}
	}
}

// Permits names the rules that let an app do something, and those alone.
func TestPermits(t *testing.T) {
	p, problems := policy.Compile("p.yaml", []byte(`version: 1
allow:
  - {name: logins, request: auth, apps: [web]}
  - {name: bobs, request: sign, apps: [web], accounts: [bob], operations: [vote]}
  - {name: watched, request: sign, apps: [web], operations: [comment], mode: observe}
ask:
  - {name: posts, request: sign, apps: any, operations: [comment, vote]}
deny:
  - {name: never, request: sign, apps: [web], operations: [transfer]}
`), policy.Options{})
	if p == nil {
		t.Fatal(problems)
	}
	got := strings.Join(p.Permits("web", "alice"), "\n")
	if want := "allow \"logins\": auth\nask \"posts\": sign comment, vote"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
