package hive

import "crypto/cipher"

// Functions behind the parsers, for tests.
var (
	EncodeBase58 = encodeBase58
	DecodeBase58 = decodeBase58
)

// RewriteMemo parses a memo and writes it again.
func RewriteMemo(text string) string {
	m, err := parseMemo(text)
	if err != nil {
		return err.Error()
	}
	return m.String()
}

// EncodeMemoBody encrypts a body that EncodeMemo would not make: no length before the text, or no
// padding. Its length is a multiple of 16.
func (s *SharedSecret) EncodeMemoBody(body []byte) string {
	key := newMemoKey(1, &s.hashes.Reveal().stripped)
	m := memo{MemoHeader: MemoHeader{From: s.own, To: s.other, Nonce: 1}, check: key.check,
		ciphertext: make([]byte, len(body))}
	cipher.NewCBCEncrypter(key.block(), key.iv()).CryptBlocks(m.ciphertext, body)
	return m.String()
}

// SecretBytes returns the private scalar. Tests look whether it is wiped.
func (k *PrivateKey) SecretBytes() [32]byte { return k.key.Reveal().Key.Bytes() }

// SecretBytes returns the hashes of the shared point. Tests look whether they are wiped.
func (s *SharedSecret) SecretBytes() [128]byte {
	hashes := *s.hashes.Reveal()
	return [128]byte(append(hashes.stripped[:len(hashes.stripped):len(hashes.stripped)], hashes.padded[:]...))
}

// Checked does the last step of signing.
func (k *PrivateKey) Checked(sig Signature, digest Digest) (Signature, error) {
	return k.checked(sig, digest)
}

// DecodeSigned reads the bytes of SerializeSigned. Only tests need it.
func (n *Network) DecodeSigned(packed []byte) (SignedTransaction, error) {
	u := &unpacker{rest: packed, net: n}
	t := SignedTransaction{Transaction: u.transaction()}
	t.Signatures = make([]Signature, u.count(len(Signature{})))
	for i := range t.Signatures {
		t.Signatures[i] = Signature(u.bytes(len(Signature{})))
	}
	return t, u.end()
}
