package main

import (
	"runtime/debug"
	"strings"
	"testing"

	"pksa/agent/harden"
)

// What pksa version says of a build is what the build knows: its history, what it was told, or
// that it was told nothing. None is called "devel", which any build could be.
func TestVersionOfBuilds(t *testing.T) {
	const hash = "13de766a8f1f2c0d9f4d1f6f5a4b3c2d1e0f9a8b"
	const generated = "v0.0.0-20261127003653-13de766a8f1f"
	history := func(version, modified string) *debug.BuildInfo {
		return &debug.BuildInfo{Main: debug.Module{Path: "pksa", Version: version}, Settings: []debug.BuildSetting{
			{Key: "vcs.revision", Value: hash}, {Key: "vcs.time", Value: "2026-11-27T00:36:53Z"},
			{Key: "vcs.modified", Value: modified}}}
	}
	bare := &debug.BuildInfo{Main: debug.Module{Path: "pksa", Version: "(devel)"}}
	const rest = "for linux/amd64; protections: core-dumps, landlock\n"
	for name, tt := range map[string]struct {
		told, commit string
		info         *debug.BuildInfo
		want         string
	}{
		"a release": {"", "", history("v1.2.3", "false"), "pksa v1.2.3 (go1, HAS protocol 1)\n" +
			"commit " + hash + " of 2026-11-27T00:36:53Z\n"},
		"a commit": {"", "", history(generated, "false"), "pksa " + generated + " (go1, HAS protocol 1)\n" +
			"commit " + hash + " of 2026-11-27T00:36:53Z\n"},
		"a working tree": {"", "", history(generated+"+dirty", "true"), "pksa " + generated +
			"+dirty (go1, HAS protocol 1)\ncommit " + hash +
			" of 2026-11-27T00:36:53Z, with changes that are not in it\n"},
		"an image":                {"v1.2.3", hash, bare, "pksa v1.2.3 (go1, HAS protocol 1)\ncommit " + hash + "\n"},
		"an image without commit": {"v1.2.3", "", bare, "pksa v1.2.3 (go1, HAS protocol 1)\n"},
		"told nothing": {"", "", bare,
			"pksa of a version that its build was not told (go1, HAS protocol 1)\n"},
		"without any information": {"", "", nil,
			"pksa of a version that its build was not told (go1, HAS protocol 1)\n"},
		"with a version of no one": {"", "", &debug.BuildInfo{},
			"pksa of a version that its build was not told (go1, HAS protocol 1)\n"},
	} {
		version, commit = tt.told, tt.commit
		v := versionInfo{Go: "go1", System: "linux/amd64", Protocol: 1, Protections: []string{"core-dumps", "landlock"}}
		v.setBuild(tt.info)
		var text strings.Builder
		v.write(&text)
		if want := tt.want + rest; text.String() != want {
			t.Errorf("%s: got %q, want %q", name, &text, want)
		}
	}
	version, commit = "", ""
}

// On a system that lacks protections, pksa version names each of them.
func TestVersionNamesWhatIsLacking(t *testing.T) {
	v := versionInfo{Version: "1.0", Go: "go1", System: "darwin/arm64", Protocol: 1}
	v.Lacking = []harden.Measure{{Name: "tracing", Detail: "only done on Linux, this is darwin"},
		{Name: "callers", Detail: "unknown"}}
	var text strings.Builder
	v.write(&text)
	if want := `pksa 1.0 (go1, HAS protocol 1)
for darwin/arm64; protections: none

This system lacks protections of the keys; ` + "`pksa run`" + ` wants the setting hardening:
  tracing      only done on Linux, this is darwin
  callers      unknown
`; text.String() != want {
		t.Errorf("got %s, want %s", &text, want)
	}
}
