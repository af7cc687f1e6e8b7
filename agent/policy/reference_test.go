package policy

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pksa/protocol/hive"
)

const page = "../../examples/docs/policy.md"

// Every key that the compiler takes has its sentence, and no sentence is about a key that is none.
func TestEveryKeyIsExplained(t *testing.T) {
	taken := map[string]bool{}
	for s := allowSection; s <= limitSection; s++ {
		for _, key := range sectionKeys[s] {
			taken[key] = true
			if says(key, ruleKeys, limitKeys) == "" {
				t.Errorf("%s of %v is not explained", key, s)
			}
		}
	}
	for kind := aText; kind <= aMap; kind++ {
		for _, key := range (&shape{kind: kind, absent: true}).matchers() {
			taken[key] = true
			if says(key, matcherKeys) == "" {
				t.Errorf("test %s is not explained", key)
			}
		}
	}
	for _, key := range keysIn(ruleKeys, limitKeys, matcherKeys) {
		if !taken[key] {
			t.Errorf("%s is explained, and is no key", key)
		}
	}
	// What a map may hold is said in complaints about what is no map.
	for src, want := range map[string][]keyDoc{
		"[version]": fileKeys,
		"version: 1\nlimits: [{name: b, of: [x], sum: 1 per 1h}]": sumKeys,
	} {
		_, problems := Compile("x", []byte(src), Options{})
		if keys := strings.Join(keysIn(want), ", "); !strings.Contains(problems.String(), keys+"\n") {
			t.Errorf("explained are %s; got\n%v", keys, problems)
		}
	}
}

func TestReference(t *testing.T) {
	const begin, end = "-update` -->\n", "<!-- end of reference -->"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(text), begin)
	was, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("there is no place for the reference")
	}
	want := referenceText()
	if flag.Lookup("update").Value.String() == "true" {
		if err := os.WriteFile(page, []byte(head+begin+want+end+tail), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if was != want {
		t.Error("the reference is not what the program does; run this test with -update")
	}
}

// What the page teaches compiles without a warning, and its test passes.
func TestPageTeachesWhatIsTrue(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml (policy|test)\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) < 9 {
		t.Fatalf("%d blocks", len(blocks))
	}
	var tips *Policy
	for _, b := range blocks {
		if b[1] == "policy" {
			p, problems := Compile("policy.yaml", []byte(b[2]), Options{})
			if len(problems.Errors())+len(problems.Warnings()) > 0 {
				t.Errorf("%s\n%v", b[2], problems)
			}
			if strings.Contains(b[2], "tips per friend") {
				tips = p
			}
			continue
		}
		tests, problems := ReadCases("policy_test.yaml", []byte(b[2]), hive.Mainnet)
		if tests == nil || tips == nil {
			t.Fatal(problems)
		}
		results := tips.RunCases(tests).Cases
		for _, r := range results {
			if !r.Passed {
				t.Errorf("%s: %v", r.Name, r.Wrong)
			}
		}
	}
}

func referenceText() string {
	var b strings.Builder
	table := func(title, about string, docs []keyDoc) {
		fmt.Fprintf(&b, "\n### %s\n\n%s\n\n| key | |\n|---|---|\n", title, about)
		for _, d := range docs {
			fmt.Fprintf(&b, "| `%s` | %s |\n", d.key, strings.ReplaceAll(d.says, "|", `\|`))
		}
	}
	table("The file", "One YAML document, in UTF-8; a byte order mark in front of it counts for nothing. "+
		"No anchors, aliases, tags, and no characters that nobody sees, but for "+
		"U+FE0F in a comment behind a symbol that it has shown as a picture; no-break and wide spaces mean "+
		"nothing in comments and are errors elsewhere (inside a text of version 1 a warning); an empty value is an "+
		"error; a name or "+
		"key stands once.", fileKeys)
	table("Rules and limits", "In `allow`, `ask`, `deny` and `limits` alike, unless the last words say otherwise.",
		ruleKeys)
	table("Limits", "One of `requests`, `count`, `spend`, `sum`, beside the keys above.", limitKeys)
	table("`of`", "Of limits with `sum`.", sumKeys)
	fmt.Fprint(&b, "\n### Tests\n\nA test is a value (equal), a list (one of them, which may be tests) or a map of "+
		"tests (all of them). What can be tested how:\n\n| of | tests |\n|---|---|\n")
	for _, row := range testedHow() {
		fmt.Fprintf(&b, "| %s | %s |\n", row[0], row[1])
	}
	table("What each test says", "An empty text in a field of metadata (`json_metadata: \"\"`) counts as JSON "+
		"without members, as `{}` does. "+
		"Besides, `.name`, `.a.b` and `.0` lead to a member, one deeper, and an element of "+
		"a list.", matcherKeys)
	table("Requests", "What `pksa policy explain` reads, and each case of a test.", requestKeys)
	table("Cases", "Beside the keys of a request and of an answer.", caseKeys)
	table("Answers", "What a case or a step expects; `expect` is required.", expectKeys)
	table("Steps", "Beside the keys of an answer and of a request, but for `time` and `counters`, which the case "+
		"says. What a step does not say of its request, the case says; a step that says `request` has account "+
		"and app of the case and nothing else. What is asked takes no room; `approved: true` is a person's yes.",
		stepKeys)
	table("Files of cases", "`NAME_test.yaml` beside `NAME.yaml`.", caseFileKeys)
	fmt.Fprint(&b, "\n### Operations and their fields\n\nWhat a rule may name. Every operation has the field "+
		"`payee` too. Where a field can be absent, it says so.\n\n| operation | key | fields |\n|---|---|---|\n")
	for _, d := range hive.Definitions() {
		if refusedAlways(d) != "" {
			continue
		}
		var roles, fields []string
		for _, r := range usableRoles(d) {
			roles = append(roles, r.String())
		}
		for _, name := range slices.Sorted(maps.Keys(fieldsOf(d.Name))) {
			if name != payeeField {
				fields = append(fields, fmt.Sprintf("`%s` %s", name, fieldsOf(d.Name)[name].words()))
			}
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", d.Name, strings.Join(roles, ", "), strings.Join(fields, ", "))
	}
	b.WriteString("\n")
	return b.String()
}

// testedHow lists the tests of each kind of value.
func testedHow() (rows [][2]string) {
	for _, sh := range []*shape{textShape, accountShape, keyShape, boolShape, numberShape, percentShape, ratioShape,
		assetShape, timeShape,
		jsonTextShape, documentShape, memoShape, jsonShape, accountsShape, priceShape} {
		tests := "`" + strings.Join(sh.matchers(), "`, `") + "`"
		if len(sh.matchers()) == 0 {
			tests = "`.name`"
		} else if sh.kind == aList {
			tests += ", `.0`"
		} else if sh.hasMembers() {
			tests += ", `.name`"
		}
		rows = append(rows, [2]string{sh.words(), tests})
	}
	return rows
}

// words names a shape to a reader.
func (sh *shape) words() string {
	words := sh.noun
	switch {
	case sh.kind == aJSONText:
		words = "JSON in a text"
	case sh.kind == aJSON:
		words = "what is inside JSON"
	case sh.kind == aDocument:
		words = "the text of a challenge"
	case sh.kind == aMemo:
		words = "a memo"
	case sh.percent:
		words = "a percentage (`5%` is 500)"
	case sh.kind == aList && sh.element.kind == aMap:
		words = "a list of maps of `" + strings.Join(sh.element.memberNames(), "`, `") + "`"
	case sh.kind == aList:
		words = "a list: " + sh.element.noun
	case sh.members["weight_threshold"] != nil:
		words = "an authority"
	case sh.kind == aMap:
		words = "a map of `" + strings.Join(sh.memberNames(), "`, `") + "`"
	}
	if sh.absent {
		words += ", or absent"
	}
	return words
}
