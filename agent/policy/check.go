package policy

import (
	"fmt"
	"slices"

	"pksa/protocol/hive"
)

// refuse returns the code of what is refused whatever the file says, and why. The code is empty if
// nothing is. It comes before every rule, so that no rule can allow it.
func (q *Request) refuse() (Code, string) {
	if q.Account == "" || q.App == "" {
		// "any" in a rule means any that there is. A session without an app would else match it.
		return CodeUnsupported, "the request names no account or no app"
	}
	switch q.Kind {
	case Sign:
		return q.refuseSign()
	case Auth:
		if c := q.AuthChallenge; c != nil {
			return refuseChallenge(c.kind(), c.Role)
		}
		return "", ""
	case Challenge, Decrypt:
		return refuseChallenge(q.Kind, q.Role)
	}
	return CodeUnsupported, "the kind of the request is not known"
}

func refuseChallenge(k Kind, role hive.Role) (Code, string) {
	switch {
	case k == Decrypt && role != hive.Memo:
		return CodeWrongKey, fmt.Sprintf("decrypt needs the memo key, not %s", role)
	case role != hive.Memo && role != hive.Posting && role != hive.Active:
		return CodeWrongKey, fmt.Sprintf("a challenge is signed with the posting, active or memo key, not %s", role)
	}
	return "", ""
}

func (q *Request) refuseSign() (Code, string) {
	if len(q.Ops) == 0 {
		return CodeUnsupported, "the transaction has no operations"
	}
	for i, op := range q.Ops {
		if code, reason := refuseOperation(op); code != "" {
			return code, fmt.Sprintf("operation %d %s", i+1, reason)
		}
	}
	// Exactly, not at least: an application that asks with more than it needs does not know what it
	// asks for.
	roles := SigningRoles(q.Ops)
	if needed := keyTypeFor(roles); q.Role != needed {
		reason := fmt.Sprintf("key_type is %s, the operations need exactly %s", q.Role, needed)
		if len(roles) > 1 {
			reason += " (they are signed with the keys " + joinRoles(roles, " and ") + ")"
		}
		return CodeWrongKey, reason
	}
	return "", ""
}

// keyTypeFor returns the key_type of a request that is signed with the keys of these roles. What
// needs both keys says active, and each operation is judged at its own level.
func keyTypeFor(roles []hive.Role) hive.Role {
	if slices.Max(roles) == hive.Posting {
		return hive.Posting
	}
	return hive.Active
}

// SigningRoles returns the roles of the keys that sign a transaction of these operations, ascending
// and each once: those that an operation needs, and no other. Since hardfork 28 one transaction may
// need posting and active, and has a signature for each. The role of a witness's key, which the
// protocol has no key_type for, is asked for as active.
func SigningRoles(ops []hive.Operation) []hive.Role {
	var roles []hive.Role
	for _, op := range ops {
		roles = append(roles, levels(op)...)
	}
	slices.Sort(roles)
	return slices.Compact(roles)
}

// levels returns the roles that an operation needs by its content, ascending.
func levels(op hive.Operation) []hive.Role {
	need := op.Required()
	var roles []hive.Role
	if len(need.Posting) > 0 {
		roles = append(roles, hive.Posting)
	}
	if len(need.Active) > 0 {
		roles = append(roles, hive.Active)
	}
	if _, ok := op.WitnessKey(); ok {
		roles = append(roles, hive.Signing)
	}
	return roles
}

func refuseOperation(op hive.Operation) (Code, string) {
	d := op.Definition()
	if d == nil {
		return CodeUnsupported, "is not an operation"
	}
	need := op.Required()
	switch {
	case d.State != hive.Live:
		return CodeUnsupported, d.Name + " is " + d.State.String()
	case len(need.Owner) > 0:
		return CodeUnsupported, d.Name + " needs the owner key"
	case need.Other && !slices.Contains(levels(op), hive.Signing) || len(levels(op)) == 0:
		return CodeUnsupported, d.Name + " needs another authority than an account's"
	}
	// The sender thinks that it is encrypted, and it would stand on the chain for ever.
	if op.PlainMemo() {
		return CodePlainMemo, d.Name + ": the memo begins with # and is not encrypted; all could read it"
	}
	return "", ""
}
