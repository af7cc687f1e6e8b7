package hive

import (
	"errors"
	"fmt"
)

// Role is the purpose of a key of an account. Roles are ordered by power. The zero value is no
// role.
type Role uint8

// The roles. Owner, active and posting are authorities of an account; memo is a single public key
// that authorises nothing.
const (
	Memo Role = iota + 1
	Posting
	Active
	Owner
)

var roleNames = [...]string{Memo: "memo", Posting: "posting", Active: "active", Owner: "owner"}

// ErrRole means that a text is no name of a role.
var ErrRole = errors.New("not a role: wanted memo, posting, active or owner")

// ParseRole reads "memo", "posting", "active" or "owner", in lower case only. Every other text
// gives [ErrRole].
func ParseRole(s string) (Role, error) {
	for role := Memo; role <= Owner; role++ {
		if s == roleNames[role] {
			return role, nil
		}
	}
	return 0, ErrRole
}

// String returns the name in lower case, or "role(N)" for a value that is no role.
func (r Role) String() string {
	if r < Memo || r > Owner {
		return fmt.Sprintf("role(%d)", uint8(r))
	}
	return roleNames[r]
}
