package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"pksa/agent/yamlnode"
	"pksa/protocol/plain"
	"pksa/protocol/sorts"
)

// FileChange is one rule, limit or list of which the two files do not say the same.
type FileChange struct {
	What string `json:"what"` // rule, limit, list or otherwise
	Name string `json:"name"`
	Was  string `json:"was,omitempty"` // its name in the old file, if that is another
	How  string `json:"how"`           // added, removed, renamed or changed
	Old  int    `json:"old,omitempty"` // its line in the old file
	New  int    `json:"new,omitempty"`
	// Details are what differs, as the file writes it: "operations.transfer.amount.max: 1.000 HBD →
	// 2.000 HBD".
	Details []string `json:"details,omitempty"`
	// Counters says what a limit goes on counting and what it forgets.
	Counters []string `json:"counters,omitempty"`
	// Forgets says that what was used of a limit is not counted any more.
	Forgets bool `json:"forgets,omitempty"`
}

// compiledFile is what a twoFiles needs of a file beside its policy.
type compiledFile struct {
	lists map[string][]*yamlnode.Node
	lines map[string]int // of lists
	nodes map[*rule]*yamlnode.Node
	says  map[*rule]string // what a rule says beside its name, in one form
}

// twoFiles is two files that are compared.
type twoFiles struct {
	old, now         *Policy
	oldFile, newFile *compiledFile
	renamed          map[string]string // of the new file, to names of the old one
}

// write returns what a node says, in one form: order and names of lists do not matter.
func (f *compiledFile) write(n *yamlnode.Node, ordered bool) string {
	switch n.Kind {
	case yamlnode.List:
		var items []string
		for _, item := range n.Items {
			items = append(items, f.write(item, false))
		}
		if !ordered {
			slices.Sort(items)
		}
		return "[" + strings.Join(items, ",") + "]"
	case yamlnode.Map:
		var entries []string
		for _, e := range n.Entries {
			ordered := e.Key.Text == "exactly" || e.Key.Text == "transaction"
			entries = append(entries, fmt.Sprintf("%q:%s", e.Key.Text, f.write(e.Value, ordered)))
		}
		slices.Sort(entries)
		return "{" + strings.Join(entries, ",") + "}"
	}
	text := fmt.Sprintf("%q%t", n.Text, n.Quoted)
	if name, is := strings.CutPrefix(n.Text, "$"); is && f.lists[name] != nil {
		var items []string
		for _, item := range f.lists[name] {
			items = append(items, f.write(item, false))
		}
		slices.Sort(items)
		text += strings.Join(items, ",")
	}
	return text
}

// content returns what a rule says beside its name and comment.
func (f *compiledFile) content(r *rule) string {
	if known, ok := f.says[r]; ok {
		return known
	}
	rest := *f.nodes[r]
	rest.Entries = nil
	for _, e := range f.nodes[r].Entries {
		if e.Key.Text != "name" && e.Key.Text != "comment" {
			rest.Entries = append(rest.Entries, e)
		}
	}
	f.says[r] = r.section.String() + f.write(&rest, false)
	return f.says[r]
}

// everyRuleOf returns the rules and limits of a policy in the order of the file.
func everyRuleOf(p *Policy) (all []standpoint) {
	for _, r := range p.rules {
		all = append(all, standpoint{rule: r, policy: p})
	}
	for _, l := range p.limits {
		all = append(all, standpoint{rule: &l.rule, limit: l, policy: p})
	}
	sorts.Stable(all, func(a, b standpoint) int { return a.rule.line - b.rule.line })
	return all
}

// standpoints returns the rules and limits of both files, those first that only one of them has as
// they are; of the others one each.
func (c *twoFiles) standpoints() (all []standpoint) {
	byName := func(p *Policy) map[string]*rule {
		names := map[string]*rule{}
		for _, one := range everyRuleOf(p) {
			names[one.rule.name] = one.rule
		}
		return names
	}
	olds, news := byName(c.old), byName(c.now)
	var same []standpoint
	for _, one := range everyRuleOf(c.now) {
		was := olds[c.renamedFrom(one.rule.name)]
		if one.other = was; was != nil && c.newFile.content(one.rule) == c.oldFile.content(was) {
			// Its charges are those of its name, so a limit with another one is another one.
			one.same = one.limit == nil || was.name == one.rule.name
		}
		if one.same {
			same = append(same, one)
		} else {
			all = append(all, one)
		}
	}
	for _, one := range everyRuleOf(c.old) {
		for _, now := range news {
			if c.renamedFrom(now.name) == one.rule.name {
				one.other = now
			}
		}
		if one.other == nil || c.newFile.content(one.other) != c.oldFile.content(one.rule) {
			all = append(all, one)
		}
	}
	return append(all, same...)
}

func (c *twoFiles) renamedFrom(name string) string {
	if was, ok := c.renamed[name]; ok {
		return was
	}
	return name
}

// compareFiles notes what differs between the files.
func (c *twoFiles) compareFiles(d *Diff) {
	c.findRenamed()
	olds := map[string]standpoint{}
	for _, one := range everyRuleOf(c.old) {
		olds[one.rule.name] = one
	}
	if c.old.otherwise != c.now.otherwise {
		word := map[bool]string{false: "reject", true: "ignore"}
		d.Changes = append(d.Changes, FileChange{What: "otherwise", Name: "otherwise", How: "changed",
			Details: []string{"otherwise: " + word[c.old.otherwise] + " → " + word[c.now.otherwise]}})
	}
	c.compareLists(d)
	kept := map[string]bool{}
	for _, one := range everyRuleOf(c.now) {
		change := FileChange{What: one.what(), Name: one.rule.name, New: one.rule.line, How: "added"}
		was, ok := olds[c.renamedFrom(one.rule.name)]
		if ok {
			kept[was.rule.name] = true
			if change.Old, change.How = was.rule.line, "changed"; was.rule.name != one.rule.name {
				change.How, change.Was = "renamed", was.rule.name
			}
			if c.oldFile.content(was.rule) != c.newFile.content(one.rule) {
				change.Details = c.details(was.rule, one.rule)
			} else if change.Was == "" {
				continue
			}
		}
		change.countersOf(was.limit, one.limit)
		d.Changes = append(d.Changes, change)
	}
	for _, one := range everyRuleOf(c.old) {
		if !kept[one.rule.name] {
			change := FileChange{What: one.what(), Name: one.rule.name, Old: one.rule.line, How: "removed"}
			change.countersOf(one.limit, nil)
			d.Changes = append(d.Changes, change)
		}
	}
}

func (s *standpoint) what() string {
	if s.limit != nil {
		return "limit"
	}
	return "rule"
}

// findRenamed finds rules and limits that say the same under another name.
func (c *twoFiles) findRenamed() {
	c.renamed = map[string]string{}
	news := map[string]bool{}
	for _, one := range everyRuleOf(c.now) {
		news[one.rule.name] = true
	}
	gone := map[string][]string{}
	had := map[string]bool{}
	for _, one := range everyRuleOf(c.old) {
		if had[one.rule.name] = true; !news[one.rule.name] {
			text := c.oldFile.content(one.rule)
			gone[text] = append(gone[text], one.rule.name)
		}
	}
	for _, one := range everyRuleOf(c.now) {
		text := c.newFile.content(one.rule)
		if names := gone[text]; !had[one.rule.name] && len(names) > 0 {
			c.renamed[one.rule.name], gone[text] = names[0], names[1:]
		}
	}
}

// details returns what two rules say otherwise.
func (c *twoFiles) details(was, now *rule) (all []string) {
	if was.section != now.section {
		all = append(all, fmt.Sprintf("section: %s → %s", was.section, now.section))
	}
	c.compareNodes("", c.oldFile.nodes[was], c.newFile.nodes[now], &all)
	if len(all) == 0 {
		all = append(all, "the list that it names")
	}
	return all
}

// compareNodes notes what two nodes say otherwise, as deep as it can be told.
func (c *twoFiles) compareNodes(path string, a, b *yamlnode.Node, all *[]string) {
	join := func(name string) string {
		if path == "" || strings.HasPrefix(name, ".") {
			return path + name
		}
		return path + "." + name
	}
	note := func(path string, a, b string) { *all = append(*all, path+": "+a+" → "+b) }
	switch {
	case a.Kind == yamlnode.Map && b.Kind == yamlnode.Map:
		values := map[string][2]*yamlnode.Node{}
		for i, n := range []*yamlnode.Node{a, b} {
			for _, e := range n.Entries {
				pair := values[e.Key.Text]
				pair[i] = e.Value
				values[e.Key.Text] = pair
			}
		}
		for _, name := range slices.Sorted(maps.Keys(values)) {
			switch pair := values[name]; {
			case path == "" && (name == "name" || name == "comment"):
			case pair[0] == nil:
				note(join(name), "not said", flow(pair[1]))
			case pair[1] == nil:
				note(join(name), flow(pair[0]), "not said")
			default:
				c.compareNodes(join(name), pair[0], pair[1], all)
			}
		}
	case a.Kind == yamlnode.List && b.Kind == yamlnode.List:
		gone, come := c.itemsOfOne(a.Items, b.Items)
		// What stands for the same operation, or is alone, is compared in itself.
		for i := 0; i < len(gone); i++ {
			k := slices.IndexFunc(come, func(n *yamlnode.Node) bool {
				return n.Kind == gone[i].Kind && head(n) == head(gone[i])
			})
			if k < 0 && len(gone) == 1 && len(come) == 1 {
				k = 0
			}
			if k >= 0 {
				c.compareNodes(path, gone[i], come[k], all)
				gone, come = slices.Delete(gone, i, i+1), slices.Delete(come, k, k+1)
				i--
			}
		}
		if len(gone)+len(come) > 0 {
			*all = append(*all, path+": "+goneAndCome(gone, come))
		}
	case a.Kind != b.Kind || a.Text != b.Text || a.Quoted != b.Quoted:
		note(path, flow(a), flow(b))
	}
}

// head returns the key of a map that has one, such as an operation with its fields.
func head(n *yamlnode.Node) string {
	if n.Kind == yamlnode.Map && len(n.Entries) == 1 {
		return n.Entries[0].Key.Text
	}
	return flow(n)
}

// itemsOfOne returns the items that only one of two lists has.
func (c *twoFiles) itemsOfOne(a, b []*yamlnode.Node) (gone, come []*yamlnode.Node) {
	only := func(a, b []*yamlnode.Node) (list []*yamlnode.Node) {
		others := map[string]int{}
		for _, item := range b {
			others[flow(item)]++
		}
		for _, item := range a {
			if others[flow(item)]--; others[flow(item)] < 0 {
				list = append(list, item)
			}
		}
		return list
	}
	return only(a, b), only(b, a)
}

// goneAndCome writes what left a list and what came into it.
func goneAndCome(gone, come []*yamlnode.Node) string {
	var words []string
	for _, list := range []struct {
		word  string
		items []*yamlnode.Node
	}{{"without ", gone}, {"with ", come}} {
		if n := len(list.items); n > 0 {
			text := flow(&yamlnode.Node{Kind: yamlnode.List, Items: list.items[:min(n, mostNamed)]})
			text = list.word + text[1:len(text)-1]
			if n > mostNamed {
				text += fmt.Sprintf(" and %d more", n-mostNamed)
			}
			words = append(words, text)
		}
	}
	return strings.Join(words, "; ")
}

const (
	mostNamed = 12  // items of a list
	mostFlow  = 200 // characters of a value
)

// flow writes a node on one line.
func flow(n *yamlnode.Node) string {
	var text string
	switch n.Kind {
	case yamlnode.List:
		var items []string
		for _, item := range n.Items {
			items = append(items, flow(item))
		}
		text = "[" + strings.Join(items, ", ") + "]"
	case yamlnode.Map:
		var items []string
		for _, e := range n.Entries {
			items = append(items, e.Key.Text+": "+flow(e.Value))
		}
		text = "{" + strings.Join(items, ", ") + "}"
	default:
		if text = n.Text; n.Quoted {
			text = quotedText(text)
		}
	}
	return plain.CutRunes(text, mostFlow)
}

// compareLists notes which names came into a list and left it.
func (c *twoFiles) compareLists(d *Diff) {
	for _, name := range once(slices.Concat(slices.Sorted(maps.Keys(c.oldFile.lists)),
		slices.Sorted(maps.Keys(c.newFile.lists)))) {
		was, had := c.oldFile.lists[name]
		now, has := c.newFile.lists[name]
		change := FileChange{What: "list", Name: name, How: "changed", Old: c.oldFile.lines[name],
			New: c.newFile.lines[name]}
		switch gone, come := c.itemsOfOne(was, now); {
		case !had:
			change.How = "added"
		case !has:
			change.How = "removed"
		case len(gone)+len(come) == 0:
			continue
		default:
			change.Details = []string{goneAndCome(gone, come)}
		}
		d.Changes = append(d.Changes, change)
	}
}

// countersOf notes what a limit counts on and what it forgets, by the names under which charges are
// kept: that of the limit, that of the counter, the unit.
func (f *FileChange) countersOf(was, now *limit) {
	say := func(format string, args ...any) { f.Counters = append(f.Counters, fmt.Sprintf(format, args...)) }
	switch {
	case was == nil && now == nil:
	case now == nil:
		say("what it counted is kept for %s: put back under this name it goes on", windowText(was.kept()))
	case was == nil:
		say("it begins at zero, unless a limit of this name counted in the last 31d")
	case was.name != now.name:
		f.Forgets = true
		say("it begins at zero, and what was used under %q is forgotten; under the old name it goes on", was.name)
	case was.measure != now.measure:
		f.Forgets = true
		say("it counted %s and now counts %s: it begins at zero, and what was used is forgotten", was.measure,
			now.measure)
	default:
		f.sameCounter(was, now, say)
	}
}

// sameCounter notes what changes for a limit that goes on under its name and measure.
func (f *FileChange) sameCounter(was, now *limit, say func(string, ...any)) {
	say("it goes on with what it has counted")
	if a, b := strings.Join(was.perNames(), ", "), strings.Join(now.perNames(), ", "); a != b {
		switch {
		case a == "":
			say("it is split now, per %s: what was counted before counts in each of its counters", b)
		case b == "":
			say("it is split no more: what all its counters hold is added up")
		default:
			say("it was split per %s and is now per %s: what was counted before counts in each counter that it does "+
				"not contradict", a, b)
		}
	}
	if now.longest() > was.kept() {
		say("its window is longer now: what is older than %s is not known", windowText(was.kept()))
	}
	if gone := without(was.units(), now.units()); len(gone) > 0 && was.measure == measureSpend {
		say("%s is not named any more, and has no room", strings.Join(gone, ", "))
	}
	if f.matchesOther() {
		say("what it did not match before, it has not counted")
	}
}

// matchesOther reports whether the details are about what a limit matches, and not only about how
// much there may be.
func (f *FileChange) matchesOther() bool {
	return slices.ContainsFunc(f.Details, func(text string) bool {
		key, _, _ := strings.Cut(text, ":")
		key, _, _ = strings.Cut(key, ".")
		return !slices.Contains([]string{"requests", "count", "spend", "sum", "per", "over", "mode"}, key)
	})
}

// without returns what is in one list and not in the other.
func without(all, others []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(one string) bool { return slices.Contains(others, one) })
}
