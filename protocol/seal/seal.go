package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/md5" // only the key derivation of the format uses it
	"encoding/base64"
)

// magic precedes the salt in every sealed payload.
const magic = "Salted__"

const (
	saltSize   = 8
	headerSize = len(magic) + saltSize
)

// Seal encrypts clear under passphrase with AES-256-CBC and returns base64 of "Salted__", salt and
// ciphertext. The salt must be new for every payload, random or a [Binding], because key and
// initial vector depend on passphrase and salt only. clear should be UTF-8; otherwise nobody opens
// it.
func Seal(passphrase string, clear []byte, salt [8]byte) string {
	padding := aes.BlockSize - len(clear)%aes.BlockSize
	raw := make([]byte, 0, headerSize+len(clear)+padding)
	raw = append(raw, magic...)
	raw = append(raw, salt[:]...)
	raw = append(raw, clear...)
	raw = append(raw, bytes.Repeat([]byte{byte(padding)}, padding)...)
	o := newOpener(passphrase, salt[:])
	cipher.NewCBCEncrypter(o.block, o.iv()).CryptBlocks(raw[headerSize:], raw[headerSize:])
	return base64.StdEncoding.EncodeToString(raw)
}

// opener is the try of one passphrase on one salt. The key derivation is OpenSSL's EVP_BytesToKey
// with MD5 and one iteration: three sums, each over the previous sum, passphrase and salt. The
// first two are the key. The third is the initial vector. It is computed on demand, because only
// the first block needs it and it would be a third of the cost of a miss.
type opener struct {
	block cipher.Block
	text  []byte              // the latest sum, then passphrase and salt
	room  [128]byte           // text fits in here, if it is not long
	clear [aes.BlockSize]byte // a single decrypted block

	vector [aes.BlockSize]byte // the initial vector
	hasIV  bool                // it was computed
}

func newOpener(passphrase string, salt []byte) *opener {
	o := &opener{}
	o.derive(passphrase, salt)
	return o
}

// derive makes the opener one of this passphrase and salt.
func (o *opener) derive(passphrase string, salt []byte) {
	o.text = append(o.room[:md5.Size], passphrase...)
	o.text = append(o.text, salt...)
	var key [2 * md5.Size]byte
	first := md5.Sum(o.text[md5.Size:])
	copy(key[:], first[:])
	copy(o.text, first[:])
	second := md5.Sum(o.text)
	copy(key[md5.Size:], second[:])
	copy(o.text, second[:])
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // unreachable: 32 bytes are a key
	}
	o.block, o.hasIV = block, false
}

func (o *opener) iv() []byte {
	if !o.hasIV {
		o.vector, o.hasIV = md5.Sum(o.text), true
	}
	return o.vector[:]
}
