//go:build unix

package ledger_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"pksa/agent/ledger"
	"pksa/keystore/access"
)

// A ledger that others could replace by an older one is refused: with it used nonces and spent
// limits would be free again.
func TestOpenPlaces(t *testing.T) {
	r := newRig(t)
	must(t, r.l.Close())
	dir := filepath.Dir(r.path)
	audit := filepath.Join(dir, "audit")
	must(t, os.MkdirAll(audit, 0o700))
	for path, modes := range map[string][2]fs.FileMode{r.path: {0o666, 0o600}, dir: {0o777, 0o700},
		audit: {0o777, 0o700}} {
		must(t, os.Chmod(path, modes[0]))
		_, err := ledger.Open(r.path, r.o)
		var refusal *access.Error
		if !errors.As(err, &refusal) || refusal.Path != path {
			t.Errorf("%s: %v", path, err)
		}
		must(t, os.Chmod(path, modes[1]))
	}
	must(t, os.Chmod(dir, 0o777))
	if err := ledger.Create(filepath.Join(dir, "second.db"), r.o); err == nil {
		t.Error("made in a folder of others")
	}
	must(t, os.Chmod(dir, 0o700))
	must(t, os.Chmod(r.path, 0o644)) // sealed: others may read it
	l, err := ledger.Open(r.path, r.o)
	must(t, err)
	must(t, l.Close())
}
