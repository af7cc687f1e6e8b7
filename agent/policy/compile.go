package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"pksa/protocol/hive"
)

// Env is what a policy may be checked against. All of it is optional and leads to warnings only: an
// operator may write the policy before the slot.
type Env struct {
	Slots    []string           // app slots that exist
	Accounts []hive.AccountName // accounts of the keystore
	Now      time.Time          // to tell rules that have expired
	// NobodyToAsk says that there is no way yet to ask a person.
	NobodyToAsk bool
}

// A Policy is a file that was understood. It does not change and may be used by any number of
// goroutines.
type Policy struct {
	file       string
	hash       [32]byte
	otherwise  bool // silent where nobody named the part
	rules      []*rule
	limits     []*limit
	ruleIndex  index[*rule]
	limitIndex index[*limit]
	observes   bool // anything has mode: observe
}

// Compile reads a policy. It returns all complaints about the file in one run; the policy is nil if
// any of them is an error. file is only a name for them.
func Compile(file string, src []byte, env Env) (*Policy, Problems) {
	c := &compiler{reader: reader{
		file:  file,
		lines: strings.Split(strings.ReplaceAll(string(src), "\r\n", "\n"), "\n"),
		bad:   map[*yaml.Node]bool{},
	}, env: env, names: map[string]int{}, lists: map[string][]*yaml.Node{}}
	p := &Policy{file: file, hash: sha256.Sum256(src)}
	if root := c.document(src); root != nil {
		c.policy(root, p)
	}
	problems := c.problems.tidy()
	if len(problems.Errors()) > 0 {
		return nil, problems
	}
	p.build()
	c.review(p)
	return p, c.problems.tidy()
}

// Hash returns the SHA-256 of the file, in hex.
func (p *Policy) Hash() string { return hex.EncodeToString(p.hash[:]) }

// File returns the name that the policy was compiled under.
func (p *Policy) File() string { return p.file }

type compiler struct {
	reader
	env       Env
	names     map[string]int // of rules and limits, to their lines
	lists     map[string][]*yaml.Node
	listNames []string
	nodes     map[*rule]*yaml.Node // where a rule stands, for warnings

	// transaction names the operations of the rule at hand, for $1.permlink.
	transaction []string
}

func (c *compiler) policy(root *yaml.Node, p *Policy) {
	m, _ := c.mapping(root, "a policy", []string{"version", "lists", "allow", "ask", "deny", "limits", "otherwise"})
	switch {
	case m.has("version"):
		if text, ok := c.scalar(m.value("version"), "version"); ok && text != "1" {
			c.complain(m.value("version"), "version is 1; %s is not known here", quote(text))
		}
	default:
		c.complain(root, `"version: 1" is missing`)
	}
	if m.has("otherwise") {
		word, _ := c.word(m.value("otherwise"), "otherwise", "reject", "ignore")
		p.otherwise = word == "ignore"
	}
	if m.has("lists") {
		c.readLists(m.value("lists"))
	}
	c.nodes = map[*rule]*yaml.Node{}
	for _, s := range []section{allowSection, askSection, denySection, limitSection} {
		if !m.has(s.String()) {
			continue
		}
		for _, n := range c.sequence(m.value(s.String()), s.String()) {
			if s == limitSection {
				p.limits = append(p.limits, c.limit(n))
			} else {
				p.rules = append(p.rules, c.rule(n, s))
			}
		}
	}
	// The order of the file must not matter, so it is forgotten here.
	slices.SortStableFunc(p.rules, func(a, b *rule) int { return strings.Compare(a.name, b.name) })
	slices.SortStableFunc(p.limits, func(a, b *limit) int { return strings.Compare(a.name, b.name) })
}

// readLists keeps the items as nodes: what they mean depends on where they are used.
func (c *compiler) readLists(n *yaml.Node) {
	if c.bad[n] {
		return
	}
	if n.Kind != yaml.MappingNode {
		c.complain(n, "lists is a map: friends: [bob, carol]")
		return
	}
	for _, e := range sortedEntries(n) {
		name := e.key.Value
		switch {
		case c.bad[e.key]:
			continue
		case name == "account":
			c.complain(e.key, "$account is the account of the request; call the list something else")
		case !isListName(name):
			c.complain(e.key, "%s: a list is named with a-z, 0-9, - and _, a letter first", quote(name))
		}
		c.lists[name] = nil
		for _, item := range c.sequence(e.value, "list "+name) {
			text, ok := c.scalar(item, "an item of a list")
			if ok && strings.HasPrefix(text, "$") && !strings.HasPrefix(text, "$$") && text != "$account" {
				c.complain(item, "%s: lists hold no other lists; a text that begins with $ is written $%s",
					quote(text), text)
			}
			c.lists[name] = append(c.lists[name], item)
		}
	}
	c.listNames = slices.Sorted(maps.Keys(c.lists))
}

func isListName(name string) bool {
	for i, ch := range name {
		letter := 'a' <= ch && ch <= 'z' || 'A' <= ch && ch <= 'Z'
		if !letter && (i == 0 || !strings.ContainsRune("0123456789-_", ch)) {
			return false
		}
	}
	return name != ""
}
