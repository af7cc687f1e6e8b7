package protocol

import (
	"errors"
	"strings"
)

// UUID is a relay's name for one request: 36 characters, hexadecimal digits and dashes as
// 8-4-4-4-12, in any case. It is echoed exactly as it came; compare two with Key. A value of this
// type that did not come from [ParseUUID] is checked again before it is encoded.
type UUID string

var errUUID = errors.New("not a uuid of the form 8-4-4-4-12")

// ParseUUID checks the form of a uuid, nothing else: neither version nor variant, since relays are
// free in both.
//
// The check is a wall: a wallet seals the uuid with the session key in each nack and encrypts it in
// each proof of key, so that any other text let in here could be turned into a forged payload (HAS
// §12, §13.2).
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

// Key returns the uuid in lower case: the form under which requests are remembered.
func (u UUID) Key() string { return strings.ToLower(string(u)) }

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}
