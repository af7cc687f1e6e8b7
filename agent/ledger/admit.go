package ledger

import (
	"time"
)

// Verdict is what a judge ruled. The zero value denies.
type Verdict uint8

// The verdicts.
const (
	Denied   Verdict = iota // refused; the nonce or digest is consumed all the same
	Pending                 // a person is asked; nothing is charged yet
	Admitted                // may be signed once Admit has returned
)

// Replay is what the nonce rules say of a request (HAS §9.3). The zero value is not valid and refuses.
type Replay uint8

// What the nonce rules say.
const (
	Fresh         Replay = iota + 1 // may be admitted
	NonceLow                        // not above the session's last, or not above the floor: a replay
	NonceAhead                      // too far ahead of our clock: it would lock the session
	NonceBehind                     // too far behind our clock: held back
	NonceRange                      // not in 1 … 2^53−1
	NonceRequired                   // none, and the operator, the app's state or 100,000 digests demand one
	DigestSeen                      // none, and the same ciphertext was here before
	SessionEnded                    // the session ended or expired meanwhile: nobody's request
)

// Admission is a request that asks to be admitted. Its run was begun with the same key.
type Admission struct {
	Key     RequestKey
	Account string
	Kind    string // "auth", "sign", "challenge": for the audit trail

	// Session is the session whose key opened the request; zero if none did.
	Session SessionID
	// App is the slot whose secret opened an auth_req; its digest is kept as long as that secret. Empty if none.
	App string
	// Nonce in ms as decoded, zero if the request has none. For a request without session it is ignored.
	Nonce int64
	// RequireNonce refuses a request that lacks a nonce. Auth requests never have one.
	RequireNonce bool
	// Ticket orders admissions of one link and account; nil if order does not matter.
	Ticket *Ticket
}

// Charge is one part of the cost of an admitted request, opaque to the ledger.
type Charge struct {
	Data    []byte
	Expires time.Time // the record is dropped some time after
}

// Ruling is what a judge decides.
type Ruling struct {
	Verdict Verdict
	Record  []byte   // content of the audit record, opaque; JSON by custom
	Charges []Charge // of Admitted only

	TxID      [20]byte // zero if there is no transaction
	TxBytes   []byte   // the unsigned transaction, kept until the outcome is known
	TxExpires time.Time

	// NewSession makes a session in the same commit (auth, Admitted only). Ask View.MayOpen first.
	NewSession *NewSession
}

// Admitting is what Admit recorded.
type Admitting struct {
	Number  uint64 // of the audit record; names the request from now on
	Verdict Verdict
	Time    time.Time // ledger time of the commit
	Session *Session  // the session as it is now, the new one if one was made; nil if none
}
