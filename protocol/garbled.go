package protocol

import (
	"bytes"
	"errors"

	"github.com/go-json-experiment/json/jsontext"
)

// sealBlock is the size of a block of the cipher with which payloads are sealed.
const sealBlock = 16

// Garbled reports whether text, the clear text of a payload, is what only an altered payload opens
// to: no JSON, and the fault lies behind the first block. Nobody without the key can steer the
// first block, so a fault in it is the sender's: an object as JavaScript or Python print it, a byte
// order mark. So is one of the words that serialisers write where a number is none.
//
// Equal names, escapes that are half a character, and JSON of another shape are not garbled.
// Programs write them, and by altering a payload they come out once in hundreds of thousands of
// tries (examples/docs/altered.md).
func Garbled(text []byte) bool {
	dec := jsontext.NewDecoder(bytes.NewBuffer(text), jsontext.AllowDuplicateNames(true),
		jsontext.AllowInvalidUTF8(true))
	if _, err := dec.ReadValue(); err != nil {
		fault, ok := errors.AsType[*jsontext.SyntacticError](err)
		return ok && fault.ByteOffset >= sealBlock && !noNumber(text[fault.ByteOffset:])
	}
	following := bytes.TrimLeft(text[dec.InputOffset():], " \t\r\n")
	return len(following) > 0 && len(text)-len(following) >= sealBlock
}

// noNumber reports whether text begins with a word that stands in place of a number.
func noNumber(text []byte) bool {
	text = bytes.TrimPrefix(text, []byte("-"))
	for _, word := range []string{"NaN", "nan", "Infinity", "inf", "undefined"} {
		if bytes.HasPrefix(text, []byte(word)) {
			return true
		}
	}
	return false
}
