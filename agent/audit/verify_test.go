package audit_test

import (
	"strings"
	"testing"

	"pksa/agent/audit"
)

// Checkpoints that are on the chain already name a trail so.
func TestNameOfTrail(t *testing.T) {
	trail := audit.Trail{LedgerID: "00112233445566778899aabbccddeeff"}
	if got := trail.Name(); got != "dd76f6304ea313f2" {
		t.Errorf("name %s", got)
	}
}

func TestParseCheckpoint(t *testing.T) {
	mac := strings.Repeat("0f", 32)
	for _, c := range []struct {
		name, text string
		ok         bool
	}{
		{"as published", `{"version":1,"trail":"dd76f6304ea313f2","record":7,"mac":"` + mac + `"}`, true},
		{"another version", `{"version":2,"trail":"dd76f6304ea313f2","record":7,"mac":"` + mac + `"}`, false},
		{"no record", `{"version":1,"trail":"dd76f6304ea313f2","mac":"` + mac + `"}`, false},
		{"short MAC", `{"version":1,"trail":"dd76f6304ea313f2","record":7,"mac":"0f"}`, false},
		{"no hexadecimal MAC", `{"version":1,"trail":"dd76f6304ea313f2","record":7,"mac":"` + strings.Repeat("xy", 32) +
			`"}`, false},
		{"no JSON", "hello", false},
	} {
		got, ok := audit.ParseCheckpoint(c.text)
		if ok != c.ok || ok && (got.Record != 7 || got.MAC != mac) {
			t.Errorf("%s: %+v, %v", c.name, got, ok)
		}
	}
}
