package passkey

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// MinChallenge is how short a challenge may be, in bytes (§13.4.3). Nothing is taken for a shorter
// one, so that a challenge that was forgotten is no challenge that fits.
const MinChallenge = 16

// Expected is what the caller asked for.
type Expected struct {
	Site      Site
	Challenge []byte // from [MinChallenge] bytes on; as it was sent, before base64
}

// Credential is a passkey as it is kept. Nothing in it is secret.
type Credential struct {
	ID        []byte    `json:"id"`  // 1 to 1,023 bytes
	PublicKey []byte    `json:"key"` // COSE
	Algorithm Algorithm `json:"alg"`
	Counter   uint32    `json:"counter"` // of the last signature; 0 from authenticators that do not count
	AAGUID    []byte    `json:"aaguid"`  // 16 bytes: the model of the authenticator, by its own word; 0: not said
	// Synced says that the passkey can be copied to other machines of its owner (flag BE). It never
	// changes. BackedUp says that it was, when it was last used (flag BS).
	Synced   bool `json:"synced"`
	BackedUp bool `json:"backed_up"`
}

// Registration is what a browser hands over for a new passkey.
type Registration struct {
	ClientData  []byte // clientDataJSON
	Attestation []byte // attestationObject
}

// Register checks a new passkey (§7.1) and returns it. An error is an [*Error]. The caller asked
// with attestation "none", user verification "required" and [Algorithms], uses the challenge no
// second time whatever the answer is, and refuses an ID that it knows already (§7.1 step 22). The
// slices of the result are copies.
func Register(want Expected, r Registration) (Credential, error) {
	if err := checkClientData(r.ClientData, create, want); err != nil {
		return Credential{}, err
	}
	if err := bounded("attestation object", r.Attestation, MostAttestation); err != nil {
		return Credential{}, err
	}
	object, err := wholeCBOR(r.Attestation) // §7.1 step 12
	if err != nil {
		return Credential{}, refuse(Malformed, "the attestation object is no canonical CBOR")
	}
	format, _ := object.named("fmt")
	statement, _ := object.named("attStmt")
	raw, _ := object.named("authData")
	if object.size() != 3 || format.major != cborText || statement.major != cborMap || raw.major != cborBytes {
		return Credential{}, refuse(Malformed, "the attestation object is not of the form that it has to have")
	}
	d, err := readAuthData(raw.bytes)
	if err != nil {
		return Credential{}, err
	}
	if err := d.checkFor(want.Site); err != nil {
		return Credential{}, err
	}
	if !d.has(flagAttested) {
		return Credential{}, refuse(Malformed, "the authenticator data holds no new passkey")
	}
	hash := sha256.Sum256(r.ClientData) // §7.1 step 11
	signed := append(bytes.Clone(raw.bytes), hash[:]...)
	if err := checkStatement(string(format.bytes), statement, d, signed); err != nil {
		return Credential{}, err
	}
	return Credential{ID: bytes.Clone(d.credentialID), PublicKey: bytes.Clone(d.rawKey), Algorithm: d.key.algorithm,
		Counter: d.counter, AAGUID: d.aaguid[:], Synced: d.has(flagBackupEligible), BackedUp: d.has(flagBackedUp)}, nil
}

// checkStatement checks what a browser lets stand that was asked for no attestation (§5.1.3): no
// statement (§8.7), or a signature by the new key itself (§8.2).
func checkStatement(format string, statement cbor, d authData, signed []byte) error {
	algorithm, _ := statement.named("alg")
	signature, _ := statement.named("sig")
	switch format {
	case "none":
		if statement.size() != 0 {
			return refuse(Statement, "the attestation is of format none and says something all the same")
		}
		return nil
	case "packed":
		if statement.size() != 2 || signature.major != cborBytes {
			return refuse(Statement, "the attestation is by a maker of authenticators, and none was asked for")
		}
		if n, ok := algorithm.int(); !ok || Algorithm(n) != d.key.algorithm {
			return refuse(Statement, "the attestation is by another algorithm than the passkey's")
		}
		if len(signature.bytes) > MostSignature || !d.key.verify(signed, signature.bytes) {
			return refuse(Forged, "the new passkey did not sign its own attestation")
		}
		return nil
	default:
		return refuse(Statement, "the attestation is of format %s, and none was asked for", quote(format))
	}
}

// Fingerprint returns a short name of the passkey that nobody can make another one for: half of a
// SHA-256 over its ID and public key, as eight groups of four hexadecimal digits.
func (c Credential) Fingerprint() string {
	h := sha256.New()
	for _, part := range [][]byte{[]byte("pksa passkey fingerprint"), c.ID, c.PublicKey} {
		_, _ = h.Write([]byte{byte(len(part) >> 8), byte(len(part))})
		_, _ = h.Write(part)
	}
	digits := hex.EncodeToString(h.Sum(nil)[:16])
	var groups []string
	for ; digits != ""; digits = digits[4:] {
		groups = append(groups, digits[:4])
	}
	return strings.Join(groups, " ")
}
