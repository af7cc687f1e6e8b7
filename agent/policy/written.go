package policy

import (
	"encoding/json"
	"errors"
	"fmt"

	"pksa/protocol/hive"
)

// Written is a request as it is written down: in request files, in cases of policy tests, and in
// the audit trail, where more stands beside it. Keys that a kind has no use for are absent.
type Written struct {
	Request   string `json:"request,omitempty"` // auth, sign, challenge or decrypt
	Account   string `json:"account,omitempty"`
	App       string `json:"app,omitempty"`
	KeyType   string `json:"key_type,omitempty"`  // posting, active or memo; not for auth
	Broadcast *bool  `json:"broadcast,omitempty"` // sign
	// TransactionBy is "application" where that made the whole transaction; empty: the wallet does.
	TransactionBy string `json:"transaction_by,omitempty"`
	// Operations are those of sign, in the chain's own form: ["vote", {…}].
	Operations []json.RawMessage `json:"operations,omitempty"`
	Text       *string           `json:"text,omitempty"`      // challenge
	Challenge  *WrittenChallenge `json:"challenge,omitempty"` // the one inside an auth request
	ByHand     bool              `json:"by_hand,omitempty"`   // auth: the operator made this session, or paired it
	Approved   bool              `json:"approved,omitempty"`  // a person said yes
}

// WrittenChallenge is the challenge inside an auth request.
type WrittenChallenge struct {
	KeyType string `json:"key_type"`
	Text    string `json:"text"`
	Decrypt bool   `json:"decrypt,omitempty"`
}

// Write writes a request down. What it returns shares nothing with the request.
func Write(q *Request, n *hive.Network) Written {
	w := Written{Request: q.Kind.String(), Account: string(q.Account), App: q.App, ByHand: q.ManualSession,
		Approved: q.Approved}
	if q.Role != 0 {
		w.KeyType = q.Role.String()
	}
	switch {
	case q.Kind == Sign:
		broadcast := q.Broadcast
		w.Broadcast = &broadcast
		if q.Exact {
			w.TransactionBy = makers[1]
		}
		for _, op := range q.Ops {
			w.Operations = append(w.Operations, n.AppendOperation(nil, op))
		}
	case q.Kind == Challenge:
		text := q.Text
		w.Text = &text
	case q.AuthChallenge != nil:
		c := q.AuthChallenge
		w.Challenge = &WrittenChallenge{KeyType: c.Role.String(), Text: c.Text, Decrypt: c.Decrypt}
	}
	return w
}

var errMaker = errors.New("transaction_by is neither wallet nor application")

var errNoKind = errors.New("request is none of auth, sign, challenge, decrypt")

// Read returns the request that was written down. Operations are read as strictly as those of
// applications.
func (w Written) Read(n *hive.Network) (*Request, error) {
	q := &Request{Account: hive.AccountName(w.Account), App: w.App, ManualSession: w.ByHand, Approved: w.Approved,
		Broadcast: true}
	var err error
	if q.Kind, err = kindNamed(w.Request); err != nil {
		return nil, err
	}
	if q.Role, err = roleOf(w.KeyType, q.Kind); err != nil {
		return nil, err
	}
	if w.Broadcast != nil {
		q.Broadcast = *w.Broadcast
	}
	switch w.TransactionBy {
	case "", makers[0]:
	case makers[1]:
		q.Exact = true
	default:
		return nil, errMaker
	}
	if w.Text != nil {
		q.Text = *w.Text
	}
	if c := w.Challenge; c != nil {
		role, err := roleOf(c.KeyType, Challenge)
		if err != nil {
			return nil, err
		}
		q.AuthChallenge = &AuthChallenge{Role: role, Text: c.Text, Decrypt: c.Decrypt}
	}
	for i, raw := range w.Operations {
		op, err := n.ParseOperation(raw)
		if err != nil {
			return nil, fmt.Errorf("operation %d: %w", i+1, err)
		}
		q.Ops = append(q.Ops, op)
	}
	return q, nil
}

func kindNamed(word string) (Kind, error) {
	for k := Auth; k <= Decrypt; k++ {
		if k.String() == word {
			return k, nil
		}
	}
	return 0, errNoKind
}

// roleOf reads key_type. What says none is meant as a rule that says none: posting, and memo for
// decrypt.
func roleOf(word string, k Kind) (hive.Role, error) {
	switch {
	case word != "":
		role, err := hive.ParseRole(word)
		if err != nil {
			return 0, fmt.Errorf("key_type %s is none of posting, active, memo", quote(word))
		}
		return role, nil
	case k == Auth:
		return 0, nil
	case k == Decrypt:
		return hive.Memo, nil
	}
	return hive.Posting, nil
}
