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
// stand in the ledger's own part of the record. The request itself is written as in request files,
// so that what is in the trail can be explained, judged anew, and made a case of a test.
type requestRecord struct {
	Relay string `json:"relay"`
	UUID  string `json:"uuid"`

	policy.Written
	Effects    []string   `json:"effects,omitempty"`     // what it would do, in words
	TextSHA256 string     `json:"text_sha256,omitempty"` // of the whole text of a challenge
	NewSession *time.Time `json:"session_until,omitempty"`

	Policy string              `json:"policy,omitempty"`
	Rules  []policy.RuleRef    `json:"rules,omitempty"`
	Limits []policy.LimitState `json:"limits_before,omitempty"`
	Cost   []policy.Charge     `json:"cost,omitempty"`

	Result string      `json:"result"`
	Code   policy.Code `json:"code,omitempty"`
	Reason string      `json:"reason,omitempty"`

	// Observed is what the decision would be with the observed rules and limits in force, where it
	// differs.
	Observed *policy.Decision `json:"observed,omitempty"`
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
	if j.refusal == nil || j.refusal.code != policy.CodeNonce {
		content.Written = policy.Write(q, n)
	} else {
		// Of a replay the record of the first has all; a relay can send thousands.
		content.Written = policy.Written{Request: q.Kind.String(), Account: string(q.Account), App: q.App}
	}
	content.Effects = effects(q, p.newSession != nil)
	switch c := content.Challenge; {
	case content.Text != nil:
		content.TextSHA256 = cutText(content.Text)
	case c != nil:
		content.TextSHA256 = cutText(&c.Text)
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
		if w.run.silent(j) {
			content.Result = "ignored"
		}
	case j.obstacle != nil:
		content.Result, content.Code, content.Reason = "failed", codeUnavailable, j.obstacle.reason
	case j.decision.Verdict == policy.Ask:
		content.Result, content.Reason = "pending", j.decision.Reason
	}
	return encodeRecord(content)
}

// cutText keeps the beginning of a text, and gives the digest of the whole.
func cutText(text *string) string {
	digest := hive.HashText(*text).String()
	if len(*text) > maxRecordText {
		*text = (*text)[:maxRecordText]
	}
	return digest
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
