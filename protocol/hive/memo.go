package hive

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"strings"
	"unicode/utf8"
)

// maxMemoBytes bounds an encrypted memo in its serialised form, because the cost of base58 grows
// with the square of the length. The largest takes about 10 ms to read and 40 ms to write. The
// chain takes 2,048 bytes of memo text in a transfer.
const (
	maxMemoBytes = 24 << 10
	maxMemoText  = 1 + maxMemoBytes*137/100 + 1
)

// ErrMemoKey means that a memo is for other keys: the key that was tried is neither its sender nor
// its receiver.
var ErrMemoKey = errors.New("memo: neither from nor to this key")

// Errors of memos. They quote nothing: a memo may be anybody's.
var (
	errMemoHash   = errors.New("memo: no leading #")
	errMemoLong   = errors.New("memo: too long")
	errMemoForm   = errors.New("memo: not an encrypted memo")
	errMemoCheck  = errors.New("memo: the check number does not match; another key, or damaged")
	errMemoDamage = errors.New("memo: damaged")
	errMemoUTF8   = errors.New("memo: text is not UTF-8")
)

// MemoHeader is the part of an encrypted memo that everybody can read.
type MemoHeader struct {
	From, To PublicKey
	Nonce    uint64
}

// memo is an encrypted memo taken apart. The ciphertext is one or more blocks of 16 bytes.
type memo struct {
	MemoHeader
	check      uint32
	ciphertext []byte
}

// ParseMemo reads the header of an encrypted memo: "#" and base58 of from, to, nonce, check and
// ciphertext (HAS §8.4). Both keys must be on the curve, and nothing may follow. It does not read
// the order of fields in memos by the wallet of hived 1.27.5 to 1.28.6.
func ParseMemo(text string) (MemoHeader, error) {
	m, err := parseMemo(text)
	return m.MemoHeader, err
}

// IsEncryptedMemo reports whether [ParseMemo] takes s. Not every text that begins with "#" is an
// encrypted memo.
func IsEncryptedMemo(s string) bool {
	_, err := parseMemo(s)
	return err == nil
}

func parseMemo(text string) (memo, error) {
	body, ok := strings.CutPrefix(text, "#")
	if !ok {
		return memo{}, errMemoHash
	}
	if len(text) > maxMemoText {
		return memo{}, errMemoLong
	}
	raw, err := decodeBase58(body)
	if err != nil || len(raw) < 33+33+8+4+1+aes.BlockSize {
		return memo{}, errMemoForm
	}
	if len(raw) > maxMemoBytes {
		return memo{}, errMemoLong
	}
	return parseMemoBytes(raw)
}

func parseMemoBytes(raw []byte) (m memo, err error) {
	if m.From, err = PublicKeyFromBytes(raw[:33]); err != nil {
		return memo{}, errMemoForm
	}
	if m.To, err = PublicKeyFromBytes(raw[33:66]); err != nil {
		return memo{}, errMemoForm
	}
	m.Nonce = binary.LittleEndian.Uint64(raw[66:])
	m.check = binary.LittleEndian.Uint32(raw[74:])
	size, n := binary.Uvarint(raw[78:])
	if n <= 0 || n > 1 && raw[78+n-1] == 0 { // a last byte of zero: not the shortest form
		return memo{}, errMemoForm
	}
	m.ciphertext = raw[78+n:]
	if size != uint64(len(m.ciphertext)) || size == 0 || size%aes.BlockSize != 0 {
		return memo{}, errMemoForm
	}
	return m, nil
}

func (m memo) String() string {
	raw := make([]byte, 0, 33+33+8+4+binary.MaxVarintLen64+len(m.ciphertext))
	raw = append(raw, m.From[:]...)
	raw = append(raw, m.To[:]...)
	raw = binary.LittleEndian.AppendUint64(raw, m.Nonce)
	raw = binary.LittleEndian.AppendUint32(raw, m.check)
	raw = binary.AppendUvarint(raw, uint64(len(m.ciphertext)))
	return "#" + encodeBase58(append(raw, m.ciphertext...))
}

// EncodeMemo encrypts text, which begins with "#", for the key to. It is [SharedSecret.EncodeMemo]
// with a secret for this one memo.
func (k *PrivateKey) EncodeMemo(to PublicKey, text string, nonce uint64) (string, error) {
	secret, err := k.SharedSecret(to)
	if err != nil {
		return "", err
	}
	defer secret.Wipe()
	return secret.EncodeMemo(k.public, to, text, nonce)
}

// EncodeMemo encrypts text, which begins with "#" and is valid UTF-8, and returns the memo as the
// chain and HAS carry it (HAS §8.4). from and to must be the two keys of the secret, in either
// order. The nonce makes the memos of equal texts differ. It must not repeat, and it is no secret:
// hive-js takes milliseconds times 65,536 plus a counter.
//
// A text without "#" is an error. hive-js and dhive return it unencrypted.
func (s *SharedSecret) EncodeMemo(from, to PublicKey, text string, nonce uint64) (string, error) {
	clearText, ok := strings.CutPrefix(text, "#")
	if !ok {
		return "", errMemoHash
	}
	if !utf8.ValidString(clearText) {
		return "", errMemoUTF8
	}
	if !s.between(from, to) {
		return "", ErrMemoKey
	}
	body := binary.AppendUvarint(make([]byte, 0, len(clearText)+binary.MaxVarintLen64+aes.BlockSize),
		uint64(len(clearText)))
	body = append(body, clearText...)
	padding := aes.BlockSize - len(body)%aes.BlockSize
	body = append(body, bytes.Repeat([]byte{byte(padding)}, padding)...)
	m := memo{MemoHeader: MemoHeader{From: from, To: to, Nonce: nonce}, ciphertext: body}
	if 33+33+8+4+binary.MaxVarintLen16+len(body) > maxMemoBytes {
		return "", errMemoLong
	}
	key := newMemoKey(nonce, &s.hashes.Reveal().stripped)
	defer key.wipe()
	m.check = key.check
	cipher.NewCBCEncrypter(key.block(), key.iv()).CryptBlocks(body, body)
	return m.String(), nil
}

// DecodeMemo decrypts a memo from or to k. It is [SharedSecret.DecodeMemo] with a secret for this
// one memo.
func (k *PrivateKey) DecodeMemo(text string) (string, error) {
	m, err := parseMemo(text)
	if err != nil {
		return "", err
	}
	var other PublicKey
	switch k.public { // the zero key matches neither, because both are on the curve
	case m.From:
		other = m.To
	case m.To:
		other = m.From
	default:
		return "", ErrMemoKey
	}
	secret, err := k.SharedSecret(other)
	if err != nil {
		return "", err
	}
	defer secret.Wipe()
	return secret.decode(m)
}

// DecodeMemo decrypts a memo between the two keys of the secret, in either direction, and returns
// the text with a leading "#" (HAS §8.4). A memo for other keys gives [ErrMemoKey].
//
// It differs from hive-js on purpose: a memo without "#", bytes after the end and text that is not
// UTF-8 are errors; it compares a check number of zero like any other; it tries both forms of the
// secret. As in hive-js, a clear text whose length prefix makes no sense is taken as a whole, and
// bytes after the text are ignored. The check number covers the key and not the ciphertext, so
// nothing protects a memo against changes.
func (s *SharedSecret) DecodeMemo(text string) (string, error) {
	m, err := parseMemo(text)
	if err != nil {
		return "", err
	}
	if !s.between(m.From, m.To) {
		return "", ErrMemoKey
	}
	return s.decode(m)
}

// between reports whether a and b are the two keys of the secret, and it is not wiped.
func (s *SharedSecret) between(a, b PublicKey) bool {
	return s.usable() && (a == s.own && b == s.other || a == s.other && b == s.own)
}

func (s *SharedSecret) decode(m memo) (string, error) {
	key := newMemoKey(m.Nonce, &s.hashes.Reveal().stripped)
	defer key.wipe()
	if key.check != m.check {
		*key = *newMemoKey(m.Nonce, &s.hashes.Reveal().padded)
	}
	if key.check != m.check {
		return "", errMemoCheck
	}
	body := make([]byte, len(m.ciphertext))
	defer clear(body)
	cipher.NewCBCDecrypter(key.block(), key.iv()).CryptBlocks(body, m.ciphertext)
	body, ok := unpad(body)
	if !ok {
		return "", errMemoDamage
	}
	if size, n := binary.Uvarint(body); n > 0 && size <= uint64(len(body)-n) {
		body = body[n : n+int(size)]
	}
	if !utf8.Valid(body) {
		return "", errMemoUTF8
	}
	return "#" + string(body), nil
}

// unpad removes PKCS#7 padding: 1 to 16 equal bytes.
func unpad(body []byte) ([]byte, bool) {
	n := int(body[len(body)-1])
	if n == 0 || n > aes.BlockSize {
		return nil, false
	}
	end := len(body) - n
	for _, b := range body[end:] {
		if int(b) != n {
			return nil, false
		}
	}
	return body[:end], true
}

// memoKey is the key of one memo: AES-256 key and initial vector from the SHA-512 of nonce and
// secret. The check number shows whether both ends have the same.
type memoKey struct {
	sum   [64]byte
	check uint32
}

func newMemoKey(nonce uint64, secret *[64]byte) *memoKey {
	var seed [8 + 64]byte
	defer clear(seed[:])
	binary.LittleEndian.PutUint64(seed[:], nonce)
	copy(seed[8:], secret[:])
	key := &memoKey{sum: sha512.Sum512(seed[:])}
	check := sha256.Sum256(key.sum[:])
	key.check = binary.LittleEndian.Uint32(check[:])
	return key
}

func (k *memoKey) block() cipher.Block {
	block, err := aes.NewCipher(k.sum[:32])
	if err != nil {
		panic(err) // unreachable: 32 bytes are a key
	}
	return block
}

func (k *memoKey) iv() []byte { return k.sum[32:48] }

func (k *memoKey) wipe() { clear(k.sum[:]) }
