package passkey

import (
	"bytes"
	"crypto/sha256"
)

// Assertion is what a browser hands over when a person signs.
type Assertion struct {
	CredentialID      []byte // rawId
	ClientData        []byte // clientDataJSON
	AuthenticatorData []byte // authenticatorData
	Signature         []byte // signature
}

// Verify checks that the owner of a passkey signed (§7.2), and returns the passkey as it is kept
// from now on: its counter rises. An error is an [*Error]. The caller found the passkey by the ID
// in the assertion among those that it asked for, and uses the challenge no second time whatever
// the answer is. A user handle (§7.2 step 6) is not looked at: here an ID belongs to one person.
//
// To check a signature of earlier again, give the passkey with a counter of 0.
func Verify(want Expected, c Credential, a Assertion) (Credential, error) {
	if len(c.ID) == 0 || !bytes.Equal(a.CredentialID, c.ID) { // §7.2 steps 5 and 7
		return Credential{}, refuse(Other, "another passkey signed than the one that was asked for")
	}
	if err := checkClientData(a.ClientData, get, want); err != nil {
		return Credential{}, err
	}
	if err := bounded("authenticator data", a.AuthenticatorData, MostAuthenticatorData); err != nil {
		return Credential{}, err
	}
	if err := bounded("signature", a.Signature, MostSignature); err != nil {
		return Credential{}, err
	}
	d, err := readAuthData(a.AuthenticatorData)
	if err != nil {
		return Credential{}, err
	}
	if d.has(flagAttested) { // only a new passkey comes with one (§6.1)
		return Credential{}, refuse(Malformed, "the authenticator data of a signature holds a new passkey")
	}
	if err := d.checkFor(want.Site); err != nil {
		return Credential{}, err
	}
	if d.has(flagBackupEligible) != c.Synced { // level 3, §7.2
		return Credential{}, refuse(WrongBackup, "the authenticator says otherwise than before whether the passkey "+
			"can be copied")
	}
	// §7.2 steps 19 and 20. The algorithm is that of the key; what is kept beside it is for people.
	stored, err := wholeCBOR(c.PublicKey)
	if err != nil {
		return Credential{}, refuse(WrongKey, "the kept key of the passkey is no canonical CBOR")
	}
	key, err := readKey(stored)
	if err != nil {
		return Credential{}, err
	}
	hash := sha256.Sum256(a.ClientData)
	if !key.verify(append(bytes.Clone(a.AuthenticatorData), hash[:]...), a.Signature) {
		return Credential{}, refuse(Forged, "the signature is not one of the passkey over this question")
	}
	// §7.2 step 21: last, so that only who has the key can raise the alarm. Synced passkeys say 0
	// always.
	if (d.counter != 0 || c.Counter != 0) && d.counter <= c.Counter {
		return Credential{}, refuse(Counted, "the authenticator has counted %d signatures, and had counted %d before: "+
			"there may be a copy of it", d.counter, c.Counter)
	}
	c.Counter, c.BackedUp = d.counter, d.has(flagBackedUp)
	return c, nil
}
