package service_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pksa/agent/config"
	"pksa/agent/service"
)

// What the next start cannot use is told before it, and no longer than it is so.
func TestForesee(t *testing.T) {
	home := t.TempDir()
	if err := os.Chmod(home, 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string, mode os.FileMode) {
		path := filepath.Join(home, name)
		_ = os.Remove(path)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("identity.txt", "AGE-SECRET-KEY-1", 0o600)
	write("keystore.age", "age", 0o600)
	write("config.yaml", "ask: none\n", 0o600)
	cfg, err := config.Load(home, filepath.Join(home, "config.yaml"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name        string
		spoil, mend func()
		want        string
	}{
		{"unlock file missing", func() { os.Remove(filepath.Join(home, "identity.txt")) },
			func() { write("identity.txt", "AGE-SECRET-KEY-1", 0o600) }, "what opens the keystore cannot be read"},
		{"unlock file that others can read", func() { write("identity.txt", "AGE-SECRET-KEY-1", 0o644) },
			func() { write("identity.txt", "AGE-SECRET-KEY-1", 0o600) }, "what opens the keystore cannot be read"},
		{"unlock command missing", func() { cfg.Unlock = "command:/nowhere/at/all x" },
			func() { cfg.Unlock = "identity:" + filepath.Join(home, "identity.txt") }, "what opens the keystore"},
		{"settings with errors", func() { write("config.yaml", "aks: none\n", 0o600) },
			func() { write("config.yaml", "ask: none\n", 0o600) }, "config.yaml:1:1"},
		{"keystore missing", func() { os.Remove(filepath.Join(home, "keystore.age")) },
			func() { write("keystore.age", "age", 0o600) }, "the keystore cannot be read"},
		{"certificate missing", func() {
			cfg.RelayListen, cfg.RelayCertificate, cfg.RelayKey = "127.0.0.1:1", home+"/c.pem", home+"/k.pem"
		}, func() { cfg.RelayCertificate = "" }, "relay.certificate"},
		{"certificate that is none", func() {
			write("c.pem", "no", 0o600)
			write("k.pem", "no", 0o600)
			cfg.RelayCertificate = home + "/c.pem"
		}, func() { cfg.RelayCertificate = "" }, "relay.certificate"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := service.Foresee(cfg); len(got) != 0 {
				t.Errorf("all is well, and it says %q", got)
			}
			tt.spoil()
			if got := service.Foresee(cfg); len(got) != 1 || !strings.Contains(got[0], tt.want) {
				t.Errorf("it says %q, want %q", got, tt.want)
			}
			tt.mend()
		})
	}
}
