package passkey

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
)

// The flags of authenticator data (§6.1).
const (
	flagPresent        = 1 << 0 // UP: somebody touched the authenticator
	flagVerified       = 1 << 2 // UV: it knows who
	flagBackupEligible = 1 << 3 // BE: the passkey may be copied to other machines of its owner
	flagBackedUp       = 1 << 4 // BS: it is
	flagAttested       = 1 << 6 // AT: a new credential follows
	flagExtensions     = 1 << 7 // ED: extensions follow
)

// authData is authenticator data (§6.1).
type authData struct {
	rpIDHash [32]byte
	flags    byte
	counter  uint32

	// These are there with flagAttested (§6.5.1).
	aaguid       [16]byte
	credentialID []byte
	rawKey       []byte // COSE
	key          publicKey
}

func (d authData) has(flag byte) bool { return d.flags&flag != 0 }

// readAuthData reads all of b. What extensions say is not looked at: none is asked for, and those
// that come unasked are to be passed over (§7.1 step 17, §7.2 step 18).
func readAuthData(b []byte) (d authData, err error) {
	short := refuse(Malformed, "the authenticator data is not of the form that it has to have")
	if len(b) < 37 {
		return d, short
	}
	d.rpIDHash, d.flags, d.counter = [32]byte(b), b[32], binary.BigEndian.Uint32(b[33:])
	rest := b[37:]
	if d.has(flagAttested) {
		if len(rest) < 18 {
			return d, short
		}
		d.aaguid = [16]byte(rest)
		size := int(binary.BigEndian.Uint16(rest[16:]))
		rest = rest[18:]
		if size > len(rest) || size == 0 || size > MostCredentialID { // level 3, §7.1
			return d, short
		}
		d.credentialID = rest[:size]
		key, after, err := readCBOR(rest[size:])
		if err != nil {
			return d, short
		}
		if d.key, err = readKey(key); err != nil {
			return d, err
		}
		d.rawKey, rest = key.raw, after
	}
	if d.has(flagExtensions) {
		extensions, after, err := readCBOR(rest)
		if err != nil || extensions.major != cborMap {
			return d, short
		}
		rest = after
	}
	if len(rest) > 0 {
		return d, short
	}
	return d, nil
}

// checkFor checks what both ceremonies demand.
func (d authData) checkFor(site Site) error {
	// §7.1 step 13, §7.2 step 15
	if hash := sha256.Sum256([]byte(site.RPID)); subtle.ConstantTimeCompare(hash[:], d.rpIDHash[:]) != 1 {
		return refuse(WrongParty, "the passkey is one of another site than %q", site.RPID)
	}
	switch {
	case !d.has(flagPresent): // §7.1 step 14, §7.2 step 16
		return refuse(NotPresent, "nobody touched the authenticator")
	case !d.has(flagVerified): // §7.1 step 15, §7.2 step 17
		return refuse(NotVerified, "the authenticator did not check who touched it, by a finger, a face or a PIN")
	case d.has(flagBackedUp) && !d.has(flagBackupEligible): // level 3, §6.1.3
		return refuse(WrongBackup, "the authenticator says that the passkey is copied, and that it cannot be")
	}
	return nil
}
