package policy_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// maker makes random models and requests out of small worlds, so that rules and requests meet.
type maker struct{ *rand.Rand }

func pick[T any](m maker, from ...T) T { return from[m.IntN(len(from))] }

func (m maker) chance(n int) bool { return m.IntN(n) == 0 }

func some[T any](m maker, from ...T) []T {
	m.Shuffle(len(from), func(i, j int) { from[i], from[j] = from[j], from[i] })
	return slices.Clone(from[:1+m.IntN(len(from))])
}

var theAccounts = []string{"alice", "bob", "carol", "dave"}

func (m maker) account() string { return pick(m, theAccounts...) }

// accounts may be everybody.
func (m maker) names(from ...string) []string {
	switch m.IntN(4) {
	case 0:
		return nil
	case 1:
		return []string{"any"}
	}
	return some(m, from...)
}

// fieldKinds is what the maker knows of fields: how to write tests for them.
var fieldKinds = map[string]map[string]string{
	"vote": {"voter": "account", "author": "account", "permlink": "text", "weight": "percent"},
	"comment": {
		"parent_author": "account", "author": "account", "permlink": "text", "title": "text",
		"json_metadata": "metadata",
	},
	"comment_options": {
		"author": "account", "permlink": "text", "percent_hbd": "percent", "allow_votes": "bool",
		"beneficiaries": "beneficiaries",
	},
	"transfer":                {"from": "account", "to": "account", "amount": "asset", "memo": "memo"},
	"recurrent_transfer":      {"to": "account", "amount": "asset", "executions": "number", "pair_id": "number"},
	"transfer_to_vesting":     {"to": "account", "amount": "asset"},
	"delegate_vesting_shares": {"delegatee": "account"},
	"limit_order_create": {
		"amount_to_sell": "asset", "price": "ratio", "fill_or_kill": "bool", "expiration": "time",
	},
	"custom_json": {
		"id": "text", "json": "json", "required_auths": "accounts", "required_posting_auths": "accounts",
	},
	"account_update2":       {"memo_key": "optional", "posting_json_metadata": "metadata"},
	"update_proposal_votes": {"proposal_ids": "numbers", "approve": "bool"},
	"update_proposal":       {"end_date": "optional time", "proposal_id": "number"},
}

// Operations that take one key alone.
var (
	postingOnly = []string{"vote", "comment", "comment_options"}
	activeOnly  = []string{
		"transfer", "recurrent_transfer", "transfer_to_vesting", "delegate_vesting_shares", "limit_order_create",
		"update_proposal_votes", "update_proposal",
	}
)

// plain and quoted are scalars as they stand in YAML.
func plain(text string) lit { return lit{text, false} }

func quoted(text string) lit { return lit{text, true} }

func (m maker) valueTest(kind string) any {
	switch kind {
	case "account":
		return pick(m, plain(m.account()), plain("$account"), lit{"$some", m.chance(2)}, quoted(m.account()),
			plain("$actor"))
	case "text", "memo":
		return pick(m, plain("p"), quoted("q"), quoted(""), plain("5"), plain("$$x"), plain("$account"),
			plain("$actor"), quoted("re-$account"), plain("re-$actor"))
	case "percent":
		return pick(m, plain("1%"), plain("100"), plain("-1%"), quoted("0"), plain("100%"))
	case "number":
		return pick(m, plain("0"), plain("3"), quoted("5"))
	case "ratio":
		return pick(m, plain("1"), plain("0.5"), quoted("2.000"))
	case "bool":
		return pick(m, plain("true"), quoted("false"))
	case "asset":
		return pick(m, plain("1.000 HBD"), quoted("0.001 HBD"), plain("1.000 HIVE"), plain("2.000 HIVE"))
	case "time":
		return pick(m, plain("2026-11-21"), plain("2026-11-22T00:00:00Z"))
	case "optional time":
		return pick(m, plain("2027-01-01"), plain("2027-01-01T12:00:00Z"))
	case "optional":
		return plain(nullKey)
	}
	return pick(m,
		plain("5"), quoted("5"), quoted("5.0"), plain("1.5"), // numbers, and texts that look like some
		plain("true"), quoted("true"), plain("null"), quoted("null"),
		plain("x"), plain("$account"), plain("$$x"), plain("$some"), plain("-0"), quoted("$actor"),
		plain("re-$account"))
}

const nullKey = "STM1111111111111111111111111111111114T1Anm"

func (m maker) pattern() map[string]any {
	if m.chance(2) {
		glob := pick(m, quoted("?"), quoted("*"), quoted("a*"), quoted("*o*"), quoted("5*"), quoted(""),
			quoted("*$account"), quoted("re-$actor*"))
		return map[string]any{"glob": glob}
	}
	regexp := pick(m, quoted("[pq]"), quoted("a|bob"), quoted(".+"), quoted("[0-9.]+"), quoted(""),
		quoted("(re-)?$account"), quoted("re-$actor|p"))
	return map[string]any{"regexp": regexp}
}

func (m maker) bound(kind string) map[string]any {
	t := map[string]any{}
	if kind == "asset" {
		symbol := pick(m, "HBD", "HIVE")
		if m.chance(2) {
			t["max"] = plain(pick(m, "1.000 ", "2.000 ") + symbol)
		}
		if len(t) == 0 || m.chance(2) {
			t["min"] = lit{pick(m, "0.000 ", "0.002 ", "1.000 ") + symbol, m.chance(2)}
		}
		return t
	}
	if slices.Contains([]string{"time", "optional time", "inside"}, kind) && m.chance(3) {
		return map[string]any{"within": pick(m, plain("10s"), quoted("1m"), plain("12h"), plain("25h"), plain("42d"))}
	}
	if strings.HasSuffix(kind, "time") {
		return map[string]any{pick(m, "min", "max"): plain("2027-01-01T06:00:00Z")}
	}
	if m.chance(2) {
		t["max"] = plain(pick(m, "5", "100"))
	}
	if len(t) == 0 || m.chance(2) {
		t["min"] = plain(pick(m, "-100", "0", "1", "5"))
	}
	return t
}

func comparable(kind string) bool {
	return slices.Contains([]string{"percent", "number", "ratio", "asset", "time", "optional time", "inside"}, kind)
}

func textual(kind string) bool {
	return slices.Contains([]string{"account", "text", "memo", "inside"}, kind)
}

// test makes a test for a kind of field; "inside" is what lies in JSON.
func (m maker) test(kind string, depth int) any {
	switch kind {
	case "accounts", "numbers", "beneficiaries":
		return m.listTest(kind, depth)
	case "json", "metadata":
		return m.jsonTest(depth)
	}
	if kind == "memo" && m.chance(3) {
		return m.jsonTest(0)
	}
	if kind == "inside" && depth > 0 && m.chance(3) {
		return m.jsonTest(depth)
	}
	switch m.IntN(6) {
	case 0:
		if comparable(kind) {
			return m.bound(kind)
		}
	case 1:
		if textual(kind) {
			return m.pattern()
		}
	case 2:
		return map[string]any{"not": m.negated(kind)}
	case 3:
		if depth > 0 {
			return []any{m.test(kind, depth-1), m.test(kind, depth-1)}
		}
	case 4:
		if kind == "inside" || strings.HasPrefix(kind, "optional") {
			return map[string]any{"present": lit{pick(m, "true", "false"), m.chance(2)}}
		}
	}
	return m.valueTest(kind)
}

func (m maker) negated(kind string) any {
	switch {
	case comparable(kind) && m.chance(3):
		return m.bound(kind)
	case textual(kind) && m.chance(3):
		return m.pattern()
	case m.chance(2):
		return []any{m.valueTest(kind), m.valueTest(kind)}
	}
	return m.valueTest(kind)
}

func (m maker) listTest(kind string, depth int) any {
	element := func() any {
		switch kind {
		case "accounts":
			return m.test("account", depth-1)
		case "numbers":
			return m.test("number", depth-1)
		case "inside":
			return m.test("inside", depth-1)
		}
		t := map[string]any{".account": m.test("account", 0)}
		if m.chance(2) {
			t[".weight"] = m.test("percent", 0)
		}
		return t
	}
	switch m.IntN(6) {
	case 0:
		return map[string]any{"each": element()}
	case 1:
		return map[string]any{"any": element()}
	case 2:
		return map[string]any{"exactly": some(m, element(), element())}
	case 3:
		return map[string]any{"size": m.test("number", 0)}
	case 4:
		return map[string]any{".0": element(), "size": map[string]any{"max": plain("2")}}
	}
	return map[string]any{"any": element(), "each": element()}
}

func (m maker) jsonTest(depth int) any {
	switch m.IntN(7) {
	case 0:
		if depth > 0 {
			return m.listTest("inside", depth)
		}
	case 1:
		return map[string]any{"members": some(m, "a", "b", "n"), ".a": m.test("inside", depth-1)}
	case 2:
		return map[string]any{pick(m, ".a.b", ".0.a", ".a.0", ".a.b.n"): m.test("inside", depth-1)}
	case 3:
		return []any{map[string]any{".a": m.test("inside", depth-1)}, map[string]any{".b": m.test("inside", depth-1)}}
	}
	t := map[string]any{}
	for _, name := range some(m, ".a", ".b", ".n") {
		t[name] = m.test("inside", depth-1)
	}
	return t
}

func (m maker) entry(r *modelRule) modelEntry {
	ops := slices.Concat([]string{"custom_json", "custom_json", "account_update2"})
	if r.allows("posting") {
		ops = append(ops, postingOnly...)
		ops = append(ops, "vote", "posting")
	}
	if r.allows("active") {
		ops = append(ops, activeOnly...)
		ops = append(ops, "transfer", "transfer")
		if r.section != "allow" {
			ops = append(ops, "active")
		}
	}
	e := modelEntry{op: pick(m, ops...)}
	if r.tx && (e.op == "posting" || e.op == "active") {
		e.op = "custom_json"
	}
	for field, kind := range sortedMap(fieldKinds[e.op]) {
		if m.chance(3) {
			e.set(field, m.test(kind, 2))
		}
	}
	if m.chance(6) {
		e.set("payee", m.test("accounts", 1))
	}
	return e
}

func (e *modelEntry) set(field string, t any) {
	if e.fields == nil {
		e.fields = map[string]any{}
	}
	e.fields[field] = t
}

func (r *modelRule) wide() bool { return r.section == "deny" || r.section == "limits" }

// allows tells whether the rule may be about a key.
func (r *modelRule) allows(key string) bool {
	if r.keys == nil {
		return r.wide() || key == "posting"
	}
	return slices.Contains(r.keys, key)
}

func (m maker) rule(section string, i int) *modelRule {
	r := &modelRule{section: section, name: fmt.Sprintf("r%02d", i)}
	r.request = pick(m, "sign", "sign", "sign", "sign", "auth", "challenge", "decrypt")
	if r.wide() && m.chance(3) {
		r.request = ""
	}
	r.apps = m.names("one", "two")
	if !r.wide() && r.apps == nil {
		r.apps = []string{"any"}
	}
	r.accounts = m.names("alice", "bob")
	r.observe = m.chance(12)
	m.schedule(r)
	if r.request == "sign" || r.request == "" && m.chance(2) {
		m.signRule(r)
	}
	unsigned := r.ops == nil && r.broadcast == "" && r.maker == "" && r.behalf == nil
	if r.request == "challenge" || r.request == "" && unsigned && m.chance(4) {
		r.text = m.challengeTest()
		if m.chance(3) {
			r.keys = some(m, "posting", "active", "memo")
		}
	}
	if !r.wide() && r.request == "auth" && m.chance(2) {
		r.session = 1 + m.IntN(100)
	}
	if r.session%3 != 0 {
		r.renew = r.session * 7 % 101
	}
	switch section {
	case "allow":
		r.tell = m.chance(4)
	case "ask":
		r.only = m.chance(2)
		if m.chance(2) {
			r.timeout = 1 + m.IntN(100)
		}
		r.tellFirst = m.chance(4)
		if m.chance(3) {
			r.approvers = m.names("anna", "bob", "carol")
			r.approvals = m.IntN(3)
			if n := len(r.approvers); n > 0 && r.approvers[0] != "any" {
				r.approvals = min(r.approvals, n)
			}
		}
	case "deny":
		r.ignore = m.chance(2)
	case "limits":
		m.limit(r)
	}
	return r
}

func (m maker) schedule(r *modelRule) {
	if m.chance(6) {
		r.hours = pick(m, "08:00-20:00", "20:00-08:00", "00:00-24:00", "11:59-12:00")
	}
	if m.chance(8) {
		r.days = some(m, "mon", "tue", "fri", "sun")
	}
	if m.chance(8) {
		r.until = pick(m, "2026-11-21", "2026-11-20T12:00:05Z")
	}
	if m.chance(8) {
		r.from = pick(m, "2026-11-20", "2026-11-20T12:00:03Z")
	}
}

func (m maker) challengeTest() any {
	switch m.IntN(4) {
	case 0:
		return m.pattern()
	case 1:
		return m.jsonTest(1)
	case 2:
		return map[string]any{"not": m.negated("text")}
	}
	return m.valueTest("text")
}

func (m maker) signRule(r *modelRule) {
	if m.chance(2) {
		r.keys = some(m, "posting", "active")
	}
	if m.chance(4) {
		r.broadcast = pick(m, "true", "false", "any")
	}
	if m.chance(4) {
		r.maker = pick(m, "wallet", "application", "any")
	}
	if m.chance(4) {
		r.behalf = m.names("carol", "dave")
	}
	if r.wide() && m.chance(3) {
		return
	}
	r.takeover = !r.wide() && m.chance(4)
	r.tx = m.chance(6)
	if r.tx {
		r.keys = []string{pick(m, "posting", "active")}
	}
	for range 1 + m.IntN(3) {
		e := m.entry(r)
		if r.tx && !m.chance(4) {
			e.fields = nil
		}
		r.ops = append(r.ops, e)
	}
	if r.tx {
		m.refer(r)
	}
}

// refer lets a field of one operation be that of another.
func (m maker) refer(r *modelRule) {
	i, j := m.IntN(len(r.ops)), m.IntN(len(r.ops))
	if fieldKinds[r.ops[i].op]["permlink"] != "" && fieldKinds[r.ops[j].op]["permlink"] != "" {
		r.ops[i].set("permlink", plain(fmt.Sprintf("$%d.permlink", j+1)))
	}
}

func (m maker) limit(r *modelRule) {
	window := func() string { return pick(m, "request", "10s", "1m", "30d") }
	r.measure = pick(m, "requests", "count", "spend", "sum")
	if r.request != "" && r.request != "sign" || r.text != nil {
		r.measure = "requests"
	}
	if r.measure == "sum" {
		r.ops = []modelEntry{{op: "custom_json"}}
		r.tx, r.text, r.times = false, nil, m.chance(3)
		switch m.IntN(3) {
		case 0:
			r.where = m.jsonTest(1)
		case 1:
			r.where = map[string]any{".n": map[string]any{"present": plain("true")}}
		}
	}
	for range 1 + m.IntN(2) {
		switch r.measure {
		case "spend":
			most := pick(m, "1.000 HBD", "3.000 HBD", "5.000 HIVE", "0.000 HIVE")
			r.quotas = append(r.quotas, modelQuota{most, window()})
		case "sum":
			r.quotas = append(r.quotas, modelQuota{pick(m, "5", "10.5", "0"), window()})
		default:
			r.quotas = append(r.quotas, modelQuota{pick(m, "0", "1", "3", "5"), window()})
		}
	}
	if r.measure == "count" && m.chance(2) {
		r.ops, r.text, r.tx = []modelEntry{{op: "vote"}, {op: "comment_options"}}, nil, false
		if r.request != "sign" {
			r.request = ""
		}
		if r.keys != nil && !slices.Contains(r.keys, "posting") {
			r.keys = nil
		}
	}
	if m.chance(2) {
		r.per = some(m, "account", "app", "actor")
		without := func(e modelEntry) bool { return fieldKinds[e.op]["permlink"] == "" }
		if len(r.ops) > 0 && !slices.ContainsFunc(r.ops, without) {
			r.per = append(r.per, ".permlink")
		}
		other := func(e modelEntry) bool { return e.op != "custom_json" }
		if len(r.ops) > 0 && !slices.ContainsFunc(r.ops, other) {
			r.per = append(r.per, ".json.b")
		}
	}
	if m.chance(3) {
		r.over = pick(m, "ask", "deny")
	}
}

func (m maker) model() *model {
	mod := &model{lists: map[string][]string{"some": some(m, "alice", "carol", "dave")}, otherwise: m.chance(4)}
	for i := range 3 + m.IntN(8) {
		section := pick(m, "allow", "allow", "ask", "limits", "limits")
		if m.chance(10) {
			section = "deny"
		}
		mod.rules = append(mod.rules, m.rule(section, i))
	}
	if !m.chance(3) {
		mod.rules = append(mod.rules, m.openRules()...)
	}
	return mod
}

// openRules allow so much that limits and denials show.
func (m maker) openRules() []*modelRule {
	var ops []modelEntry
	for _, name := range slices.Concat(postingOnly, activeOnly, []string{"custom_json", "account_update2", "posting"}) {
		if !m.chance(5) {
			ops = append(ops, modelEntry{op: name})
		}
	}
	anybody := []string{"any"}
	return []*modelRule{
		{
			section: "allow", name: "s", request: "sign", apps: anybody, keys: []string{"posting", "active"},
			behalf: anybody, ops: ops,
		},
		{section: "allow", name: "a", request: "auth", apps: anybody},
		{section: "allow", name: "c", request: "challenge", apps: anybody, text: map[string]any{"glob": quoted("*")}},
		{section: "allow", name: "d", request: "decrypt", apps: anybody},
	}
}
