package hive

// What the tests of this package reach behind its parsers.
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

// SecretBytes reports the private scalar, to see that it is gone.
func (k *PrivateKey) SecretBytes() [32]byte { return k.key.reveal().Key.Bytes() }

// SecretBytes reports the hashes of the shared point, to see that they are gone.
func (s *SharedSecret) SecretBytes() [128]byte {
	hashes := *s.hashes.reveal()
	return [128]byte(append(hashes.stripped[:len(hashes.stripped):len(hashes.stripped)], hashes.padded[:]...))
}

// Checked is the last step of signing.
func (k *PrivateKey) Checked(sig Signature, digest Digest) (Signature, error) {
	return k.checked(sig, digest)
}
