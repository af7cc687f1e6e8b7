package main

import (
	"strings"
	"testing"

	"pksa/agent/harden"
)

// On a system that lacks protections, pksa version names each of them.
func TestVersionNamesWhatIsLacking(t *testing.T) {
	v := versionInfo{Version: "1.0", Go: "go1", Protocol: 1}
	var text strings.Builder
	v.write(&text)
	if want := "pksa 1.0 (go1, HAS protocol 1)\n"; text.String() != want {
		t.Errorf("got %q, want %q", &text, want)
	}
	v.Lacking = []harden.Measure{{Name: "tracing", Detail: "only done on Linux, this is darwin"},
		{Name: "callers", Detail: "unknown"}}
	v.write(&text)
	if want := `
This system lacks protections of the keys; ` + "`pksa run`" + ` wants the setting hardening:
  tracing      only done on Linux, this is darwin
  callers      unknown
`; !strings.HasSuffix(text.String(), want) {
		t.Errorf("got %s, want %s", &text, want)
	}
}
