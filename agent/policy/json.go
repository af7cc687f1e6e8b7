package policy

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// deepestJSON is how far lists and objects may nest. What lies deeper is unreadable.
const deepestJSON = 64

// readJSON reads one JSON text as strictly as RFC 8259 allows: valid UTF-8, no name twice in an
// object, no half of a surrogate pair, nothing behind the value. Numbers keep their text. The
// standard decoder takes the last of two equal names and repairs bad text; games and side chains
// have decoders of their own, so what two readers may read differently is unreadable here.
func readJSON(text string) (value, bool) {
	r := jsonReader{rest: text}
	// A decoder that repairs such bytes makes two different texts equal.
	if !utf8.ValidString(text) {
		return value{}, false
	}
	v, ok := r.value(0)
	r.space()
	return v, ok && r.rest == ""
}

type jsonReader struct{ rest string }

func (r *jsonReader) space() { r.rest = strings.TrimLeft(r.rest, " \t\r\n") }

func (r *jsonReader) take(prefix string) bool {
	rest, ok := strings.CutPrefix(r.rest, prefix)
	r.rest = rest
	return ok
}

func (r *jsonReader) value(depth int) (value, bool) {
	r.space()
	// The text comes from an application: without a bound, brackets alone would use up the stack.
	if r.rest == "" || depth > deepestJSON {
		return value{}, false
	}
	switch r.rest[0] {
	case '{':
		return r.object(depth)
	case '[':
		return r.list(depth)
	case '"':
		s, ok := r.string()
		return value{kind: isText, text: s, json: true}, ok
	case 't':
		return value{kind: isBool, text: "true", json: true}, r.take("true")
	case 'f':
		return value{kind: isBool, text: "false", json: true}, r.take("false")
	case 'n':
		return value{kind: isNull, text: "null", json: true}, r.take("null")
	}
	return r.number()
}

func (r *jsonReader) list(depth int) (value, bool) {
	r.take("[")
	v := value{kind: isList, json: true}
	if r.space(); r.take("]") {
		return v, true
	}
	for {
		item, ok := r.value(depth + 1)
		if !ok {
			return value{}, false
		}
		v.items = append(v.items, item)
		if r.space(); r.take("]") {
			return v, true
		}
		if !r.take(",") {
			return value{}, false
		}
	}
}

func (r *jsonReader) object(depth int) (value, bool) {
	r.take("{")
	v := value{kind: isMap, json: true, members: map[string]value{}}
	if r.space(); r.take("}") {
		return v, true
	}
	for {
		r.space()
		name, ok := r.string()
		if !ok {
			return value{}, false
		}
		// One reader takes the first, another the last: the rule would judge what nobody executes.
		if _, twice := v.members[name]; twice {
			return value{}, false
		}
		if r.space(); !r.take(":") {
			return value{}, false
		}
		member, ok := r.value(depth + 1)
		if !ok {
			return value{}, false
		}
		v.members[name] = member
		if r.space(); r.take("}") {
			return v, true
		}
		if !r.take(",") {
			return value{}, false
		}
	}
}

func (r *jsonReader) number() (value, bool) {
	end := strings.IndexFunc(r.rest, func(c rune) bool { return !strings.ContainsRune("+-.eE0123456789", c) })
	if end < 0 {
		end = len(r.rest)
	}
	text := r.rest[:end]
	r.rest = r.rest[end:]
	mantissa, exponent := text, ""
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		mantissa, exponent = text[:i], text[i+1:]
		if exponent != "" && strings.ContainsRune("+-", rune(exponent[0])) {
			exponent = exponent[1:]
		}
		if !allDigits(exponent) {
			return value{}, false
		}
	}
	d, ok := parseDecimal(mantissa)
	// A number with an exponent is one to JSON and none to this language.
	return value{kind: isNumber, text: text, json: true, number: d, odd: exponent != ""}, ok
}

func (r *jsonReader) string() (string, bool) {
	if !r.take(`"`) {
		return "", false
	}
	var b strings.Builder
	for {
		i := strings.IndexFunc(r.rest, func(c rune) bool { return c == '"' || c == '\\' || c < ' ' })
		if i < 0 {
			return "", false
		}
		b.WriteString(r.rest[:i])
		c := r.rest[i]
		r.rest = r.rest[i+1:]
		switch {
		case c == '"':
			return b.String(), true
		case c != '\\' || !r.escape(&b):
			return "", false
		}
	}
}

var jsonEscapes = map[byte]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// escape reads what follows a backslash.
func (r *jsonReader) escape(b *strings.Builder) bool {
	if r.rest == "" {
		return false
	}
	c := r.rest[0]
	r.rest = r.rest[1:]
	if plain, ok := jsonEscapes[c]; ok {
		b.WriteByte(plain)
		return true
	}
	if c != 'u' {
		return false
	}
	unit, ok := r.hex4()
	// Two halves make a character. One half alone is none, and readers replace it differently.
	if ok && utf16.IsSurrogate(unit) {
		var low rune
		if ok = r.take(`\u`); ok {
			low, ok = r.hex4()
		}
		unit = utf16.DecodeRune(unit, low)
		ok = ok && unit != utf8.RuneError
	}
	b.WriteRune(unit)
	return ok
}

func (r *jsonReader) hex4() (rune, bool) {
	if len(r.rest) < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(r.rest[:4], 16, 16)
	r.rest = r.rest[4:]
	return rune(n), err == nil
}
