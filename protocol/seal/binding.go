package seal

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"io"
)

// bindingLabel keeps this use of the passphrase apart from all others. Its number changes when the
// computation changes.
const bindingLabel = "pksa answer 1"

// Binding returns the salt with which an answer is sealed, so that the answer fits one request
// only: the first 8 bytes of HMAC-SHA256 with the passphrase as its key, over what is answered and
// how. request is the [Sealed.Digest] of the request's payload, cmd the name of the answer's
// message, text its clear text; of a nack, whose clear text is the uuid, it is the reason, so that
// nobody can change that either.
//
// The relay chooses the uuid of a request, at the wallet and at the application. A sealed uuid
// therefore proves nothing: the relay can have the refusal of one request sealed with the uuid that
// it gives to another one. What was sealed in the request itself is the application's own. Clients
// that do not know this read the payload as ever: to them a salt is eight bytes of any value.
//
// Key and initial vector follow from passphrase and salt. They are the same twice only for the same
// text, or for two uuids with the same reason for the same request; the relay knows both uuids.
func Binding(passphrase string, request [32]byte, cmd, text string) [8]byte {
	mac := hmac.New(sha256.New, []byte(passphrase))
	// A zero byte ends each part: labels and names of messages have none, and the text is the last.
	_, _ = io.WriteString(mac, bindingLabel+"\x00"+cmd+"\x00")
	mac.Write(request[:])
	_, _ = io.WriteString(mac, text)
	return [8]byte(mac.Sum(nil))
}

// HasSalt reports whether the payload was sealed with this salt. The comparison takes the same time
// for every salt, so that a forger of a [Binding] does not learn how far a guess is right.
func (s Sealed) HasSalt(salt [8]byte) bool {
	return len(s.raw) != 0 && subtle.ConstantTimeCompare(s.salt(), salt[:]) == 1
}
