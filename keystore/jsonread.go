package keystore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// jsonReader reads JSON of a known shape, exactly: member names are compared byte by byte, a member
// that comes twice, one that nobody asked for, null, and anything after the end are errors.
// Unmarshalling by encoding/json lets each of these pass, or takes names that differ in case. Its
// errors quote no values: they are keys.
type jsonReader struct {
	raw     []byte
	decoder *json.Decoder
	counted int // how much of raw line has looked at
	breaks  int // line breaks found there
}

var errNotJSON = errors.New("not valid JSON in UTF-8")

// readJSON calls read on the one value that raw holds.
func readJSON(raw []byte, read func(*jsonReader) error) error {
	if !utf8.Valid(raw) || !json.Valid(raw) {
		return errNotJSON
	}
	r := &jsonReader{raw: raw, decoder: json.NewDecoder(bytes.NewReader(raw))}
	r.decoder.UseNumber()
	return read(r) // nothing follows: json.Valid takes one value only
}

// line is where the last token stood, 1 for the first.
func (r *jsonReader) line() int {
	end := int(r.decoder.InputOffset())
	r.breaks += bytes.Count(r.raw[r.counted:end], []byte("\n"))
	r.counted = end
	return 1 + r.breaks
}

func (r *jsonReader) token() (json.Token, error) {
	token, err := r.decoder.Token()
	if err != nil {
		return nil, errNotJSON // unreachable: readJSON looked at the whole
	}
	return token, nil
}

func (r *jsonReader) open(delim json.Delim, wanted string) error {
	token, err := r.token()
	if err != nil {
		return err
	}
	if token != delim {
		return errors.New("wanted " + wanted)
	}
	return nil
}

// object reads an object; member reads the value of the member it is called for and says false if
// it knows none of this name.
func (r *jsonReader) object(member func(name string) (bool, error)) error {
	if err := r.open('{', "an object"); err != nil {
		return err
	}
	seen := make(map[string]bool)
	for r.decoder.More() {
		token, err := r.token()
		if err != nil {
			return err
		}
		name, _ := token.(string) // always: a member's name
		if seen[name] {
			return fmt.Errorf("member %s comes twice", shortName(name))
		}
		seen[name] = true
		known, err := member(name)
		if err != nil {
			return fmt.Errorf("%s: %w", shortName(name), err)
		}
		if !known {
			return fmt.Errorf("unknown member %s", shortName(name))
		}
	}
	_, err := r.token()
	return err
}

// array calls element for each element.
func (r *jsonReader) array(element func() error) error {
	if err := r.open('[', "an array"); err != nil {
		return err
	}
	for r.decoder.More() {
		if err := element(); err != nil {
			return err
		}
	}
	_, err := r.token()
	return err
}

func (r *jsonReader) text(into *string) error {
	token, err := r.token()
	if err != nil {
		return err
	}
	s, ok := token.(string)
	if !ok {
		return errors.New("wanted a string")
	}
	*into = s
	return nil
}

func (r *jsonReader) integer(into *int) error {
	token, err := r.token()
	if err != nil {
		return err
	}
	number, ok := token.(json.Number)
	if !ok {
		return errors.New("wanted a number")
	}
	n, err := strconv.Atoi(number.String())
	if err != nil {
		return errors.New("wanted a whole number")
	}
	*into = n
	return nil
}

// shortName quotes a member's name, unless it is so long that it may be a key which strayed there.
func shortName(name string) string {
	if len(name) > 24 {
		return "(a long name)"
	}
	return strconv.Quote(name)
}
