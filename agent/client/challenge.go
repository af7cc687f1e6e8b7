package client

import (
	"context"
	"fmt"
	"slices"
	"time"

	"pksa/protocol"
	"pksa/protocol/hive"
	"pksa/protocol/secret"
)

// Challenge is a text for the wallet to sign or, with Decrypt, an encrypted memo to decrypt.
// Wallets refuse to sign texts that could be something else, such as a transaction (HAS §13.4).
type Challenge struct {
	Role    hive.Role // of the key to use: Posting, Active or Memo
	Text    string    // the text, or the memo with its leading "#"
	Decrypt bool      // decrypt Text instead of signing it
}

// Proof is the answer to a challenge, checked.
type Proof struct {
	// Key is the key that signed, recovered from the signature. With Decrypt it is the key that the
	// wallet claims to have used, which is one of the two keys of the memo.
	Key hive.PublicKey
	// OfAccount is true if [Options].Keys has the key among those of the account. It is false only
	// without Options.Keys; then the caller must look the key up.
	OfAccount bool
	// Signature is the signature over hive.HashText of the challenge. It is zero with Decrypt.
	Signature hive.Signature
	// Text is the decrypted memo without its leading "#"; string(Text) is its content. It is empty
	// without Decrypt.
	Text Secret
	// Verified is true if the answer is sealed for this very request. Only our wallet seals so. A
	// signature proves itself; of a decrypted memo this is the only proof that the relay has not
	// handed over the text of another one.
	Verified bool
}

// Format writes everything but the text.
func (p Proof) Format(f fmt.State, verb rune) { secret.Format(f, verb, p) }

// Challenge has a text signed or a memo decrypted (HAS §4.5) and returns the proof. It waits until
// ctx ends or the request expires at the relay, and may be called concurrently. An answer that is
// sealed for this session and does not prove anything is [ErrBadAnswer]; a session that has ended
// is [ErrSessionOver], and nothing is sent. The other errors are listed in the package comment.
func (c *Client) Challenge(ctx context.Context, s *Session, ch Challenge) (*Proof, error) {
	if err := c.checkUsable(s); err != nil {
		return nil, err
	}
	var proof *Proof
	var nonce protocol.Nonce
	build := func() (protocol.Request, error) {
		nonce = s.next(timeNow())
		data := protocol.ChallengeReqData{KeyType: ch.Role, Challenge: ch.Text, Decrypt: ch.Decrypt,
			Nonce: nonce}
		payload, err := data.Encode()
		if err != nil {
			return protocol.Request{}, err
		}
		return s.sealRequest(protocol.Challenge, payload), nil
	}
	accept := func(waiting *call, m protocol.Ack) error {
		text, err := s.open(string(m.Data))
		if err != nil {
			return err
		}
		answer, err := protocol.DecodeChallengeAckData(text)
		if err != nil {
			return badAnswer("%w", err)
		}
		if proof, err = c.checkProof(ctx, s.account, ch, answer); err == nil {
			proof.Verified = s.ackIsFor(waiting, m)
		}
		return err
	}
	if err := c.ask(ctx, exchange{s, protocol.Challenge, build, accept, &nonce}); err != nil {
		return nil, err
	}
	return proof, nil
}

// checkProof returns the proof in the answer to a challenge after verifying it.
func (c *Client) checkProof(ctx context.Context, account hive.AccountName, ch Challenge,
	answer protocol.ChallengeAckData) (*Proof, error) {
	proof := &Proof{Key: answer.PubKey}
	var err error
	if ch.Decrypt {
		err = proof.checkDecrypted(ch, answer)
	} else {
		err = proof.checkSigned(ch, answer)
	}
	if err != nil {
		return nil, err
	}
	if c.options.Keys == nil {
		return proof, nil
	}
	keys, err := c.options.Keys(ctx, account)
	if err != nil {
		return nil, fmt.Errorf("looking up the keys of %s: %w", account, err)
	}
	if !slices.Contains(keys, proof.Key) {
		return nil, badAnswer("%s is no key of %s", proof.Key, account)
	}
	proof.OfAccount = true
	return proof, nil
}

// checkSigned checks that the key that the wallet names has signed the challenge.
func (p *Proof) checkSigned(ch Challenge, answer protocol.ChallengeAckData) error {
	signature, err := hive.ParseSignature(string(answer.Challenge))
	if err != nil {
		return badAnswer("%w", err)
	}
	key, err := signature.Recover(hive.HashText(ch.Text))
	if err != nil {
		return badAnswer("%w", err)
	}
	if key != answer.PubKey {
		return badAnswer("signed by %s, which says that it is %s", key, answer.PubKey)
	}
	p.Signature = signature
	return nil
}

// checkDecrypted checks what can be checked of a decrypted memo: the key that the wallet names can
// open it, and the text is not the memo itself. Whether it is the right text only the caller can
// tell.
func (p *Proof) checkDecrypted(ch Challenge, answer protocol.ChallengeAckData) error {
	header, err := hive.ParseMemo(ch.Text)
	if err != nil {
		return badAnswer("%w", err)
	}
	if answer.PubKey != header.From && answer.PubKey != header.To {
		return badAnswer("%s cannot have decrypted this memo", answer.PubKey)
	}
	if len(answer.Challenge) == 0 || answer.Challenge[0] != '#' || string(answer.Challenge) == ch.Text {
		return badAnswer("the memo is not decrypted")
	}
	p.Text = answer.Challenge[1:]
	return nil
}

// timeNow reads the wall clock. It is the one place where the client does so for what it sends and
// accepts.
func timeNow() time.Time { return time.Now() }
