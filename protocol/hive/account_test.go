package hive_test

import (
	"errors"
	"strings"
	"testing"

	"pksa/protocol/hive"
)

func TestParseAccountName(t *testing.T) {
	for _, name := range []string{
		"bob", "alice", "a1b", "a-b", "a--b", "hive.fund", "abc.def.ghi", "abcdefghijklmnop", "abc.def.ghi.jklm",
		"x9-9",
	} {
		if got, err := hive.ParseAccountName(name); err != nil || string(got) != name {
			t.Errorf("%q: %q, %v", name, got, err)
		}
	}
	for _, name := range []string{
		"", "a", "ab", "abcdefghijklmnopq", "Alice", "1abc", "-abc", "abc-", "abc.", ".abc", "abc..def", "ab.cde",
		"abc.de",
		"abc.1de", "abc.de-", "abc_d", "@abc", "abc ", " abc", "abc\n", "äbc", "аbc", "abc\x00", "abc\u200b",
	} {
		if got, err := hive.ParseAccountName(name); err == nil || got != "" {
			t.Errorf("%q accepted as %q", name, got)
		}
	}
}

func FuzzParseAccountName(f *testing.F) {
	f.Add("alice")
	f.Add("abc.def")
	f.Add("abc..d-")
	f.Fuzz(func(t *testing.T, s string) {
		name, err := hive.ParseAccountName(s)
		if err != nil {
			return
		}
		if string(name) != s || len(s) > 16 || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" {
			t.Errorf("%q accepted as %q", s, name)
		}
	})
}

func TestRole(t *testing.T) {
	for want, name := range map[hive.Role]string{hive.Memo: "memo", hive.Posting: "posting", hive.Active: "active",
		hive.Owner: "owner"} {
		if got, err := hive.ParseRole(name); err != nil || got != want || got.String() != name {
			t.Errorf("%q: %v, %v", name, got, err)
		}
	}
	for _, name := range []string{"", "Posting", "posting ", "role(0)", "none"} {
		if got, err := hive.ParseRole(name); !errors.Is(err, hive.ErrRole) || got != 0 {
			t.Errorf("%q: %v, %v", name, got, err)
		}
	}
	if got := hive.Role(0).String(); got != "role(0)" {
		t.Errorf("zero role is %q", got)
	}
	if got := hive.Role(9).String(); got != "role(9)" {
		t.Errorf("role 9 is %q", got)
	}
	if hive.Memo >= hive.Posting || hive.Posting >= hive.Active || hive.Active >= hive.Owner {
		t.Error("roles are not ordered by power")
	}
}
