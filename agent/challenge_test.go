package agent_test

import (
	"errors"
	"testing"

	"pksa/agent/client"
	"pksa/protocol/hive"
)

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
