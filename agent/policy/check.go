package policy

import (
	"fmt"

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
	posting, active := false, false
	for i, op := range q.Ops {
		if code, reason := refuseOperation(op); code != "" {
			return code, fmt.Sprintf("operation %d %s", i+1, reason)
		}
		need := op.Required()
		posting = posting || len(need.Posting) > 0
		active = active || len(need.Active) > 0
	}
	needed := hive.Posting
	switch {
	case posting && active:
		return CodeMixedAuthority, "posting and active authority in one transaction, which the chain refuses"
	case active:
		needed = hive.Active
	}
	// Exactly, not at least. The chain takes a higher key for some operations; here "key: posting"
	// in a rule must mean that no other key signs.
	if q.Role != needed {
		return CodeWrongKey, fmt.Sprintf("key_type is %s, the operations need exactly %s", q.Role, needed)
	}
	return "", ""
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
	case need.Other || len(need.Posting)+len(need.Active) == 0:
		return CodeUnsupported, d.Name + " needs another authority than an account's"
	}
	// The sender thinks that it is encrypted, and it would stand on the chain for ever.
	if op.PlainMemo() {
		return CodePlainMemo, d.Name + ": the memo begins with # and is not encrypted; all could read it"
	}
	return "", ""
}
