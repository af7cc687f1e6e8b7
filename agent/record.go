package agent

import (
	"encoding/json"
	"fmt"

	"pksa/agent/audit"
	"pksa/agent/effect"
	"pksa/agent/policy"
	"pksa/protocol/hive"
)

// recorder starts the record of a run.
func (r *run) record() *recorder { return &recorder{r} }

type recorder struct{ run *run }

func (w *recorder) start() audit.Content {
	return audit.Content{Relay: w.run.relay, UUID: string(w.run.msg.UUID)}
}

// failed is the record of a request that never came to a decision.
func (w *recorder) failed(reason string) []byte {
	content := w.start()
	content.Result, content.Code, content.Reason = "failed", "invalid", reason
	return encodeRecord(content)
}

// judged is the record of a decision.
func (w *recorder) judged(force *policy.Policy, n *hive.Network, p *proposal, j judged) []byte {
	content := w.start()
	q := p.request
	if j.refusal == nil || j.refusal.code != policy.CodeNonce {
		content.Written = policy.Write(q, n)
	} else {
		// Of a replay the record of the first has all; a relay can send thousands.
		content.Written = policy.Written{Request: q.Kind.String(), Account: string(q.Account), App: q.App}
	}
	content.Effects = effects(q, p.newSession != nil)
	content.CutText()
	if p.newSession != nil && !p.newSession.Expires.IsZero() {
		content.NewSession = &p.newSession.Expires
	}
	content.Policy = force.Hash()
	content.Rules, content.Limits, content.Cost = j.decision.Rules, j.decision.Limits, j.decision.Charges
	content.Observed = j.decision.Observed
	content.Result = "admitted"
	switch {
	case j.refusal != nil:
		content.Result, content.Code, content.Reason = "refused", j.refusal.code, j.refusal.reason
		if w.run.silent(j) {
			content.Result = "ignored"
		}
	case j.obstacle != nil:
		content.Result, content.Code, content.Reason = "failed", audit.CodeUnavailable, j.obstacle.reason
	case j.decision.Verdict == policy.Ask:
		content.Result, content.Reason = "pending", j.decision.Reason
	}
	return encodeRecord(content)
}

// effects returns what a request does if it is allowed: one sentence for each of its parts.
func effects(q *policy.Request, newSession bool) []string {
	var all []string
	switch q.Kind {
	case policy.Sign:
		for _, op := range q.Ops {
			all = append(all, effect.Of(op))
		}
	case policy.Challenge:
		all = append(all, effect.Signing(q.Account, q.Role, q.Text))
	case policy.Decrypt:
		all = append(all, fmt.Sprintf("decrypts a memo with the %s key of %s", q.Role, q.Account))
	case policy.Auth:
		verb := "confirms the session of"
		if newSession {
			verb = "opens a session of"
		}
		all = append(all, fmt.Sprintf("%s %s for %s", verb, q.App, q.Account))
		if c := q.AuthChallenge; c != nil {
			all = append(all, effect.Signing(q.Account, c.Role, c.Text))
		}
	}
	return all
}

func roleName(role hive.Role) string {
	if role == 0 {
		return ""
	}
	return role.String()
}

// outcomeRecord is the content of the record of an outcome: of a request that was answered, or one
// that failed after it was admitted.
func outcomeRecord(result string, e ending) []byte {
	content := struct {
		Result      string `json:"result"`
		Outcome     string `json:"outcome"`
		Transaction string `json:"transaction,omitempty"`
		Node        string `json:"node,omitempty"`
		Reason      string `json:"reason,omitempty"`
	}{Result: result, Outcome: e.outcome, Node: e.node, Reason: e.reason}
	if e.id != (hive.TxID{}) {
		content.Transaction = e.id.String()
	}
	return encodeRecord(content)
}

// startRecord says what the process starts with.
func (a *Agent) startRecord() []byte {
	content := struct {
		Policy   string   `json:"policy"`
		Relays   []string `json:"relays"`
		Accounts int      `json:"accounts"`
	}{Policy: a.policy.Load().policy.Hash(), Accounts: len(a.keys().Accounts())}
	for _, l := range a.links {
		content.Relays = append(content.Relays, l.URL())
	}
	return encodeRecord(content)
}

// encodeRecord writes content as JSON. The types above hold nothing that cannot be written.
func encodeRecord(content any) []byte {
	text, err := json.Marshal(content)
	if err != nil {
		return []byte(`{"result":"failed","code":"record","reason":"the record could not be written as JSON"}`)
	}
	return text
}
