package protocol

import (
	"bytes"
	"errors"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// object is a JSON object taken apart: the raw text of the value for each known name. Each method
// reads one member and keeps the first failure in err, so a decoder is a plain list of members.
type object struct {
	what   string   // command or payload, for errors
	names  []string // what may stand here
	values [][]byte // raw JSON by index of name; nil = absent. They point into the text that was read
	open   bool     // names outside the list are skipped
	err    *DecodeError
}

// readText checks bounds, then takes apart the one object that text must be.
func readText(o *object, text []byte) {
	if reason, ok := checkBounds(text); !ok {
		o.fail("", reason)
		return
	}
	o.read(text)
}

// read takes text apart into o.values. jsontext checks grammar, escapes and equal names, also in
// nested and skipped members. Its defaults are the strict ones.
func (o *object) read(text []byte) {
	o.values = make([][]byte, len(o.names))
	dec := jsontext.NewDecoder(bytes.NewBuffer(text))
	if dec.PeekKind() != jsontext.KindBeginObject {
		o.notObject(text)
		return
	}
	if _, err := dec.ReadToken(); err != nil {
		o.fail("", ReasonSyntax)
		return
	}
	for dec.PeekKind() != jsontext.KindEndObject {
		if !o.readMember(dec, text) {
			return
		}
	}
	if _, err := dec.ReadToken(); err != nil {
		o.fail("", ReasonSyntax)
		return
	}
	if _, err := dec.ReadToken(); err != io.EOF {
		o.fail("", ReasonSyntax)
	}
}

func (o *object) readMember(dec *jsontext.Decoder, text []byte) bool {
	name, err := dec.ReadValue()
	if err != nil {
		o.failSyntax(err)
		return false
	}
	index := o.indexOf(name)
	if index < 0 && !o.open {
		if plain, err := jsontext.AppendUnquote(nil, name); err == nil {
			o.failDetail("", ReasonMember, foreign(plain))
		} else {
			o.fail("", ReasonSyntax)
		}
		return false
	}
	value, err := dec.ReadValue()
	if err != nil {
		o.failSyntax(err)
		return false
	}
	if index >= 0 {
		// The decoder reuses its slice at the next read. The same bytes in text stay valid.
		end := int(dec.InputOffset())
		o.values[index] = text[end-len(value) : end]
	}
	return true
}

// indexOf returns the index of a name that is quoted and escaped as in the text, or -1.
func (o *object) indexOf(quoted []byte) int {
	plain := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(plain, '\\') >= 0 {
		unquoted, err := jsontext.AppendUnquote(nil, quoted)
		if err != nil {
			return -1
		}
		plain = unquoted
	}
	for i, name := range o.names {
		if name == string(plain) {
			return i
		}
	}
	return -1
}

// notObject fails with the reason why text is no object: it is another JSON value, or no JSON at
// all.
func (o *object) notObject(text []byte) {
	if jsontext.Value(text).IsValid() {
		o.fail("", ReasonShape)
		return
	}
	o.fail("", ReasonSyntax)
}

func (o *object) failSyntax(err error) {
	if errors.Is(err, jsontext.ErrDuplicateName) {
		o.fail("", ReasonDuplicate)
		return
	}
	o.fail("", ReasonSyntax)
}

func (o *object) fail(member string, reason Reason) { o.failDetail(member, reason, "") }

func (o *object) failDetail(member string, reason Reason, detail string) {
	if o.err == nil {
		o.err = &DecodeError{Cmd: o.what, Member: member, Reason: reason, detail: detail}
	}
}

// failed returns the first failure as an error, nil if there was none.
func (o *object) failed() error {
	if o.err == nil {
		return nil
	}
	return o.err
}

// raw returns the text of a member; ok is false if it is absent or the object has failed already.
func (o *object) raw(name string) (value []byte, ok bool) {
	if o.err != nil {
		return nil, false
	}
	for i := range o.names {
		if o.names[i] == name {
			return o.values[i], o.values[i] != nil
		}
	}
	panic("protocol: member " + name + " is not in the list of its object") // a mistake in this package
}

// required returns the text of a member that must be there.
func (o *object) required(name string) ([]byte, bool) {
	value, ok := o.raw(name)
	if !ok {
		o.fail(name, ReasonMissing)
	}
	return value, ok
}

// optional returns the text of a member that may be absent. Null counts as absent.
func (o *object) optional(name string) ([]byte, bool) {
	value, ok := o.raw(name)
	if !ok || value[0] == 'n' {
		return nil, false
	}
	return value, true
}

// text reads a required string.
func (o *object) text(name string) string {
	value, ok := o.required(name)
	if !ok {
		return ""
	}
	return o.unquote(name, value)
}

// optionalText reads a string that may be absent or null; both give the empty string.
func (o *object) optionalText(name string) string {
	value, ok := o.optional(name)
	if !ok {
		return ""
	}
	return o.unquote(name, value)
}

func (o *object) unquote(name string, value []byte) string {
	if value[0] != '"' {
		o.fail(name, ReasonType)
		return ""
	}
	if plain := value[1 : len(value)-1]; bytes.IndexByte(plain, '\\') < 0 {
		return string(plain)
	}
	plain, err := jsontext.AppendUnquote(nil, value)
	if err != nil {
		o.fail(name, ReasonSyntax)
		return ""
	}
	return string(plain)
}

// boolean reads a required true or false.
func (o *object) boolean(name string) bool {
	value, ok := o.required(name)
	return ok && o.truth(name, value)
}

// optionalBoolean reads a boolean that may be absent or null; both give nil.
func (o *object) optionalBoolean(name string) *bool {
	value, ok := o.optional(name)
	if !ok {
		return nil
	}
	truth := o.truth(name, value)
	return &truth
}

func (o *object) truth(name string, value []byte) bool {
	if value[0] != 't' && value[0] != 'f' {
		o.fail(name, ReasonType)
		return false
	}
	return value[0] == 't'
}

// integer reads a required integer between low and 2^53-1.
func (o *object) integer(name string, low int64) int64 {
	value, ok := o.required(name)
	if !ok {
		return 0
	}
	return o.parseInteger(name, value, low)
}

// optionalInteger reads an integer that may be absent or null; both give 0.
func (o *object) optionalInteger(name string, low int64) int64 {
	value, ok := o.optional(name)
	if !ok {
		return 0
	}
	return o.parseInteger(name, value, low)
}

func (o *object) parseInteger(name string, value []byte, low int64) int64 {
	n, reason := parseInteger(value)
	if reason == "" && n < low {
		reason = ReasonValue
	}
	if reason != "" {
		o.fail(name, reason)
		return 0
	}
	return n
}

// elements reads an array and returns the raw text of its elements, which point into the text of
// the object.
func (o *object) elements(name string, most int) [][]byte {
	value, ok := o.required(name)
	if !ok {
		return nil
	}
	if value[0] != '[' {
		o.fail(name, ReasonType)
		return nil
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(value))
	dec.ReadToken() // cannot fail: the array has been read once
	var list [][]byte
	for dec.PeekKind() != jsontext.KindEndArray {
		element, err := dec.ReadValue()
		if err != nil {
			o.fail(name, ReasonSyntax) // unreachable, as above
			return nil
		}
		if len(list) == most {
			o.fail(name, ReasonNames)
			return nil
		}
		end := int(dec.InputOffset())
		list = append(list, value[end-len(element):end])
	}
	return list
}
