package policy_test

import (
	"encoding/json"
	"io"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"pksa/agent/policy"
	"pksa/protocol/hive"
)

// The naive evaluator: the language read a second time, from its description,
// over models and raw operations. Slow, without index, without shared code.

type tri int

const (
	tNo tri = iota
	tUnclear
	tYes
)

func triOf(b bool) tri {
	if b {
		return tYes
	}
	return tNo
}

type (
	absent struct{}
	broken struct{}
	null   struct{}
)

type naive struct {
	m       *model
	history []naiveCharge
	latest  time.Time
}

type naiveCharge struct {
	at          time.Time
	limit, unit string
	dims        map[string]string
	amount      *big.Rat
}

// ctx is one judgement.
type ctx struct {
	*naive
	r     mRequest
	now   time.Time
	force bool // observed rules are in force
}

type nPart struct {
	kind  string
	role  string
	text  string
	op    mOp
	isOp  bool
	actor []string
}

func numberOf(s string) (*big.Rat, bool) {
	if !regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?$`).MatchString(s) {
		return nil, false
	}
	return new(big.Rat).SetString(s)
}

// parseJSON is nil, false for what is not strict.
func parseJSON(text string) (any, bool) {
	if !utf8.ValidString(text) || !json.Valid([]byte(text)) {
		return nil, false
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	v, ok := parseValue(d)
	if _, err := d.Token(); err != io.EOF {
		return nil, false
	}
	return v, ok
}

func parseValue(d *json.Decoder) (any, bool) {
	tok, err := d.Token()
	if err != nil {
		return nil, false
	}
	switch tok {
	case nil:
		return null{}, true
	case json.Delim('['):
		list := []any{}
		for d.More() {
			v, ok := parseValue(d)
			if !ok {
				return nil, false
			}
			list = append(list, v)
		}
		d.Token()
		return list, true
	case json.Delim('{'):
		members := map[string]any{}
		for d.More() {
			name, _ := d.Token()
			if _, twice := members[name.(string)]; twice {
				return nil, false
			}
			v, ok := parseValue(d)
			if !ok {
				return nil, false
			}
			members[name.(string)] = v
		}
		d.Token()
		return members, true
	}
	return tok, true
}

// insideJSON opens a text field that holds JSON.
func insideJSON(text string) any {
	v, ok := parseJSON(text)
	if !ok {
		return broken{}
	}
	return v
}

func (c ctx) test(t any, kind string, v any) tri {
	switch t := t.(type) {
	case lit:
		return c.literal(t, kind, v)
	case []any:
		best := tNo
		for _, one := range t {
			best = max(best, c.test(one, kind, v))
		}
		return best
	case map[string]any:
		worst := tYes
		for key, one := range t {
			worst = min(worst, c.named(key, one, kind, v))
		}
		return worst
	}
	panic("no test")
}

func (c ctx) named(key string, t any, kind string, v any) tri {
	_, isAbsent := v.(absent)
	_, isBroken := v.(broken)
	switch key {
	case "present":
		if isBroken {
			return tUnclear
		}
		return triOf(isAbsent != (t.(lit).text == "true"))
	case "not":
		if isAbsent {
			return tUnclear
		}
		return tYes - c.test(t, kind, v)
	}
	if strings.HasPrefix(key, ".") {
		return c.member(strings.Split(key[1:], "."), t, kind, v)
	}
	if isAbsent {
		return tNo
	}
	switch key {
	case "min", "max":
		return bound(key, t.(lit), kind, v)
	case "glob", "regexp":
		s, ok := v.(string)
		if !ok {
			return tUnclear
		}
		return triOf(fits(key, t.(lit).text, s))
	}
	if kind == "json" || kind == "document" {
		v, kind = insideJSON(v.(string)), "inside"
	}
	if _, isBroken = v.(broken); isBroken {
		return tUnclear
	}
	if key == "members" {
		members, ok := v.(map[string]any)
		if !ok {
			return tUnclear
		}
		for name := range members {
			if !slices.Contains(t.([]string), name) {
				return tNo
			}
		}
		return tYes
	}
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	return c.list(key, t, elementKind(kind), list)
}

func elementKind(kind string) string {
	switch kind {
	case "accounts":
		return "account"
	case "numbers":
		return "number"
	}
	return kind
}

func (c ctx) list(key string, t any, kind string, list []any) tri {
	switch key {
	case "each":
		worst := triOf(len(list) > 0)
		for _, v := range list {
			worst = min(worst, c.test(t, kind, v))
		}
		return worst
	case "any":
		best := tNo
		for _, v := range list {
			best = max(best, c.test(t, kind, v))
		}
		return best
	case "exactly":
		tests := t.([]any)
		if len(tests) != len(list) {
			return tNo
		}
		worst := tYes
		for i, v := range list {
			worst = min(worst, c.test(tests[i], kind, v))
		}
		return worst
	case "size":
		return c.test(t, "number", big.NewRat(int64(len(list)), 1))
	}
	panic("no list test " + key)
}

func (c ctx) member(path []string, t any, kind string, v any) tri {
	if kind == "json" || kind == "document" {
		v, kind = insideJSON(v.(string)), "inside"
	}
	for _, name := range path {
		switch at := v.(type) {
		case absent:
		case map[string]any:
			next, ok := at[name]
			if v = next; !ok {
				v = absent{}
			}
		case []any:
			i, err := strconv.Atoi(name)
			switch {
			case err != nil:
				v = broken{}
			case i < len(at):
				v = at[i]
			default:
				v = absent{}
			}
		default:
			v = broken{}
		}
		switch {
		case name == "account" && kind == "beneficiaries":
			kind = "account"
		case name == "weight" && kind == "beneficiaries":
			kind = "percent"
		default:
			kind = elementKind(kind)
		}
	}
	return c.test(t, kind, v)
}

// fits matches by backtracking for globs, unlike the engine.
func fits(key, source, s string) bool {
	if key == "regexp" {
		re := regexp.MustCompile(`(?s:` + source + `)`)
		re.Longest()
		return re.FindString(s) == s && re.MatchString(s)
	}
	if source == "" {
		return s == ""
	}
	if source[0] == '*' {
		return fits(key, source[1:], s) || s != "" && fits(key, source, s[1:])
	}
	return s != "" && (source[0] == '?' || source[0] == s[0]) && fits(key, source[1:], s[1:])
}

func instant(text string) time.Time {
	for _, layout := range []string{"2006-01-02", "2006-01-02T15:04:05Z", "2006-01-02T15:04:05"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t
		}
	}
	panic(text)
}

func bound(key string, t lit, kind string, v any) tri {
	var order int
	switch v := v.(type) {
	case time.Time:
		order = v.Compare(instant(t.text))
	case *big.Rat:
		want, _ := numberOf(t.text)
		order = v.Cmp(want)
	case string:
		if kind == "asset" {
			amount, symbol, _ := strings.Cut(v, " ")
			wantAmount, wantSymbol, _ := strings.Cut(t.text, " ")
			if symbol != wantSymbol {
				return tNo
			}
			a, _ := numberOf(amount)
			b, _ := numberOf(wantAmount)
			order = a.Cmp(b)
			break
		}
		n, ok := numberOf(v)
		if !ok {
			return tUnclear
		}
		want, _ := numberOf(t.text)
		order = n.Cmp(want)
	case json.Number:
		n, ok := numberOf(v.String())
		if !ok {
			return tUnclear
		}
		want, _ := numberOf(t.text)
		order = n.Cmp(want)
	default:
		return tUnclear
	}
	if key == "min" {
		return triOf(order >= 0)
	}
	return triOf(order <= 0)
}

func (c ctx) literal(t lit, kind string, v any) tri {
	if name, ok := strings.CutPrefix(t.text, "$"); ok {
		switch {
		case name == "account":
			return c.literal(lit{string(c.r.Account), true}, kind, v)
		case strings.HasPrefix(name, "$"):
			if kind == "inside" {
				return c.inside(name, true, v)
			}
			return equalText(name, v)
		case name[0] >= '0' && name[0] <= '9':
			i, _ := strconv.Atoi(name[:1])
			if i > len(c.r.ops) {
				return tNo
			}
			other, ok := c.r.ops[i-1].fields["permlink"].(string)
			if !ok {
				return tUnclear
			}
			return equalText(other, v)
		}
		var list []any
		for _, item := range c.m.lists[name] {
			list = append(list, lit{item, false})
		}
		return c.test(list, kind, v)
	}
	if _, ok := v.(absent); ok {
		return tNo
	}
	if _, ok := v.(broken); ok {
		return tUnclear
	}
	switch kind {
	case "percent", "number", "ratio":
		text, isPercent := strings.CutSuffix(t.text, "%")
		want, _ := numberOf(text)
		if isPercent {
			want = new(big.Rat).Mul(want, big.NewRat(100, 1))
		}
		return triOf(want.Cmp(v.(*big.Rat)) == 0)
	case "optional time":
		return triOf(v.(time.Time).Equal(instant(t.text)))
	case "bool":
		return triOf(v.(bool) == (t.text == "true"))
	case "inside":
		return c.inside(t.text, t.quoted, v)
	}
	return equalText(t.text, v)
}

func equalText(want string, v any) tri {
	switch v := v.(type) {
	case string:
		return triOf(v == want)
	case absent:
		return tNo
	}
	return tUnclear
}

// inside compares within JSON: "5" and 5 are the same text of two types.
func (c ctx) inside(want string, quoted bool, v any) tri {
	n, isNumber := numberOf(want)
	word := !quoted && (want == "true" || want == "false" || want == "null")
	switch v := v.(type) {
	case absent:
		return tNo
	case string:
		if !quoted && isNumber {
			got, ok := numberOf(v)
			return triOf(ok && got.Cmp(n) == 0)
		}
		if v != want {
			return tNo
		}
		if word {
			return tUnclear
		}
		return tYes
	case json.Number:
		got, ok := numberOf(v.String())
		switch {
		case !quoted && isNumber && ok:
			return triOf(got.Cmp(n) == 0)
		case isNumber && (!ok || got.Cmp(n) == 0), v.String() == want:
			return tUnclear
		}
		return tNo
	case bool, null:
		text := "null"
		if b, ok := v.(bool); ok {
			text = strconv.FormatBool(b)
		}
		switch {
		case text != want:
			return tNo
		case word:
			return tYes
		}
		return tUnclear
	}
	return tUnclear
}

// Facts about the operations that the maker makes.

func (o mOp) actors() []string {
	if o.name == "custom_json" {
		return slices.Concat(o.fields["required_auths"].([]string), o.fields["required_posting_auths"].([]string))
	}
	for _, field := range []string{"voter", "account", "from", "delegator", "owner", "creator", "author"} {
		if name, ok := o.fields[field].(string); ok {
			return []string{name}
		}
	}
	panic("nobody for " + o.name)
}

func (o mOp) needs() string {
	switch {
	case slices.Contains(postingOnly, o.name), o.name == "claim_reward_balance":
		return "posting"
	case o.name == "custom_json" && len(o.fields["required_auths"].([]string)) == 0:
		return "posting"
	case o.name == "account_update2" && o.fields["json_metadata"] == "" && o.fields["memo_key"] == nil:
		return "posting"
	}
	return "active"
}

func (o mOp) field(name string) any {
	kind := fieldKinds[o.name][name]
	raw, there := o.fields[name]
	switch {
	case name == "payee":
		return anyList(o.payees())
	case name == "price":
		return o.price()
	case name == "beneficiaries":
		list := []any{}
		if ext := o.fields["extensions"].([]any); len(ext) > 0 {
			for _, b := range ext[0].([]any)[1].(map[string]any)["beneficiaries"].([]any) {
				b := b.(map[string]any)
				list = append(list, map[string]any{"account": b["account"], "weight": big.NewRat(int64(b["weight"].(int)), 1)})
			}
		}
		return list
	case name == "pair_id":
		if ext := o.fields["extensions"].([]any); len(ext) > 0 {
			return big.NewRat(int64(ext[0].(map[string]any)["value"].(map[string]any)["pair_id"].(int)), 1)
		}
		return new(big.Rat)
	case name == "end_date":
		if ext := o.fields["extensions"].([]any); len(ext) > 0 {
			return instant(ext[0].([]any)[1].(map[string]any)["end_date"].(string))
		}
		return absent{}
	case !there:
		return absent{}
	case kind == "percent" || kind == "number":
		return big.NewRat(int64(raw.(int)), 1)
	case kind == "accounts":
		return anyList(raw.([]string))
	case kind == "numbers":
		list := []any{}
		for _, n := range raw.([]int) {
			list = append(list, big.NewRat(int64(n), 1))
		}
		return list
	}
	return raw
}

func anyList(names []string) []any {
	list := []any{}
	for _, name := range names {
		list = append(list, name)
	}
	return list
}

func (o mOp) payees() []string {
	switch o.name {
	case "transfer", "recurrent_transfer":
		return []string{o.fields["to"].(string)}
	case "transfer_to_vesting":
		if o.fields["to"] == "" {
			return []string{o.fields["from"].(string)}
		}
		return []string{o.fields["to"].(string)}
	case "delegate_vesting_shares":
		return []string{o.fields["delegatee"].(string)}
	case "comment_options":
		var names []string
		for _, b := range o.field("beneficiaries").([]any) {
			names = append(names, b.(map[string]any)["account"].(string))
		}
		return names
	}
	return nil
}

func (o mOp) price() any {
	one, other := o.fields["amount_to_sell"].(string), o.fields["min_to_receive"].(string)
	if strings.HasSuffix(one, "HIVE") {
		one, other = other, one
	}
	hbd, _ := numberOf(strings.Fields(one)[0])
	hive, _ := numberOf(strings.Fields(other)[0])
	return new(big.Rat).Quo(hbd, hive)
}

func (o mOp) spends() map[string]*big.Rat {
	spent := map[string]*big.Rat{}
	add := func(amount string, times int) {
		n, _ := numberOf(strings.Fields(amount)[0])
		spent[strings.Fields(amount)[1]] = n.Mul(n, big.NewRat(int64(times), 1))
	}
	switch o.name {
	case "transfer", "transfer_to_vesting":
		add(o.fields["amount"].(string), 1)
	case "recurrent_transfer":
		add(o.fields["amount"].(string), o.fields["executions"].(int))
	case "limit_order_create":
		add(o.fields["amount_to_sell"].(string), 1)
	case "delegate_vesting_shares":
		add(o.fields["vesting_shares"].(string), 1)
	}
	return spent
}

func (o mOp) takeover() bool { return o.fields["memo_key"] != nil }

// Matching.

func (c ctx) parts() []nPart {
	self := []string{string(c.r.Account)}
	switch c.r.Kind {
	case policy.Sign:
		var parts []nPart
		for _, o := range c.r.ops {
			parts = append(parts, nPart{kind: "sign", role: c.r.Role.String(), op: o, isOp: true, actor: o.actors()})
		}
		return parts
	case policy.Auth:
		parts := []nPart{{kind: "auth", actor: self}}
		if a := c.r.AuthChallenge; a != nil {
			kind := "challenge"
			if a.Decrypt {
				kind = "decrypt"
			}
			parts = append(parts, nPart{kind: kind, role: a.Role.String(), text: a.Text, actor: self})
		}
		return parts
	}
	return []nPart{{kind: c.r.Kind.String(), role: c.r.Role.String(), text: c.r.Text, actor: self}}
}

func says(names []string, name string) bool {
	return names == nil || len(names) == 1 && names[0] == "any" || slices.Contains(names, name)
}

func (c ctx) matches(r *mRule, p nPart) bool {
	wide := r.wide()
	if r.observe && !c.force {
		return false
	}
	if r.request != "" && r.request != p.kind || !says(r.apps, c.r.App) || !says(r.accounts, string(c.r.Account)) || !c.scheduled(r) {
		return false
	}
	aboutOps := r.ops != nil || r.broadcast != "" || r.behalf != nil || r.takeover || r.measure == "spend" || r.measure == "sum"
	if aboutOps && p.kind != "sign" || r.text != nil && p.kind != "challenge" || r.keys != nil && p.kind == "auth" {
		return false
	}
	keys := r.keys
	if keys == nil && !wide {
		keys = []string{"posting"}
		if p.kind == "decrypt" {
			keys = []string{"memo"}
		}
	}
	if p.kind != "auth" && keys != nil && !slices.Contains(keys, p.role) {
		return false
	}
	broadcast := r.broadcast
	if broadcast == "" && !wide {
		broadcast = "true"
	}
	if p.kind == "sign" && (broadcast == "true" && !c.r.Broadcast || broadcast == "false" && c.r.Broadcast) {
		return false
	}
	if p.kind == "sign" && !c.behalf(r, p, wide) {
		return false
	}
	return c.content(r, p) >= map[bool]tri{true: tUnclear, false: tYes}[r.section != "allow"]
}

func (c ctx) behalf(r *mRule, p nPart, wide bool) bool {
	if r.behalf == nil && wide || len(r.behalf) == 1 && r.behalf[0] == "any" {
		return true
	}
	all := true
	for _, a := range p.actor {
		if slices.Contains(r.behalf, a) && wide && a != string(c.r.Account) {
			return true
		}
		all = all && (a == string(c.r.Account) || slices.Contains(r.behalf, a))
	}
	return all
}

func (c ctx) content(r *mRule, p nPart) tri {
	switch {
	case r.text != nil:
		return c.test(r.text, "document", p.text)
	case r.ops == nil:
		return tYes
	case !r.tx:
		best := tNo
		for _, e := range r.ops {
			best = max(best, c.entry(r, e, p))
		}
		return best
	case len(r.ops) != len(c.r.ops):
		return tNo
	}
	worst := tYes
	for i, whole := range c.parts() {
		worst = min(worst, c.entry(r, r.ops[i], whole))
	}
	return worst
}

func (c ctx) entry(r *mRule, e mEntry, p nPart) tri {
	group := e.op == "posting" || e.op == "active"
	switch {
	case !group && e.op != p.op.name:
		return tNo
	case !r.wide() && p.op.takeover() && (group || !r.takeover):
		return tNo
	case group && e.op != p.op.needs():
		return tNo
	case group && r.section == "allow" && (p.op.name == "custom_json" || len(p.op.payees()) > 0):
		return tNo
	}
	worst := tYes
	for field, t := range e.fields {
		kind := fieldKinds[p.op.name][field]
		if field == "payee" {
			kind = "accounts"
		}
		worst = min(worst, c.test(t, kind, p.op.field(field)))
	}
	return worst
}

func (c ctx) scheduled(r *mRule) bool {
	now := c.now
	clock := now.Format("15:04")
	if r.hours != "" {
		from, to, _ := strings.Cut(r.hours, "-")
		in := from <= clock && clock < to
		if from > to {
			in = from <= clock || clock < to
		}
		if !in {
			return false
		}
	}
	if r.days != nil && !slices.Contains(r.days, strings.ToLower(now.Format("Mon"))) {
		return false
	}
	return (r.from == "" || !now.Before(instant(r.from))) && (r.until == "" || now.Before(instant(r.until)))
}

// Deciding.

type naiveAnswer struct {
	verdict policy.Verdict
	code    policy.Code
	silent  bool
	session int // hours
	timeout int // seconds
	rules   []string
	charges []naiveCharge
}

func (n *naive) decide(r mRequest, now time.Time, force bool) naiveAnswer {
	if now.Before(n.latest) {
		now = n.latest
	}
	c := ctx{n, r, now, force}
	if code := c.refused(); code != "" {
		return naiveAnswer{code: code}
	}
	var a naiveAnswer
	var denials, refusals []policy.Code
	speak, ask := false, false
	for _, p := range c.parts() {
		by := map[string][]*mRule{}
		for _, rule := range n.m.rules {
			if rule.section != "limits" && c.matches(rule, p) {
				by[rule.section] = append(by[rule.section], rule)
			}
		}
		asks := slices.DeleteFunc(slices.Clone(by["ask"]), func(rule *mRule) bool { return rule.only && len(by["allow"]) > 0 })
		switch {
		case len(by["deny"]) > 0:
			denials = append(denials, policy.CodeDenied)
			for _, rule := range by["deny"] {
				speak = speak || !rule.ignore
			}
		case p.kind == "auth" && r.ManualSession:
		case len(asks)+len(by["allow"]) == 0:
			refusals = append(refusals, c.uncovered(p))
			speak = speak || !n.m.otherwise
		default:
			ask = ask || len(asks) > 0 && !r.Approved
			for _, rule := range slices.Concat(asks, by["allow"]) {
				a.rules = append(a.rules, rule.name)
				if p.kind == "auth" {
					session := rule.session
					if session == 0 {
						session = 24
					}
					if a.session == 0 || session < a.session {
						a.session = session
					}
				}
				if rule.timeout > 0 && (a.timeout == 0 || rule.timeout < a.timeout) {
					a.timeout = rule.timeout
				}
			}
		}
	}
	if all := append(denials, refusals...); len(all) > 0 {
		return naiveAnswer{code: all[0], silent: !speak}
	}
	over, overAsk := c.limits(&a)
	switch {
	case over:
		return naiveAnswer{code: policy.CodeLimit}
	case ask || overAsk:
		a.verdict, a.charges = policy.Ask, nil
	default:
		a.verdict = policy.Allow
	}
	slices.Sort(a.rules)
	a.rules = slices.Compact(a.rules)
	return a
}

func (c ctx) refused() policy.Code {
	if c.r.Kind != policy.Sign {
		return ""
	}
	needs := map[string]bool{}
	for _, o := range c.r.ops {
		needs[o.needs()] = true
	}
	switch {
	case len(needs) == 2:
		return policy.CodeMixedAuthority
	case !needs[c.r.Role.String()]:
		return policy.CodeWrongKey
	}
	return ""
}

// uncovered only says whose authority it is: the difference to foreign-authority
// depends on which rule came nearest, and is tested elsewhere.
func (c ctx) uncovered(nPart) policy.Code { return policy.CodeUncovered }

func (c ctx) limits(a *naiveAnswer) (over, overAsk bool) {
	for _, l := range c.m.rules {
		if l.section != "limits" {
			continue
		}
		enforced := !l.observe || c.force
		observing := *l
		observing.observe = false
		costs := map[string]*naiveCost{}
		for _, p := range c.parts() {
			if c.matches(&observing, p) {
				c.cost(l, p, costs)
			}
		}
		for _, cost := range costs {
			if room := c.room(l, cost); !room && enforced {
				switch {
				case l.over != "ask":
					over = true
				case !c.r.Approved:
					overAsk = true
				}
			}
			for unit, amount := range cost.units {
				if amount.Sign() > 0 {
					a.charges = append(a.charges, naiveCharge{c.now, l.name, unit, cost.dims, amount})
				}
			}
		}
	}
	return over, overAsk
}

type naiveCost struct {
	dims    map[string]string
	units   map[string]*big.Rat
	unclear bool
}

func (n *naiveCost) add(unit string, amount *big.Rat) {
	if n.units[unit] == nil {
		n.units[unit] = new(big.Rat)
	}
	n.units[unit].Add(n.units[unit], amount)
}

func (c ctx) cost(l *mRule, p nPart, costs map[string]*naiveCost) {
	actors := []string{""}
	if slices.Contains(l.per, "actor") {
		actors = p.actor
	}
	for _, actor := range actors {
		dims := map[string]string{}
		for _, per := range l.per {
			switch per {
			case "account":
				dims[per] = string(c.r.Account)
			case "app":
				dims[per] = c.r.App
			case "actor":
				dims[per] = actor
			default:
				dims[per] = p.op.fields[per[1:]].(string)
			}
		}
		key, _ := json.Marshal(dims)
		cost := costs[string(key)]
		if cost == nil {
			cost = &naiveCost{dims: dims, units: map[string]*big.Rat{}}
			costs[string(key)] = cost
		}
		switch l.measure {
		case "requests":
			cost.units["requests"] = big.NewRat(1, 1)
		case "count":
			cost.add("count", big.NewRat(1, 1))
		case "spend":
			for unit, amount := range p.op.spends() {
				cost.add(unit, amount)
			}
		case "sum":
			c.tokens(l, p, cost)
		}
	}
}

func (c ctx) tokens(l *mRule, p nPart, cost *naiveCost) {
	root, ok := parseJSON(p.op.fields["json"].(string))
	if !ok {
		cost.unclear = true
		return
	}
	list, ok := root.([]any)
	if !ok {
		list = []any{root}
	}
	for _, item := range list {
		if l.where != nil && c.test(l.where, "inside", item) == tNo {
			continue
		}
		members, _ := item.(map[string]any)
		var n *big.Rat
		switch v := members["n"].(type) {
		case string:
			n, _ = numberOf(v)
		case json.Number:
			n, _ = numberOf(v.String())
		}
		if n == nil || n.Sign() < 0 || strings.HasPrefix(n.String(), "-") {
			cost.unclear = true
			continue
		}
		cost.add("sum", n)
	}
}

func (c ctx) room(l *mRule, cost *naiveCost) bool {
	if cost.unclear {
		return false
	}
	for unit, amount := range cost.units {
		if amount.Sign() == 0 {
			continue
		}
		named := false
		for _, q := range l.quotas {
			most, symbol, _ := strings.Cut(q.most, " ")
			if symbol == "" {
				symbol = l.measure
			}
			if symbol != unit {
				continue
			}
			named = true
			limit, _ := numberOf(most)
			total := new(big.Rat).Set(amount)
			if q.window != "request" {
				total.Add(total, c.used(l.name, unit, cost.dims, q.window))
			}
			if total.Cmp(limit) > 0 {
				return false
			}
		}
		if !named {
			return false
		}
	}
	return true
}

func (c ctx) used(limit, unit string, dims map[string]string, window string) *big.Rat {
	sum := new(big.Rat)
	span := map[string]time.Duration{"10s": 10 * time.Second, "1m": time.Minute, "30d": 30 * 24 * time.Hour}[window]
	for _, h := range c.history {
		if h.limit != limit || h.unit != unit || !h.at.After(c.now.Add(-span)) {
			continue
		}
		same := true
		for name, text := range dims {
			same = same && h.dims[name] == text
		}
		if same {
			sum.Add(sum, h.amount)
		}
	}
	return sum
}

func roleNames(roles []hive.Role) (names []string) {
	for _, r := range roles {
		names = append(names, r.String())
	}
	return names
}
