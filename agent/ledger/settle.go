package ledger

import "time"

// Settlement is the outcome of a judged request.
type Settlement struct {
	// Outcome in a word, for the audit trail: "accepted", "refused", "uncertain", "signed", …
	Outcome string
	// Answer is what a re-delivered request gets, opaque; nil: nothing to say. Ignored if one was recorded already.
	Answer []byte
	// Record is the content of the audit record, opaque.
	Record []byte
	// Open says that the answer is given but the outcome is not known yet: the request stays unfinished, and is
	// settled once more.
	Open bool
}

// Rejection ends a run that never came to judging.
type Rejection struct {
	Outcome string
	Account string
	Kind    string
	App     string
	Session SessionID
	Answer  []byte // nil: nothing to say
	Record  []byte
}

// Unfinished is a judged request whose outcome is not known. After a restart none of them may be signed or sent again:
// the transaction is looked up until it is found or provably expired, what has none is answered with an error.
type Unfinished struct {
	Number    uint64
	Key       RequestKey
	Account   string
	Kind      string
	App       string
	Session   SessionID
	Verdict   Verdict
	Expires   time.Time // of the request
	Answered  bool      // settled as Open: only the outcome is missing
	TxID      [20]byte
	TxBytes   []byte
	TxExpires time.Time
}
