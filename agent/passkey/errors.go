package passkey

import "fmt"

// Kind is why something was refused, in a word for records and counters.
type Kind string

// The kinds of refusals.
const (
	Malformed   Kind = "malformed"    // no bytes of the form that the specification gives
	Large       Kind = "large"        // more bytes than any authenticator sends
	WrongType   Kind = "type"         // made for the other ceremony
	WrongValue  Kind = "challenge"    // made for another challenge
	WrongOrigin Kind = "origin"       // made on another page, or inside a page of another site
	WrongParty  Kind = "rp-id"        // made for another relying party
	NotPresent  Kind = "not-present"  // nobody touched the authenticator
	NotVerified Kind = "not-verified" // the authenticator did not check who did
	Counted     Kind = "counter"      // the counter does not rise: there may be two of the authenticator
	WrongKey    Kind = "key"          // a key, or an algorithm, that is not taken
	Statement   Kind = "attestation"  // an attestation statement that is not taken
	WrongBackup Kind = "backup"       // flags of backup that contradict each other, or what is known
	Other       Kind = "credential"   // signed with another credential
	Forged      Kind = "signature"    // the signature does not fit
)

// Error is a refusal. Foreign text in it is quoted and cut.
type Error struct {
	Kind Kind
	Text string // for people
}

// Error implements error.
func (e *Error) Error() string { return e.Text }

func refuse(kind Kind, format string, args ...any) error {
	return &Error{Kind: kind, Text: fmt.Sprintf(format, args...)}
}

// What one part of an answer takes at most, in bytes.
const (
	// MostClientData is far above the 300 bytes that browsers send.
	MostClientData = 4 << 10
	// MostAttestation leaves room for an RSA key of 4096 bits, the longest ID, and extensions.
	MostAttestation = 8 << 10
	// MostAuthenticatorData is of an assertion: 37 bytes, and extensions.
	MostAuthenticatorData = 2 << 10
	// MostSignature is that of an RSA key of 4096 bits.
	MostSignature = 512
	// MostCredentialID is from level 3, §7.1.
	MostCredentialID = 1023
)

func bounded(what string, b []byte, most int) error {
	switch {
	case len(b) == 0:
		return refuse(Malformed, "the answer of the browser has no %s", what)
	case len(b) > most:
		return refuse(Large, "the %s in the answer of the browser has %d bytes, and may have %d", what, len(b), most)
	}
	return nil
}
