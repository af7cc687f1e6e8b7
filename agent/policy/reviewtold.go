package policy

import (
	"fmt"
	"slices"
	"strings"

	"pksa/protocol/hive"
)

// reviewSignedOnly warns where a rule hands out signed transactions that move value. Protocol and
// relays know one form of sign_ack: the transaction stands in it in the clear.
func (c *compiler) reviewSignedOnly(r *rule) {
	if !r.section.permits() || r.observe || !r.kinds[Sign] || r.broadcast != nil && *r.broadcast ||
		r.exact != nil && *r.exact { // the answer about what an app made is sealed
		return
	}
	var names []string
	for _, e := range r.entries {
		if e.movesValue(r) && !slices.Contains(names, e.name) {
			names = append(names, e.name)
		}
	}
	if len(names) == 0 {
		return
	}
	said := "any"
	if r.broadcast != nil {
		said = "false"
	}
	c.Warn(c.nodes[r], "rule %q has broadcast: %s for %s: the relay gets the signed transaction in clear, and can "+
		"send it or keep it from the app; use it with a relay of your own", r.name, said, strings.Join(names, ", "))
}

// movesValue reports whether the operation can move value or rights to somebody: on the chain by
// the active key, or by custom_json in a game or on a side chain.
func (e *opEntry) movesValue(r *rule) bool {
	if e.name == groupActive {
		return true
	}
	d, ok := hive.DefinitionOf(e.name)
	switch {
	case !ok || d.OnlyPosting():
		return false
	case strings.HasPrefix(e.name, "custom"):
		return r.keys[hive.Active]
	}
	return len(d.Spends) > 0 || len(d.Payees) > 0
}

// credential is a kind of text whose signature opens a door elsewhere on Hive.
type credential struct {
	what  string
	texts []string // samples; %s is the account
	form  string   // a regular expression of all that it can look like
}

// credentials are the texts that public services take as logins when the posting key has signed
// them. The samples are short, so that a pattern which bounds the length takes them too.
var credentials = []credential{
	{"a HiveSigner token", []string{
		`{"signed_message":{"type":"login","app":"ecency.app"},"authors":["%s"],"timestamp":1800000000}`,
		`{"signed_message":{"type":"posting","app":"peakd.app"},"authors":["%s"],"timestamp":1800000000}`,
		`{"signed_message":{"type":"code","app":"ecency.app"},"authors":["%s"],"timestamp":1800000000}`,
		`{"signed_message":{"type":"refresh","app":"ecency.app"},"authors":["%s"],"timestamp":1800000000}`,
	}, tokenForm},
	{"an upload to Hive's image hosts (ImageSigningChallenge)", []string{
		"ImageSigningChallenge", "ImageSigningChallenge<svg/>",
	}, `ImageSigningChallenge.*`},
}

// reviewCredentials warns where the text of a challenge rule takes what is a login elsewhere. A
// rule that asks shows the text to a person first.
func (c *compiler) reviewCredentials(r *rule) {
	if r.section != allowSection || r.observe || r.text == nil || !r.kinds[Challenge] {
		return
	}
	var taken []string
	for _, kind := range credentials {
		switch {
		case slices.ContainsFunc(kind.texts, func(text string) bool { return r.takesText(r.anAccount(), text) }):
			taken = append(taken, kind.what)
		case c.meetsPattern(r, kind.form):
			taken = append(taken, kind.what+", with the words of the pattern in it")
		}
	}
	if len(taken) > 0 {
		c.Warn(c.nodes[r], "rule %q lets texts be signed that are credentials elsewhere: %s; test what your app's "+
			"texts begin with, or their members", r.name, strings.Join(taken, ", "))
	}
}

// anAccount returns an account that the rule is for, to judge a sample by.
func (r *rule) anAccount() hive.AccountName {
	if r.accounts != nil {
		for _, name := range r.accounts.sorted() {
			return hive.AccountName(name)
		}
	}
	return "alice" // of no wallet in particular: what is warned of must stand in the file
}

// takesText reports whether the rule's test takes the text with the account's name in it.
func (r *rule) takesText(account hive.AccountName, text string) bool {
	if strings.Contains(text, "%s") {
		text = fmt.Sprintf(text, account)
	}
	q := &Request{Kind: Challenge, Account: account, Text: text}
	p := challengePart(Challenge, hive.Posting, text, nil)
	return r.text.check((&scope{request: q}).of(p), p.textValue()) == yes
}
