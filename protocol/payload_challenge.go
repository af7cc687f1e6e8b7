package protocol

import (
	"fmt"

	"pksa/protocol/hive"
	"pksa/protocol/secret"
)

// ChallengeReqData is the clear payload of challenge_req (HAS §5.4). Its text is not checked by
// [CheckChallenge] yet.
type ChallengeReqData struct {
	KeyType   hive.Role // posting, active or memo
	Challenge string    // text to sign or, with Decrypt, an encrypted memo
	Decrypt   bool
	Nonce     Nonce // 0 = absent
}

// DecodeChallengeReqData reads the clear payload of challenge_req. For an optional member, null
// counts as absent. One client writes the pubkey of an answer here, always null. With decrypt, the
// challenge begins with "#" and has at most MaxChallenge bytes. Whether it is a memo shows when it
// is decrypted. Errors are *DecodeError.
func DecodeChallengeReqData(text []byte) (ChallengeReqData, error) {
	o := readPayload("challenge_req_data", text, "key_type", "challenge", "decrypt", "nonce", "pubkey")
	o.onlyNull("pubkey") // first: an answer that a relay sends back is refused for what makes it one
	data := ChallengeReqData{KeyType: o.role(challengeRoles...), Challenge: o.text("challenge"), Nonce: o.nonce()}
	if decrypt := o.optionalBoolean("decrypt"); decrypt != nil {
		data.Decrypt = *decrypt
	}
	o.checkDecrypt(data.Decrypt, data.Challenge)
	if o.err != nil {
		return ChallengeReqData{}, o.failed()
	}
	return data, nil
}

// checkDecrypt refuses to decrypt a text that is not encrypted. The reference wallet returns such a
// text as "decrypted" (HAS §13.1 row 19).
func (o *object) checkDecrypt(decrypt bool, challenge string) {
	switch {
	case !decrypt:
	case len(challenge) > MaxChallenge: // the cost of reading base58 grows with the square of the length
		o.fail("challenge", ReasonSize)
	case len(challenge) < 2 || challenge[0] != '#':
		o.fail("challenge", ReasonValue)
	}
}

// Encode returns the clear payload, with its members in the order of HAS §5.4. decrypt is left out
// when false.
func (d ChallengeReqData) Encode() ([]byte, error) {
	w := &writer{what: "challenge_req_data"}
	w.open()
	w.role(d.KeyType, challengeRoles...)
	w.challenge(d.Challenge, d.Decrypt)
	w.nonce(d.Nonce)
	w.close()
	return w.payload()
}

func (w *writer) challenge(text string, decrypt bool) {
	if decrypt && (len(text) > MaxChallenge || len(text) < 2 || text[0] != '#') {
		w.fail("challenge", "value not allowed")
	}
	w.text("challenge", text)
	if decrypt {
		w.boolean("decrypt", true)
	}
}

// ChallengeAckData is the clear payload of challenge_ack (HAS §5.5) and the answer to a challenge
// inside an auth_req. No request has these members, so an answer that somebody sends back to a
// wallet is no request (HAS §13.3). Challenge is secret, because it may be a decrypted memo.
type ChallengeAckData struct {
	PubKey hive.PublicKey // of the key that signed or decrypted
	// signature of 130 hexadecimal digits, or clear text with its leading "#"; at most MaxChallenge
	// bytes
	Challenge secret.Text
}

// DecodeChallengeAckData reads the clear payload of challenge_ack on the application's side. The
// caller checks the signature, and whether the key belongs to the account. Errors are *DecodeError.
func DecodeChallengeAckData(text []byte) (ChallengeAckData, error) {
	o := readPayload("challenge_ack_data", text, "pubkey", "challenge")
	data := o.challengeAck()
	if o.err != nil {
		return ChallengeAckData{}, o.failed()
	}
	return data, nil
}

func (o *object) challengeAck() ChallengeAckData {
	text := o.text("pubkey")
	data := ChallengeAckData{Challenge: secret.Text(o.text("challenge"))}
	if o.err != nil {
		return data
	}
	if len(data.Challenge) > MaxChallenge {
		o.fail("challenge", ReasonSize)
	}
	key, err := hive.ParsePublicKey(text)
	if err != nil {
		o.fail("pubkey", ReasonValue)
	}
	data.PubKey = key
	return data
}

// Encode returns the clear payload, with its members in the order of HAS §5.5.
func (d ChallengeAckData) Encode() ([]byte, error) {
	w := &writer{what: "challenge_ack_data"}
	w.challengeAck(d)
	return w.payload()
}

func (w *writer) challengeAck(d ChallengeAckData) {
	w.open()
	w.publicKey("pubkey", d.PubKey)
	if len(d.Challenge) > MaxChallenge {
		w.fail("challenge", "too large")
	}
	w.text("challenge", string(d.Challenge))
	w.close()
}

// Format writes the answer without its challenge.
func (d ChallengeAckData) Format(f fmt.State, verb rune) { secret.Format(f, verb, d) }
