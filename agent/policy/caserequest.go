package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"pksa/agent/yamlnode"
	"pksa/protocol/hive"
)

func (c *caseReader) readCase(m yamlnode.Mapping, d defaults) *Case {
	q := &Request{Account: hive.AccountName(d.account), App: d.app, Broadcast: true}
	one := &Case{Request: q, Time: d.time, Line: m.Node.Line}
	if m.Has("request") {
		word, _ := c.OneOf(m.Value("request"), "request", kindNames[Auth:]...)
		q.Kind, _ = kindNamed(word)
	} else if !m.Meant("request") {
		c.Complain(m.Node, "request is missing: auth, sign, challenge or decrypt")
	}
	if m.Has("account") {
		q.Account = hive.AccountName(c.optional(m, "account"))
	}
	if _, err := hive.ParseAccountName(string(q.Account)); err != nil && !m.Meant("account") {
		switch {
		case m.Has("account"):
			c.Complain(m.Value("account"), "account: %s is no account name", quote(string(q.Account)))
		case q.Account == "":
			c.Complain(m.Node, "account is missing: whose key would answer")
		default:
			c.Complain(m.Node, "account: %s is no account name", quote(string(q.Account)))
		}
	}
	if m.Has("app") {
		q.App = c.optional(m, "app")
	}
	if q.App == "" && !m.Meant("app") {
		c.Complain(m.Node, "app is missing: the app that asks")
	}
	if m.Has("time") {
		one.Time = c.caseTime(m)
	}
	c.readAbout(m, q)
	if m.Has("counters") {
		one.counters = c.counters(m.Value("counters"))
	}
	return one
}

// readAbout reads what is asked for.
func (c *caseReader) readAbout(m yamlnode.Mapping, q *Request) {
	var err error
	if q.Role, err = roleOf(c.optional(m, "key_type"), q.Kind); err != nil {
		c.Complain(m.Value("key_type"), "%v", err)
	}
	for key, kinds := range map[string][]Kind{
		"key_type": {Sign, Challenge, Decrypt}, "broadcast": {Sign}, "operations": {Sign}, "text": {Challenge},
		"transaction_by": {Sign},
		"challenge":      {Auth}, "by_hand": {Auth},
	} {
		if m.Has(key) && q.Kind != 0 && !slices.Contains(kinds, q.Kind) {
			c.Complain(m.Key(key), "%s is not for request: %s, but for %s", key, q.Kind, joinKinds(kinds))
		}
	}
	q.Broadcast = c.yesOrNo(m, "broadcast", true)
	if m.Has("transaction_by") {
		word, _ := c.OneOf(m.Value("transaction_by"), "transaction_by", makers...)
		q.Exact = word == makers[1]
	}
	q.ManualSession = c.yesOrNo(m, "by_hand", false)
	q.Approved = c.yesOrNo(m, "approved", false)
	q.Text = c.optional(m, "text")
	switch {
	case wasCut(m):
		c.Complain(m.Key("cut"), "the request was cut when it was recorded: the audit trail keeps 8 KiB of what "+
			"is not "+
			"carried out")
	case q.Kind == Sign && m.Missing("operations"):
		c.Complain(m.Node, "operations are missing")
	case q.Kind == Challenge && m.Missing("text"):
		c.Complain(m.Node, "the text to sign is missing")
	}
	if m.Has("challenge") {
		q.AuthChallenge = c.challenge(m.Value("challenge"))
	}
	c.checkWhole(m, q)
	if m.Has("operations") {
		for _, item := range c.Sequence(m.Value("operations"), "operations") {
			c.operation(item, q)
		}
	}
}

// wasCut reports whether the request is the content of a record that lacks some of it.
func wasCut(m yamlnode.Mapping) bool {
	return m.Has("cut") && slices.ContainsFunc(m.Value("cut").Entries,
		func(e yamlnode.Entry) bool { return e.Key.Text == "sha256" })
}

// checkWhole refuses a text that the audit trail holds only the beginning of.
func (c *caseReader) checkWhole(m yamlnode.Mapping, q *Request) {
	text := q.Text
	if q.AuthChallenge != nil {
		text = q.AuthChallenge.Text
	}
	if want := c.optional(m, "text_sha256"); want != "" && hive.HashText(text).String() != want {
		c.Complain(m.Key("text_sha256"),
			"the text is not that of which this is the digest; the audit trail keeps the first 2048 bytes")
	}
}

func (c *caseReader) yesOrNo(m yamlnode.Mapping, key string, otherwise bool) bool {
	if !m.Has(key) {
		return otherwise
	}
	word, _ := c.OneOf(m.Value(key), key, "true", "false")
	return word == "true"
}

func (c *caseReader) challenge(n *yamlnode.Node) *AuthChallenge {
	m, _ := c.Mapping(n, "challenge", challengeKeys)
	role, err := roleOf(c.optional(m, "key_type"), Challenge)
	if err != nil {
		c.Complain(m.Value("key_type"), "%v", err)
	}
	return &AuthChallenge{Role: role, Text: c.optional(m, "text"), Decrypt: c.yesOrNo(m, "decrypt", false)}
}

// operation reads `vote: {…}` or what applications send: ["vote", {…}] or {"type": …, "value":
// {…}}.
func (c *caseReader) operation(n *yamlnode.Node, q *Request) {
	if c.Bad(n) {
		return
	}
	var raw json.RawMessage
	// A map with one key is an operation by name; with two, type and value, it is what applications
	// send.
	if len(n.Entries) == 1 && n.Entries[0].Value.Kind == yamlnode.Map {
		name := n.Entries[0].Key.Text
		text, _ := json.Marshal(name)
		raw = fmt.Appendf(nil, "[%s,%s]", text, c.fieldsJSON(n.Entries[0].Value, name))
	} else {
		raw = nodeJSON(n)
	}
	op, err := c.network.ParseOperation(raw)
	if err != nil {
		c.Complain(n, "%v%s", err, shareHint(n))
		return
	}
	q.Ops = append(q.Ops, op)
}

// shareHint returns how the chain writes a percentage, "" if no field of an operation is written as
// one.
func shareHint(n *yamlnode.Node) string {
	hint := ""
	everyNode(n, func(n *yamlnode.Node) {
		if n.Kind == yamlnode.Scalar && strings.HasSuffix(n.Text, "%") {
			if v, err := percentLiteral(n.Text, strings.TrimSuffix(n.Text, "%"), true); err == nil {
				hint = fmt.Sprintf("; the chain writes %s as %s", n.Text, v.number)
			}
		}
	})
	return hint
}

// fieldsJSON lets a field that holds JSON as text be written as a map or list.
func (c *caseReader) fieldsJSON(n *yamlnode.Node, operation string) []byte {
	d, _ := hive.DefinitionOf(operation)
	members := map[string]json.RawMessage{}
	for _, e := range n.Entries {
		name := e.Key.Text
		members[name] = nodeJSON(e.Value)
		if d == nil || e.Value.Kind == yamlnode.Scalar {
			continue
		}
		// The chain has it as text; in a file of cases it is easier to read as what it holds.
		if f, ok := d.Field(name); ok && (f.JSON || f.Memo) {
			members[name], _ = json.Marshal(string(nodeJSON(e.Value)))
		}
	}
	return membersJSON(members)
}

// membersJSON writes a map without touching its values.
func membersJSON(members map[string]json.RawMessage) []byte {
	out := []byte{'{'}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if len(out) > 1 {
			out = append(out, ',')
		}
		key, _ := json.Marshal(name)
		out = append(append(append(out, key...), ':'), members[name]...)
	}
	return append(out, '}')
}

// nodeJSON writes a node as JSON: what is quoted is text; true, false, null and numbers without
// quotes are themselves.
func nodeJSON(n *yamlnode.Node) json.RawMessage {
	switch n.Kind {
	case yamlnode.Map:
		members := map[string]json.RawMessage{}
		for _, e := range n.Entries {
			members[e.Key.Text] = nodeJSON(e.Value)
		}
		return membersJSON(members)
	case yamlnode.List:
		var items [][]byte
		for _, item := range n.Items {
			items = append(items, nodeJSON(item))
		}
		return slices.Concat([]byte{'['}, bytes.Join(items, []byte{','}), []byte{']'})
	}
	if !n.Quoted {
		if _, number := parseDecimal(n.Text); number || n.Text == "true" || n.Text == "false" || n.Text == "null" {
			return json.RawMessage(n.Text)
		}
	}
	return jsonText(n.Text)
}

// jsonText writes a text as JSON without escaping for web pages.
func jsonText(text string) json.RawMessage {
	return json.RawMessage(hive.AppendString(nil, text))
}
