package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pksa/agent/config"
)

// TestLedgerPlaces: a ledger is in a file or in a database, whose password stands elsewhere.
func TestLedgerPlaces(t *testing.T) {
	home := t.TempDir()
	for text, want := range map[string]config.Config{
		"ledger: other.db": {Ledger: filepath.Join(home, "other.db")},
		"ledger: postgres://wallet@127.0.0.1/l\nledger_password: file:pw": {Ledger: filepath.Join(home, "ledger.db"),
			Database: "postgres://wallet@127.0.0.1/l", LedgerPassword: "file:" + filepath.Join(home, "pw")},
		"ledger: postgres://wallet@db.example/l?sslrootcert=ca.pem": {Ledger: filepath.Join(home, "ledger.db"),
			Database: "postgres://wallet@db.example/l?sslrootcert=" +
				strings.ReplaceAll(home+"/ca.pem", "/", "%2F"),
			DatabaseRoots: filepath.Join(home, "ca.pem")},
	} {
		if err := os.WriteFile(filepath.Join(home, "config.yaml"), []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(home, filepath.Join(home, "config.yaml"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.Ledger != want.Ledger || c.Database != want.Database || c.LedgerPassword != want.LedgerPassword ||
			c.DatabaseRoots != want.DatabaseRoots {
			t.Errorf("%s is %q, %q, %q, %q", text, c.Ledger, c.Database, c.LedgerPassword, c.DatabaseRoots)
		}
	}
	for text, want := range map[string]string{
		"ledger: postgres://wallet:hunter2@127.0.0.1/l":        "must not hold a password",
		"ledger: postgres://wallet@db.example/l?sslmode=allow": "verify-full",
		"ledger_password: hunter2":                             "names where the secret is",
		"ledger_password: prompt":                              "by itself",
		"ledger_password: file:a\nunlock: file:a":              "same secret",
	} {
		if err := os.WriteFile(filepath.Join(home, "config.yaml"), []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := config.Load(home, filepath.Join(home, "config.yaml"), nil)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", text, err)
		}
	}
}
