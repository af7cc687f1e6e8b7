package policy_test

import (
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"

	"pksa/agent/policy"
	"pksa/protocol/hive"
)

func sortedMap[V any](m map[string]V) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if !yield(k, m[k]) {
				return
			}
		}
	}
}

// modelOp is an operation as the naive evaluator sees it: a name, and fields as they are in legacy
// JSON.
type modelOp struct {
	name   string
	fields map[string]any
}

func (o modelOp) parse(t testing.TB) hive.Operation {
	raw, err := json.Marshal([]any{o.name, o.fields})
	if err != nil {
		t.Fatal(err)
	}
	op, err := hive.Mainnet.ParseOperation(raw)
	if err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return op
}

func (m maker) json(depth int) string {
	scalar := func() string {
		return pick(m, "5", `"5"`, "5.0", `"5.00"`, "1.5", `"1.50"`, "true", `"true"`, "null", `"null"`, `"x"`, `"$x"`,
			`"alice"`, `"re-alice"`, "1e1", "-1", "-0", `"05"`, "100", `""`,
			// Instants about noon, in the forms that are read, and some that are none.
			fmt.Sprint(noon.Unix()), fmt.Sprint(noon.Unix(), "000"), fmt.Sprintf(`"%d.5"`, noon.Unix()+10),
			`"2026-11-20T12:00:10Z"`, `"2026-11-20T13:00:00.5+01:00"`, `"2026-11-20T11:59:00"`, `"2026-11-20"`,
			"100000000000000")
	}
	if depth == 0 {
		return scalar()
	}
	switch m.IntN(6) {
	case 0:
		return scalar()
	case 1:
		return pick(m, "[]", "["+m.json(depth-1)+"]", "["+m.json(depth-1)+","+m.json(depth-1)+"]")
	}
	var members []string
	for _, name := range some(m, "a", "b", "n") {
		if m.chance(15) {
			name = "a" // now and then a name stands twice
		}
		members = append(members, fmt.Sprintf("%q:%s", name, m.json(depth-1)))
	}
	return "{" + strings.Join(members, ",") + "}"
}

// tokens is JSON as games write it, more often than chance would.
func (m maker) tokens() string {
	one := func() string {
		return pick(m, `{"n":5}`, `{"n":"2.5","a":"x"}`, `{"n":1,"b":"5"}`, `{"n":0}`, `{"n":"0.10"}`, `{"n":-1}`,
			`{"n":2.5,"b":0.4}`, `{"n":"3","b":"1.5"}`, `{"n":5,"b":-1}`, `{"n":0,"b":7}`,
			`{"a":5}`)
	}
	switch m.IntN(3) {
	case 0:
		return one()
	case 1:
		return "[" + one() + "," + one() + "]"
	}
	return m.json(3)
}

func (m maker) amount() string {
	return pick(m, "0.001", "1.000", "1.001", "2.000") + " " + pick(m, "HBD", "HBD", "HIVE")
}

func (m maker) text() string {
	return pick(m, "p", "q", "$x", "5", "alice", "bob", "re-alice", "re-bob", "re-dave")
}

func (m maker) operation(role hive.Role, me string) modelOp {
	if m.chance(8) {
		me = m.account()
	}
	if role == hive.Posting {
		return m.postingOperation(me)
	}
	return m.activeOperation(me)
}

func (m maker) postingOperation(me string) modelOp {
	switch m.IntN(7) {
	case 0, 1:
		return modelOp{"vote", map[string]any{"voter": me, "author": m.account(), "permlink": m.text(),
			"weight": pick(m, -100, 0, 1, 100, 10000)}}
	case 2:
		metadata := ""
		if m.chance(2) {
			metadata = m.json(2)
		}
		return modelOp{"comment", map[string]any{"parent_author": pick(m, "", m.account()), "parent_permlink": "x",
			"author":   me,
			"permlink": m.text(), "title": m.text(), "body": "b", "json_metadata": metadata}}
	case 3:
		return m.options(me)
	case 4:
		return modelOp{"claim_reward_balance", map[string]any{"account": me, "reward_hive": "0.001 HIVE",
			"reward_hbd": "0.000 HBD", "reward_vests": "0.000000 VESTS"}}
	case 5:
		return modelOp{"account_update2", map[string]any{"account": me, "json_metadata": "",
			"posting_json_metadata": m.json(2), "extensions": []any{}}}
	}
	return modelOp{"custom_json", map[string]any{"required_auths": []string{}, "required_posting_auths": m.actors(me),
		"id": m.text(), "json": m.tokens()}}
}

func (m maker) actors(me string) []string {
	actors := []string{me}
	if m.chance(8) {
		actors = append(actors, m.account())
		slices.Sort(actors)
		actors = slices.Compact(actors)
	}
	return actors
}

func (m maker) options(me string) modelOp {
	extensions := []any{}
	if m.chance(2) {
		var list []any
		names := some(m, "bob", "carol", "dave")
		slices.Sort(names)
		for _, name := range names {
			list = append(list, map[string]any{"account": name, "weight": pick(m, 1, 100, 500)})
		}
		extensions = []any{[]any{0, map[string]any{"beneficiaries": list}}}
	}
	return modelOp{"comment_options", map[string]any{"author": me, "permlink": m.text(),
		"max_accepted_payout": "1.000 HBD",
		"percent_hbd":         pick(m, 0, 100, 10000), "allow_votes": m.chance(2), "allow_curation_rewards": true,
		"extensions": extensions}}
}

func (m maker) activeOperation(me string) modelOp {
	switch m.IntN(11) {
	case 0, 1, 2:
		return modelOp{"transfer", map[string]any{"from": me, "to": m.account(), "amount": m.amount(),
			"memo": pick(m, "", m.text(), m.text(), m.json(2))}}
	case 3:
		to := pick(m, "bob", "carol")
		if to == me {
			to = "dave"
		}
		extensions := []any{}
		if m.chance(2) {
			extensions = []any{map[string]any{"type": 1, "value": map[string]any{"pair_id": pick(m, 0, 3, 5)}}}
		}
		return modelOp{"recurrent_transfer", map[string]any{"from": me, "to": to, "amount": m.amount(), "memo": "",
			"recurrence": 24,
			"executions": pick(m, 2, 3, 5), "extensions": extensions}}
	case 4:
		return modelOp{"transfer_to_vesting", map[string]any{"from": me, "to": pick(m, "", m.account()),
			"amount": "1.000 HIVE"}}
	case 5:
		to := pick(m, "bob", "carol")
		if to == me {
			to = "dave"
		}
		return modelOp{"delegate_vesting_shares", map[string]any{"delegator": me, "delegatee": to,
			"vesting_shares": "1.000000 VESTS"}}
	case 6:
		sell, get := "1.000 HIVE", pick(m, "0.500 HBD", "1.000 HBD", "5.001 HBD")
		if m.chance(2) {
			sell, get = get, sell
		}
		return modelOp{"limit_order_create", map[string]any{"owner": me, "orderid": 1, "amount_to_sell": sell,
			"min_to_receive": get,
			"fill_or_kill":   m.chance(2), "expiration": "2026-11-21T00:00:00"}}
	case 7:
		fields := map[string]any{"account": me, "json_metadata": "{}", "posting_json_metadata": m.json(1),
			"extensions": []any{}}
		if m.chance(2) {
			fields["memo_key"] = nullKey
		}
		return modelOp{"account_update2", fields}
	case 8:
		return modelOp{"update_proposal_votes", map[string]any{"voter": me, "proposal_ids": pick(m, []int{0},
			[]int{0, 3},
			[]int{3, 5, 6}),
			"approve": m.chance(2), "extensions": []any{}}}
	case 9:
		extensions := []any{}
		if m.chance(2) {
			extensions = []any{[]any{1, map[string]any{"end_date": pick(m, "2027-01-01T00:00:00", "2027-01-01T06:00:00",
				"2027-01-01T12:00:00")}}}
		}
		return modelOp{"update_proposal", map[string]any{"proposal_id": pick(m, 0, 3, 5), "creator": me,
			"daily_pay": "1.000 HBD",
			"subject":   "s", "permlink": "p", "extensions": extensions}}
	}
	posting := []string{}
	if m.chance(4) {
		posting = m.actors(me)
	}
	return modelOp{"custom_json", map[string]any{"required_auths": m.actors(me), "required_posting_auths": posting,
		"id": m.text(), "json": m.tokens()}}
}

// modelRequest is a request in both forms.
type modelRequest struct {
	*policy.Request
	ops []modelOp
}

// transactionOf returns a rule of the model about a transaction, if it has one.
func (m maker) transactionOf(mod *model) *modelRule {
	for _, r := range mod.rules {
		if r.tx {
			return r
		}
	}
	return nil
}

// like makes operations in the order of a transaction rule, often with the same permlink, and sets
// the role that they need.
func (m maker) like(tx *modelRule, q *policy.Request) (ops []modelOp) {
	q.Role = hive.Posting
	permlink := m.text()
	for _, e := range tx.ops {
		o := modelOp{}
		for o.name != e.op {
			o = m.operation(pick(m, hive.Posting, hive.Active), string(q.Account))
		}
		if _, ok := o.fields["permlink"]; ok && !m.chance(4) {
			o.fields["permlink"] = permlink
		}
		if slices.Contains(o.needs(), "active") {
			q.Role = hive.Active
		}
		ops = append(ops, o)
	}
	return ops
}

func (m maker) request(t testing.TB, mod *model) modelRequest {
	r := modelRequest{Request: &policy.Request{Account: hive.AccountName(pick(m, "alice", "alice", "bob")),
		App:      pick(m, "one", "two"),
		Approved: m.chance(5)}}
	switch m.IntN(8) {
	case 0:
		r.Kind = policy.Auth
		r.ManualSession = m.chance(4)
		if m.chance(2) {
			r.AuthChallenge = &policy.AuthChallenge{Role: pick(m, hive.Posting, hive.Active, hive.Memo),
				Text: m.challenge()}
			if r.AuthChallenge.Role == hive.Memo {
				r.AuthChallenge.Decrypt = m.chance(2)
			}
		}
	case 1:
		r.Kind, r.Role, r.Text = policy.Challenge, pick(m, hive.Posting, hive.Posting, hive.Active, hive.Memo),
			m.challenge()
	case 2:
		r.Kind, r.Role, r.Text = policy.Decrypt, hive.Memo, "#x"
	default:
		r.Kind, r.Role, r.Broadcast = policy.Sign, pick(m, hive.Posting, hive.Active), !m.chance(8)
		r.Exact = m.chance(6)
		needs := r.Role
		if m.chance(20) {
			needs = pick(m, hive.Posting, hive.Active)
		}
		for range pick(m, 1, 1, 1, 2, 3) {
			// What needs active may have operations that need posting beside it.
			if r.Role == hive.Active && needs == hive.Active && m.chance(6) {
				r.ops = append(r.ops, m.operation(hive.Posting, string(r.Account)))
			}
			r.ops = append(r.ops, m.operation(needs, string(r.Account)))
		}
		if tx := m.transactionOf(mod); tx != nil && m.chance(3) {
			r.ops = m.like(tx, r.Request)
		}
		for _, o := range r.ops {
			r.Ops = append(r.Ops, o.parse(t))
		}
	}
	return r
}

func (m maker) challenge() string { return pick(m, m.text(), m.json(2)) }
