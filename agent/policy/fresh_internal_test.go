package policy

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// askedFor is counters that note of which limits somebody asks.
type askedFor struct {
	noCounters
	limits []string
}

func (a *askedFor) Splits(limit string) []string {
	a.limits = append(a.limits, limit)
	return nil
}

// Whoever reloads a policy holds what decisions need while he asks the counters. Of limits that go
// on he does not ask, whatever they hold: only of those that are new, or measure something else.
func TestFreshAsksForNewLimitsAlone(t *testing.T) {
	const text = `version: 1
allow: [{name: votes, request: sign, apps: any, operations: [vote]}]
limits:
  - {name: each, operations: [vote], count: 9 per 7d, per: [.author]}
  - {name: all, operations: [vote], count: 99 per 1h}
`
	old, _ := compiledCounting(t, text)
	for change, want := range map[string][]string{
		"":                   nil,
		"9 per 7d=8 per 30d": nil,
		"99 per 1h}=99 per 1h}\n  - {name: more, operations: [transfer], count: 5 per 1h}": {"more"},
		"name: all=name: other":                {"other"},
		"count: 99 per 1h=requests: 99 per 1h": {"all"},
	} {
		was, is, _ := strings.Cut(change, "=")
		next, _ := compiledCounting(t, strings.Replace(text, was, is, 1))
		var counters askedFor
		fresh := next.Fresh(old, &counters, time.Now())
		if !slices.Equal(fresh, want) || !slices.Equal(counters.limits, want) {
			t.Errorf("%q: %q begin at zero, asked for %q, want %q", change, fresh, counters.limits, want)
		}
	}
}
