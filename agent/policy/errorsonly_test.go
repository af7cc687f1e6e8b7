package policy_test

import (
	"strings"
	"testing"

	"pksa/agent/policy"
)

// Who reads no warnings pays for none. What version 2 makes errors of, no option takes out.
func TestErrorsOnlyLeavesOutWarnings(t *testing.T) {
	const trap = "\nallow:\n  - {name: a, request: sign, accounts: [alice], apps: [bot], operations: " +
		"[comment: {title: any}]}\n"
	for version, want := range map[string]string{"1": "", "2": "any"} {
		p, problems := policy.Compile("p.yaml", []byte("version: "+version+trap), policy.Options{ErrorsOnly: true})
		if (p == nil) != (want != "") || (len(problems) > 0) != (want != "") ||
			!strings.Contains(problems.String(), want) {
			t.Errorf("version %s: %v, %v", version, p, problems)
		}
	}
	if p, problems := policy.Compile("p.yaml", []byte("version: 1"+trap), policy.Options{}); p == nil ||
		len(problems.Warnings()) == 0 {
		t.Errorf("no trap: %v", problems)
	}
	if p, problems := policy.Compile("p.yaml", []byte("version: 1"+strings.Replace(trap, "comment", "coment", 1)),
		policy.Options{ErrorsOnly: true}); p != nil || len(problems.Errors()) != 1 {
		t.Errorf("no error: %v", problems)
	}
}
