package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"pksa/agent/audit"
	"pksa/agent/config"
	"pksa/agent/policy"
	"pksa/keystore"
	"pksa/protocol"
)

// helpAbout returns what `pksa help` says about something.
func helpAbout(t *testing.T, words ...string) string {
	t.Helper()
	var out bytes.Buffer
	if status := run(t.Context(), append([]string{"help"}, words...),
		streams{strings.NewReader(""), &out, &out}); status != exitOK {
		t.Fatalf("help %q: status %d: %s", words, status, &out)
	}
	return out.String()
}

// Each topic is listed and shown, in 80 columns. One that is called as a command has its help, too.
func TestTopics(t *testing.T) {
	list := helpAbout(t)
	for _, topic := range topics {
		text := helpAbout(t, topic.name)
		if !strings.Contains(list, "\n  "+topic.name+" ") || !strings.HasPrefix(text, topic.text()) {
			t.Errorf("%s is not listed, or not shown: %s", topic.name, text)
		}
		for line := range strings.Lines(text) {
			line = strings.TrimSuffix(line, "\n")
			if utf8.RuneCountInString(line) > textWidth || strings.TrimRight(line, " ") != line {
				t.Errorf("%s: %q", topic.name, line)
			}
		}
	}
	if helpAbout(t, "exit", "codes") != helpAbout(t, "exit-codes") {
		t.Error("two words are another topic than one with a hyphen")
	}
	if text := helpAbout(t, "policy"); !strings.Contains(text, "pksa policy [command]") {
		t.Errorf("the commands of policy lack: %s", text)
	}
}

// blocks returns the lines that stand further in, block by block.
func blocks(text string) (found [][]string) {
	for part := range strings.SplitSeq(text, "\n\n") {
		if lines := strings.Split(strings.TrimRight(part, "\n"), "\n"); strings.HasPrefix(part, "    ") {
			found = append(found, lines)
		}
	}
	return found
}

// commandsShown returns the command lines in blocks, without what stands beside them.
func commandsShown(text string) (lines []string) {
	for _, block := range blocks(text) {
		for _, line := range block {
			line, _, _ = strings.Cut(strings.TrimSpace(line), "  ")
			if strings.HasPrefix(line, "pksa ") {
				lines = append(lines, line)
			}
		}
	}
	return lines
}

// The commands of the topics are executed by scripts.
func TestTopicsCommands(t *testing.T) {
	noRace(t)
	scripts, found := scriptTexts(t), 0
	for _, topic := range topics {
		for _, line := range commandsShown(topic.text()) {
			found++
			if !regexp.MustCompile(`(?m)^(status 4 )?exec ` + regexp.QuoteMeta(line) + `$`).MatchString(scripts) {
				t.Errorf("%s: no script executes %s, such as testdata/script/topics.txtar", topic.name, line)
			}
		}
		for _, m := range regexp.MustCompile(`"pksa ([^"]+)"`).FindAllStringSubmatch(topic.text(), -1) {
			words := strings.Fields(m[1])
			if words[0] == "help" {
				helpAbout(t, words[1:]...)
				continue
			}
			if isCommand(strings.TrimSuffix(words[0], ":")) {
				checkCommandLine(t, topic.name, words)
			}
		}
	}
	if found < 15 {
		t.Errorf("only %d commands were found", found)
	}
}

// The policies and settings that topics show are taken without a complaint.
func TestTopicsShowGoodFiles(t *testing.T) {
	policies, settings := 0, 0
	for _, topic := range topics {
		for _, block := range blocks(topic.text()) {
			text := strings.ReplaceAll("\n"+strings.Join(block, "\n"), "\n    ", "\n")
			switch {
			case strings.HasPrefix(text, "\nversion:"):
				policies++
				_, problems := policy.Compile(topic.name, []byte(text), policy.Options{})
				if len(problems.Errors())+len(problems.Warnings()) > 0 {
					t.Errorf("%v", problems)
				}
			case regexp.MustCompile(`^\n[a-z]+:( [a-z\[]|\n)`).MatchString(text):
				settings++
				if _, err := config.Parse(t.TempDir(), topic.name, []byte(text), nil); err != nil {
					t.Error(err)
				}
			}
		}
	}
	if policies < 1 || settings < 4 {
		t.Errorf("only %d policies and %d settings were found", policies, settings)
	}
}

// column returns the names in the first column of a table.
func column(rows [][2]string) (names []string) {
	for _, row := range rows {
		names = append(names, strings.Split(row[0], ", ")...)
	}
	return names
}

// same reports what one list has and the other has not.
func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	slices.Sort(got)
	slices.Sort(want)
	if want = slices.Compact(want); !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// The tables of the topics have what the program has, no more and no less.
func TestTopicTables(t *testing.T) {
	for _, form := range column(unlockSources) {
		if _, err := keystore.ParseSource(strings.Replace(form, "fd:N", "fd:3", 1)); err != nil {
			t.Errorf("%s: %v", form, err)
		}
	}
	_, err := keystore.ParseSource("none")
	forms := regexp.MustCompile(`\b[a-z]+:`).FindAllString(err.Error()[strings.Index(err.Error(), "wanted"):], -1)
	if len(forms) < 6 || len(forms)+1 != len(unlockSources) {
		t.Errorf("%d sources of secrets, and %d in the table", len(forms)+1, len(unlockSources))
	}
	for _, form := range forms {
		if !strings.Contains(table(unlockSources), "    "+form) {
			t.Errorf("%s is not in the table", form)
		}
	}

	// Those that are left out are told to wallets, or by a wallet of before.
	others := []string{protocol.TextAnsweredElsewhere, protocol.TextBadProof, protocol.TextNoAccount,
		protocol.TextNoLookup, protocol.TextBroadcastFailed, protocol.TextBusyNonce}
	var heardOf []string
	for _, row := range answersHeard {
		heardOf = append(heardOf, row[0])
	}
	same(t, "answers", append(heardOf, others...), textsOfProtocol(t))
	same(t, "codes", append(slices.Collect(maps.Keys(remedies)), string(policy.CodeDenied)), audit.Codes())
	same(t, "variables", slices.DeleteFunc(column(variables), func(name string) bool { return name == "PKSA_…" }),
		variablesRead(t))
}

// textsOfProtocol returns the values of the constants of protocol/text.go.
func textsOfProtocol(t *testing.T) (texts []string) {
	t.Helper()
	tree, err := parser.ParseFile(token.NewFileSet(), "../../protocol/text.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(tree, func(n ast.Node) bool {
		if text, ok := n.(*ast.BasicLit); ok && text.Kind == token.STRING {
			value, err := strconv.Unquote(text.Value)
			if err != nil {
				t.Fatal(err)
			}
			texts = append(texts, value)
		}
		return true
	})
	return texts
}

// variablesRead returns the variables of the environment that the program reads.
func variablesRead(t *testing.T) (names []string) {
	t.Helper()
	read := regexp.MustCompile(`Getenv\("([A-Za-z_]+)"\)`)
	for _, pattern := range []string{"*.go", "../../agent/*.go", "../../agent/*/*.go", "../../keystore/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range read.FindAllStringSubmatch(string(text), -1) {
				if !strings.HasSuffix(file, "_test.go") && m[1] != "CRASHPOINT" && m[1] != "PKSA_UNLOCK" {
					names = append(names, m[1])
				}
			}
		}
	}
	return append(names, "TMPDIR") // by the standard library
}

// The files of a home folder are in the table, and no others.
func TestTopicFiles(t *testing.T) {
	home := filepath.Join(t.TempDir(), "home")
	var out bytes.Buffer
	if run(t.Context(), []string{"--home", home, "init"}, streams{strings.NewReader(""), &out, &out}) != exitOK {
		t.Fatal(&out)
	}
	entries, err := os.ReadDir(home)
	if err != nil {
		t.Fatal(err)
	}
	found := []string{"audit/", filepath.Base(config.Default(home).Control)} // of a wallet that has run
	for _, e := range entries {
		found = append(found, e.Name())
	}
	same(t, "files", column(filesOfHome), found)
}

// The exit statuses in the table are those of the program, and each has a command that shows it.
func TestTopicExitStatuses(t *testing.T) {
	text, err := os.ReadFile("exit.go")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"130", "143"} // see TestInterruptEndsReads
	for _, m := range regexp.MustCompile(`(?m)^\texit[A-Za-z]+ += (\d)`).FindAllStringSubmatch(string(text), -1) {
		want = append(want, m[1])
	}
	var got []string
	for _, s := range exitStatuses {
		got = append(got, fmt.Sprint(s.status))
	}
	same(t, "statuses", got, want)
	scripts := scriptTexts(t)
	for _, s := range exitStatuses[1:6] {
		if !strings.Contains(scripts, fmt.Sprintf("\nstatus %d exec pksa ", s.status)) {
			t.Errorf("no script shows status %d", s.status)
		}
	}
	for _, row := range checkingCommands {
		if !strings.Contains(scripts, "\n! exec "+row[0]) && !strings.Contains(scripts, "\nstatus 1 exec "+row[0]) &&
			row[0] != "pksa canary" && row[0] != "pksa demo" { // see TestCanary, and package demo
			t.Errorf("no script shows how %s fails", row[0])
		}
	}
}

// scriptTexts returns all scripts.
func scriptTexts(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}
