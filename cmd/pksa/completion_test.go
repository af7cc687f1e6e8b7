package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// complete returns what the shell is offered.
func complete(t *testing.T, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	args = append([]string{"__complete", "--home", t.TempDir()}, args...)
	if status := run(t.Context(), args, streams{strings.NewReader(""), &out, new(bytes.Buffer)}); status != 0 {
		t.Fatalf("%q: exit status %d", args, status)
	}
	return out.String()
}

// Every flag with a value is completed, and every command that takes arguments.
func TestEverythingIsCompleted(t *testing.T) {
	c := new(command)
	root := c.root()
	all := c.completions()
	used := map[string]bool{}
	for _, flag := range valueFlags(root) {
		path, name, _ := strings.Cut(flag, "--")
		path = strings.TrimSpace(path)
		used[name], used[path+" "+name] = true, true
		cmd, _, err := root.Find(strings.Fields(path))
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := cmd.GetFlagCompletionFunc(name); !ok {
			t.Errorf("%s is not completed", flag)
		}
	}
	visit(root, func(cmd *cobra.Command) {
		path := strings.TrimPrefix(cmd.CommandPath(), "pksa ")
		_, word, takes := strings.Cut(cmd.Use, " ")
		takes = takes && !strings.HasPrefix(word, "--") && cmd.Name() != "help"
		if takes && all.arguments[path] == nil {
			t.Errorf("%s: its argument %s is not completed", path, word)
		}
		used[path] = true
	})
	for _, names := range []map[string]completer{all.flags, all.arguments} {
		for name := range names {
			if !used[name] {
				t.Errorf("there is no %q", name)
			}
		}
	}
}

// What is known without an agent is offered without one, and nobody is asked for a passphrase.
func TestCompletionWithoutAgent(t *testing.T) {
	for _, tt := range []struct {
		args string
		want []string
	}{
		{"keys import alice --role ", []string{"posting", "active", "memo"}},
		{"audit tail --kind ", []string{"auth", "sign", "challenge", "decrypt", "admin", "event", "start", "stop"}},
		{"keys import alice --from ", []string{"prompt", "file:", "credential:", ":6"}},
		{"policy check ", []string{"yaml", "yml", ":8"}},
		{"migrate --from ", []string{":16"}},
		{"app remove ", []string{":4"}},
		{"help ", []string{"keys", "unlock", "exit-codes", ":4"}},
		{"help keys ", []string{"import", ":4"}},
		{"completion ", []string{"bash", "zsh", "fish"}},
	} {
		got := complete(t, append(strings.Fields(tt.args), "")...)
		for _, want := range tt.want {
			if !strings.Contains(got, want+"\n") && !strings.Contains(got, want+"\t") {
				t.Errorf("%q: lacks %q:\n%s", tt.args, want, got)
			}
		}
	}
}
