package seal_test

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"pksa/protocol/seal"
)

// The value was computed with another implementation of HMAC (Python's), from the definition in the
// comment of Binding.
func TestBindingVector(t *testing.T) {
	salt := seal.Binding("test auth key", sha256.Sum256([]byte("a request")), "sign_nack", "request refused")
	if got, want := hex.EncodeToString(salt[:]), "221f44a70e1880f2"; got != want {
		t.Errorf("Binding = %s, want %s", got, want)
	}
}

func TestBindingFitsOneAnswer(t *testing.T) {
	request, other := sha256.Sum256([]byte("a request")), sha256.Sum256([]byte("another request"))
	salt := seal.Binding("test auth key", request, "sign_nack", "request refused")
	answer, err := seal.Parse(seal.Seal("test auth key", []byte("a uuid"), salt))
	if err != nil {
		t.Fatal(err)
	}
	if !answer.HasSalt(salt) {
		t.Error("an answer sealed with its binding does not have it")
	}
	for name, wrong := range map[string][8]byte{
		"another key":     seal.Binding("another key", request, "sign_nack", "request refused"),
		"another request": seal.Binding("test auth key", other, "sign_nack", "request refused"),
		"another message": seal.Binding("test auth key", request, "challenge_nack", "request refused"),
		"another reason":  seal.Binding("test auth key", request, "sign_nack", "busy, try again"),
	} {
		if answer.HasSalt(wrong) {
			t.Errorf("an answer fits %s", name)
		}
	}
	if (seal.Sealed{}).HasSalt([8]byte{}) {
		t.Error("the zero value has a salt")
	}
}
