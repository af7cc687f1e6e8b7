//go:build unix

package durable_test

import (
	"os"
	"path/filepath"
	"testing"

	"pksa/keystore/durable"
)

func TestModes(t *testing.T) {
	dir := t.TempDir()
	replaced, created := filepath.Join(dir, "replaced"), filepath.Join(dir, "created")
	must(t, os.WriteFile(replaced, nil, 0o644))
	must(t, durable.Replace(replaced, nil), durable.Create(created, nil))
	for _, path := range []string{replaced, created} {
		info, err := os.Stat(path)
		must(t, err)
		if info.Mode() != 0o600 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
	}
}
