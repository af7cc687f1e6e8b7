package policy_test

import (
	"math/big"
	"slices"
	"strings"

	"pksa/agent/policy"
)

// Facts about the operations that the maker makes.

func (o modelOp) actors() []string {
	if o.name == "custom_json" {
		all := slices.Concat(o.fields["required_auths"].([]string), o.fields["required_posting_auths"].([]string))
		slices.Sort(all)
		return slices.Compact(all)
	}
	for _, field := range []string{"voter", "account", "from", "delegator", "owner", "creator", "author"} {
		if name, ok := o.fields[field].(string); ok {
			return []string{name}
		}
	}
	panic("nobody for " + o.name)
}

func (o modelOp) needs() []string {
	switch {
	case o.name == "custom_json" && len(o.fields["required_auths"].([]string)) > 0 &&
		len(o.fields["required_posting_auths"].([]string)) > 0:
		return []string{"posting", "active"}
	case slices.Contains(postingOnly, o.name), o.name == "claim_reward_balance":
		return []string{"posting"}
	case o.name == "custom_json" && len(o.fields["required_auths"].([]string)) == 0:
		return []string{"posting"}
	case o.name == "account_update2" && o.fields["json_metadata"] == "" && o.fields["memo_key"] == nil:
		return []string{"posting"}
	}
	return []string{"active"}
}

func (o modelOp) field(name string) any {
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
				list = append(list, map[string]any{"account": b["account"],
					"weight": big.NewRat(int64(b["weight"].(int)), 1)})
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
	case kind == "time":
		return instant(raw.(string))
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

func (o modelOp) payees() []string {
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

func (o modelOp) price() any {
	one, other := o.fields["amount_to_sell"].(string), o.fields["min_to_receive"].(string)
	if strings.HasSuffix(one, "HIVE") {
		one, other = other, one
	}
	hbd, _ := numberOf(strings.Fields(one)[0])
	hive, _ := numberOf(strings.Fields(other)[0])
	return new(big.Rat).Quo(hbd, hive)
}

func (o modelOp) spends() map[string]*big.Rat {
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

func (o modelOp) takeover() bool { return o.fields["memo_key"] != nil }

// Matching.

func (c naiveJudgement) parts() []naivePart {
	self := []string{string(c.r.Account)}
	switch c.r.Kind {
	case policy.Sign:
		var parts []naivePart
		for _, o := range c.r.ops {
			parts = append(parts, naivePart{kind: "sign", roles: o.needs(), op: o, isOp: true,
				actor: o.actors()})
		}
		return parts
	case policy.Auth:
		parts := []naivePart{{kind: "auth", actor: self}}
		if a := c.r.AuthChallenge; a != nil {
			kind := "challenge"
			if a.Decrypt {
				kind = "decrypt"
			}
			parts = append(parts, naivePart{kind: kind, roles: []string{a.Role.String()}, text: a.Text, actor: self})
		}
		return parts
	}
	return []naivePart{{kind: c.r.Kind.String(), roles: []string{c.r.Role.String()}, text: c.r.Text, actor: self}}
}

func says(names []string, name string) bool {
	return names == nil || len(names) == 1 && names[0] == "any" || slices.Contains(names, name)
}

func (c naiveJudgement) matches(r *modelRule, p naivePart) bool {
	wide := r.wide()
	if r.observe && !c.observed {
		return false
	}
	if r.request != "" && r.request != p.kind || !says(r.apps, c.r.App) || !says(r.accounts, string(c.r.Account)) ||
		!c.scheduled(r) {
		return false
	}
	aboutOps := r.ops != nil || r.broadcast != "" || r.maker != "" || r.behalf != nil || r.takeover ||
		r.measure == "spend" || r.measure == "sum"
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
	if p.kind != "auth" && keys != nil {
		said := 0
		for _, role := range p.roles {
			if slices.Contains(keys, role) {
				said++
			}
		}
		if said == 0 || said < len(p.roles) && !wide {
			return false
		}
	}
	broadcast := r.broadcast
	if broadcast == "" && !wide {
		broadcast = "true"
	}
	if p.kind == "sign" && (broadcast == "true" && !c.r.Broadcast || broadcast == "false" && c.r.Broadcast) {
		return false
	}
	maker := r.maker
	if maker == "" && !wide {
		maker = "wallet"
	}
	if p.kind == "sign" && (maker == "wallet" && c.r.Exact || maker == "application" && !c.r.Exact) {
		return false
	}
	if p.kind == "sign" && !c.behalf(r, p, wide) {
		return false
	}
	return c.content(r, p) >= map[bool]tri{true: tUnclear, false: tYes}[r.section != "allow"]
}

func (c naiveJudgement) behalf(r *modelRule, p naivePart, wide bool) bool {
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

func (c naiveJudgement) content(r *modelRule, p naivePart) tri {
	c.actors = p.actor
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

func (c naiveJudgement) entry(r *modelRule, e modelEntry, p naivePart) tri {
	c.actors = p.actor
	group := e.op == "posting" || e.op == "active"
	switch {
	case !group && e.op != p.op.name:
		return tNo
	case !r.wide() && p.op.takeover() && (group || !r.takeover):
		return tNo
	case group && !slices.Contains(p.op.needs(), e.op):
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

func (c naiveJudgement) scheduled(r *modelRule) bool {
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
