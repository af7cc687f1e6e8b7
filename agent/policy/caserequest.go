package policy

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"gopkg.in/yaml.v3"

	"pksa/protocol/hive"
)

func (c *caseReader) readCase(m mapping, d defaults) *Case {
	q := &Request{Account: hive.AccountName(d.account), App: d.app, Broadcast: true}
	one := &Case{Request: q, Time: d.time, Line: m.node.Line}
	if m.has("request") {
		word, _ := c.word(m.value("request"), "request", kindNames[Auth:]...)
		q.Kind, _ = kindNamed(word)
	} else if !m.meant["request"] {
		c.complain(m.node, "request is missing: auth, sign, challenge or decrypt")
	}
	if m.has("account") {
		q.Account = hive.AccountName(c.optional(m, "account"))
	}
	if _, err := hive.ParseAccountName(string(q.Account)); err != nil && !m.meant["account"] {
		c.complain(m.node, "account: %s is no account name", quote(string(q.Account)))
	}
	if m.has("app") {
		q.App = c.optional(m, "app")
	}
	if q.App == "" && !m.meant["app"] {
		c.complain(m.node, "app is missing: the app slot that asks")
	}
	if m.has("time") {
		one.Time = c.caseTime(m)
	}
	c.readAbout(m, q)
	if m.has("counters") {
		for _, item := range c.sequence(m.value("counters"), "counters") {
			one.counters = append(one.counters, c.counter(item))
		}
	}
	return one
}

// readAbout reads what is asked for.
func (c *caseReader) readAbout(m mapping, q *Request) {
	var err error
	if q.Role, err = roleOf(c.optional(m, "key_type"), q.Kind); err != nil {
		c.complain(m.value("key_type"), "%v", err)
	}
	for key, kinds := range map[string][]Kind{
		"key_type": {Sign, Challenge, Decrypt}, "broadcast": {Sign}, "operations": {Sign}, "text": {Challenge},
		"challenge": {Auth}, "by_hand": {Auth},
	} {
		if m.has(key) && q.Kind != 0 && !slices.Contains(kinds, q.Kind) {
			c.complain(m.key(key), "%s is not for request: %s, but for %s", key, q.Kind, joinKinds(kinds))
		}
	}
	q.Broadcast = c.yesOrNo(m, "broadcast", true)
	q.ManualSession = c.yesOrNo(m, "by_hand", false)
	q.Approved = c.yesOrNo(m, "approved", false)
	q.Text = c.optional(m, "text")
	switch {
	case q.Kind == Sign && m.missing("operations"):
		c.complain(m.node, "operations are missing")
	case q.Kind == Challenge && m.missing("text"):
		c.complain(m.node, "the text to sign is missing")
	}
	if m.has("challenge") {
		q.AuthChallenge = c.challenge(m.value("challenge"))
	}
	c.checkWhole(m, q)
	if m.has("operations") {
		for _, item := range c.sequence(m.value("operations"), "operations") {
			c.operation(item, q)
		}
	}
}

// checkWhole refuses a text that the audit trail holds only the beginning of.
func (c *caseReader) checkWhole(m mapping, q *Request) {
	text := q.Text
	if q.AuthChallenge != nil {
		text = q.AuthChallenge.Text
	}
	if want := c.optional(m, "text_sha256"); want != "" && hive.HashText(text).String() != want {
		c.complain(m.key("text_sha256"),
			"the text is not that of which this is the digest; the audit trail keeps the first 2048 bytes")
	}
}

func (c *caseReader) yesOrNo(m mapping, key string, otherwise bool) bool {
	if !m.has(key) {
		return otherwise
	}
	word, _ := c.word(m.value(key), key, "true", "false")
	return word == "true"
}

func (c *caseReader) challenge(n *yaml.Node) *AuthChallenge {
	m, _ := c.mapping(n, "challenge", challengeKeys)
	role, err := roleOf(c.optional(m, "key_type"), Challenge)
	if err != nil {
		c.complain(m.value("key_type"), "%v", err)
	}
	return &AuthChallenge{Role: role, Text: c.optional(m, "text"), Decrypt: c.yesOrNo(m, "decrypt", false)}
}

// operation reads `vote: {…}` or what applications send: ["vote", {…}] or {"type": …, "value":
// {…}}.
func (c *caseReader) operation(n *yaml.Node, q *Request) {
	if c.bad[n] {
		return
	}
	var raw json.RawMessage
	if n.Kind == yaml.MappingNode && len(n.Content) == 2 && n.Content[1].Kind == yaml.MappingNode {
		name := n.Content[0].Value
		text, _ := json.Marshal(name)
		raw = fmt.Appendf(nil, "[%s,%s]", text, c.fieldsJSON(n.Content[1], name))
	} else {
		raw = nodeJSON(n)
	}
	op, err := c.network.ParseOperation(raw)
	if err != nil {
		c.complain(n, "%v", err)
		return
	}
	q.Ops = append(q.Ops, op)
}

// fieldsJSON lets a field that holds JSON as text be written as a map or list.
func (c *caseReader) fieldsJSON(n *yaml.Node, operation string) []byte {
	d, _ := hive.DefinitionOf(operation)
	members := map[string]json.RawMessage{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, val := n.Content[i].Value, n.Content[i+1]
		members[name] = nodeJSON(val)
		if d == nil || val.Kind == yaml.ScalarNode {
			continue
		}
		if f, ok := d.Field(name); ok && f.JSON {
			members[name], _ = json.Marshal(string(nodeJSON(val)))
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
func nodeJSON(n *yaml.Node) json.RawMessage {
	switch n.Kind {
	case yaml.MappingNode:
		members := map[string]json.RawMessage{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			members[n.Content[i].Value] = nodeJSON(n.Content[i+1])
		}
		return membersJSON(members)
	case yaml.SequenceNode:
		out := []byte{'['}
		for i, item := range n.Content {
			if i > 0 {
				out = append(out, ',')
			}
			out = append(out, nodeJSON(item)...)
		}
		return append(out, ']')
	}
	if unquoted(n) {
		if _, number := parseDecimal(n.Value); number || n.Value == "true" || n.Value == "false" || n.Value == "null" {
			return json.RawMessage(n.Value)
		}
	}
	return jsonText(n.Value)
}

// jsonText writes a text as JSON without escaping for web pages.
func jsonText(text string) json.RawMessage {
	return json.RawMessage(hive.AppendString(nil, text))
}
