package linejson

import (
	"bytes"
	"encoding/json"
	"io"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	// maxDepth is far above the depth of files that people keep: their deepest has five levels.
	maxDepth = 16
	// maxValues bounds the memory that a file takes in this form: some 200 MB. A keystore of 10,000
	// accounts has 50,000.
	maxValues = 1 << 20
)

// Parse reads the one value of a file. An error is an [*Error]. Each Raw of the result is a part of
// src.
func Parse(src []byte) (Value, error) { return parse(src, maxValues) }

func parse(src []byte, most int) (Value, error) {
	if at := invalidUTF8(src); at >= 0 {
		return Value{}, Errorf(lineAt(src, at), "not valid JSON from here on: it is not UTF-8")
	}
	if !json.Valid(src) {
		return Value{}, Errorf(lineAt(src, syntaxError(src)), "not valid JSON from here on; is the file whole?")
	}
	text := &wiping{rest: src}
	defer text.wipe()
	p := &parser{src: src, decoder: json.NewDecoder(text), text: text, left: most}
	p.decoder.UseNumber()
	return p.value(0) // nothing follows: json.Valid takes one value only
}

// wiping reads a file for a decoder so that the decoder's buffer can be wiped afterwards: it writes
// blanks until it is given a buffer with room for all of the file, and then the file at once.
type wiping struct {
	rest   []byte
	buffer []byte // that the file was written to
	blanks int    // before it
}

func (w *wiping) Read(b []byte) (int, error) {
	switch {
	case w.buffer != nil:
		return 0, io.EOF
	case len(b) < len(w.rest):
		for i := range b {
			b[i] = ' '
		}
		w.blanks += len(b)
		return len(b), nil
	}
	w.buffer = b
	return copy(b, w.rest), nil
}

// wipe overwrites what the decoder was given. It may have moved it to the beginning of its buffer,
// over the blanks.
func (w *wiping) wipe() { clear(w.buffer) }

// offset returns how much of the file the decoder has read.
func (p *parser) offset() int { return max(0, int(p.decoder.InputOffset())-p.text.blanks) }

// syntaxError returns the offset of the first byte that is no part of JSON. It decodes into
// nothing, because that looks at the syntax first and copies no secret.
func syntaxError(src []byte) int {
	syntax, ok := json.Unmarshal(src, &struct{}{}).(*json.SyntaxError)
	if !ok {
		return 0 // unreachable: src is not valid
	}
	return max(0, min(int(syntax.Offset), len(src))-1)
}

// invalidUTF8 returns the offset of the first byte that is not UTF-8, or -1.
func invalidUTF8(src []byte) int {
	for at := 0; at < len(src); {
		r, size := utf8.DecodeRune(src[at:])
		if r == utf8.RuneError && size == 1 {
			return at
		}
		at += size
	}
	return -1
}

func lineAt(src []byte, at int) int { return 1 + bytes.Count(src[:at], []byte("\n")) }

// parser reads what json.Valid looked at: a token that cannot be read is unreachable.
type parser struct {
	src     []byte
	decoder *json.Decoder
	text    *wiping // what decoder reads
	left    int     // how many values may still come
	counted int     // how much of src was searched for line breaks
	breaks  int     // how many were found there
}

// begin returns the offset of the next token and its line.
func (p *parser) begin() (at, line int) {
	at = p.offset()
	for at < len(p.src) && bytes.IndexByte([]byte(" \t\r\n,:"), p.src[at]) >= 0 {
		at++
	}
	p.breaks += bytes.Count(p.src[p.counted:at], []byte("\n"))
	p.counted = at
	return at, 1 + p.breaks
}

// value reads the next value, which stands below depth arrays and objects.
func (p *parser) value(depth int) (Value, error) {
	at, line := p.begin()
	v := Value{Line: line}
	if p.left == 0 {
		return v, Errorf(line, "there are more values than any file read here has")
	}
	p.left--
	token, err := p.decoder.Token()
	if err != nil {
		return v, err
	}
	switch token := token.(type) {
	case json.Delim:
		if depth == maxDepth {
			return v, Errorf(line, "nested deeper than %d levels", maxDepth)
		}
		err = p.inside(&v, token, depth+1)
	case string:
		v.Kind, v.text = String, token
		err = p.checkEscapes(at, line)
	case json.Number:
		v.Kind, v.text = Number, token.String()
	case bool:
		v.Kind, v.text = Bool, strconv.FormatBool(token)
	}
	v.Raw = p.src[at:p.offset()]
	return v, err
}

// inside reads what stands between the brackets of v, and the closing one.
func (p *parser) inside(v *Value, open json.Delim, depth int) error {
	read := p.item
	if v.Kind = Array; open == '{' {
		v.Kind = Object
		seen := make(map[string]bool)
		read = func(v *Value, depth int) error { return p.member(v, seen, depth) }
	}
	for p.decoder.More() {
		if err := read(v, depth); err != nil {
			return err
		}
	}
	_, err := p.decoder.Token()
	return err
}

func (p *parser) item(v *Value, depth int) error {
	item, err := p.value(depth)
	v.items = append(v.items, item)
	return err
}

// member reads a member of v. seen are the names that v has so far.
func (p *parser) member(v *Value, seen map[string]bool, depth int) error {
	at, line := p.begin()
	token, err := p.decoder.Token()
	if err != nil {
		return err
	}
	if err := p.checkEscapes(at, line); err != nil {
		return err
	}
	name, _ := token.(string) // always: a name is a string
	if seen[name] {
		return Errorf(line, "member %s comes twice", ShortName(name))
	}
	seen[name] = true
	value, err := p.value(depth)
	value.name = name
	v.members = append(v.members, Member{Name: name, Line: line, Value: value})
	return err
}

// checkEscapes refuses half of a surrogate pair in the string that begins at an offset and was just
// read: the decoder has put U+FFFD in its place.
func (p *parser) checkEscapes(at, line int) error {
	if halfPair(p.src[at:p.offset()]) {
		return Errorf(line, "not valid JSON from here on: half of a surrogate pair")
	}
	return nil
}

// halfPair reports whether a string, in quotes as JSON writes it, has an escape for a surrogate
// without its other half.
func halfPair(text []byte) bool {
	for {
		i := bytes.IndexByte(text, '\\')
		if i < 0 {
			return false
		}
		first, ok := escaped(text[i:])
		if !ok {
			text = text[i+2:] // a short escape, such as \n or \\
			continue
		}
		text = text[i+6:]
		if !utf16.IsSurrogate(first) {
			continue
		}
		second, ok := escaped(text)
		if !ok || utf16.DecodeRune(first, second) == utf8.RuneError {
			return true
		}
		text = text[6:]
	}
}

// escaped returns the number of the escape \u at the beginning of text; false if there is none.
func escaped(text []byte) (rune, bool) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	return rune(n), err == nil
}
