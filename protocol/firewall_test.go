package protocol_test

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pksa/protocol"
)

// ownChallenge is one entry of our own challenge files.
type ownChallenge struct {
	Name   string
	Reason protocol.FirewallReason
	Text   string
	Bytes  []byte `json:"text_base64"`
	Repeat struct {
		Char  string
		Count int
	}
	ChainIDs []string `json:"chain_ids_hex"`
}

func (c ownChallenge) text() string {
	switch {
	case c.Repeat.Count > 0:
		return strings.Repeat(c.Repeat.Char, c.Repeat.Count)
	case c.Bytes != nil:
		return string(c.Bytes)
	}
	return c.Text
}

func (c ownChallenge) chainIDs(t *testing.T) (ids [][]byte) {
	t.Helper()
	for _, text := range c.ChainIDs {
		id, err := hex.DecodeString(text)
		if err != nil || len(id) != 32 {
			t.Fatalf("chain id %q", text)
		}
		ids = append(ids, id)
	}
	return ids
}

func TestHostileChallenges(t *testing.T) {
	vectors, _ := loadVectors[ownChallenge](t, "challenges-hostile.json")
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			err := protocol.CheckChallenge(v.text(), v.chainIDs(t)...)
			var refused *protocol.FirewallError
			if !errors.As(err, &refused) || refused.Reason != v.Reason {
				t.Errorf("got %v, want %s", err, v.Reason)
			}
		})
	}
}

func TestGoodChallenges(t *testing.T) {
	vectors, _ := loadVectors[ownChallenge](t, "challenges-good.json")
	configured := []byte("a chain that was configured, too")
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			if err := protocol.CheckChallenge(v.text(), configured); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestChallengeBounds(t *testing.T) {
	for _, text := range []string{strings.Repeat("x", protocol.MaxChallenge),
		strings.Repeat("é", protocol.MaxChallenge/2)} {
		if err := protocol.CheckChallenge(text); err != nil {
			t.Errorf("%d bytes: %v", len(text), err)
		}
		if protocol.CheckChallenge(text+"x") == nil {
			t.Errorf("%d bytes pass", len(text)+1)
		}
	}
}

// TestEveryCharacter asks the firewall about each code point alone and compares with the list of
// HAS §13.4.
func TestEveryCharacter(t *testing.T) {
	for r := rune(0); r <= utf8.MaxRune; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		control := r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r >= 0x7f && r <= 0x9f
		bidi := r >= 0x202A && r <= 0x202E || r >= 0x2066 && r <= 0x2069
		want := !control && !bidi && r != 0xFFFD && !ignorable(r)
		if got := protocol.CheckChallenge("a"+string(r)) == nil; got != want {
			t.Errorf("%U: passes %t, want %t", r, got, want)
		}
	}
}

// ignorable reports whether Unicode lets programs leave the character out when they draw a text. It
// is built of package unicode's tables, where the firewall has a table of its own.
func ignorable(r rune) bool {
	switch {
	case unicode.Is(unicode.Prepended_Concatenation_Mark, r), r >= 0x13430 && r <= 0x1345F:
		return false // Arabic signs of numbers, and Egyptian quadrats: they are drawn
	}
	return unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// Joiners and styles pass where they belong to what is seen, and nowhere else.
func TestInvisibleCharacters(t *testing.T) {
	for text, want := range map[string]bool{
		"\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645": true, // Persian
		"\u2764\ufe0f\u200d\U0001F525 and 1\ufe0f\u20e3":   true, // heart on fire, keycap
		"\U0001F469\U0001F3FD\u200d\U0001F692":             true, // a colour of skin
		"ali\u200dce":                                      false,
		"ali\u200cce":                                      false,
		"\u200d":                                           false,
		"\U0001F469\u200dalice":                            false,
		"\U0001F469\u200d":                                 false,
		"\u2764\ufe0f\ufe0f":                               false,
		"a\ufe0f":                                          false,
		"\U0001F3F4\U000E0067\U000E0062\U000E007F":         false, // a flag made of tags
		"log in\u200e, alice":                              false,
		"\u0645\u200b\u06cc":                               false,
		"\ufefflog in":                                     false,
	} {
		if got := protocol.CheckChallenge(text) == nil; got != want {
			t.Errorf("%+q: passes %t, want %t", text, got, want)
		}
	}
	err := protocol.CheckChallenge("secret\u200btext")
	if err == nil || strings.Contains(err.Error(), "secret") ||
		!strings.HasPrefix(err.Error(), "challenge refused: invisible character U+200B at byte 6") {
		t.Errorf("got %v", err)
	}
}

// TestEveryTransactionTail: whatever the chain id and the operations, packed transactions end with
// a zero byte.
func TestEveryTransactionTail(t *testing.T) {
	for _, text := range []string{"login", "{}", strings.Repeat("chain id", 4)} {
		if protocol.CheckChallenge(text+"\x00") == nil {
			t.Errorf("%q and a zero byte pass", text)
		}
	}
}

func TestFirewallErrorHidesText(t *testing.T) {
	err := protocol.CheckChallenge("secret text\x1b")
	if err == nil || err.Error() != "challenge refused: control at byte 11" {
		t.Errorf("got %v", err)
	}
}

func FuzzCheckChallenge(f *testing.F) {
	for _, name := range []string{"challenges-hostile.json", "challenges-good.json"} {
		vectors, _ := loadVectors[ownChallenge](f, name)
		for _, v := range vectors {
			if len(v.text()) < 1000 {
				f.Add(v.text())
			}
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		if protocol.CheckChallenge(text) != nil {
			return
		}
		if !utf8.ValidString(text) || strings.ContainsAny(text, "\x00\x1b\x7f\ufffd\u202e") || len(text) == 0 {
			t.Errorf("%q passes", text)
		}
		// Nothing that follows can make a text into a transaction: its last byte would be zero.
		if protocol.CheckChallenge(text+"\x00") == nil {
			t.Errorf("%q and a zero byte pass", text)
		}
	})
}
