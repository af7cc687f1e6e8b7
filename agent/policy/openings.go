package policy

import (
	"fmt"
	"strconv"
	"time"
)

// The bounds of counters that an application can open by what it writes into a field that a limit
// is split by. Beyond them the limit has no room, whatever it says: nobody's yes makes memory.
const (
	// MostCounters is how many counters of one limit that one app opened may be in use, which means
	// that the longest window of the limit still holds something of them.
	MostCounters = 10_000
	// MostOpened is how many counters of one limit one request may open. An application that is out
	// of its mind takes ten requests to use all up, which somebody may see, and an honest payment
	// to many has room.
	MostOpened = 1_000
)

// unitCounters is the unit of a [LimitState] that says how many counters there are.
const unitCounters = "counters"

// openings are the counters that a request opens in one limit.
type openings struct {
	splits map[string]bool
	full   bool // there may not be so many
}

// openings finds which counters of a limit the request opens, and refuses it if they are too many.
func (c *conclusion) openings(l *limit, costs []*cost, counters Counters) openings {
	o := openings{splits: map[string]bool{}}
	if len(l.per) == 0 {
		return o
	}
	window := l.longest()
	for _, cost := range costs {
		if len(cost.units) > 0 && !counters.Live(l.name, cost.split, window, c.scope.now) {
			o.splits[cost.split] = true
		}
	}
	n, most := len(o.splits), c.policy.mostCounters
	if n == 0 {
		return o
	}
	state := LimitState{Limit: l.ref(), Unit: unitCounters, Cost: strconv.Itoa(n), Observed: l.observe}
	live, next := counters.Opened(Openings{l.name, c.scope.request.App, window, most - n}, c.scope.now)
	switch {
	case n > c.policy.mostOpened:
		state.Most = strconv.Itoa(c.policy.mostOpened)
	case live+n > most:
		state.Most, state.Used, state.Window = strconv.Itoa(most), strconv.Itoa(live), window
	default:
		return o
	}
	o.full = true
	c.decision.Limits = append(c.decision.Limits, state)
	if !l.observe || c.observed {
		// Of a limit that asks, too: a yes would stand for its amount, not for our memory.
		why := c.policy.limitText(l, state)
		if !next.IsZero() && state.Window > 0 {
			why += ", the first at " + next.UTC().Format(time.RFC3339)
		}
		c.overDenied = append(c.overDenied, why)
		c.overRules = append(c.overRules, l.ref())
	}
	return o
}

// charge returns what is charged of this. Of an observed limit, which refuses nothing, what would
// open too many counters is not.
func (o *openings) charge(c Charge, app string) (Charge, bool) {
	if !o.splits[c.Split] {
		return c, true
	}
	c.OpenedBy = app
	return c, !o.full
}

// openings returns in words why a request may not open so many counters.
func (st *LimitState) openings() string {
	if st.Window == 0 {
		return fmt.Sprintf("the request opens %s counters, and one request may open %s; it can be sent in parts",
			st.Cost, st.Most)
	}
	return fmt.Sprintf("%s counters that the app opened are in use, and %s more is above %s; one is free %s after "+
		"it was "+
		"last used", st.Used, st.Cost, st.Most, windowText(st.Window))
}
