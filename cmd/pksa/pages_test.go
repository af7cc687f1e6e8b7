package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"pksa/agent/policy"
)

// pages returns the pages that people read about the program, with their text.
func pages(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, pattern := range []string{
		"README.md", ".github/*.md", "examples/*.md", "examples/*/*.md", "examples/*/*.yaml", "examples/*/*.go",
		"examples/*/*.mjs", "examples/*/*.service", "examples/*/pksa-admin", "examples/*/Containerfile",
	} {
		files, err := filepath.Glob(filepath.Join("../..", pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			found[file] = string(text)
		}
	}
	return found
}

// commandLine finds what a page tells to type: after a backtick, at the beginning of a line (in
// code or in a comment), or behind a prompt.
var commandLine = regexp.MustCompile("(?m)(?:`|^ *(?:#|//)? *(?:\\$ )?)((?:\\./)?pksa(?:-admin)? [a-z-][^`\n]*)")

// Every command line on a page is one that the program takes: its words name a command, and its
// flags are flags of it.
func TestPagesNameCommands(t *testing.T) {
	noRace(t)
	lines := 0
	for page, text := range pages(t) {
		for _, m := range commandLine.FindAllStringSubmatch(text, -1) {
			words := strings.Fields(m[1])
			if !isCommand(words[1]) {
				continue // "pksa is a wallet"
			}
			lines++
			checkCommandLine(t, page, words[1:])
		}
	}
	if lines < 60 {
		t.Errorf("only %d command lines were found", lines)
	}
}

// isCommand reports whether a word is a flag or the name of a command.
func isCommand(word string) bool {
	if strings.HasPrefix(word, "--") {
		return true
	}
	for _, c := range new(command).root().Commands() {
		if c.Name() == strings.Trim(word, ",") {
			return true
		}
	}
	return false
}

func checkCommandLine(t *testing.T, page string, words []string) {
	t.Helper()
	line := "pksa " + strings.Join(words, " ")
	for strings.HasPrefix(words[0], "--") && len(words) > 2 { // --home FOLDER
		words = words[2:]
	}
	c, rest, err := new(command).root().Find(strings.Fields(strings.ReplaceAll(strings.Join(words, " "), ",", "")))
	if err != nil || !c.HasParent() {
		t.Errorf("%s: %q is no command", page, line)
		return
	}
	if c.HasSubCommands() && len(rest) > 0 && regexp.MustCompile(`^[a-z]+$`).MatchString(rest[0]) {
		t.Errorf("%s: %q: %s has no command %s", page, line, c.CommandPath(), rest[0])
	}
	for _, word := range rest {
		if word == "#" || word == "|" {
			return // what follows is a comment, or another program
		}
		checkFlag(t, page, line, c, word)
	}
}

func checkFlag(t *testing.T, page, line string, c *cobra.Command, word string) {
	t.Helper()
	name, isFlag := strings.CutPrefix(word, "--")
	name, _, _ = strings.Cut(name, "=")
	if isFlag && c.Flags().Lookup(name) == nil && c.InheritedFlags().Lookup(name) == nil {
		t.Errorf("%s: %q: there is no flag --%s", page, line, name)
	}
}

// The policies that the pages show are taken without a complaint.
func TestPagesShowGoodPolicies(t *testing.T) {
	block := regexp.MustCompile("(?s)\n```yaml\n(version: 2\n.*?)```")
	policies := 0
	for page, text := range pages(t) {
		for _, m := range block.FindAllStringSubmatch(text, -1) {
			policies++
			if _, problems := policy.Compile(page, []byte(m[1]),
				policy.Options{}); len(problems.Errors())+len(problems.Warnings()) > 0 {
				t.Errorf("%v", problems)
			}
		}
	}
	if policies < 2 {
		t.Errorf("only %d policies were found", policies)
	}
}

// The list of commands in the README is whole.
func TestReadmeListsCommands(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "## Commands\n\n```\n")
	list, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("the README has no list of commands")
	}
	const explained = 53 // the column at which the explanations begin
	listed := map[string]bool{}
	for line := range strings.Lines(list) {
		for _, name := range strings.FieldsFunc(line[:min(explained, len(line)-1)],
			func(r rune) bool { return r == ' ' || r == ',' }) {
			listed[name] = true
		}
	}
	for _, c := range new(command).root().Commands() {
		for _, sub := range append(c.Commands(), c) {
			if name := sub.Name(); name != "help" && name != "version" && !listed[name] {
				t.Errorf("the README does not list %s", sub.CommandPath())
			}
		}
	}
}

// What the README shows of the demo is what the demo prints, as its script has it. The README may
// leave lines out.
func TestReadmeShowsDemo(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile("testdata/script/demo.txtar")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(readme), "$ ./pksa demo\n…\n")
	shown, _, ok := strings.Cut(rest, "```")
	_, printed, found := strings.Cut(string(script), "-- want-demo --\n")
	if !ok || !found {
		t.Fatal("the README shows no demo, or its script has no output")
	}
	shown = regexp.MustCompile(`\b[0-9a-f]{40}\b`).ReplaceAllString(shown, "TRANSACTION")
	for line := range strings.Lines(shown) {
		_, after, ok := strings.Cut("\n"+printed, "\n"+line)
		if !ok {
			t.Fatalf("the demo does not print, after what stands before it in the README: %s", line)
		}
		printed = after
	}
}
