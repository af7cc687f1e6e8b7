package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"pksa/agent/yamlnode"
)

// MostApprovals is of how many people a rule may demand a yes.
const MostApprovals = 5

// Consent is which yes a rule demands: of so many different approvers, each with a passkey, and
// whether people have to be told first.
type Consent struct {
	Approvers []string `json:"approvers,omitempty"` // sorted; empty: any
	Approvals int      `json:"approvals"`           // 0: anybody's yes, also at the command line
	// TellFirst says that a yes counts once a notifier has taken a message with all of the effect.
	TellFirst bool `json:"tell_first,omitempty"`
}

// Met reports whether these approvers, each of whom said yes, are those whom it demands. Each name
// counts once. told says whether people were told of all of it before they said yes.
func (c Consent) Met(by []string, told bool) bool {
	if c.TellFirst && !told {
		return false
	}
	seen := map[string]bool{}
	for _, name := range by {
		if c.Takes(name) {
			seen[name] = true
		}
	}
	return len(seen) >= c.Approvals
}

// Takes reports whether the yes of an approver counts for it.
func (c Consent) Takes(name string) bool {
	return len(c.Approvers) == 0 || slices.Contains(c.Approvers, name)
}

// String returns it in words: "a yes of 2 of anna, bob, carol, after a notification of all of it".
func (c Consent) String() string {
	if c.TellFirst {
		return c.people() + ", after a notification of all of it"
	}
	return c.people()
}

func (c Consent) people() string {
	whom := strings.Join(c.Approvers, ", ")
	switch all := len(c.Approvers); {
	case c.Approvals == 0:
		return "a yes"
	case all == 0 && c.Approvals == 1:
		return "a yes of an approver"
	case all == 0:
		return fmt.Sprintf("a yes of %d approvers", c.Approvals)
	case all == 1:
		return "a yes of " + whom
	}
	return fmt.Sprintf("a yes of %d of %s", c.Approvals, whom)
}

// Unmet returns the first of what is demanded that these approvers do not meet; false if they meet
// all of it. told is as in [Consent.Met].
func Unmet(demanded []Consent, by []string, told bool) (Consent, bool) {
	for _, c := range demanded {
		if !c.Met(by, told) {
			return c, true
		}
	}
	return Consent{}, false
}

// ByPasskey reports whether what is demanded takes a yes with a passkey.
func ByPasskey(demanded []Consent) bool {
	return slices.ContainsFunc(demanded, func(c Consent) bool { return c.Approvals > 0 })
}

// TellFirst reports whether people have to be told of all of it before a yes counts.
func TellFirst(demanded []Consent) bool {
	return slices.ContainsFunc(demanded, func(c Consent) bool { return c.TellFirst })
}

func (c Consent) compare(other Consent) int { return strings.Compare(c.String(), other.String()) }

func (c Consent) same(other Consent) bool { return c.compare(other) == 0 }

// consent returns what the rule demands; false if anybody's yes is enough.
func (r *rule) consent() (Consent, bool) {
	if r.approvals == 0 && !r.tellFirst {
		return Consent{}, false
	}
	c := Consent{Approvals: r.approvals, TellFirst: r.tellFirst}
	for name := range r.approvers {
		c.Approvers = append(c.Approvers, name)
	}
	slices.Sort(c.Approvers)
	return c, true
}

// demand adds what the rules demand, sorted and each once.
func (d *Decision) demand(rules []*rule) {
	for _, r := range rules {
		c, ok := r.consent()
		if !ok {
			continue
		}
		if i, known := slices.BinarySearchFunc(d.Consents, c, Consent.compare); !known {
			d.Consents = slices.Insert(d.Consents, i, c)
		}
	}
}

// readConsent reads who may say yes, and of how many a yes is needed.
func (c *compiler) readConsent(m yamlnode.Mapping, r *rule) {
	if r.approvers = c.readNames(m, "approvers", c.checkApprover); m.Has("approvers") {
		r.approvals = 1 // also where it is any of them: who writes it means one with a passkey
	}
	if m.Has("tell_first") {
		word, _ := c.OneOf(m.Value("tell_first"), "tell_first", "true", "false")
		r.tellFirst = word == "true"
	}
	if !m.Has("approvals") {
		return
	}
	n := m.Value("approvals")
	text, ok := c.Scalar(n, "approvals")
	if !ok {
		return
	}
	most, of := MostApprovals, ""
	if r.approvers != nil {
		most, of = min(most, len(r.approvers)), " of these approvers"
	}
	count, err := strconv.Atoi(text)
	if err != nil || count < 1 || count > most || strconv.Itoa(count) != text {
		c.Complain(n, "approvals is how many%s must say yes: a number from 1 to %d", of, most)
		return
	}
	r.approvals = count
}

func (c *compiler) checkApprover(n *yamlnode.Node, name string) {
	plain := func(ch rune) bool {
		return ch >= 'a' && ch <= 'z' || ch >= '0' && ch <= '9' || ch == '-' || ch == '_'
	}
	switch {
	case name == "any":
		c.Complain(n, "for any approver write approvers: any, without brackets")
	case name == "", len(name) > 32, name[0] == '-', name[0] == '_',
		strings.ContainsFunc(name, func(ch rune) bool { return !plain(ch) }):
		c.Complain(n, "%s is no name of an approver: 1 to 32 of a to z, 0 to 9, _ and -", quote(name))
	}
}

// reviewConsent warns of a rule that asks people who are not enrolled, or who cannot be told.
func (c *compiler) reviewConsent(r *rule) {
	demanded, ok := r.consent()
	if !ok || c.options.nobody() != "" { // which is warned of
		return
	}
	if r.tellFirst {
		means := "only a yes at the command line counts"
		if r.approvals > 0 || c.options.OnlyPasskeys {
			means = "it denies"
		}
		c.warnWhile(c.options.NobodyToTellAll, c.nodes[r], "rule %q has people told first, and no notifier of the "+
			"settings has content: full, so %s", r.name, means)
	}
	var missing []string
	for _, name := range demanded.Approvers {
		if !slices.Contains(c.options.Approvers, name) {
			missing = append(missing, name)
		}
	}
	met := demanded.Met(c.options.Approvers, true)
	c.warnWhile(c.options.Approvers != nil && !met, c.nodes[r], "rule %q asks for %v, and there are not so many "+
		"with a passkey for the wallet's address, so it denies; enrol them with pksa approver add", r.name, demanded)
	c.warnWhile(c.options.Approvers != nil && met && missing != nil, c.nodes[r], "rule %q asks for %v, and %s has no "+
		"passkey for the wallet's address", r.name, demanded, strings.Join(missing, ", "))
}
