package agent

import (
	"encoding/json"
	"time"

	"pksa/agent/policy"
	"pksa/protocol/hive"
)

// maxRecordText bounds the text of a challenge in the audit trail; what is longer is cut, and its
// digest says which text it was.
const maxRecordText = 2048

// requestRecord is the content of the audit record of one request: what was asked, by whom, what
// was decided by which rules of which policy, and why. Times, numbers, session and transaction id
// stand in the ledger's own part of the record.
type requestRecord struct {
	Relay string `json:"relay"`
	UUID  string `json:"uuid"`

	KeyType    string            `json:"key_type,omitempty"`
	Broadcast  *bool             `json:"broadcast,omitempty"`
	Operations []json.RawMessage `json:"operations,omitempty"`
	Challenge  *challengeRecord  `json:"challenge,omitempty"`
	Decrypt    bool              `json:"decrypt,omitempty"`
	NewSession *time.Time        `json:"session_until,omitempty"`

	Policy string              `json:"policy,omitempty"`
	Rules  []policy.RuleRef    `json:"rules,omitempty"`
	Limits []policy.LimitState `json:"limits_before,omitempty"`
	Cost   []policy.Charge     `json:"cost,omitempty"`

	Result string      `json:"result"`
	Code   policy.Code `json:"code,omitempty"`
	Reason string      `json:"reason,omitempty"`

	// Observed is what the decision would be with the observed rules and limits in force, where it differs.
	Observed *policy.Decision `json:"observed,omitempty"`
}

type challengeRecord struct {
	KeyType string `json:"key_type"`
	Text    string `json:"text"`
	SHA256  string `json:"sha256"`
}

// recorder starts the record of a run.
func (r *run) record() *recorder { return &recorder{r} }

type recorder struct{ run *run }

func (w *recorder) start() requestRecord {
	return requestRecord{Relay: w.run.relay, UUID: string(w.run.msg.UUID)}
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
	content.KeyType, content.Decrypt = roleName(q.Role), q.Kind == policy.Decrypt
	switch {
	case q.Kind == policy.Sign:
		content.Broadcast = &q.Broadcast
		for _, op := range q.Ops {
			content.Operations = append(content.Operations, n.AppendOperation(nil, op))
		}
	case q.Kind == policy.Challenge:
		content.Challenge = challengeContent(q.Role, q.Text)
	case q.AuthChallenge != nil:
		content.Challenge = challengeContent(q.AuthChallenge.Role, q.AuthChallenge.Text)
	}
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
	case j.obstacle != nil:
		content.Result, content.Code, content.Reason = "failed", codeUnavailable, j.obstacle.reason
	}
	return encodeRecord(content)
}

func challengeContent(role hive.Role, text string) *challengeRecord {
	c := &challengeRecord{KeyType: roleName(role), Text: text, SHA256: hive.HashText(text).String()}
	if len(text) > maxRecordText {
		c.Text = text[:maxRecordText]
	}
	return c
}

func roleName(role hive.Role) string {
	if role == 0 {
		return ""
	}
	return role.String()
}

// outcomeRecord is the content of the record of an outcome.
func outcomeRecord(outcome, reason string, id hive.TxID, node string) []byte {
	content := struct {
		Outcome     string `json:"outcome"`
		Transaction string `json:"transaction,omitempty"`
		Node        string `json:"node,omitempty"`
		Reason      string `json:"reason,omitempty"`
	}{Outcome: outcome, Node: node, Reason: reason}
	if id != (hive.TxID{}) {
		content.Transaction = id.String()
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
