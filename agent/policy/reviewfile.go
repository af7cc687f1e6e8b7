package policy

import (
	"regexp"
	"slices"
	"strings"

	"pksa/agent/yamlnode"
)

// What a file shows and does not hold, or holds and does not use. No rule is at fault by itself.

// reviewFile warns about the file as a whole.
func (c *compiler) reviewFile(root *yamlnode.Node) {
	c.reviewLists(root)
	c.reviewTakenOut(root)
	c.reviewTwice(root)
	c.reviewLooks(root, "")
	c.reviewLookalikes(root)
}

// reviewLists warns of lists that nothing refers to: whoever wrote them believes that some rule
// does.
func (c *compiler) reviewLists(root *yamlnode.Node) {
	used := map[string]bool{}
	var lists *yamlnode.Node
	for _, e := range root.Entries {
		if e.Key.Text == "lists" {
			lists = e.Value
			continue
		}
		everyNode(e.Value, func(n *yamlnode.Node) {
			// That the name stands somewhere without its dollar sign is said there.
			if n.Kind == yamlnode.Scalar {
				used[strings.TrimPrefix(n.Text, "$")] = true
			}
		})
	}
	if lists == nil {
		return
	}
	for _, e := range lists.Entries {
		if !used[e.Key.Text] {
			c.Warn(e.Key, "no rule or limit refers to this list, so it changes nothing; write $%s where it belongs, "+
				"or take it out", e.Key.Text)
		}
	}
}

// everyNode visits a node and all below it, keys too.
func everyNode(n *yamlnode.Node, visit func(*yamlnode.Node)) {
	visit(n)
	for _, item := range n.Items {
		everyNode(item, visit)
	}
	for _, e := range n.Entries {
		everyNode(e.Key, visit)
		everyNode(e.Value, visit)
	}
}

// keyTakenOut matches a comment that is the head of a section: its name and what people write
// around such a word, and nothing else, but for a comment of its own.
var keyTakenOut = regexp.MustCompile(`(?i)^#[-#=*~_ \t]*["']?(allow|ask|deny|den|limits)(?:ed|ied|ials?)?["']?` +
	`(?:[ \t]+(?:rules?|these|those|this|the|following|all|of|section|list|accounts|apps|below))*` +
	`[ \t]*:?[ \t]*[\[{]?[-#=*~_ \t]*(?:[ \t]#.*)?$`)

// reviewTakenOut warns where a comment holds the name of a section, and a rule is right below it:
// without that line, the rule belongs to the section above, and may allow what it was to deny.
func (c *compiler) reviewTakenOut(root *yamlnode.Node) {
	var lines []int              // on which something stands that is in force
	sections := map[int]string{} // of rules and limits, by the lines on which these begin
	for _, e := range root.Entries {
		everyNode(e.Key, func(n *yamlnode.Node) { lines = append(lines, n.Line) })
		everyNode(e.Value, func(n *yamlnode.Node) { lines = append(lines, n.Line) })
		if e.Key.Text == "" || !slices.Contains(sectionNames[:], e.Key.Text) {
			continue
		}
		for _, item := range e.Value.Items {
			sections[item.Line] = e.Key.Text
		}
	}
	slices.Sort(lines)
	for _, comment := range c.Comments(root) {
		m := keyTakenOut.FindStringSubmatch(comment.Text)
		if m == nil {
			continue
		}
		at, beside := slices.BinarySearch(lines, comment.Line)
		if beside || at == len(lines) {
			continue
		}
		named := strings.ToLower(m[1])
		if named == "den" { // denied
			named = denySection.String()
		}
		if within := sections[lines[at]]; within != "" && within != named {
			c.Warn(&yamlnode.Node{Line: comment.Line, Column: comment.Column}, "this is a comment, so what stands "+
				"below it belongs to %s, and not to %s; take the # away, or say in other words what the comment is for",
				within, named)
		}
	}
}

// likeAPolicy matches a line that begins a section or a rule, or holds a key of one with a value
// that such a key has.
var likeAPolicy = regexp.MustCompile(`^(?:(?:lists|allow|ask|deny|limits|operations|transaction):` +
	`(?:[ \t]*[\[{#].*)?$|-[ \t]+\{?[ \t]*name:[ \t]|` +
	`(?:version:[ \t]+[12]|mode:[ \t]+observe|request:[ \t]+(?:auth|sign|challenge|decrypt)|` +
	`key:[ \t]+(?:posting|active|memo|signing)|takeover:[ \t]+allowed|broadcast:[ \t]+(?:true|false|any)|` +
	`only:[ \t]+uncovered|over:[ \t]+(?:ask|deny)|otherwise:[ \t]+(?:reject|ignore)|answer:[ \t]+(?:reject|ignore)|` +
	`(?:apps|accounts|on_behalf_of|key|request|days|per):[ \t]+(?:\[.*\]|any)|` +
	`(?:session|renew|timeout):[ \t]+[0-9]+[smhd]|` +
	`hours:[ \t]+[0-9:]+-[0-9:]+|(?:from|until):[ \t]+[0-9]{4}-[0-9]{2}-[0-9]{2}[^ \t]*|` +
	`(?:requests|count|spend|sum):[ \t]+[0-9][^ ]*[ \t](?:[A-Z]+[ \t])?per[ \t]+(?:request|[0-9]+[smhd]))` +
	`(?:[ \t]+#.*)?$)`)

// reviewLookalikes warns of lines that look like a part of the policy and belong to a text, such as
// the comment of a rule.
func (c *compiler) reviewLookalikes(root *yamlnode.Node) {
	said := map[int]bool{} // by line: it, or the one above, was warned of
	lines := c.TextLines(root)
	for i, line := range lines {
		// The value of a key may stand on the next line.
		if !likeAPolicy.MatchString(line.Text) && !(strings.HasSuffix(line.Text, ":") && i+1 < len(lines) &&
			likeAPolicy.MatchString(line.Text+" "+lines[i+1].Text)) {
			continue
		}
		// The head of a section stands above its first rule. One of them says it.
		if said[line.Line] = true; !said[line.Line-1] {
			at := &yamlnode.Node{Line: line.Line, Column: line.Column}
			c.Warn(at, "this line looks like a part of the policy and is a part of a text, so it does nothing; write "+
				"it outside of the text, or say it in a sentence")
		}
	}
}
