// Package passkey checks what a browser hands over when a person makes a passkey ([Register]) and
// when a person signs with it ([Verify]). It follows Web Authentication: "§" in
// comments is a section of level 2, https://www.w3.org/TR/webauthn-2/, and "level 3, §" one of
// https://www.w3.org/TR/webauthn-3/, for what level 2 does not have.
//
// # What it promises
//
// The same input gives the same answer: no clock, no randomness, no input or output. Challenges,
// and which credential belongs to whom, are its callers' to keep.
//
// A signature counts only for one address of pages (origin, §7.1 and §7.2), one challenge, and
// with a person who was there and whom the authenticator knows (flags UP and UV). A page inside a
// page of another site counts for nothing. Everything that is read is bounded before it is read,
// and what the specification does not know is refused, except where it says that unknown things may
// stand: members of client data, and extensions.
//
// An attestation statement says who made an authenticator. None is asked for, so a browser takes it
// out (§5.1.3); what it lets stand is the authenticator's signature with the new key itself, which
// is checked. Any other statement is refused: nobody here could judge it, and a browser that was
// asked for none does not send it.
//
// # Where to look
//
// origin.go says which addresses can have passkeys, register.go and verify.go have the two orders
// of checks, clientdata.go, authdata.go, key.go and cbor.go read the parts.
package passkey
