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
	Cut      int    `json:"cut"`      // not looked at, because they were cut when they were recorded
	Summed   int    `json:"summed"`   // not looked at, because the trail has only sums of them
	YAML     string `json:"yaml"`
}

// Suggest reads the records that a query picks, and makes a policy of what no rule allowed there.
// Of the query it takes numbers, Since and App. An empty App means all.
func Suggest(read Source, q Query, n *hive.Network) (Suggested, error) {
	return suggest(read, q, n, new(policy.SeenLately))
}

func suggest(read Source, q Query, n *hive.Network, seen *policy.SeenLately) (Suggested, error) {
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
		case t.Observed != nil,
			t.Was == policy.Deny && (t.Code == policy.CodeUncovered || t.Code == policy.CodeForeignAuthority):
			seen.Add(policy.Seen{Request: t.Request, Time: t.Time})
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
		out.YAML = policy.Suggest(list)
	}
	return out, nil
}
