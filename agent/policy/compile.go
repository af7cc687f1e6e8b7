package policy

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"time"

	"pksa/agent/yamlnode"
	"pksa/protocol/hive"
	"pksa/protocol/sorts"
)

// Problem is one complaint about a policy or a file of requests.
type Problem = yamlnode.Problem

// Problems are complaints in the order of the file, errors before warnings.
type Problems = yamlnode.Problems

// Options is what a policy may be checked against. All of it is optional and leads to warnings
// only: an operator may write the policy before he adds the app.
type Options struct {
	Apps     []string           // that were added
	Accounts []hive.AccountName // accounts of the keystore
	Now      time.Time          // to tell rules that have expired
	// NobodyToAsk says that there is no way yet to ask a person.
	NobodyToAsk bool
	// NoApprover says that a yes counts with a passkey alone, and that nobody has one.
	NoApprover bool
	// Approvers are who has a passkey for the wallet's address; nil if that is not known.
	Approvers []string
	// OnlyPasskeys says that a yes counts with a passkey alone.
	OnlyPasskeys bool
	// NobodyToTell says that there is no notifier yet, NobodyToTellAll that none has content: full.
	NobodyToTell, NobodyToTellAll bool
	// ErrorsOnly says that nobody reads warnings. They are left out as far as the version of the
	// file never makes errors of them, and need no time.
	ErrorsOnly bool
	// TrapsWarn says that what is probably not meant is a warning in version 2, too: for a draft,
	// which is judged before a person narrows it.
	TrapsWarn bool
	// MostCounters and MostOpened are the bounds of the same names, if those are not to hold: for
	// tests.
	MostCounters, MostOpened int
}

// Policy is a file that was understood. It does not change and may be used by any number of
// goroutines.
type Policy struct {
	file       string
	version    string // of the language
	hash       [32]byte
	otherwise  bool // silent where nobody named the part
	rules      []*rule
	limits     []*limit
	ruleIndex  index[*rule]
	limitIndex index[*limit]
	observes   bool // anything has mode: observe
	asks       bool // some rule asks, in whatever mode
	// Some rule is under deny: in force, and in force or in mode observe.
	forbidsInForce, forbidsObserved bool

	mostCounters, mostOpened int
}

// Compile reads a policy. It returns all complaints about the file in one run; the policy is nil if
// any of them is an error. file is only a name for them.
func Compile(file string, src []byte, env Options) (*Policy, Problems) {
	p, _, problems := compileFile(file, src, env)
	return p, problems
}

// compileFile also returns what a policy does not keep of its file.
func compileFile(file string, src []byte, env Options) (*Policy, *compiledFile, Problems) {
	c := &compiler{Reader: yamlnode.NewReader(yamlnode.Options{
		File: file, Noun: "a policy", NoAlias: ", or use lists",
		NoTag:   "and ! is no word for not: write {not: %s}, or leave it out",
		Nearest: nearestWord, KeyHint: keyHint,
		EmptyList: emptyListHint, EmptyMap: emptyMapHint, ValueHint: valueHint, Comma: numberWithComma,
	}), file: file, options: env, version: version1, names: map[string]int{}, lists: map[string][]*yamlnode.Node{},
		listLines: map[string]int{}, nodes: map[*rule]*yamlnode.Node{}, possible: map[int]int{}}
	p := &Policy{file: file, hash: sha256.Sum256(src), mostCounters: cmp.Or(env.MostCounters, MostCounters),
		mostOpened: cmp.Or(env.MostOpened, MostOpened)}
	root := c.document(src)
	if root != nil {
		c.policy(root, p)
	}
	p.version = c.version
	whole := len(c.Problems().Errors()) == 0
	if whole {
		p.build()
	}
	if whole && !(env.ErrorsOnly && c.version == version1) {
		c.review(p)
		c.reviewFile(root)
	}
	problems := c.settle(root, whole)
	// All or nothing: half a policy could be one that lost its deny rules.
	if len(problems.Errors()) > 0 {
		return nil, nil, problems
	}
	return p, &compiledFile{lists: c.lists, lines: c.listLines, nodes: c.nodes, says: map[*rule]string{}}, problems
}

// Hash returns the SHA-256 of the file, in hex.
func (p *Policy) Hash() string { return hex.EncodeToString(p.hash[:]) }

// File returns the name that the policy was compiled under.
func (p *Policy) File() string { return p.file }

type compiler struct {
	*yamlnode.Reader
	file      string
	options   Options
	version   string         // of the language
	names     map[string]int // of rules and limits, to their lines
	lists     map[string][]*yamlnode.Node
	listNames []string
	listLines map[string]int
	nodes     map[*rule]*yamlnode.Node // where a rule stands, for warnings
	tried     int                      // payments by which ways to pay were compared
	reviewed  []*rule                  // all of the policy
	movers    map[string][]*rule       // by a move: who lets it through
	spelled   map[string][]*rule       // by a move: who lets it go to receivers in odd spellings
	steps     steps                    // in which rules were compared for what goes through beside them
	spelt     steps                    // in which values were compared for those that are misspelt
	near      nearness                 // of rules and limits
	possible  map[int]int              // by line, how many warnings the wallet or the clock could give

	fillsIn   bool    // some text or pattern has names in it
	made      *made   // what patterns with names share; nil if there is none
	section   section // of the rule at hand
	everyText bool    // a pattern that takes every text is meant so
	parted    bool    // the list at hand may be one number, and no part of it is advised about

	// transaction names the operations of the rule at hand, for $1.permlink.
	transaction []string
}

// The versions say the same with the same words, but for names within texts, which [compiler.fill]
// fills in. Else they differ in what [compiler.settle] does.
const version1, version2 = "1", "2"

// document returns the root of the policy, nil if there is none that can be compiled.
func (c *compiler) document(src []byte) *yamlnode.Node {
	root, ok := c.Read(src)
	switch {
	case !ok:
		return nil
	case root == nil:
		c.Complain(&yamlnode.Node{Line: 1, Column: 1}, `the file is empty; a policy begins with "version: 2"`)
		return nil
	case root.Kind != yamlnode.Map:
		begins := ""
		if root.Kind == yamlnode.Scalar { // of another language than YAML, probably
			begins = `; it begins with the line "version: 2", and below "allow:" stands a list of rules`
		}
		c.Complain(root, "a policy is a map of version, lists, allow, ask, deny, limits, otherwise%s", begins)
		return nil
	}
	return root
}

func (c *compiler) policy(root *yamlnode.Node, p *Policy) {
	if says := otherFile(root); says != "" {
		c.Complain(root, "%s", says)
		return
	}
	m, _ := c.Mapping(root, "a policy", []string{"version", "lists", "allow", "ask", "deny", "limits", "otherwise"})
	switch {
	case m.Has("version"):
		text, ok := c.Scalar(m.Value("version"), "version")
		if ok && text != version1 && text != version2 {
			c.Complain(m.Value("version"), "version is 1 or 2; %s is not known here", quote(text))
		}
		c.version = text
	case m.Missing("version"):
		c.Complain(root, `"version: 2" is missing`)
	}
	if m.Has("otherwise") {
		word, _ := c.OneOf(m.Value("otherwise"), "otherwise", "reject", "ignore")
		p.otherwise = word == "ignore"
	}
	if m.Has("lists") {
		c.readLists(m.Value("lists"))
	}
	for _, s := range []section{allowSection, askSection, denySection, limitSection} {
		if !m.Has(s.String()) {
			continue
		}
		if v := m.Value(s.String()); v.Kind == yamlnode.Scalar && !v.Null && !c.Bad(v) {
			c.Complain(v, "%s is a list of maps, each of which begins with a name: - name: NAME", s)
			continue
		}
		for _, n := range c.Sequence(m.Value(s.String()), s.String()) {
			if s == limitSection {
				p.limits = append(p.limits, c.limit(n))
			} else {
				p.rules = append(p.rules, c.rule(n, s))
			}
		}
	}
	// The order of the file must not matter, so it is forgotten here.
	sorts.Stable(p.rules, func(a, b *rule) int { return strings.Compare(a.name, b.name) })
	sorts.Stable(p.limits, func(a, b *limit) int { return strings.Compare(a.name, b.name) })
}

// readLists keeps the items of lists as nodes: what they mean depends on where they are used.
func (c *compiler) readLists(n *yamlnode.Node) {
	if c.Bad(n) {
		return
	}
	if n.Kind != yamlnode.Map {
		c.Complain(n, "lists is a map: friends: [bob, carol]")
		return
	}
	for _, e := range n.Sorted() {
		name := e.Key.Text
		switch {
		case c.Bad(e.Key):
			continue
		case name == "account":
			c.Complain(e.Key, "$account is the account of the request; call the list something else")
		case !isListName(name):
			c.Complain(e.Key, "%s: a list is named with a-z, 0-9, - and _, a letter first", quote(name))
		}
		c.lists[name], c.listLines[name] = nil, e.Key.Line
		for _, item := range c.Sequence(e.Value, "list "+name) {
			// $account is not the name of a list, so it may stand here. It is resolved for each
			// request.
			if item.Kind == yamlnode.Map && !c.Bad(item) {
				c.Complain(item, "a list has single values; a test stands at the field, beside the list: [$%s, "+
					"{glob: 'x*'}]", name)
				continue
			}
			text, ok := c.Scalar(item, "an item of a list")
			_, filled := c.fill("", text)
			if ok && strings.HasPrefix(text, "$") && !strings.HasPrefix(text, "$$") && text != "$account" && !filled {
				c.Complain(item, "%s: lists hold no other lists; a text that begins with $ is written $%s",
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
