package hive

import (
	"errors"
	"strings"
)

// AccountName is the name of a Hive account: 3 to 16 characters, parts separated by dots, each part
// of 3 or more characters from a-z, 0-9 and "-", beginning with a letter and ending with a letter
// or digit (HAS §12, chain is_valid_account_name). Only [ParseAccountName] checks that. Two equal
// names are the same account, two different names never.
type AccountName string

var errAccountName = errors.New("not a Hive account name: wanted 3 to 16 characters, parts of a-z, 0-9 and - joined " +
	"by dots")

// ParseAccountName returns s as a name if it is one. It corrects nothing: a leading "@", upper case
// and white space are refused.
func ParseAccountName(s string) (AccountName, error) {
	if len(s) < 3 || len(s) > 16 {
		return "", errAccountName
	}
	for part := range strings.SplitSeq(s, ".") {
		if !validNamePart(part) {
			return "", errAccountName
		}
	}
	return AccountName(s), nil
}

func validNamePart(part string) bool {
	if len(part) < 3 || !isLower(part[0]) {
		return false
	}
	for i := 1; i < len(part); i++ {
		if c := part[i]; !isLower(c) && !isDigit(c) && c != '-' {
			return false
		}
	}
	return part[len(part)-1] != '-'
}

func isLower(c byte) bool { return 'a' <= c && c <= 'z' }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
