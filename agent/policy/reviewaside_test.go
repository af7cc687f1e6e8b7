package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"pksa/agent/policy"
)

// Of a long list, a name that the permitting rule says is found wherever it stands; and many rules
// do not use up what a file is compared by.
func TestManyNamesAndRulesAreCompared(t *testing.T) {
	var b strings.Builder
	b.WriteString("version: 1\nlists:\n  bad: [")
	for i := range 300 {
		fmt.Fprintf(&b, "bad-z%d, ", i)
	}
	b.WriteString("mallory]\nallow:\n  - {name: way, request: sign, accounts: [alice], apps: [web], key: active, " +
		"operations: [set_withdraw_vesting_route: {to_account: mallory}]}\n")
	for i := range 150 {
		fmt.Fprintf(&b, "  - {name: a%d, request: sign, accounts: [alice], apps: [app%[1]d], operations: "+
			"[custom_json: {id: [sm_find_match, rc], json: {.0: x}}]}\n", i)
	}
	b.WriteString("deny:\n  - {name: exchanges, operations: [transfer: {to: $bad}]}\n")
	_, problems := policy.Compile("policy.yaml", []byte(b.String()), policy.Options{})
	text := problems.String()
	if !strings.Contains(text, `"way" lets set_withdraw_vesting_route through, by which mallory gets value, too`) {
		t.Errorf("mallory is not found:\n%.500s", text)
	}
	if strings.Contains(text, "not all of them were compared") {
		t.Error("some rules were not compared")
	}
}
