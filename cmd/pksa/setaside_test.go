package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Two files that are set aside in the same second are both kept, and those that were set aside
// together have the same ending.
func TestSetAsideTwice(t *testing.T) {
	dir, now := t.TempDir(), time.Unix(1_800_000_000, 0)
	ledger, mark := filepath.Join(dir, "ledger.db"), filepath.Join(dir, "ledger.mark")
	for _, text := range []string{"first", "second"} {
		for _, path := range []string{ledger, mark} {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := setAside([]string{ledger, mark, filepath.Join(dir, "audit")}, now); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{
		"ledger.db.aside-20270115T080000Z": "first", "ledger.mark.aside-20270115T080000Z": "first",
		"ledger.db.aside-20270115T080000Z-2": "second", "ledger.mark.aside-20270115T080000Z-2": "second",
	} {
		if text, err := os.ReadFile(filepath.Join(dir, name)); string(text) != want {
			t.Errorf("%s holds %q, %v; want %q", name, text, err, want)
		}
	}
}
