package protocol

import (
	"errors"
	"strings"
)

// UUID is a relay's name for one request: 36 characters, hexadecimal digits and dashes as
// 8-4-4-4-12, in upper or lower case. An answer repeats it exactly as it came. Compare two by their
// Key. [Encode] checks the form again.
type UUID string

var errUUID = errors.New("not a uuid of the form 8-4-4-4-12")

// ParseUUID returns s if it has the form of a uuid. It checks neither version nor variant, because
// relays may choose both.
//
// The check is a matter of safety: a wallet seals the uuid with the session key in each nack, and
// encrypts it in each proof of key. Any other text that passed here could be turned into a forged
// payload (HAS §12, §13.2).
func ParseUUID(s string) (UUID, error) {
	if len(s) != 36 {
		return "", errUUID
	}
	for i := range len(s) {
		switch i {
		case 8, 13, 18, 23:
			if s[i] != '-' {
				return "", errUUID
			}
		default:
			if !isHex(s[i]) {
				return "", errUUID
			}
		}
	}
	return UUID(s), nil
}

// Key returns the uuid in lower case, the form in which requests are stored and compared.
func (u UUID) Key() string { return strings.ToLower(string(u)) }

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}
