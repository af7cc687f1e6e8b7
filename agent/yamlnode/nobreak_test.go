package yamlnode_test

import (
	"strings"
	"testing"

	"pksa/agent/policy"
)

// A no-break space is named where it stands, not where YAML stumbles over it.
func TestNoBreakSpaceIsNamed(t *testing.T) {
	for text, want := range map[string]string{
		"version: 1\nallow:\n\u00a0 - {name: x, request: auth, apps: [bot]}\n":      "p.yaml:3:1: ",
		"version: 1\nallow:\n  -\u00a0{name: x, request: auth, apps: [bot]}\n":      "p.yaml:3:4: ",
		"version: 1\nallow:\n  - name: x\n \u00a0 request: auth\n    apps: [bot]\n": "p.yaml:4:2: ",
	} {
		_, problems := policy.Compile("p.yaml", []byte(text), policy.Options{})
		if got := problems.String(); !strings.HasPrefix(got, want) || !strings.Contains(got, "no-break space") {
			t.Errorf("%q: %s", text, got)
		}
	}
}
