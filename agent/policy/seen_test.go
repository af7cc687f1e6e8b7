package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"pksa/agent/policy"
	"pksa/protocol/hive"
)

func challengeOf(app, text string) policy.Seen {
	return policy.Seen{Time: noon, Request: &policy.Request{Kind: policy.Challenge, Account: "alice", App: app,
		Role: hive.Posting, Text: text}}
}

// The newest are kept, and of an app that asks much the oldest leaves, not what others asked for.
func TestSeenLately(t *testing.T) {
	const request = 1024 // what one takes beside its text
	for _, c := range []struct{ requests, text, dropped int }{
		{policy.MostSeen - 1, 0, 0}, {policy.MostSeen, 0, 0}, {policy.MostSeen + 1, 0, 1},
		{31, 1<<20 - request, 0}, {32, 1<<20 - request, 0}, {33, 1<<20 - request, 1}, {32, 1<<20 - request + 1, 1},
	} {
		var seen policy.SeenLately
		text := strings.Repeat("t", c.text)
		for range c.requests {
			seen.Add(challengeOf("web", text))
		}
		if n := len(seen.List()); seen.Dropped() != c.dropped || n+c.dropped != c.requests {
			t.Errorf("%+v: %d kept, %d dropped", c, n, seen.Dropped())
		}
	}
	few := policy.SeenLately{Most: 2, MostBytes: 3 * request}
	for n, want := range []int{1, 2, 2} {
		few.Add(challengeOf("web", ""))
		if got := len(few.List()); got != want {
			t.Errorf("of two at most, %d are kept after %d", got, n+1)
		}
	}
	if few.Add(challengeOf("web", strings.Repeat("t", 2*request))); len(few.List()) != 1 {
		t.Errorf("of few bytes at most, %d are kept", len(few.List()))
	}
	var seen policy.SeenLately
	seen.Add(challengeOf("quiet", "first"))
	for i := range policy.MostSeen + 10 {
		seen.Add(challengeOf("noisy", fmt.Sprint(i)))
	}
	seen.Add(challengeOf("quiet", "last"))
	list := seen.List()
	if list[0].Request.Text != "first" || list[1].Request.Text != "12" ||
		list[len(list)-1].Request.Text != "last" || len(list) != policy.MostSeen || seen.Dropped() != 12 {
		t.Errorf("%d kept from %q to %q, %d dropped", len(list), list[0].Request.Text, list[len(list)-1].Request.Text,
			seen.Dropped())
	}
}

// A draft has no more rules than somebody reads: those that were seen most.
func TestSuggestedRules(t *testing.T) {
	for rules, left := range map[int]string{499: "", 500: "",
		501: "# Not suggested:\n#   1 × a rule of app250: more than 500 rules, and it was seen less than others\n"} {
		var seen []policy.Seen
		for i := range rules {
			for k := range 2 {
				if k == 0 || i != 250 {
					seen = append(seen, challengeOf(fmt.Sprintf("app%03d", i), "login"))
				}
			}
		}
		draft := policy.Suggest(seen, 0).YAML
		if n := strings.Count(draft, "  - name: "); n != min(rules, 500) || !strings.HasSuffix(draft, left) ||
			strings.Contains(draft, "Not suggested") != (left != "") {
			t.Errorf("%d: %d rules, and at the end %s", rules, n, draft[max(0, len(draft)-300):])
		}
	}
}

// What is left out is told in a hundred lines.
func TestSuggestedLinesOfWhatIsLeft(t *testing.T) {
	for apps, more := range map[int]string{99: "", 100: "", 101: "#   and 1 more\n"} {
		var seen []policy.Seen
		for i := range apps {
			seen = append(seen, challengeOf(fmt.Sprintf("app%03d", i), strings.Repeat("t", 2049)))
		}
		draft := policy.Suggest(seen, 0).YAML
		if n := strings.Count(draft, "#   1 × "); n != min(apps, 100) || !strings.HasSuffix(draft, more) ||
			strings.Contains(draft, "more\n") != (more != "") {
			t.Errorf("%d: %d lines, and at the end %s", apps, n, draft[max(0, len(draft)-300):])
		}
	}
}
