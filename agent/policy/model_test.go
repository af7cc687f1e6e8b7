package policy_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// The model is a policy as a value: what the random generator makes, what is rendered as YAML for
// Compile, and what the naive evaluator of naive_test.go interprets. Tests are lit, []any (one of)
// and map[string]any (all of).

// lit is a scalar of the file.
type lit struct {
	text   string
	quoted bool
}

type modelRule struct {
	section, name                   string
	request                         string
	accounts, apps, behalf          []string // nil: not said; "any" alone: any
	keys                            []string
	ops                             []modelEntry
	tx                              bool
	text                            any
	broadcast, maker                string
	hours, from, until              string
	days                            []string
	only, takeover, observe, ignore bool
	tell                            bool
	session, renew, timeout         int // hours, hours, seconds
	approvers                       []string
	approvals                       int
	tellFirst                       bool

	measure string
	quotas  []modelQuota
	per     []string
	over    string
	where   any
	times   bool // sum is of products of .n and .b
}

type modelEntry struct {
	op     string
	fields map[string]any
}

type modelQuota struct {
	most, window string
}

type model struct {
	lists     map[string][]string
	rules     []*modelRule
	otherwise bool
	second    bool // of version 2
}

// pen renders a model, with keys, rules and quotes as chance wants.
type pen struct {
	*rand.Rand
	lines bool // each key of a rule on a line of its own
}

func (p pen) test(t any) string {
	switch t := t.(type) {
	case lit:
		if t.quoted {
			return "'" + strings.ReplaceAll(t.text, "'", "''") + "'"
		}
		return t.text
	case []any:
		var items []string
		for _, item := range t {
			items = append(items, p.test(item))
		}
		return "[" + strings.Join(items, ", ") + "]"
	case map[string]any:
		var items []string
		for key, item := range t {
			items = append(items, key+": "+p.test(item))
		}
		slices.Sort(items)
		p.Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
		return "{" + strings.Join(items, ", ") + "}"
	case []string:
		return "[" + strings.Join(t, ", ") + "]"
	}
	panic(fmt.Sprintf("%T", t))
}

func (p pen) names(names []string) string {
	if len(names) == 1 && names[0] == "any" {
		return "any"
	}
	names = slices.Clone(names)
	p.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	return p.test(names)
}

func (p pen) rule(r *modelRule) string {
	keys := []string{"name: " + r.name}
	add := func(said bool, key, value string) {
		if said {
			keys = append(keys, key+": "+value)
		}
	}
	add(r.request != "", "request", r.request)
	add(r.accounts != nil, "accounts", p.names(r.accounts))
	add(r.apps != nil, "apps", p.names(r.apps))
	add(r.behalf != nil, "on_behalf_of", p.names(r.behalf))
	add(r.keys != nil, "key", p.names(r.keys))
	add(r.broadcast != "", "broadcast", r.broadcast)
	add(r.maker != "", "transaction_by", r.maker)
	add(r.hours != "", "hours", r.hours)
	add(r.from != "", "from", r.from)
	add(r.until != "", "until", r.until)
	add(r.days != nil, "days", p.names(r.days))
	add(r.only, "only", "uncovered")
	add(r.takeover, "takeover", "allowed")
	add(r.observe, "mode", "observe")
	add(r.ignore, "answer", "ignore")
	add(r.session > 0, "session", strconv.Itoa(r.session)+"h")
	add(r.renew > 0, "renew", strconv.Itoa(r.renew)+"h")
	add(r.tell, "tell", "true")
	add(r.timeout > 0, "timeout", strconv.Itoa(r.timeout)+"s")
	add(r.approvers != nil, "approvers", p.names(r.approvers))
	add(r.approvals > 0, "approvals", strconv.Itoa(r.approvals))
	add(r.tellFirst, "tell_first", "true")
	if r.text != nil {
		add(true, "text", p.test(r.text))
	}
	if r.ops != nil {
		add(!r.tx, "operations", p.entries(r.ops, !r.tx))
		add(r.tx, "transaction", p.entries(r.ops, false))
	}
	if r.measure != "" {
		var quotas []string
		for _, q := range r.quotas {
			quotas = append(quotas, q.most+" per "+q.window)
		}
		add(true, r.measure, p.test(quotas))
		add(r.per != nil, "per", p.names(r.per))
		add(r.over != "", "over", r.over)
		if r.measure == "sum" {
			of := "list: json, field: .n"
			if r.where != nil {
				of = "where: " + p.test(r.where) + ", " + of
			}
			if r.times {
				of += ", times: .b"
			}
			of = "{" + of + "}"
			add(true, "of", of)
		}
	}
	p.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	if p.lines {
		return strings.Join(keys, "\n    ")
	}
	return "{" + strings.Join(keys, ", ") + "}"
}

func (p pen) entries(entries []modelEntry, shuffle bool) string {
	var out []string
	for _, e := range entries {
		if e.fields == nil {
			out = append(out, e.op)
		} else {
			out = append(out, e.op+": "+p.test(e.fields))
		}
	}
	if shuffle {
		p.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	}
	return "[" + strings.Join(out, ", ") + "]"
}

func (p pen) model(m *model) string {
	sections := []string{"version: 1\n"}
	if m.second {
		sections[0] = "version: 2\n"
	}
	p.lines = m.second // version 2 takes no lines that are so long that nobody reads them
	if len(m.lists) > 0 {
		s := "lists:\n"
		for _, name := range p.keys(m.lists) {
			s += "  " + name + ": " + p.test(m.lists[name]) + "\n"
		}
		sections = append(sections, s)
	}
	if m.otherwise {
		sections = append(sections, "otherwise: ignore\n")
	}
	for _, section := range []string{"allow", "ask", "deny", "limits"} {
		var rules []string
		for _, r := range m.rules {
			if r.section == section {
				rules = append(rules, "  - "+p.rule(r)+"\n")
			}
		}
		if len(rules) > 0 {
			p.Shuffle(len(rules), func(i, j int) { rules[i], rules[j] = rules[j], rules[i] })
			sections = append(sections, section+":\n"+strings.Join(rules, ""))
		}
	}
	p.Shuffle(len(sections), func(i, j int) { sections[i], sections[j] = sections[j], sections[i] })
	return strings.Join(sections, "")
}

func (p pen) keys(m map[string][]string) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	p.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	return names
}
