package ledger_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pksa/agent/ledger"
)

// An open ledger tells that its file was moved, or that another one lies in its place.
func TestDisplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	o := options("displaced")
	if err := ledger.Create(path, o); err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	aside := path + ".aside"
	for _, step := range []struct {
		name string
		do   func() error
		want string // in what it tells; empty: nothing
	}{
		{"as it was opened", func() error { return nil }, ""},
		{"moved", func() error { return os.Rename(path, aside) }, "is not at"},
		{"replaced", func() error { return os.WriteFile(path, nil, 0o600) }, "another file"},
		{"back", func() error { return os.Rename(aside, path) }, ""},
	} {
		if err := step.do(); err != nil {
			t.Skipf("%s: this system does not let go of an open file: %v", step.name, err)
		}
		got := ""
		if err := l.Displaced(); err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, step.want) || (step.want == "") != (got == "") {
			t.Errorf("%s: %q, want %q", step.name, got, step.want)
		}
	}
}
