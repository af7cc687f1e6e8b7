package policy_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pksa/agent/policy"
	"pksa/protocol/hive"
)

// Of each warning of version 1, version 2 makes an error, unless it is about the wallet or the
// clock. So what the wallet holds, and what day it is, never keeps a file from being used.
func TestVersions(t *testing.T) {
	t.Parallel()
	later := policy.Options{Apps: []string{"other"}, Accounts: []hive.AccountName{"bob", "carol"}, NobodyToAsk: true,
		Now: time.Date(2150, 1, 1, 0, 0, 0, 0, time.UTC)}
	now := policy.Options{Apps: []string{"tipbot", "trader"}, Accounts: []hive.AccountName{"alice"}, Now: noon}
	files := slices.Concat(inputs(t, "warn", 5), inputs(t, "good", 9))
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(file)
		one, plain := policy.Compile("p", src, policy.Options{})
		if one == nil {
			t.Errorf("%s: version 1 refuses it", name)
		}
		second := []byte(strings.Replace(string(src), "version: 1", "version: 2", 1))
		two, problems := policy.Compile("p", second, policy.Options{})
		if len(problems.Warnings()) > 0 || len(problems.Errors()) != len(plain.Warnings()) {
			t.Errorf("%s: version 2 says\n%vversion 1 says\n%v", name, problems, plain)
		}
		if (two == nil) != (len(plain) > 0) {
			t.Errorf("%s: version 2 takes it: %t", name, two != nil)
		}
		for _, env := range []policy.Options{now, later} {
			if _, there := policy.Compile("p", second, env); there.Errors().String() != problems.Errors().String() {
				t.Errorf("%s: in another wallet or at another time version 2 says\n%vinstead of\n%v", name, there,
					problems)
			}
		}
	}
}

// wide has a warning in each line that is named by a letter.
const wide = `
allow:
  - name: wide
    request: sign
    apps: [tipbot]
    operations:
      - vote: {weight: 1}                        A
      - vote: {weight: 2, permlink: {glob: '*'}} B
      - vote: {permlink: "# pksa: meant so: x", weight: 3} C
ask:
  - {name: may, request: sign, apps: [gone], operations: [vote]} D
`

func TestMeantSo(t *testing.T) {
	t.Parallel()
	const (
		one   = "weight: 1 is 0.01%, since 10000 is all; write 1% if percent is meant"
		two   = "weight: 2 is 0.02%, since 10000 is all; write 2% if percent is meant"
		three = "weight: 3 is 0.03%, since 10000 is all; write 3% if percent is meant"
		all   = `glob "*" takes every text`
		gone  = `there is no app "gone"`
		idle  = "this comment silences nothing, as there is no such warning on its line; leave it out"
		write = `this comment silences nothing: write "# pksa: meant so: REASON"`
	)
	warn := func(place, text string) string { return "p:" + place + ": warning: " + text }
	meant := func(place, reason, text string) string { return "p:" + place + ": meant so (" + reason + "): " + text }
	normal := []string{warn("7:24", one), warn("8:24", two), warn("8:44", all), warn("9:57", three)}
	for _, c := range []struct {
		name string
		with map[string]string // by letter
		want []string
	}{
		{"none", nil, normal},
		{"one", map[string]string{"A": "# pksa: meant so: a trial"},
			[]string{normal[1], normal[2], normal[3], meant("7:24", "a trial", one)}},
		{"in another case and with other blanks", map[string]string{"A": "#PKSA:Meant  so:  a trial  "},
			[]string{normal[1], normal[2], normal[3], meant("7:24", "a trial", one)}},
		{"one comment, two warnings", map[string]string{"B": "# pksa: meant so: few"},
			[]string{normal[0], normal[2], normal[3], meant("8:24", "few", two)}},
		{"two comments, two warnings", map[string]string{"B": "# pksa: meant so: few # pksa: meant so: each post"},
			[]string{normal[0], normal[3], meant("8:24", "few", two), meant("8:44", "each post", all)}},
		{"two comments, one warning", map[string]string{"A": "# pksa: meant so: few # pksa: meant so: each post"},
			[]string{warn("7:72", idle), normal[1], normal[2], normal[3]}},
		{"behind other words", map[string]string{"C": "# A trial. # pksa: meant so: #3 is enough"},
			[]string{normal[0], normal[1], normal[2], meant("9:57", "#3 is enough", three)}},
		{"no reason", map[string]string{"A": "# pksa: meant so", "B": "# pksa: meant so: .",
			"C": "# pksa: meant so:  "},
			[]string{normal[0], warn("7:50", write), normal[1], normal[2], warn("8:50", write), normal[3],
				warn("9:60", write)}},
		{"misspelt", map[string]string{"A": "# pksa: ment so: a trial", "C": "# pksa: is our wallet"},
			[]string{normal[0], warn("7:50", write), normal[1], normal[2], normal[3]}},
	} {
		text := "version: 1" + wide
		for _, letter := range []string{"A", "B", "C", "D"} {
			text = strings.Replace(text, " "+letter+"\n", strings.TrimRight(" "+c.with[letter], " ")+"\n", 1)
		}
		if c.name == "in another case and with other blanks" {
			text = strings.Replace(text, "a trial\n", "a trial \t\n", 1)
		}
		_, problems := policy.Compile("p", []byte(text), policy.Options{})
		want := strings.Join(c.want, "\n") + "\n"
		if c.name == "two comments, one warning" {
			want += meant("7:24", "few", one) + "\n"
		}
		if got := problems.String(); got != want {
			t.Errorf("%s:\n%swant\n%s", c.name, got, want)
		}
		if n := len(problems.Warnings()) + len(problems.Silenced()); n != len(problems) {
			t.Errorf("%s: %d warnings and silenced ones of %d", c.name, n, len(problems))
		}
	}
	// What the wallet holds today takes no reason from what stands in the file, and leaves none
	// over.
	text := strings.NewReplacer(" A\n", "\n", " B\n", "\n", " C\n", "\n", " D\n",
		" # pksa: meant so today: added next week\n").Replace("version: 1" + wide)
	for _, env := range []policy.Options{{}, {Apps: []string{"tipbot", "gone"}}, {Apps: []string{"tipbot"}}} {
		_, problems := policy.Compile("p", []byte(text), env)
		want := 0
		if len(env.Apps) == 1 {
			want = 1
		}
		if len(problems.Warnings()) != len(normal) || len(problems.Silenced()) != want ||
			len(problems.Spare()) != 1-want {
			t.Errorf("%v:\n%v", env.Apps, problems)
		}
	}
}

// A reason for what the wallet has, or for the day, silences no trap that somebody writes on its
// line, and a reason for a trap silences nothing else.
func TestMeantSoCoversWhatItIsWrittenFor(t *testing.T) {
	t.Parallel()
	const (
		gone   = "  - {name: gone, request: sign, apps: [tipbot], operations: [vote: {weight: OF}]} # pksa: meant so "
		advice = `if it is about what the wallet has, or about the day, write "# pksa: meant so today: REASON"`
	)
	for _, c := range []struct {
		weight, comment        string
		apps                   []string
		warns, silenced, spare int
		says                   string
	}{
		{"50%", "today: added next week", nil, 0, 0, 1, ""},
		{"50%", "today: added next week", []string{"other"}, 0, 1, 0, ""},
		{"50%", "today: added next week", []string{"tipbot"}, 0, 0, 1, ""},
		{"50", "today: added next week", nil, 1, 0, 1, "write 50% if percent"},
		{"50", "today: added next week", []string{"other"}, 1, 1, 0, "write 50% if percent"},
		{"50", ": a trial", []string{"tipbot"}, 0, 1, 0, ""},
		{"50", ": a trial", []string{"other"}, 1, 1, 0, `no app "tipbot"`},
		{"50", ": a trial # pksa: meant so today: soon", []string{"other"}, 0, 2, 0, ""},
		{"50%", ": added next week", nil, 1, 0, 0, advice},
		{"50%", ": added next week", []string{"other"}, 2, 0, 0, advice},
	} {
		comment := strings.Replace(gone, "OF", c.weight, 1) + c.comment
		src := "version: 1\nallow:\n" + strings.Replace(comment, "so :", "so:", 1) + "\n"
		_, problems := policy.Compile("p", []byte(src), policy.Options{Apps: c.apps})
		warned, silenced, spare := problems.Warnings(), problems.Silenced(), problems.Spare()
		if len(warned) != c.warns || len(silenced) != c.silenced || len(spare) != c.spare ||
			!strings.Contains(warned.String(), c.says) {
			t.Errorf("%s, apps %v: %d warnings, %d silenced, %d spare:\n%v", src, c.apps, len(warned), len(silenced),
				len(spare), problems)
		}
	}
}

// What stands in the file is silenced on every day, so that a day that passes makes no error of it.
func TestMeantSoInVersion2(t *testing.T) {
	t.Parallel()
	const src = `version: 2
allow:
  - {name: v, request: sign, apps: [x], until: 2030-01-01, operations: [vote: {weight: 1}]} # pksa: meant so: a trial
`
	for _, now := range []time.Time{noon, noon.AddDate(100, 0, 0)} {
		p, problems := policy.Compile("p", []byte(src), policy.Options{Now: now})
		if p == nil || len(problems.Silenced()) != 1 || len(problems.Warnings()) != len(problems)-1 {
			t.Errorf("%v: %v", now, problems)
		}
	}
	p, problems := policy.Compile("p", []byte(strings.Replace(src, "# pksa: meant so: a trial", "", 1)),
		policy.Options{})
	if p != nil || len(problems.Errors()) != 1 {
		t.Errorf("without the comment: %v", problems)
	}
	// It silences no error.
	p, problems = policy.Compile("p", []byte("version: 1\nalow: [] # pksa: meant so: old\n"), policy.Options{})
	if p != nil || len(problems.Errors()) == 0 || len(problems.Silenced()) > 0 {
		t.Errorf("an error: %v", problems)
	}
}

// Of the errors of version 2, those can be meant so that are written correctly and seen.
func TestTrapsAreMarked(t *testing.T) {
	src := strings.Replace(`version: 2
allow:
  - {name: v, request: sign, apps: [x], operations: [vote: {weight: 1}, votes]}
  - {name: w, request: sign, apps: [x],FAR operations: [vote: {weight: 2%}]}
`, "FAR", strings.Repeat(" ", 100), 1)
	_, problems := policy.Compile("p", []byte(src), policy.Options{})
	var traps []int
	for _, p := range problems {
		if p.Trap {
			traps = append(traps, p.Column)
		}
	}
	if len(problems.Errors()) != 3 || len(traps) != 1 || traps[0] != 69 {
		t.Errorf("traps in columns %v:\n%v", traps, problems)
	}
}
