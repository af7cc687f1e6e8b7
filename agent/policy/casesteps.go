package policy

import (
	"slices"
	"strconv"

	"pksa/agent/yamlnode"
)

// mostTimes bounds how often a step is repeated, mostAsked how many requests a file makes in all.
const mostTimes, mostAsked = 10_000, 100_000

// ofFirst are the keys of a request that a case of steps says once for all: they are about what was
// before the first step.
var ofFirst = []string{"time", "counters"}

// story reads a case of steps. What a step does not say of its request, the case says.
func (c *caseReader) story(m yamlnode.Mapping, d defaults) *Case {
	one := &Case{Line: m.Node.Line, Time: d.time}
	if m.Has("time") {
		one.Time = c.caseTime(m)
	}
	if m.Has("counters") {
		one.counters = c.counters(m.Value("counters"))
	}
	for _, key := range keysIn(expectKeys) {
		if m.Has(key) {
			c.Complain(m.Key(key), "%s is what one request comes to; say it in each of the steps", key)
		}
	}
	items := c.Sequence(m.Value("steps"), "steps")
	if len(items) == 0 && !c.Bad(m.Value("steps")) && m.Value("steps").Kind == yamlnode.List {
		c.Complain(m.Value("steps"), "steps are empty: a case needs a request")
	}
	for _, item := range items {
		one.Steps = append(one.Steps, c.step(item, m, d))
	}
	return one
}

func (c *caseReader) step(n *yamlnode.Node, of yamlnode.Mapping, d defaults) Step {
	known := slices.DeleteFunc(keysIn(stepKeys, expectKeys, requestKeys),
		func(key string) bool { return slices.Contains(ofFirst, key) })
	own, ok := c.Mapping(n, "a step", known)
	step := Step{Line: n.Line, Times: 1, Expect: &Expectation{}}
	if !ok {
		return step
	}
	m, _ := c.Mapping(inherited(own, of), "a step", append(known, "name"))
	step.Request = c.readCase(m, d).Request
	step.Expect = c.expectation(m, "a step")
	if own.Has("after") {
		step.After = c.caseSpan(own.Value("after"), "after")
	}
	if own.Has("times") {
		text, ok := c.Scalar(own.Value("times"), "times")
		times, err := strconv.Atoi(text)
		switch {
		case !ok:
		case err != nil || times < 1 || times > mostTimes:
			c.Complain(own.Value("times"), "times: %s is no number from 1 to %d", quote(text), mostTimes)
		default:
			step.Times = times
		}
		if c.asked += step.Times; c.asked > mostAsked {
			c.Complain(own.Value("times"), "times: the steps of a file are at most %d requests in all", mostAsked)
			c.asked = 0 // said once is enough
		}
	}
	return step
}

// inherited returns the map of a step with what the case says of the request besides. A step that
// says what is asked for asks for something of its own: of the case it has account and app.
func inherited(own, of yamlnode.Mapping) *yamlnode.Node {
	from := keysIn(requestKeys)
	if own.Has("request") {
		from = []string{"account", "app"}
	}
	// Where one of them is misspelt, the case is not asked for it: it would hide what is missing.
	whole := &yamlnode.Node{Kind: yamlnode.Map, Line: own.Node.Line, Column: own.Node.Column}
	for _, e := range own.Node.Entries {
		if e.Key.Text != "comment" && own.Has(e.Key.Text) {
			whole.Entries = append(whole.Entries, e)
		}
	}
	for _, key := range from {
		if of.Has(key) && own.Missing(key) && !slices.Contains(ofFirst, key) {
			whole.Entries = append(whole.Entries, yamlnode.Entry{Key: of.Key(key), Value: of.Value(key)})
		}
	}
	return whole
}

// expectation reads what a request comes to.
func (c *caseReader) expectation(m yamlnode.Mapping, what string) *Expectation {
	e := &Expectation{}
	if !m.Has("expect") {
		c.Complain(m.Node, "%s says what to expect: allow, ask or deny", what)
	} else {
		e.Verdict = c.verdict(m.Value("expect"), "expect")
	}
	c.codeAndRules(m, e)
	if m.Has("silent") {
		word, _ := c.OneOf(m.Value("silent"), "silent", "true", "false")
		silent := word == "true"
		e.Silent = &silent
	}
	if m.Has("session") {
		e.Session = c.caseSpan(m.Value("session"), "session")
	}
	if m.Has("renew") {
		e.Renew = c.caseSpan(m.Value("renew"), "renew")
	}
	if m.Has("timeout") {
		e.Timeout = c.caseSpan(m.Value("timeout"), "timeout")
	}
	if m.Has("consents") {
		e.Consents = c.oneOrMore(m.Value("consents"), "consents")
	}
	if m.Has("observed") {
		e.Observed = c.observedAnswer(m.Value("observed"))
	}
	if m.Has("room") {
		for _, item := range c.Sequence(m.Value("room"), "room") {
			e.room = append(e.room, c.room(item))
		}
	}
	return e
}

func (c *caseReader) verdict(n *yamlnode.Node, what string) (v Verdict) {
	if word, ok := c.OneOf(n, what, "allow", "ask", "deny"); ok {
		_ = v.UnmarshalText([]byte(word))
	}
	return v
}

func (c *caseReader) codeAndRules(m yamlnode.Mapping, e *Expectation) {
	if m.Has("code") {
		code, _ := c.OneOf(m.Value("code"), "code", codes...)
		e.Code = Code(code)
	}
	if m.Has("rule") {
		e.Rules = c.oneOrMore(m.Value("rule"), "rule")
	}
}

// observedAnswer reads "deny", or a map with expect, code and rule.
func (c *caseReader) observedAnswer(n *yamlnode.Node) *Expectation {
	e := &Expectation{}
	if n.Kind == yamlnode.Scalar {
		e.Verdict = c.verdict(n, "observed")
		return e
	}
	m, ok := c.Mapping(n, "observed", observedKeys)
	switch {
	case ok && m.Missing("expect"):
		c.Complain(n, "observed says what to expect: allow, ask or deny")
	case m.Has("expect"):
		e.Verdict = c.verdict(m.Value("expect"), "expect")
	}
	c.codeAndRules(m, e)
	return e
}
