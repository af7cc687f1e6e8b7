package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pksa/keystore/plugintest"
)

// An age plugin asks for a PIN at the terminal, which does not show it. Where there is none, it is
// told so, and the command says what to do.
func TestPluginAsksAtTerminal(t *testing.T) {
	self, err := os.Executable()
	check(t, err)
	bin := t.TempDir()
	check(t, os.Symlink(self, filepath.Join(bin, plugintest.Program)))
	t.Setenv("PATH", bin)
	home := filepath.Join(t.TempDir(), "home")
	identity := filepath.Join(t.TempDir(), "identity.txt")
	check(t, os.WriteFile(identity, []byte(plugintest.Identity("pin one")), 0o600))
	t.Setenv("PKSA_UNLOCK", "identity:"+identity)
	for _, c := range []struct {
		line, typed string
		status      int
		said        string
	}{
		{"init", "1234\n", exitOK, "age-plugin-stub: PIN of the key: "},
		{"keys list", "1234\n", exitOK, "age-plugin-stub: PIN of the key: "},
		{"keys list", "4321\n", exitFailure, "age-plugin-stub: wrong PIN"},
		{"keys list", "", exitFailure, "there is no terminal to ask at"},
	} {
		var out, said bytes.Buffer
		s := streams{strings.NewReader(""), &out, &said}
		if c.typed != "" {
			m := newTerminal(t)
			if _, err := m.person.WriteString(c.typed); err != nil {
				t.Fatal(err)
			}
			s.in = m.tty
		}
		status := run(t.Context(), append(strings.Fields(c.line), "--home", home), s)
		if status != c.status || !strings.Contains(said.String(), c.said) {
			t.Errorf("%s: status %d: %s", c.line, status, said.String())
		}
	}
}
