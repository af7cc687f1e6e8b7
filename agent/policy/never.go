package policy

import (
	"fmt"

	"pksa/protocol"
	"pksa/protocol/hive"
)

// MemoInAuth is the reason why a memo is not decrypted by an auth request.
const MemoInAuth = "a memo is decrypted by challenge_req, not inside auth_req"

// NeverSigned returns the code and the reason of what is never signed, whatever a file says: values
// that the chain refuses in every state, a memo that only looks encrypted, texts that would not
// reach a node as they are, texts that could be something else than a challenge (HAS §13.4; the
// agent adds the chain of its settings). The code is empty if there is nothing. The agent asks
// before it makes a transaction, and [Policy.Report] asks, so that the tools say what the agent
// does.
func (q *Request) NeverSigned() (Code, string) {
	text := q.Text
	switch c := q.AuthChallenge; {
	case q.Kind == Sign:
		return neverSigned(q.Ops)
	case q.Kind == Auth && c != nil && c.Decrypt:
		return CodeUnsupported, MemoInAuth
	case q.Kind == Auth && c != nil:
		text = c.Text
	case q.Kind != Challenge:
		return "", ""
	}
	if err := protocol.CheckChallenge(text); err != nil {
		return CodeFirewall, err.Error()
	}
	return "", ""
}

func neverSigned(ops []hive.Operation) (Code, string) {
	for i, op := range ops {
		if op.Definition() == nil {
			return CodeUnsupported, fmt.Sprintf("operation %d is not an operation", i+1)
		}
		if err := op.Validate(); err != nil {
			return CodeInvalid, fmt.Sprintf("operation %d %v", i+1, hive.WithoutValue(err))
		}
		if op.PlainMemo() {
			return CodePlainMemo, fmt.Sprintf("operation %d %s: the memo begins with # but is not encrypted; it would "+
				"be readable by everybody", i+1, op.Name())
		}
	}
	if err := hive.CheckSendable(hive.Transaction{Operations: ops}); err != nil {
		return CodeUnsupported, err.Error()
	}
	return "", ""
}

// heard returns what the application hears of a request that is never signed.
func heard(code Code) string {
	switch code {
	case CodeInvalid:
		return protocol.TextInvalid
	case CodeUnsupported:
		return protocol.TextNotSupported
	}
	return protocol.TextRefused
}
