package audit

import (
	"pksa/agent/policy"
	"pksa/protocol/hive"
)

// Suggested is a draft of rules for what was denied for want of one, with what it is made of.
type Suggested struct {
	Requests int    `json:"requests"` // that it is made of
	Older    int    `json:"older"`    // not looked at, because there were too many after them
	Ruled    int    `json:"ruled"`    // denied by a deny rule or a limit: no rule helps
	Allowed  int    `json:"allowed"`  // by rules in force by now, or a person is asked
	Cut      int    `json:"cut"`      // not looked at, because they were cut when they were recorded
	Summed   int    `json:"summed"`   // not looked at, because the trail has only sums of them
	YAML     string `json:"yaml"`
	Rules    int    `json:"rules"`  // that stand there
	Limits   int    `json:"limits"` // that stand there
	Named    int64  `json:"named"`  // combinations of the values that the rules name
	Seen     int64  `json:"seen"`   // of these, that were seen
	Free     int    `json:"free"`   // fields that are left free

	draft *policy.Suggestion
}

// AddTo returns a policy with the rules and limits of the draft, as [policy.Suggestion.AddTo] does.
func (s *Suggested) AddTo(file string, src []byte) ([]byte, error) { return s.draft.AddTo(file, src) }

// Suggest reads the records that a query picks, and makes a policy of what no rule allowed there.
// Of the query it takes numbers, Since and App. An empty App means all. What the policy in force
// allows by now is left out, and a rule of it that is near is named; nil if it is not known. Bounds
// lie room percent beyond what was seen.
func Suggest(read Source, q Query, inForce *policy.Policy, n *hive.Network, room int) (Suggested, error) {
	return suggest(read, q, inForce, n, room, new(policy.SeenLately))
}

func suggest(read Source, q Query, inForce *policy.Policy, n *hive.Network, room int,
	seen *policy.SeenLately) (Suggested, error) {
	var out Suggested
	app := q.App
	q.Filter = Filter{Since: q.Since}
	err := EachRequest(read, q, n, func(t *Request) error {
		if t.Undecided && t.Summed == 0 || t.Time.Before(q.Since) || app != "" && t.App != app {
			return nil
		}
		switch {
		case t.Summed > 0:
			out.Summed += t.Summed
		case t.Cut:
			out.Cut++
		case t.Request == nil:
		case t.Observed != nil, uncovered(t.Was, t.Code):
			if inForce != nil && t.Observed == nil {
				switch d := inForce.Decide(t.Request, nil, t.Time); {
				case d.Verdict != policy.Deny:
					out.Allowed++
					return nil
				case !uncovered(d.Verdict, d.Code):
					out.Ruled++
					return nil
				}
			}
			seen.Add(policy.Seen{Request: t.Request, Time: t.Time, Until: t.Until})
		case t.Was == policy.Deny:
			out.Ruled++
		}
		return nil
	})
	if err != nil {
		return out, err
	}
	list := seen.List()
	if out.Requests, out.Older = len(list), seen.Dropped(); out.Requests > 0 {
		draft := inForce.Suggest(list, room)
		out.draft = &draft
		out.YAML, out.Rules, out.Limits = out.draft.YAML, out.draft.Rules, out.draft.Limits
		out.Named, out.Seen, out.Free = out.draft.Named, out.draft.Seen, out.draft.Free
	}
	return out, nil
}

// uncovered reports whether an answer is no for want of a rule.
func uncovered(v policy.Verdict, code policy.Code) bool {
	return v == policy.Deny && (code == policy.CodeUncovered || code == policy.CodeForeignAuthority)
}
