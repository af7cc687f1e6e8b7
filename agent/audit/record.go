package audit

import (
	"encoding/hex"
	"encoding/json"
	"time"

	"pksa/agent/ledger"
)

// Record is one record of the audit trail as people and machines see it.
type Record struct {
	Number  uint64    `json:"number"`
	Time    time.Time `json:"time"`
	Type    string    `json:"type"`
	Request uint64    `json:"request,omitempty"` // of an outcome: the number of its request
	Verdict string    `json:"verdict,omitempty"`
	Outcome string    `json:"outcome,omitempty"`
	// of a request: admitted, pending, answered, refused, ignored or failed
	Result  string           `json:"result,omitempty"`
	Kind    string           `json:"kind,omitempty"`
	Account string           `json:"account,omitempty"`
	App     string           `json:"app,omitempty"`
	Session ledger.SessionID `json:"session,omitempty"`
	TxID    string           `json:"transaction,omitempty"`
	Content json.RawMessage  `json:"content,omitempty"`
}

var recordTypes = map[ledger.RecordType]string{
	ledger.RecordStart: "start", ledger.RecordStop: "stop", ledger.RecordAdmin: "admin",
	ledger.RecordJudged: "request", ledger.RecordDecided: "decision", ledger.RecordSettled: "outcome",
	ledger.RecordRejected: "failed", ledger.RecordEvent: "event", ledger.RecordAccepted: "ledger accepted",
	ledger.RecordEnded: "session ended",
}

var verdicts = map[ledger.Verdict]string{ledger.Denied: "denied", ledger.Pending: "pending",
	ledger.Admitted: "admitted"}

func recordOf(r *ledger.Record) Record {
	out := Record{
		Number: r.Number, Time: r.Time, Type: recordTypes[r.Type], Request: r.Ref, Outcome: r.Outcome,
		Kind: r.Kind, Account: r.Account, App: r.App, Session: r.Session,
	}
	if r.Type == ledger.RecordJudged || r.Type == ledger.RecordDecided {
		out.Verdict = verdicts[r.Verdict]
	}
	if r.TxID != [20]byte{} {
		out.TxID = hex.EncodeToString(r.TxID[:])
	}
	if json.Valid(r.Content) { // or the whole answer would be no JSON
		out.Content = r.Content
	}
	if r.Ref != 0 || r.Type == ledger.RecordJudged || r.Type == ledger.RecordRejected {
		out.Result = member(r.Content, "result")
	}
	if r.Type == ledger.RecordSettled && out.Result == "" {
		out.Result = r.Outcome // of a refusal, which has no more to say
	}
	return out
}
