package audit

import (
	"errors"
	"time"

	"pksa/agent/approve"
	"pksa/agent/policy"
	"pksa/protocol/hive"
)

// MaxText is how many bytes of the text of a challenge stand in a record in clear. What is longer
// is cut, and its digest says which text it was.
const MaxText = 2048

// Codes of refusals in the trail that the policy does not make.
const (
	CodeSession     policy.Code = "session"     // the auth_key cannot have the session
	CodeUnavailable policy.Code = "unavailable" // allowed, but it could not be done
	CodeBusy        policy.Code = "busy"        // above the rate of the account, judged by nothing else
	CodePaused      policy.Code = "paused"      // the operator paused the wallet, judged by nothing else
	CodeEnded       policy.Code = "ended"       // its session has ended
	CodeGuard       policy.Code = "guard"       // somebody else changed the account, and nobody has accepted that
)

// Content is the content of the audit record of one request: what was asked, by whom, what was
// decided by which rules of which policy, and why. Times, numbers, session and transaction id stand
// in the ledger's own part of the record. The request itself is written as in request files, so
// that what is in the trail can be explained, judged again, and made a case of a test.
type Content struct {
	Relay string `json:"relay"`
	UUID  string `json:"uuid"`

	policy.Written
	// Keys are the roles of the keys that sign, if there are several: key_type is one of them.
	Keys       []string   `json:"keys,omitempty"`
	Effects    []string   `json:"effects,omitempty"`     // what it would do, in words
	TextSHA256 string     `json:"text_sha256,omitempty"` // of the whole text of a challenge
	NewSession *time.Time `json:"session_until,omitempty"`

	Policy string              `json:"policy,omitempty"`
	Rules  []policy.RuleRef    `json:"rules,omitempty"`
	Limits []policy.LimitState `json:"limits_before,omitempty"`
	Cost   []policy.Charge     `json:"cost,omitempty"`
	// Expires is when a transaction that the app made expires: what it costs counts as of then. It
	// stands in records of denied requests, too.
	Expires time.Time `json:"expires,omitzero"`

	Result string      `json:"result"`
	Code   policy.Code `json:"code,omitempty"`
	Reason string      `json:"reason,omitempty"`

	// Observed is what the decision would be with the observed rules and limits in force, where it
	// differs.
	Observed *policy.Decision `json:"observed,omitempty"`

	// Approval is the signature of who said yes with a passkey.
	Approval *approve.Proof `json:"approval,omitempty"`
	// MoreApprovals are those of others, where several had to say yes.
	MoreApprovals []*approve.Proof `json:"more_approvals,omitempty"`

	// ToldBy is the notifier that first took a message with all of what the request does, before
	// people said yes.
	ToldBy *Told `json:"told_by,omitempty"`

	// Cut says what was left out. It is nil if nothing was.
	Cut *Cut `json:"cut,omitempty"`
}

// Told is a notifier that took a message with all of what a request does.
type Told struct {
	Notifier string    `json:"notifier"` // ntfy or webhook
	Server   string    `json:"server"`   // without the path
	At       time.Time `json:"at"`
}

// errCutText is for challenges of which the trail holds the beginning only.
var errCutText = errors.New("the audit trail keeps the first 2048 bytes of a text only")

// wasCut reports whether a text that was read from the trail is not the one with that digest.
func wasCut(q *policy.Request, digest string) bool {
	text := q.Text
	if q.AuthChallenge != nil {
		text = q.AuthChallenge.Text
	}
	return digest != "" && hive.HashText(text).String() != digest
}
