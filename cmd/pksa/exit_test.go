package main

import (
	"bytes"
	"errors"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// Exit statuses are what scripts and services see.
func TestExitStatus(t *testing.T) {
	t.Setenv("PKSA_HOME", t.TempDir()+"/none")
	for line, want := range map[string]int{
		"":                         0,
		"help":                     0,
		"version":                  0,
		"keys":                     0,
		"frobnicate":               2,
		"keys frobnicate":          2,
		"init --frobnicate":        2,
		"policy check a b":         2,
		"keys import a b":          2,
		"app add":                  2,
		"session add alice":        2,
		"keys import alice":        2,
		"migrate":                  2,
		"keys rotate alice":        2,
		"status":                   1,
		"keys list":                1,
		"policy check none.yaml":   1,
		"migrate --from none.here": 1,
	} {
		out, errs := new(bytes.Buffer), new(bytes.Buffer)
		if got := run(t.Context(), strings.Fields(line), streams{strings.NewReader(""), out, errs}); got != want {
			t.Errorf("pksa %s: status %d, want %d: %s", line, got, want, errs)
		}
		if want != 0 && !strings.HasPrefix(errs.String(), "pksa: error: ") {
			t.Errorf("pksa %s says %s", line, errs)
		}
	}
}

// scriptStatus runs a program that has to end with this exit status: status 3 exec PROGRAM ….
func scriptStatus(ts *testscript.TestScript, _ bool, args []string) {
	got := 0
	if err := ts.Exec(args[2], args[3:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit status %d, want %s", got, args[0])
	}
}

// Who asks a wallet from elsewhere is told commands that are right in any shell.
func TestForOthers(t *testing.T) {
	t.Setenv("PKSA_HOME", "")
	if new(command).forOthers("/default") != nil {
		t.Error("the default folder is named")
	}
	const want = "`pksa --home /b resume`"
	if got := (&command{home: "b"}).forOthers("/b")("`pksa resume`"); got != want {
		t.Error(got)
	}
	t.Setenv("PKSA_HOME", "b")
	if got := new(command).forOthers("/b")("`pksa resume`"); got != want {
		t.Error(got)
	}
}
