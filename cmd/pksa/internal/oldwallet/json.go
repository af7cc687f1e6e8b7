package oldwallet

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// jsonValue is a value of a JSON file together with where it stands, for complaints that name the
// line. Encoding/json alone takes names of another case and the last of two equal ones.
type jsonValue struct {
	line    int
	value   any // string, json.Number, bool, nil; for the other two kinds:
	members []jsonMember
	items   []jsonValue
	kind    json.Delim // '{', '[', or 0
	raw     []byte
}

type jsonMember struct {
	name  string
	line  int
	value jsonValue
}

// maxJSONDepth is far above what the files that are read here have.
const maxJSONDepth = 16

type jsonParser struct {
	src []byte
	dec *json.Decoder
}

// parseJSON reads the one value of a file.
func parseJSON(src []byte) (jsonValue, error) {
	var syntax any
	if err := json.Unmarshal(src, &syntax); err != nil || !utf8.Valid(src) {
		line := 1
		if s, ok := err.(*json.SyntaxError); ok {
			line += bytes.Count(src[:max(0, min(int(s.Offset), len(src))-1)], []byte("\n"))
		}
		return jsonValue{}, complaint{line, "is not valid JSON from here on; is the file whole?"}
	}
	p := jsonParser{src, json.NewDecoder(bytes.NewReader(src))}
	p.dec.UseNumber()
	return p.next(0)
}

func (p *jsonParser) line() int {
	return 1 + bytes.Count(p.src[:p.dec.InputOffset()], []byte("\n"))
}

func (p *jsonParser) next(depth int) (jsonValue, error) {
	token, err := p.dec.Token()
	if err != nil {
		return jsonValue{}, err // unreachable: the whole was looked at
	}
	v := jsonValue{line: p.line(), value: token}
	start := p.dec.InputOffset() - 1
	if delim, ok := token.(json.Delim); ok {
		v.kind, v.value = delim, nil
		if depth == maxJSONDepth {
			return v, complaint{v.line, "is nested too deeply"}
		}
		if err := p.inside(&v, depth+1); err != nil {
			return v, err
		}
	}
	v.raw = p.src[start:p.dec.InputOffset()]
	return v, nil
}

// inside reads what stands between the brackets of v, and the closing one.
func (p *jsonParser) inside(v *jsonValue, depth int) error {
	seen := map[string]bool{}
	for p.dec.More() {
		var m jsonMember
		if v.kind == '{' {
			token, err := p.dec.Token()
			if err != nil {
				return err
			}
			m.name, m.line = token.(string), p.line()
			if seen[m.name] {
				return complaint{m.line, fmt.Sprintf("%q stands there twice", m.name)}
			}
			seen[m.name] = true
		}
		var err error
		if m.value, err = p.next(depth); err != nil {
			return err
		}
		if v.kind == '{' {
			v.members = append(v.members, m)
		} else {
			v.items = append(v.items, m.value)
		}
	}
	_, err := p.dec.Token()
	return err
}

// complaint is something wrong at a line of a file. It never repeats a value, which may be secret.
type complaint struct {
	line int
	text string
}

func (c complaint) Error() string { return fmt.Sprintf("%d: %s", c.line, c.text) }
