package policy

import (
	"slices"
	"time"

	"pksa/protocol/hive"
)

type section uint8

const (
	allowSection section = iota + 1
	askSection
	denySection
	limitSection
)

var sectionNames = [...]string{allowSection: "allow", askSection: "ask", denySection: "deny", limitSection: "limits"}

func (s section) String() string { return sectionNames[s] }

// permits reports whether rules of the section let requests pass. In such rules what is left unsaid
// is narrow: posting key, own account, broadcast by us.
func (s section) permits() bool { return s == allowSection || s == askSection }

// rule is what a rule and the matching half of a limit have in common.
type rule struct {
	name    string
	line    int
	section section
	observe bool

	kinds     map[Kind]bool
	accounts  nameSet
	apps      nameSet
	behalf    nameSet
	keys      map[hive.Role]bool
	keysSaid  bool  // the rule says them
	broadcast *bool // nil: any
	exact     *bool // the app makes the transaction; nil: any
	when      schedule
	text      matcher // nil: any
	entries   []opEntry
	ordered   bool // the entries are a transaction
	takeover  bool

	onlyUncovered bool
	session       time.Duration
	renew         time.Duration
	timeout       time.Duration
	approvers     nameSet // whose yes counts; nil: any
	approvals     int     // of how many of them; 0: anybody's is enough
	tellFirst     bool    // a yes counts once people were told of all of it
	silent        bool
	tell          bool
}

// opEntry is one line of operations or transaction.
type opEntry struct {
	name   string
	group  bool
	fields []fieldMatcher
}

type fieldMatcher struct {
	field   string
	matcher matcher
	idle    bool // each value fits that there can be; known once the review began
}

// nameSet is a set of accounts or apps; nil is any.
type nameSet map[string]bool

func (n nameSet) has(name string) bool { return n == nil || n[name] }

// condition is one of the things that a rule says, in the order in which they are looked at: the
// further a rule got, the nearer it is.
type condition uint8

const (
	onKind condition = iota + 1
	onApp
	onAccount
	onKey
	onBroadcast
	onMaker
	onOperation
	onTakeover
	onBehalf
	onTime
	onContent
	satisfied
)

// matches reports whether all that the rule says holds for a part, and if not, which condition was
// the first that does not. [rule.hit] says which outcomes are a match.
func (r *rule) matches(s *scope, p *part) (outcome, condition) {
	// In the order in which conditions are declared, since a person who asks why is shown the rule
	// that came furthest. What is cheap to compare stands first.
	for _, c := range [...]condition{onKind, onApp, onAccount, onKey, onBroadcast, onMaker} {
		if !r.plainCondition(s.request, p, c) {
			return no, c
		}
	}
	// The content is compared before actors and time: only then is it known whether the rule names
	// the operation at all. Doubt about a field is reported last, since it is no clear miss.
	content, failed := r.matchesContent(s, p)
	switch {
	case failed < onBehalf:
		return no, failed
	case !r.matchesActors(s.request, p):
		return no, onBehalf
	case !r.when.includes(s.now):
		return no, onTime
	case content == yes:
		return yes, satisfied
	}
	return content, onContent
}

// hit reports whether an outcome is a match for this rule: doubt counts against the request.
func (r *rule) hit(o outcome) bool {
	// To allow what is unclear would be a guess in favour of the application. To ask about it, to
	// deny it and to count it are the safe readings.
	return o == yes || o == unclear && r.section != allowSection
}

func (r *rule) plainCondition(q *Request, p *part, c condition) bool {
	switch c {
	case onKind:
		return r.kinds[p.kind]
	case onApp:
		return r.apps.has(q.App)
	case onAccount:
		return r.accounts.has(string(q.Account))
	case onKey:
		// A session needs no key; what names keys is not about it.
		return r.keys == nil || r.listsKeys(p.roles)
	case onMaker:
		return r.exact == nil || p.kind == Sign && *r.exact == q.Exact
	}
	return r.broadcast == nil || p.kind == Sign && *r.broadcast == q.Broadcast
}

// listsKeys reports whether the rule is about what needs keys of these roles. A rule that permits
// has to list each of them; in one that forbids or counts, one is enough.
func (r *rule) listsKeys(roles []hive.Role) bool {
	missing := len(r.unlisted(roles))
	if r.section.permits() {
		return len(roles) > 0 && missing == 0
	}
	return missing < len(roles)
}

// unlisted returns those of the roles that the rule does not list.
func (r *rule) unlisted(roles []hive.Role) []hive.Role {
	return slices.DeleteFunc(slices.Clone(roles), func(role hive.Role) bool { return r.keys[role] })
}

// matchesActors reports whether nobody's authority is needed but that of the account and of those
// whom the rule names. In a rule that forbids or counts, one account that it names is enough.
func (r *rule) matchesActors(q *Request, p *part) bool {
	if r.behalf == nil {
		return true
	}
	all := true
	for _, actor := range p.actors {
		named := r.behalf[string(actor)]
		// Otherwise an application would evade the rule by adding one more account to the
		// operation.
		if named && actor != q.Account && !r.section.permits() {
			return true
		}
		all = all && (named || actor == q.Account)
	}
	return all
}

// matchesContent compares the operation or the text. The condition is the one that failed if it is
// before onBehalf; the outcome is that of the matchers.
func (r *rule) matchesContent(s *scope, p *part) (outcome, condition) {
	switch {
	case r.text != nil:
		return r.text.check(s.of(p), p.textValue()), onContent
	case r.ordered:
		return r.matchesTransaction(s)
	case r.entries == nil:
		return yes, onContent
	}
	// An operation has to fit one of the entries, so the best of them counts.
	best, furthest := no, onOperation
	for i := range r.entries {
		o, c := r.entries[i].matches(r, s, p)
		best, furthest = max(best, o), max(furthest, c)
	}
	return best, furthest
}

func (e *opEntry) matches(r *rule, s *scope, p *part) (outcome, condition) {
	if !e.names(r.section, p) {
		return no, onOperation
	}
	// Whoever can change the keys of an account has the account. So that needs the operation's own
	// name in a rule that says so; a group, which is easily written, never includes it.
	if r.section.permits() && p.op.Takeover() && (e.group || !r.takeover) {
		return no, onTakeover
	}
	// Every field has to fit: one no is a no, and else one doubt is a doubt.
	worst := yes
	for _, f := range e.fields {
		worst = min(worst, f.matcher.check(s.of(p), p.field(f.field)))
	}
	return worst, onContent
}

// matchesTransaction compares the whole transaction. Each part asks, and all get the same answer:
// it is found once, so that the cost does not grow with the square of the operations.
func (r *rule) matchesTransaction(s *scope) (outcome, condition) {
	if known, ok := s.transactions[r]; ok {
		return known.outcome, known.condition
	}
	worst, first := yes, onContent
	// One operation more would be signed with the others, and one less may change what they mean.
	if len(r.entries) != len(s.operations) {
		worst, first = no, onOperation
	}
	for i := 0; first == onContent && i < len(r.entries); i++ {
		o, c := r.entries[i].matches(r, s, s.operations[i])
		worst, first = min(worst, o), min(first, c)
	}
	if s.transactions == nil {
		s.transactions = map[*rule]transactionMatch{}
	}
	s.transactions[r] = transactionMatch{worst, first}
	return worst, first
}

type transactionMatch struct {
	outcome   outcome
	condition condition
}

// names reports whether the entry is about the part's operation.
func (e *opEntry) names(in section, p *part) bool {
	switch {
	case !e.group:
		return e.name == p.name
	case in == allowSection:
		return inNarrowGroup(p)
	}
	// In rules that ask, deny or count, a group is all that this key can sign: too much is safe
	// there.
	return slices.ContainsFunc(p.roles, func(role hive.Role) bool { return role.String() == e.name })
}

// narrowGroup is what "posting" means where it permits. custom and custom_json are not in it: games
// and side chains move value with a posting key.
var narrowGroup = []string{"vote", "comment", "delete_comment", "comment_options", "claim_reward_balance",
	"account_update2"}

func inNarrowGroup(p *part) bool {
	switch {
	case !slices.Equal(p.roles, []hive.Role{hive.Posting}) || !slices.Contains(narrowGroup, p.name):
		return false
	// Beneficiaries get a share of the author's reward: that is value, and a posting key gives it
	// away.
	case p.name == "comment_options":
		items, known := p.field("beneficiaries").list()
		return known == yes && len(items) == 0
	}
	// account_update2 needs the posting key exactly if it changes posting metadata only.
	return true
}

// mayName returns the operations that an entry can be about, for the index.
func (e *opEntry) mayName(in section) []string {
	switch {
	case !e.group:
		return []string{e.name}
	case in == allowSection:
		return narrowGroup
	}
	var names []string
	for _, d := range hive.Definitions() {
		if slices.ContainsFunc(d.Roles(), func(role hive.Role) bool { return role.String() == e.name }) {
			names = append(names, d.Name)
		}
	}
	return names
}

// schedule is when a rule holds, in UTC. The zero value is always.
type schedule struct {
	from, until time.Time // until is excluded
	days        map[time.Weekday]bool
	hours       *hours
}

// hours is a part of the day, in minutes; it may pass midnight.
type hours struct{ start, end int }

// bounded reports whether there are instants at which the rule does not hold.
func (w schedule) bounded() bool {
	return !w.from.IsZero() || !w.until.IsZero() || w.days != nil || w.hours != nil
}

func (w schedule) includes(now time.Time) bool {
	now = now.UTC()
	switch {
	case !w.from.IsZero() && now.Before(w.from), !w.until.IsZero() && !now.Before(w.until):
		return false
	case w.days != nil && !w.days[now.Weekday()]:
		return false
	case w.hours == nil:
		return true
	}
	// The seconds do not matter: the end of hours is excluded, so 20:00:00 is out and 19:59:59 in.
	minute := now.Hour()*60 + now.Minute()
	if w.hours.start < w.hours.end {
		return w.hours.start <= minute && minute < w.hours.end
	}
	// Past midnight: the end of the day and its beginning. Each belongs to the day on which it
	// lies, so days were compared with this very day above.
	return w.hours.start <= minute || minute < w.hours.end
}

// steady is a span of time in which some schedules say the same. The zero value is all time.
type steady struct {
	from, until time.Time // until is excluded; zero: no bound
	known       bool      // for who keeps it: it was looked at
}

// holds reports whether an instant lies in the span.
func (s steady) holds(t time.Time) bool {
	return (s.from.IsZero() || !t.Before(s.from)) && (s.until.IsZero() || t.Before(s.until))
}

// narrow leaves of the span what lies between the two changes of a schedule around an instant.
func (s *steady) narrow(w schedule, now time.Time) {
	if !w.bounded() {
		return
	}
	for _, t := range w.changes(now.UTC()) {
		switch {
		case t.After(now):
			if s.until.IsZero() || t.Before(s.until) {
				s.until = t
			}
		case s.from.IsZero() || t.After(s.from):
			s.from = t
		}
	}
}

// toMinute leaves of the span what lies in the minute of an instant.
func (s *steady) toMinute(now time.Time) {
	minute := now.UTC().Truncate(time.Minute)
	if s.from.IsZero() || minute.After(s.from) {
		s.from = minute
	}
	if next := minute.Add(time.Minute); s.until.IsZero() || next.Before(s.until) {
		s.until = next
	}
}

// changes returns the instants around a given one at which the schedule may change: all of the day
// before, of that day and of the day after, and its own first and last.
func (w schedule) changes(now time.Time) []time.Time {
	var all []time.Time
	for _, t := range []time.Time{w.from, w.until} {
		if !t.IsZero() {
			all = append(all, t)
		}
	}
	if w.days == nil && w.hours == nil {
		return all
	}
	for day := -1; day <= 1; day++ {
		midnight := time.Date(now.Year(), now.Month(), now.Day()+day, 0, 0, 0, 0, time.UTC)
		all = append(all, midnight)
		if w.hours != nil {
			for _, minute := range []int{w.hours.start, w.hours.end} {
				all = append(all, midnight.Add(time.Duration(minute)*time.Minute))
			}
		}
	}
	return all
}
