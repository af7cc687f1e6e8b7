package policy

import (
	"cmp"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"pksa/protocol/hive"
	"pksa/protocol/sorts"
)

func sortedUnits(c *cost) []string { return slices.Sorted(maps.Keys(c.units)) }

// states compares a cost with all that the limit says of its counter.
func (l *limit) states(c *cost, counters Counters, now time.Time) []LimitState {
	var states []LimitState
	for _, q := range l.quotas {
		states = append(states, l.state(q, c, counters, now))
	}
	// An asset that the limit does not name has no room. Otherwise a limit of 10 HBD would let any
	// amount of HIVE pass.
	for _, unit := range sortedUnits(c) {
		if !slices.ContainsFunc(l.quotas, func(q quota) bool { return q.unit == unit }) {
			none := quota{most: new(big.Rat), unit: unit, text: "0"}
			states = append(states, l.state(none, c, counters, now))
		}
	}
	return states
}

func (l *limit) state(q quota, c *cost, counters Counters, now time.Time) LimitState {
	st := LimitState{Limit: l.ref(), Split: c.split, Unit: q.unit, Window: q.window, Most: ratText(q.most), Ask: l.over,
		Observed: l.observe}
	total, own := new(big.Rat), c.units[q.unit]
	if own == nil {
		own = new(big.Rat)
	}
	if q.window > 0 {
		counter := Counter{l.name, c.split, q.unit}
		used := counters.Used(counter, q.window, now)
		st.Used = ratText(used)
		if n := waiting(counters, counter); n.Sign() > 0 {
			st.Waiting = ratText(n)
		}
		total.Set(used)
	}
	total.Add(total, own)
	st.Cost = ratText(own)
	// What costs nothing has room even where more was used than there may be, as after a limit was
	// lowered.
	st.Room = own.Sign() == 0 || total.Cmp(q.most) <= 0
	// It may be any amount, so it is too much.
	if c.unclear {
		st.Cost, st.Room = "unclear", false
	}
	return st
}

// namesNo reports whether a limit of what is spent says nothing of an asset, which has no room
// then.
func (l *limit) namesNo(unit string) bool {
	return l.measure == measureSpend && !slices.ContainsFunc(l.quotas, func(q quota) bool { return q.unit == unit })
}

func (p *Policy) namesNo(ref RuleRef, unit string) bool {
	return slices.ContainsFunc(p.limits, func(l *limit) bool { return l.name == ref.Name && l.namesNo(unit) })
}

// limitText returns why there is no room.
func (p *Policy) limitText(l *limit, st LimitState) string {
	name := fmt.Sprintf("limit %q (%s:%d)", l.name, p.base(), l.line)
	if st.Split != "" {
		name += " for " + splitWords(st.Split)
	}
	if st.Unit == unitCounters {
		return name + ": " + st.openings()
	}
	if st.Cost == "unclear" && slices.ContainsFunc(l.per, func(d dimension) bool { return d.path != nil }) {
		return name + ": JSON does not say which counter it takes, or what it costs"
	}
	if st.Cost == "unclear" {
		return name + ": what the request costs cannot be told"
	}
	unit := ""
	if l.measure == measureSpend {
		unit = " " + st.Unit
		if l.namesNo(st.Unit) {
			return fmt.Sprintf("%s: it names no %s, and the request costs %s", name, st.Unit, st.Cost)
		}
	}
	if used, ok := new(big.Rat).SetString(st.Used); ok && used.Cmp(allUsed) >= 0 {
		return fmt.Sprintf("%s: audit records were lost that may have been charged to it, so nothing is left until %s "+
			"after them", name, windowText(st.Window))
	}
	if st.Window > 0 {
		used := st.Used + " used"
		if st.Waiting != "" {
			used += fmt.Sprintf(" (%s of it by requests that wait for your yes or no, see `pksa pending`)", st.Waiting)
		}
		return fmt.Sprintf("%s: %s and %s more is above %s%s per %s%s", name, used, st.Cost, st.Most, unit,
			windowText(st.Window), l.whyCost(st.Unit))
	}
	return fmt.Sprintf("%s: %s is above %s%s per request%s", name, st.Cost, st.Most, unit, l.whyCost(st.Unit))
}

// whyCost returns what surprises about a cost, as the end of a sentence: who raises a delegation a
// little is charged for all of it.
func (l *limit) whyCost(unit string) string {
	if unit == hive.VESTS.String() && slices.ContainsFunc(l.entries, func(e opEntry) bool {
		return e.name == "delegate_vesting_shares"
	}) {
		return "; a delegation counts with all that it is afterwards, and not with the step"
	}
	return ""
}

// splitWords returns ".to=bob&app=tipbot" in words.
func splitWords(split string) string {
	var words []string
	for name, text := range splitOf(split) {
		words = append(words, strings.TrimPrefix(name, ".")+" "+quote(text))
	}
	slices.Sort(words)
	return strings.Join(words, ", ")
}

// Room is what is left of one counter of a limit.
type Room struct {
	Limit    RuleRef
	Split    string // which counter, "" for a limit with one
	Unit     string
	Window   time.Duration
	Used     string
	Most     string
	Observed bool
	// NotOnChain is how much of Used paid for transactions that provably never reached the chain;
	// empty if nothing did. The policy does not know: who keeps the counters sets it.
	NotOnChain string `json:",omitempty"`
	// Lost says that records were lost which may have charged it: nothing is left, and Used is
	// Most.
	Lost bool `json:",omitempty"`
	// More is how many counters of the limit are not listed, since they are not among the fullest.
	// The last one that is listed says it.
	More int `json:",omitempty"`
}

// Amount returns a sum of charges as it is written: exactly, without needless zeros.
func Amount(sum *big.Rat) string { return ratText(sum) }

// Room returns the counters of every limit that has a window: one for a limit that is not split,
// else those that have counted something; of more than [MostShown] the fullest.
func (p *Policy) Room(counters Listed, now time.Time) []Room {
	if latest := counters.Latest(); now.Before(latest) {
		now = latest // as in asOf
	}
	var rooms []Room
	for _, l := range p.limits {
		splits := []string{""}
		if len(l.per) > 0 {
			splits = counters.Splits(l.name)
		}
		var all [][]Room
		for _, split := range splits {
			if one := l.rooms(split, counters, now); len(one) > 0 {
				all = append(all, one)
			}
		}
		shown := fullestRooms(all)
		if n := len(shown); n > 0 {
			last := shown[n-1]
			last[len(last)-1].More = len(all) - n + unlisted(counters, l.name)
		}
		rooms = append(rooms, slices.Concat(shown...)...)
	}
	return rooms
}

// unlisted returns how many counters of a limit are known to be left out.
func unlisted(counters Listed, limit string) int {
	if s, ok := counters.(*Summary); ok {
		return s.Unlisted(limit)
	}
	return 0
}

// fullestRooms returns the fullest counters, in the order in which they were.
func fullestRooms(all [][]Room) [][]Room {
	if len(all) <= MostShown {
		return all
	}
	full := make([]float64, len(all))
	order := make([]int, len(all))
	for i, rooms := range all {
		order[i] = i
		for _, r := range rooms {
			full[i] = max(full[i], r.full())
		}
	}
	sorts.Stable(order, func(a, b int) int { return cmp.Compare(full[b], full[a]) })
	order = order[:MostShown]
	slices.Sort(order)
	shown := make([][]Room, len(order))
	for i, at := range order {
		shown[i] = all[at]
	}
	return shown
}

// full returns which part is used, roughly: it only sorts.
func (r *Room) full() float64 {
	used, _ := strconv.ParseFloat(r.Used, 64)
	most, _ := strconv.ParseFloat(r.Most, 64)
	if most == 0 {
		return used * 1e6
	}
	return used / most
}

// rooms returns what is left of one counter in each window.
func (l *limit) rooms(split string, counters Listed, now time.Time) (rooms []Room) {
	if !l.ownSplit(split) {
		return nil
	}
	for _, q := range l.quotas {
		if q.window == 0 {
			continue
		}
		used := counters.Used(Counter{l.name, split, q.unit}, q.window, now)
		r := Room{Limit: l.ref(), Split: split, Unit: q.unit, Window: q.window, Used: ratText(used),
			Most: ratText(q.most), Observed: l.observe}
		if used.Cmp(allUsed) >= 0 {
			r.Used, r.Lost = r.Most, true
		}
		rooms = append(rooms, r)
	}
	return rooms
}

// ownSplit reports whether a counter is split as the limit is now.
func (l *limit) ownSplit(split string) bool {
	dims := splitOf(split)
	if len(dims) != len(l.per) {
		return false
	}
	for _, d := range l.per {
		if _, ok := dims[d.name]; !ok {
			return false
		}
	}
	return true
}

// Limits returns the names of all limits, sorted, with how long their charges have to be kept: 31
// days, or the longest window if that is more.
func (p *Policy) Limits() map[string]time.Duration {
	kept := map[string]time.Duration{}
	for _, l := range p.limits {
		kept[l.name] = l.kept()
	}
	return kept
}

// Windows returns the longest window of each limit, for [Book.Keep]; zero for a limit without one.
func (p *Policy) Windows() map[string]time.Duration {
	windows := map[string]time.Duration{}
	for _, l := range p.limits {
		windows[l.name] = l.longest()
	}
	return windows
}

// WindowsOf returns those of the limits that a request touches: nothing else is needed of a [Book]
// to judge it.
func (p *Policy) WindowsOf(q *Request, now time.Time) map[string]time.Duration {
	windows := map[string]time.Duration{}
	if code, _ := q.refuse(); code != "" {
		return windows
	}
	parts := q.parts()
	for _, t := range p.touched(newScope(q, parts, now), parts, new(steady)) {
		windows[t.limit.name] = t.limit.longest()
	}
	return windows
}

// Fresh returns the names, sorted, of the limits that begin at zero when this policy follows the
// old one: those with a new name, or that measure something else under the old one, and of which
// the counters hold nothing, as they do of a limit that was taken out and is put back.
func (p *Policy) Fresh(old *Policy, counters Counters, now time.Time) []string {
	if counters == nil {
		counters = noCounters{}
	}
	var names []string
	for _, l := range p.limits {
		goesOn := slices.ContainsFunc(old.limits, func(was *limit) bool {
			return was.name == l.name &&
				was.measure == l.measure
		})
		if !goesOn && !l.remembered(counters, now) {
			names = append(names, l.name)
		}
	}
	return names
}

// remembered reports whether the counters hold anything of the limit.
func (l *limit) remembered(counters Counters, now time.Time) bool {
	return slices.ContainsFunc(counters.Splits(l.name), func(split string) bool {
		return slices.ContainsFunc(l.quotas, func(q quota) bool {
			return counters.Used(Counter{l.name, split, q.unit}, l.kept(), now).Sign() > 0
		})
	})
}
