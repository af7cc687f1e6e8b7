package policy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// Each place where the search has more values than it keeps notes what they are of.
func TestSearchNotesWhatItDrops(t *testing.T) {
	rules := func(n int, form string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "  - {name: r%d, apps: [bot], request: "+form+"}\n", i, i)
		}
		return b.String()
	}
	for src, want := range map[string]string{
		rules(20, "sign, operations: [vote: {permlink: p%d}]"):  "",
		rules(150, "sign, operations: [vote: {permlink: p%d}]"): "",
		// Fewer tests than are looked at, and more values.
		rules(399, "sign, operations: [vote: {weight: {min: %d}}]"): "vote.weight",
		// More tests, all of the same two values.
		rules(401, "sign, accounts: [name%d], operations: [vote: {weight: {min: 100}}]"): "vote.weight",
		rules(401, "sign, operations: [vote: {permlink: p%d}]"):                          "vote.permlink",
		rules(20, "challenge, text: ['%d', {glob: 'a*'}]"):                               "",
		rules(390, "challenge, text: ['%d', {glob: 'a*'}, {glob: 'b?'}, {glob: 'c*d'}]"): "text",
	} {
		src = "version: 1\nallow:\n" + src
		p, problems := Compile("p.yaml", []byte(src), Options{ErrorsOnly: true})
		if p == nil {
			t.Fatal(problems)
		}
		s := newSearch(context.Background(), p, p, everyRuleOf(p), time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC))
		s.pool("vote")
		if got := strings.Join(slices.Sorted(maps.Keys(s.dropped)), ", "); got != want {
			t.Errorf("%s…: %q, want %q", src[:100], got, want)
		}
	}
}
