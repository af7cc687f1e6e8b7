package policy_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pksa/agent/policy"
)

// Who follows an advice has a policy without that complaint, and is not sent on to where he was.
func TestAdviceLeadsSomewhere(t *testing.T) {
	for _, c := range []struct {
		operation string
		key       string
		way       []advice
	}{
		{"comment: {json_metadata: {.tags: TEST}}", "posting", []advice{
			{"{contains: hive}", "write any: x for a list"}, {"hive", "write {any: art}"},
			{"{glob: '*hive*'}", "write {any: art}"}, {"{any: hive}", ""},
		}},
		{"comment: {json_metadata: {.tags: TEST}}", "posting", []advice{
			{"{not: {any: spam}}", "write {each: {not: x}}"}, {"{not: spam}", "write {each: {not: art}}"},
			{"{any: {not: spam}}", "write each"}, {"{each: {not: spam}}", ""},
		}},
		{"custom_json: {id: game, json: {.tags: TEST}}", "posting", []advice{
			{"{has: hive}", "write any: x for a list"}, {"{any: hive}", "write each"}, {"{each: hive}", ""},
		}},
		{"custom_json: {id: game, json: {.name: TEST}}", "posting", []advice{
			{"{contains: hive}", "and glob: '*x*'"}, {"{glob: '*hive*'}", ""},
		}},
		{"comment: {parent_author: bob, body: TEST}", "posting", []advice{
			{"{contains: tip}", "what it begins with: glob: 'x*'"}, {"{glob: 'tip*'}", ""},
		}},
		{"comment: {parent_author: bob, body: TEST}", "posting", []advice{
			{"contains tip", "begins with, such as {glob: 'tip*'}"}, {"{glob: 'tip*'}", ""},
		}},
		{"vote: {weight: {min: 1%}, author: TEST}", "posting", []advice{
			{"'spam*'", "{glob: 'spam*'}"}, {"{glob: 'spam*'}", ""},
		}},
		{"comment: {json_metadata: TEST}", "posting", []advice{
			{"null", `an empty text is ""`}, {`""`, ""},
		}},
		{"request_account_recovery: {account_to_recover: TEST}", "active", []advice{
			{"bob", "payee: {each: [bob, carol]}"}, {"bob, payee: {each: [bob, carol]}", ""},
		}},
		{"comment_options: TEST", "posting", []advice{
			{"{beneficiaries: {size: 0}, max_accepted_payout: {min: 0.000 HBD}}",
				"max_accepted_payout: {min: 1000.000 HBD}"},
			{"{beneficiaries: {size: 0}, max_accepted_payout: {max: 100.000 HBD}}",
				"max_accepted_payout: {min: 1000.000 HBD}"},
			{"{max_accepted_payout: 0.000 HBD}", ""}, {"{max_accepted_payout: {max: 0.000 HBD}}", ""},
		}},
	} {
		for _, step := range c.way {
			src := "version: 1\nallow:\n  - {name: a, request: sign, accounts: [alice], apps: [bot], key: " + c.key +
				", operations: [" + strings.Replace(c.operation, "TEST", step.written, 1) + "]}\n"
			_, problems := policy.Compile("policy.yaml", []byte(src), policy.Options{})
			switch {
			case step.says == "" && len(problems) > 0:
				t.Errorf("%s: the end of the way says\n%v", step.written, problems)
			case len(problems) != min(len(step.says), 1) || !strings.Contains(problems.String(), step.says):
				t.Errorf("%s: not one complaint with %q, but\n%v", step.written, step.says, problems)
			}
		}
	}
}

type advice struct{ written, says string }

// advised matches a complaint that ends with what to write in the place of what it stands at.
var advised = regexp.MustCompile(`; (?:write|did you mean) ("[^"]*"|\[[^\]]*\]|\{[^{}]*\}|[^ ,;:"?\[{]+)\??$`)

// valueAt matches what stands in a line of a policy from a place on: a text in quotes, a list, a
// word.
var valueAt = regexp.MustCompile(`^(?:"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|\[[^\[\]]*\]|[^,\]{}:#\n]+)`)

// followed returns a policy in which the place of a complaint has what the complaint advises; "" if
// it advises nothing of that kind.
func followed(src string, p policy.Problem) string {
	m := advised.FindStringSubmatch(p.Text)
	lines := strings.Split(src, "\n")
	if m == nil || p.Line > len(lines) || strings.Contains(m[1], ": ") {
		return "" // or a key, which stands at another place
	}
	line := []rune(lines[p.Line-1])
	if p.Column > len(line) {
		return ""
	}
	rest := string(line[p.Column-1:])
	old := strings.TrimRight(valueAt.FindString(rest), " ")
	if old == "" || strings.HasPrefix(rest, "{") {
		return ""
	}
	write := m[1]
	if old[0] != '"' {
		write = strings.Trim(write, `"`)
	}
	lines[p.Line-1] = string(line[:p.Column-1]) + write + rest[len(old):]
	return strings.Join(lines, "\n")
}

// Who writes what an error says has none at that place, or another one that sends him on, and never
// comes back to where he was.
func TestAdviceOfErrorsEnds(t *testing.T) {
	steps := 0
	for _, file := range inputs(t, "bad", 30) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, problems := policy.Compile("policy.yaml", text, policy.Options{})
		for _, first := range problems.Errors() {
			src, at := string(text), first
			seen := map[string]bool{}
			for {
				seen[src] = true
				if src = followed(src, at); src == "" {
					break
				}
				steps++
				if seen[src] {
					t.Errorf("%s:%d: the advice comes back: %s", file, at.Line, at.Text)
					break
				}
				_, next := policy.Compile("policy.yaml", []byte(src), policy.Options{})
				i := slices.IndexFunc(next.Errors(), func(p policy.Problem) bool {
					return p.Line == at.Line && (p.Column == at.Column || p.Column == at.Column+1)
				})
				if i < 0 {
					break
				}
				if strings.Contains(at.Text, " is a list") { // brackets alone would not have made it right
					t.Errorf("%s:%d: after %q, then %q", file, at.Line, at.Text, next.Errors()[i].Text)
				}
				// In some of the files the other one stands there already.
				if at = next.Errors()[i]; !strings.Contains(at.Text, "; ") && !strings.Contains(at.Text, "twice") {
					t.Errorf("%s:%d: after %q, then %q", file, at.Line, first.Text, at.Text)
				}
			}
		}
	}
	if steps < 60 {
		t.Errorf("only %d complaints advise what to write", steps)
	}
}

func TestObservedAreNamed(t *testing.T) {
	p := compile(t, `limits:
  - {name: a, count: 1 per 1h, mode: observe}
  - {name: b, count: 2 per 1h}
deny:
  - {name: d, operations: [vote]}
  - {name: c, mode: observe}
`)
	if got := p.Observed(); len(got) != 2 || got[0].Name != "a" || got[1].Name != "c" || got[1].Line != 7 {
		t.Errorf("observed are %v", got)
	}
}
