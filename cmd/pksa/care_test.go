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

// carePages are the pages about looking after a wallet, each with its title and its commands.
func carePages(t *testing.T) [][]string {
	t.Helper()
	text, err := os.ReadFile("../../examples/docs/operations.md")
	check(t, err)
	_, care, ok := strings.Cut(string(text), "\n# Looking after a wallet\n")
	pages := regexp.MustCompile("(?s)\n## ([^\n]*)\n.*?\n```\n(.*?)```").FindAllStringSubmatch(care, -1)
	if !ok || len(pages) < 3 {
		t.Fatalf("%d pages", len(pages))
	}
	return pages
}

// careBegins makes the wallet that the pages are about, and what they find besides careFiles.
const careBegins = "chain\nrelay\nenv PKSA_NODES=$NODE\nenv PKSA_RELAYS=$RELAY\n" +
	"wif alice posting key\nmkdir media stick old\n" +
	"exec pksa --home old/pksa init\n" +
	"exec pksa --home old/pksa keys import alice --role posting --from file:$WORK/key\n" +
	"exec pksa --home old/pksa app add mybot\n" +
	"wif alice2 posting media/newkey\nchmod 0600 media/newbot\n" +
	"stub 'plain spare' unused\nstub 'plain key' media/hardware.txt\n"

// TestCarePagesLocked executes the commands of the pages that are about a wallet that runs while
// that wallet is locked: each works, or says that the wallet is locked and what unlocks it.
func TestCarePagesLocked(t *testing.T) {
	script := careBegins + "exec pksa --home old/pksa run &page&\nenv PKSA_HOME=$WORK/old/pksa\nawait 1\n" +
		"exec pksa lock\n"
	commands := 0
	for _, page := range carePages(t) {
		script += "\n# " + page[1] + "\n"
		for line := range strings.Lines(page[2]) {
			command, ok := strings.CutPrefix(strings.TrimSpace(line), "$ pksa --home /old/pksa ")
			if !ok || regexp.MustCompile(`^(run|lock|unlock|pause|resume)$| --lost `).MatchString(command) {
				continue // to be locked is what these are about, or another state, or root
			}
			words := strings.NewReplacer("/media/", "$WORK/media/", "PLUGIN", "$RECIPIENT", "RECIPIENT", "$RECIPIENT")
			if strings.Contains(command, "keys rotate alice posting --from") {
				script += "rekey alice posting alice2\n" // the account was changed, as the page says
			}
			script += "locked " + words.Replace(command) + "\n"
			commands++
		}
	}
	if commands < 10 {
		t.Fatalf("%d commands", commands)
	}
	// The last page but one locked the keystore anew.
	runScript(t, script+"\nenv PKSA_UNLOCK=identity:$WORK/media/hardware.txt\n"+
		"exec pksa unlock --from $PKSA_UNLOCK\nawait 1\nexec pksa keys list\n"+
		"kill -INT page\nwait page\n")
}

// scriptLocked runs a command of a wallet that is locked: locked ARGUMENT…
func scriptLocked(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec("pksa", args...)
	says := ts.ReadFile("stdout") + ts.ReadFile("stderr")
	if err != nil && !(strings.Contains(says, "locked") && strings.Contains(says, "pksa unlock")) {
		ts.Fatalf("pksa %q on a locked wallet does not say that it is locked, and how to unlock it:\n%s", args, says)
	}
}

// runScript runs one script, with careFiles.
func runScript(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	check(t, os.WriteFile(filepath.Join(dir, "care.txtar"), []byte(script+careFiles), 0o600))
	p := scriptParams(dir)
	p.UpdateScripts = false
	testscript.Run(t, p)
}

// TestCarePages executes the pages about looking after a wallet as they stand, in the order in
// which they stand, each with a home folder of its own to restore into.
func TestCarePages(t *testing.T) {
	script := careBegins
	for i, page := range carePages(t) {
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
				"/media/", "$WORK/media/", "/stick/", "$WORK/stick/", "RECIPIENT", "$OFFLINE", "PLUGIN", "$RECIPIENT")
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
	runScript(t, script)
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
