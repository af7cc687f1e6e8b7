package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrNotMine means that a passphrase does not open a payload: try the next one. A payload that was
// changed on the way gives it too.
var ErrNotMine = errors.New("sealed payload: not for this passphrase, or damaged")

// Errors of the outer form.
var (
	errBase64 = errors.New("sealed payload: not canonical base64")
	errMagic  = errors.New(`sealed payload: does not begin with "Salted__"`)
	errLength = errors.New("sealed payload: ciphertext is not one or more blocks of 16 bytes")
)

// Sealed is a payload of correct outer form: "Salted__", 8 bytes of salt and at least one block of
// 16 bytes. The zero value opens under no passphrase.
type Sealed struct {
	raw []byte // never changed
}

// Parse reads standard base64 with padding, in its one canonical spelling (no line breaks, no
// unused bits that are set), and checks magic and lengths. The caller bounds the length of data.
func Parse(data string) (Sealed, error) {
	// The decoder skips line breaks, even the strict one.
	if strings.ContainsAny(data, "\r\n") {
		return Sealed{}, errBase64
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(data)
	if err != nil {
		return Sealed{}, errBase64
	}
	if len(raw) < len(magic) || string(raw[:len(magic)]) != magic {
		return Sealed{}, errMagic
	}
	if size := len(raw) - headerSize; size < aes.BlockSize || size%aes.BlockSize != 0 {
		return Sealed{}, errLength
	}
	return Sealed{raw: raw}, nil
}

// String returns the payload as base64, the text that [Parse] accepts.
func (s Sealed) String() string { return base64.StdEncoding.EncodeToString(s.raw) }

// Digest returns the SHA-256 sum of the decoded bytes, magic and salt included. A payload that
// comes again has the same digest (HAS §9.3).
func (s Sealed) Digest() [32]byte { return sha256.Sum256(s.raw) }

// Open returns the clear text, or [ErrNotMine] if padding or UTF-8 are wrong. In one case of a
// million, a wrong passphrase opens a payload of one block as garbage; each further block makes
// that about 9,000 times rarer.
//
// To be fast for wrong passphrases, Open decrypts the last block first: for 255 of 256 wrong
// passphrases its padding is wrong. Then it decrypts the first block, and all of them only if both
// are right.
func (s Sealed) Open(passphrase string) ([]byte, error) {
	if len(s.raw) == 0 {
		return nil, ErrNotMine
	}
	return s.open(newOpener(passphrase, s.salt()))
}

// Finding is what a [Trial] found out about one passphrase.
type Finding uint8

// The findings.
const (
	NotMine Finding = iota // the passphrase has nothing to do with the payload, as far as one can see
	Opened                 // it opens the payload
	Altered                // the payload was made with it and then changed: see [Sealed.Damaged]
)

// Trial tries passphrases on one payload. It finds what [Sealed.Open] and [Sealed.Damaged] find, in
// little more than half the time. A Trial is for one goroutine.
type Trial struct {
	sealed Sealed
	opener opener
}

// NewTrial returns a trial of the payload.
func NewTrial(s Sealed) *Trial { return &Trial{sealed: s} }

// Try tries one passphrase. The clear text is that of [Opened]; it belongs to the caller.
func (t *Trial) Try(passphrase string) (clear []byte, found Finding) {
	if len(t.sealed.raw) == 0 {
		return nil, NotMine
	}
	o := &t.opener
	o.derive(passphrase, t.sealed.salt())
	clear, err := t.sealed.open(o)
	switch {
	case err == nil:
		return clear, Opened
	case t.sealed.startsObject(o):
		return nil, Altered
	}
	return nil, NotMine
}

func (s Sealed) open(o *opener) ([]byte, error) {
	ciphertext := s.ciphertext()
	var iv []byte // of the last block: the block before it, or the initial vector
	if len(ciphertext) == aes.BlockSize {
		iv = o.iv()
	} else {
		iv = ciphertext[len(ciphertext)-2*aes.BlockSize:]
	}
	padding := paddingOf(o.decrypt(ciphertext[len(ciphertext)-aes.BlockSize:], iv))
	if padding == 0 {
		return nil, ErrNotMine
	}
	iv = o.iv()
	if len(ciphertext) > aes.BlockSize && !startsText(o.decrypt(ciphertext, iv)) {
		return nil, ErrNotMine
	}
	clear := make([]byte, len(ciphertext))
	cipher.NewCBCDecrypter(o.block, iv).CryptBlocks(clear, ciphertext)
	clear = clear[:len(clear)-padding]
	if !utf8.Valid(clear) {
		return nil, ErrNotMine
	}
	return clear, nil
}

// Damaged reports whether the payload was made with this passphrase and then changed: it does not
// open, but its first block is 16 bytes of printable text that begins with "{". Nobody without the
// passphrase can make such a block on purpose (HAS §9.2), and a wrong passphrase gives one by
// chance once in 100 million. A payload whose first block was changed is not recognised.
func (s Sealed) Damaged(passphrase string) bool {
	if len(s.raw) == 0 {
		return false
	}
	o := newOpener(passphrase, s.salt())
	if !s.startsObject(o) {
		return false
	}
	_, err := s.open(o)
	return err != nil
}

// startsObject reports whether the first block is printable text that begins with "{".
func (s Sealed) startsObject(o *opener) bool {
	head := o.decrypt(s.ciphertext(), o.iv())
	return head[0] == '{' && startsText(head) && !bytes.ContainsFunc(head, unprintable)
}

func (s Sealed) salt() []byte { return s.raw[len(magic):headerSize] }

func (s Sealed) ciphertext() []byte { return s.raw[headerSize:] }

// decrypt returns the first block of ciphertext in clear. The slice is valid until the next call.
func (o *opener) decrypt(ciphertext, iv []byte) []byte {
	o.block.Decrypt(o.clear[:], ciphertext[:aes.BlockSize])
	subtle.XORBytes(o.clear[:], o.clear[:], iv[:aes.BlockSize])
	return o.clear[:]
}

// paddingOf returns the number of padding bytes at the end of block, 0 if that is no PKCS#7
// padding: 1 to 16 bytes, each with their number as its value.
func paddingOf(block []byte) int {
	n := block[len(block)-1]
	if n == 0 || int(n) > len(block) {
		return 0
	}
	for _, b := range block[len(block)-int(n):] {
		if b != n {
			return 0
		}
	}
	return int(n)
}

// startsText reports whether block can be the beginning of a UTF-8 text. Its last character may
// continue in the next block.
func startsText(block []byte) bool {
	for len(block) > 0 && utf8.FullRune(block) {
		r, size := utf8.DecodeRune(block)
		if r == utf8.RuneError && size == 1 {
			return false
		}
		block = block[size:]
	}
	return true
}

// unprintable reports whether a JSON text cannot contain r: it is a control character and no white
// space.
func unprintable(r rune) bool {
	return unicode.IsControl(r) && r != '\t' && r != '\n' && r != '\r'
}
