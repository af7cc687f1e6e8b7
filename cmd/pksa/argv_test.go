package main

import (
	"bytes"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// Whoever can list processes reads their arguments, so no flag takes a secret: it takes the name of
// the place where one is, or something that is none. A new flag belongs into one of these lists.
var (
	// plainFlags have values that anybody may read.
	plainFlags = []string{"account", "amount", "answers", "app", "code", "counterparty", "file", "for", "home",
		"junit", "keep", "keys",
		"kind", "lines", "listen", "min",
		"older", "operation", "order",
		"outcome", "protocol", "relay", "requests", "result", "role", "rule", "session", "since",
		"system", "text", "to", "tx",
		"unproven", "until", "wait", "without",
		"audit export --from", "migrate --from", "policy explain --policy", "policy suggest --headroom",
		"policy suggest --into"}
	// sourceFlags have the name of a source as their value, and refuse everything else.
	sourceFlags = map[string][]string{
		"app add --secret":    {"app", "add", "bot"},
		"app rotate --secret": {"app", "rotate", "bot"},
		"init --unlock":       {"init"},

		"backup check --unlock": {"backup", "check", "wallet.pksa"},
		"restore --unlock":      {"restore", "wallet.pksa"},

		"keys import --from": {"keys", "import", "alice", "--role", "posting"},
		"keys passwd --new":  {"keys", "passwd"},
		"keys rotate --from": {"keys", "rotate", "alice", "posting"},

		"keystore passwd --new": {"keystore", "passwd"},
		"migrate --unlock":      {"migrate", "--offline", "--from"}, // and the old wallet's folder
		"pair --link":           {"pair", "--app", "bot"},
		"session add --key":     {"session", "add", "alice", "--app", "bot"},
		"unlock --from":         {"unlock"},
	}
)

// valueFlag is a line of the help for a flag that takes a value.
var valueFlag = regexp.MustCompile(`(?m)^ +(?:-\w, )?--([a-z-]+) ([A-Za-z]+) {2,}`)

// valueFlags lists the flags of all commands that take a value, as "session add --key".
func valueFlags(cmd *cobra.Command) []string {
	var found []string
	for _, m := range valueFlag.FindAllStringSubmatch(cmd.LocalFlags().FlagUsages(), -1) {
		found = append(found, strings.TrimSpace(strings.TrimPrefix(cmd.CommandPath(), "pksa")+" --"+m[1]))
	}
	for _, sub := range cmd.Commands() {
		found = append(found, valueFlags(sub)...)
	}
	return found
}

func TestNoFlagTakesASecret(t *testing.T) {
	found := valueFlags((&command{}).root())
	if len(found) < 15 {
		t.Fatalf("only %v found", found)
	}
	for _, flag := range found {
		_, name, _ := strings.Cut(flag, "--")
		_, source := sourceFlags[flag]
		if source == (slices.Contains(plainFlags, name) || slices.Contains(plainFlags, flag)) {
			t.Errorf("%s is in none of the lists, or in both: may anybody read its value?", flag)
		}
	}
	for flag := range sourceFlags {
		if !slices.Contains(found, flag) {
			t.Errorf("there is no %s any more", flag)
		}
	}
}

// A secret that is given to such a flag by mistake is refused, not repeated, and written nowhere.
func TestSourceFlagsRefuseSecrets(t *testing.T) {
	noRace(t)
	for _, flag := range slices.Sorted(maps.Keys(sourceFlags)) {
		t.Run(flag, func(t *testing.T) {
			home := t.TempDir()
			_, name, _ := strings.Cut(flag, "--")
			for _, secret := range []string{testKey("alice", "posting").WIF(), "a passphrase: with a colon",
				"has://auth_req/abcdefgh"} {
				var out bytes.Buffer
				args := append([]string{"--home", home}, sourceFlags[flag]...)
				switch args[2] {
				case "init":
				case "migrate":
					args = append(args, smallWallet(t))
				default:
					// The others look for a wallet first.
					if status := run(t.Context(), []string{"--home", home, "init"},
						streams{strings.NewReader(""), io.Discard, io.Discard}); status != 0 {
						t.Fatal("no wallet was made")
					}
				}
				status := run(t.Context(), append(args, "--"+name, secret), streams{strings.NewReader(""), &out, &out})
				if status == 0 || !strings.Contains(out.String(), "source") {
					t.Errorf("not refused as no source: %s", out.String())
				}
				if strings.Contains(out.String(), secret) {
					t.Errorf("repeated: %s", out.String())
				}
				searchFiles(t, home, secret)
			}
		})
	}
}

// switchFlag is a line of the help for a flag that takes no value.
var switchFlag = regexp.MustCompile(`(?m)^ +(?:-\w, )?--([a-z-]+) {2,}`)

// A flag that is there or left out repeats nothing of what somebody writes behind it.
func TestSwitchesTakeNoValue(t *testing.T) {
	noRace(t)
	t.Parallel()
	const secret = "5Ksecret"
	found := map[string]bool{}
	var try func(cmd *cobra.Command)
	try = func(cmd *cobra.Command) {
		for _, m := range switchFlag.FindAllStringSubmatch(cmd.LocalFlags().FlagUsages(), -1) {
			path := strings.Fields(strings.TrimPrefix(cmd.CommandPath(), "pksa"))
			found[strings.Join(append(path, "--"+m[1]), " ")] = true
			var out bytes.Buffer
			status := run(t.Context(), append(path, "--"+m[1]+"="+secret), streams{strings.NewReader(""), &out, &out})
			if status == 0 || strings.Contains(out.String(), secret) || !strings.Contains(out.String(),
				"takes no value") {
				t.Errorf("%v --%s: %d, %s", path, m[1], status, out.String())
			}
		}
		for _, sub := range cmd.Commands() {
			try(sub)
		}
	}
	try((&command{}).root())
	for _, flag := range []string{"--json", "policy check --strict"} {
		if !found[flag] {
			t.Errorf("%s is not among the flags without a value", flag)
		}
	}
}

// smallWallet is the smallest that can be taken over.
func smallWallet(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"keys.json":    `[{"name":"bob","posting":"` + testKey("bob", "posting").WIF() + `"}]`,
		"storage.json": `{"accounts":[]}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func searchFiles(t *testing.T, home, secret string) {
	t.Helper()
	err := filepath.WalkDir(home, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if bytes.Contains(text, []byte(secret)) {
			t.Errorf("written into %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
