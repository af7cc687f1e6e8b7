package hive

import (
	"errors"
	"fmt"
)

// Role is the purpose of a key of an account. The roles up to Owner are ordered by power. The zero
// value is no role.
type Role uint8

// The roles. Owner, active and posting are authorities of an account; memo is a single public key
// that authorises nothing. Signing is the key by which a witness signs blocks and changes what it
// proposes; it is a part of the witness and not of its account, and stands beside the order.
const (
	Memo Role = iota + 1
	Posting
	Active
	Owner
	Signing
)

var roleNames = [...]string{Memo: "memo", Posting: "posting", Active: "active", Owner: "owner", Signing: "signing"}

// ErrRole means that a text is no name of a role.
var ErrRole = errors.New("not a role: wanted memo, posting, active, owner or signing")

// ParseRole reads "memo", "posting", "active", "owner" or "signing", in lower case only. Every
// other text gives [ErrRole].
func ParseRole(s string) (Role, error) {
	for role := Memo; role <= Signing; role++ {
		if s == roleNames[role] {
			return role, nil
		}
	}
	return 0, ErrRole
}

// String returns the name in lower case, or "role(N)" for a value that is no role.
func (r Role) String() string {
	if r < Memo || r > Signing {
		return fmt.Sprintf("role(%d)", uint8(r))
	}
	return roleNames[r]
}
