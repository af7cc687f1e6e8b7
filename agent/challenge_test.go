package agent_test

import (
	"errors"
	"strings"
	"testing"

	"pksa/agent/client"
	"pksa/protocol/hive"
)

// A text with a character that nobody sees is refused before the policy, which would take it, and
// the trail names the character.
func TestInvisibleTextIsNotSigned(t *testing.T) {
	within(t, worldOptions{}, func(t *testing.T, w *world) {
		c := w.dial()
		s := w.login(c)
		for text, named := range map[string]string{"log\u200bin": "U+200B at byte 3", "login\U000E0068": "U+E0068"} {
			_, err := c.Challenge(t.Context(), s, client.Challenge{Role: hive.Posting, Text: text})
			if err == nil {
				t.Errorf("%+q was signed", text)
			}
			trail := w.requests()
			last := trail[len(trail)-1]
			if last.Admitted || !strings.Contains(last.Reason, named) {
				t.Errorf("%+q: the trail says %q", text, last.Reason)
			}
		}
		if _, err := c.Challenge(t.Context(), s, client.Challenge{Role: hive.Posting, Text: "login"}); err != nil {
			t.Errorf("the same without: %v", err)
		}
	})
}

func TestDecrypt(t *testing.T) {
	within(t, worldOptions{}, func(t *testing.T, w *world) {
		c := w.dial()
		s := w.login(c)
		memo, err := keyOf("bob", hive.Memo).EncodeMemo(keyOf("alice", hive.Memo).Public(), "#for alice only", 1)
		if err != nil {
			t.Fatal(err)
		}
		proof, err := c.Challenge(t.Context(), s, client.Challenge{Role: hive.Memo, Text: memo, Decrypt: true})
		if err != nil || proof.Text != "for alice only" {
			t.Errorf("%+v, %v", proof, err)
		}
		foreign, err := keyOf("bob", hive.Memo).EncodeMemo(keyOf("carol", hive.Memo).Public(), "#for carol", 2)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Challenge(t.Context(), s, client.Challenge{Role: hive.Memo, Text: foreign,
			Decrypt: true}); !errors.Is(err, client.ErrFailed) {
			t.Errorf("a memo for somebody else: %v", err)
		}
	})
}
