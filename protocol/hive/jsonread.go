package hive

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// jsonReader reads operations from JSON token by token. It keeps the first error and returns zero
// values after it. jsontext refuses an object with the same name twice, and text that is not UTF-8.
type jsonReader struct {
	dec  *jsontext.Decoder
	net  *Network
	hf26 bool // within {"type":…,"value":…}: assets are objects, not text
	err  error
}

func (n *Network) reader(raw []byte) *jsonReader {
	return &jsonReader{net: n, dec: jsontext.NewDecoder(bytes.NewBuffer(raw))}
}

func (r *jsonReader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// token reads the next token, which must be of this kind. Its text is valid until the next call.
func (r *jsonReader) token(kind jsontext.Kind, wanted string) jsontext.Token {
	if r.err != nil {
		return jsontext.Token{}
	}
	t, err := r.dec.ReadToken()
	if err != nil {
		r.fail(cleanJSONError(err))
		return jsontext.Token{}
	}
	if t.Kind() != kind {
		r.fail(fmt.Errorf("wants %s, not %s", wanted, kindName(t.Kind())))
	}
	return t
}

// cleanJSONError returns an error of ours for one of the library, whose texts quote foreign text
// without a bound.
func cleanJSONError(err error) error {
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		return errTwice(lastName(err))
	case strings.Contains(err.Error(), "UTF-8"):
		return errNotUTF8
	}
	return errNotJSON
}

var errNotJSON = errors.New("not JSON")

func errTwice(name string) error { return fmt.Errorf("%s comes twice in an object", quote(name)) }

// lastName returns the name of the member in which reading failed.
func lastName(err error) string {
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return e.JSONPointer.LastToken()
	}
	return ""
}

func kindName(k jsontext.Kind) string {
	switch k {
	case 'n':
		return "null"
	case 't', 'f':
		return "a bool"
	case '"':
		return "text"
	case '0':
		return "a number"
	case '{', '}':
		return "an object"
	case '[', ']':
		return "a list"
	}
	return "nothing"
}

func (r *jsonReader) peek() jsontext.Kind {
	if r.err != nil {
		return jsontext.KindInvalid
	}
	return r.dec.PeekKind()
}

func (r *jsonReader) text() string {
	t := r.token('"', "text")
	if r.err != nil {
		return ""
	}
	return t.String()
}

// end checks that nothing but white space follows.
func (r *jsonReader) end() {
	if r.err == nil && len(bytes.TrimLeft(r.dec.UnreadBuffer(), " \t\r\n")) > 0 {
		r.fail(errors.New("something follows the JSON value"))
	}
}

// list calls item for each element, with the reader standing before it.
func (r *jsonReader) list(item func()) {
	r.token('[', "a list")
	for r.err == nil && r.peek() != ']' {
		if r.peek() == jsontext.KindInvalid {
			r.token(']', "a list") // for the error
			return
		}
		item()
	}
	r.token(']', "the end of the list")
}

// object reads an object whose members are all among names. The result has one bit for each name,
// which is set if the member was there. Any other name is an error, because a person would be shown
// something that is not signed.
func (r *jsonReader) object(names []string, member func(i int)) (seen uint64) {
	r.token('{', "an object")
	for r.err == nil && r.peek() != '}' {
		i := r.memberName(names)
		if r.err != nil {
			return seen
		}
		member(i)
		seen |= 1 << i
	}
	r.token('}', "the end of the object")
	return seen
}

// memberName reads a name and returns its index in names. It compares the raw text first, because
// names are hardly ever escaped.
func (r *jsonReader) memberName(names []string) int {
	if r.err != nil {
		return 0
	}
	raw, err := r.dec.ReadValue()
	if err != nil {
		r.fail(cleanJSONError(err))
		return 0
	}
	for i, n := range names {
		if len(raw) == len(n)+2 && string(raw[1:len(raw)-1]) == n {
			return i
		}
	}
	name, _ := jsontext.AppendUnquote(nil, raw)
	for i, n := range names {
		if string(name) == n {
			return i
		}
	}
	r.fail(fmt.Errorf("has no member %s", quote(string(name))))
	return 0
}

// whole reads an object that has exactly these names.
func (r *jsonReader) whole(names []string, member func(i int)) {
	seen := r.object(names, member)
	for i, name := range names {
		if r.err == nil && seen&(1<<i) == 0 {
			r.fail(fmt.Errorf("has no %s", name))
		}
	}
}

// integer reads a whole number, as a number or as text, because applications send both. 10000.0 is
// a whole number. 1e4 is refused, because the node does not read it either (tx §4.3).
func (r *jsonReader) integer() string {
	if r.peek() == '"' {
		text := r.text()
		if r.err == nil && !isInteger(text) {
			r.fail(wrong(quote(text), "is no whole number"))
		}
		return text
	}
	t := r.token('0', "a number")
	if r.err != nil {
		return ""
	}
	text, fraction, _ := strings.Cut(t.String(), ".")
	if strings.Trim(fraction, "0") != "" || !isInteger(text) {
		r.fail(wrong(quote(t.String()), "is no whole number"))
	}
	return text
}

// isInteger reports whether s matches 0|-?[1-9][0-9]*.
func isInteger(s string) bool {
	digits := strings.TrimPrefix(s, "-")
	if digits == "" || digits[0] == '0' && s != "0" {
		return false
	}
	return strings.Trim(digits, "0123456789") == ""
}

func (r *jsonReader) int(low, high int64) int64 {
	text := r.integer()
	if r.err != nil {
		return 0
	}
	v, err := strconv.ParseInt(text, 10, 64)
	if err != nil || v < low || v > high {
		r.fail(wrong(quote(text), "is out of range"))
	}
	return v
}

func (r *jsonReader) uint64() uint64 {
	text := r.integer()
	if r.err != nil {
		return 0
	}
	v, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		r.fail(wrong(quote(text), "is out of range"))
	}
	return v
}

// bool reads true or false, also as text. It refuses 1 and 0.
func (r *jsonReader) bool() bool {
	if r.peek() == '"' {
		text := r.text()
		if r.err == nil && text != "true" && text != "false" {
			r.fail(wrong(quote(text), "is neither true nor false"))
		}
		return text == "true"
	}
	if r.peek() == 'f' {
		r.token('f', "true or false")
		return false
	}
	r.token('t', "true or false")
	return r.err == nil
}
