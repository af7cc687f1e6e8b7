package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestCarePages executes the pages about looking after a wallet as they stand, in the order in
// which they stand, each with a home folder of its own to restore into.
func TestCarePages(t *testing.T) {
	text, err := os.ReadFile("../../examples/docs/operations.md")
	check(t, err)
	_, care, ok := strings.Cut(string(text), "\n# Looking after a wallet\n")
	pages := regexp.MustCompile("(?s)\n## ([^\n]*)\n.*?\n```\n(.*?)```").FindAllStringSubmatch(care, -1)
	if !ok || len(pages) < 3 {
		t.Fatalf("%d pages", len(pages))
	}
	script := "chain\nrelay\nenv PKSA_NODES=$NODE\nenv PKSA_RELAYS=$RELAY\nwif alice posting key\nmkdir media old\n" +
		"exec pksa --home old/pksa init\n" +
		"exec pksa --home old/pksa keys import alice --role posting --from file:$WORK/key\n" +
		"exec pksa --home old/pksa app add mybot\n" +
		"wif alice2 posting media/newkey\nchmod 0600 media/newbot\n" +
		"stub 'plain spare' unused\nstub 'plain key' media/hardware.txt\n"
	for i, page := range pages {
		lost := strings.Contains(page[2], " --lost ")
		if lost && os.Geteuid() != 0 {
			continue // the page says that it is for root
		}
		script += fmt.Sprintf("\n# %s\nmkdir new%d\n", page[1], i)
		running := regexp.MustCompile("/old/pksa (reload|pause|lock|apply)").MatchString(page[2])
		if running {
			script += "exec pksa --home old/pksa run &page&\nenv PKSA_HOME=$WORK/old/pksa\nawait 1\n"
		}
		end := ""
		for line := range strings.Lines(page[2]) {
			command, ok := strings.CutPrefix(line, "$ ")
			if !ok {
				t.Fatalf("%s: %q is no command", page[1], line)
			}
			// All at once: one of the words is within what stands in another's place.
			words := strings.NewReplacer("/old/", "$WORK/old/", "/new/", fmt.Sprintf("$WORK/new%d/", i),
				"/media/", "$WORK/media/", "RECIPIENT", "$OFFLINE", "PLUGIN", "$RECIPIENT")
			command = "exec " + strings.TrimSpace(words.Replace(command))
			if strings.HasSuffix(command, " run") {
				home := strings.Fields(command)[3]
				command += " &run&\nenv PKSA_HOME=" + home + "\nawait 1\nexec pksa status"
				end = "kill -INT run\nwait run\n"
			}
			if strings.HasSuffix(command, "/offline keystore recipients list") {
				command += "\ncapture OFFLINE '^(age1\\w+)'"
			}
			if lost && strings.Contains(command, " --lost ") {
				script += "rm old/pksa/identity.txt\n"
				end = "cp media/fresh.txt old/pksa/identity.txt\nexec pksa --home old/pksa keys list\n" + end
			}
			if strings.HasSuffix(command, "media/hardware.txt") {
				end = "env PKSA_UNLOCK=identity:$WORK/media/hardware.txt\nexec pksa --home old/pksa keys list\n" +
					"exec pksa --home old/pksa keystore passwd --new identity:$WORK/old/pksa/again.txt\n" +
					"env PKSA_UNLOCK=\nexec cp old/pksa/again.txt old/pksa/identity.txt\n"
			}
			if strings.Contains(command, "keys rotate alice posting --from") {
				script += "rekey alice posting alice2\n" // the account was changed, as the page says
			}
			if strings.HasSuffix(command, "/pksa unlock") {
				command += "\nawait 1"
			}
			script += command + "\n"
		}
		if running {
			script += "kill -INT page\nwait page\n"
		}
		script += end
	}
	script += careFiles
	dir := t.TempDir()
	check(t, os.WriteFile(filepath.Join(dir, "care.txtar"), []byte(script), 0o600))
	p := scriptParams(dir)
	p.UpdateScripts = false
	testscript.Run(t, p)
}

// careFiles are what the pages find in their folders.
const careFiles = `
-- media/newbot --
the secret of newbot, in plain sight
-- media/wanted.yaml --
version: 1
accounts:
  alice: [posting]
apps:
  mybot: {answers: nack}
  newbot: {secret: file:media/newbot}
`
