// Package passkeytest is a browser and an authenticator for tests: [New] makes a passkey from a
// label, so that the same label gives the same keys. Its parts can be taken apart to make answers
// that no browser gives. It is not for use at the same time.
package passkeytest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"

	"pksa/agent/passkey"
)

// The flags of authenticator data.
const (
	Present        = 1 << 0
	Verified       = 1 << 2
	BackupEligible = 1 << 3
	BackedUp       = 1 << 4
	Attested       = 1 << 6
	Extensions     = 1 << 7
)

// Authenticator holds one passkey.
type Authenticator struct {
	Site    passkey.Site
	ID      []byte
	COSE    []byte // the public key
	Flags   byte   // of each answer; [New] gives Present and Verified
	Counter uint32 // of the next answer; 0 stays 0, as synced passkeys have it
	Format  string // of attestations; [New] gives "none"

	signer crypto.Signer
}

// New makes a passkey of a label, with ES256.
func New(label string, site passkey.Site) *Authenticator {
	seed := sha256.Sum256([]byte("passkeytest " + label))
	seed[0] &= 0x7f // below the order of the curve
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), seed[:])
	if err != nil {
		panic(err) // unreachable: the seed is below the order, and not 0
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		panic(err) // unreachable: the key is valid
	}
	a := withKey(label, site, key)
	a.COSE = Map(Int(1), Int(2), Int(3), Int(-7), Int(-1), Int(1), Int(-2), Bytes(point[1:33]), Int(-3),
		Bytes(point[33:]))
	return a
}

// NewEd25519 makes a passkey of a label, with Ed25519.
func NewEd25519(label string, site passkey.Site) *Authenticator {
	seed := sha256.Sum256([]byte("passkeytest Ed25519 " + label))
	key := ed25519.NewKeyFromSeed(seed[:])
	a := withKey(label, site, key)
	a.COSE = Map(Int(1), Int(1), Int(3), Int(-8), Int(-1), Int(6), Int(-2), Bytes(key[32:]))
	return a
}

func withKey(label string, site passkey.Site, key crypto.Signer) *Authenticator {
	id := sha256.Sum256([]byte("passkeytest ID " + label))
	return &Authenticator{Site: site, ID: id[:], Flags: Present | Verified, Format: "none", signer: key}
}

// ClientData returns what a browser says of the page that asks: made is webauthn.create or
// webauthn.get.
func (a *Authenticator) ClientData(made string, challenge []byte) []byte {
	text, err := json.Marshal(struct {
		Type        string `json:"type"`
		Challenge   string `json:"challenge"`
		Origin      string `json:"origin"`
		CrossOrigin bool   `json:"crossOrigin"`
	}{made, base64.RawURLEncoding.EncodeToString(challenge), a.Site.Origin, false})
	if err != nil {
		panic(err) // unreachable: texts and a bool
	}
	return text
}

// AuthData returns authenticator data. For a new passkey its ID and key stand in it.
func (a *Authenticator) AuthData(created bool) []byte {
	hash := sha256.Sum256([]byte(a.Site.RPID))
	flags := a.Flags
	if created {
		flags |= Attested
	}
	b := binary.BigEndian.AppendUint32(append(hash[:], flags), a.Counter)
	if created {
		b = append(b, make([]byte, 16)...) // no AAGUID
		b = binary.BigEndian.AppendUint16(b, uint16(len(a.ID)))
		b = append(append(b, a.ID...), a.COSE...)
	}
	return b
}

// Create makes the passkey for a challenge.
func (a *Authenticator) Create(challenge []byte) passkey.Registration {
	return a.Attest(a.ClientData("webauthn.create", challenge), a.AuthData(true))
}

// Attest makes an attestation object of format none, or packed with the passkey's own signature.
func (a *Authenticator) Attest(clientData, authData []byte) passkey.Registration {
	statement := Map()
	if a.Format == "packed" {
		algorithm := Int(-7)
		if _, ok := a.signer.(ed25519.PrivateKey); ok {
			algorithm = Int(-8)
		}
		statement = Map(Text("alg"), algorithm, Text("sig"), Bytes(a.sign(clientData, authData)))
	}
	return passkey.Registration{ClientData: clientData, Attestation: Map(Text("fmt"), Text(a.Format), Text("attStmt"),
		statement, Text("authData"), Bytes(authData))}
}

// Sign signs a challenge, and counts if the passkey counts.
func (a *Authenticator) Sign(challenge []byte) passkey.Assertion {
	if a.Counter > 0 {
		a.Counter++
	}
	return a.Assert(a.ClientData("webauthn.get", challenge), a.AuthData(false))
}

// Assert signs what it is given.
func (a *Authenticator) Assert(clientData, authData []byte) passkey.Assertion {
	return passkey.Assertion{CredentialID: a.ID, ClientData: clientData, AuthenticatorData: authData,
		Signature: a.sign(clientData, authData)}
}

func (a *Authenticator) sign(clientData, authData []byte) []byte {
	hash := sha256.Sum256(clientData)
	message := append(append([]byte{}, authData...), hash[:]...)
	options := crypto.SHA256
	if _, ok := a.signer.(ed25519.PrivateKey); ok {
		options = 0
	} else {
		digest := sha256.Sum256(message)
		message = digest[:]
	}
	signature, err := a.signer.Sign(rand.Reader, message, options)
	if err != nil {
		panic(err) // unreachable: the key is valid
	}
	return signature
}

// Int writes a number as CBOR.
func Int(n int64) []byte {
	if n < 0 {
		return head(1, uint64(-1-n))
	}
	return head(0, uint64(n))
}

// Bytes writes bytes as CBOR.
func Bytes(b []byte) []byte { return append(head(2, uint64(len(b))), b...) }

// Text writes a text as CBOR.
func Text(s string) []byte { return append(head(3, uint64(len(s))), s...) }

// Map writes a map as CBOR: each name and then its value, which are CBOR.
func Map(items ...[]byte) []byte {
	b := head(5, uint64(len(items)/2))
	for _, item := range items {
		b = append(b, item...)
	}
	return b
}

func head(major byte, n uint64) []byte {
	switch {
	case n < 24:
		return []byte{major<<5 | byte(n)}
	case n < 1<<8:
		return []byte{major<<5 | 24, byte(n)}
	case n < 1<<16:
		return binary.BigEndian.AppendUint16([]byte{major<<5 | 25}, uint16(n))
	case n < 1<<32:
		return binary.BigEndian.AppendUint32([]byte{major<<5 | 26}, uint32(n))
	default:
		return binary.BigEndian.AppendUint64([]byte{major<<5 | 27}, n)
	}
}
