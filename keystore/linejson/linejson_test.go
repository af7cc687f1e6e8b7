package linejson_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pksa/keystore/linejson"
)

// plain returns v as encoding/json has it.
func plain(t *testing.T, v linejson.Value) any {
	t.Helper()
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	switch v.Kind {
	case linejson.Bool:
		b, err := v.Bool()
		check(err)
		return b
	case linejson.Number:
		return json.Number(v.Raw)
	case linejson.String:
		s, err := v.Text()
		check(err)
		return s
	case linejson.Array:
		items, err := v.Array()
		check(err)
		list := []any{}
		for _, item := range items {
			list = append(list, plain(t, item))
		}
		return list
	case linejson.Object:
		members, err := v.Object()
		check(err)
		object := map[string]any{}
		for _, m := range members {
			object[m.Name] = plain(t, m.Value)
		}
		return object
	default:
		return nil
	}
}

// What both encoding/json and Parse take, both read as the same.
func TestParse(t *testing.T) {
	for _, text := range []string{
		`null`, `true`, `false`, `0`, `-1.5e3`, `""`, `[]`, `{}`, " \t\r\n[ 1 , 2 ]\n",
		`{"a":{"b":[1,"x",null,{"c":false}]},"B":2,"b":3}`,
		`"\u00e9\ud83d\ude00\ufffd\\ud800\n\"\/"`,
		`{"\u0061":1,"A":2}`,
		"\"\ufffd\"",
		strings.Repeat("[", 16) + strings.Repeat("]", 16),
	} {
		v, err := linejson.Parse([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got, want := plain(t, v), decoded(t, text); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %#v, want %#v", text, got, want)
		}
	}
}

func decoded(t *testing.T, text string) (v any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// Everything that Parse refuses, with the line and what it says. encoding/json takes or repairs
// those that are marked, which is why this package exists.
func TestParseRefused(t *testing.T) {
	long := strings.Repeat("5", 51)
	for name, tt := range map[string]struct {
		text  string
		want  string
		taken bool // by encoding/json
	}{
		"nothing":            {"", "1: not valid JSON from here on; is the file whole?", false},
		"no JSON":            {"keystore", "1: not valid JSON", false},
		"cut short":          {"{\n\"a\":[1,\n", "2: not valid JSON", false},
		"comma at the end":   {"[\n1,\n]", "3: not valid JSON", false},
		"single quotes":      {"[\n'a']", "2: not valid JSON", false},
		"comment":            {"// x\n[]", "1: not valid JSON", false},
		"byte order mark":    {"\ufeff[]", "1: not valid JSON", false},
		"second value":       {"[]\n\n[]", "3: not valid JSON", false},
		"word after the end": {"[]\nx", "2: not valid JSON", false},
		"zero byte":          {"[]\x00", "1: not valid JSON", false},
		"control character":  {"\"a\nb\"", "1: not valid JSON", false},
		"leading zero":       {"010", "1: not valid JSON", false},
		"not a number":       {"NaN", "1: not valid JSON", false},
		"bad UTF-8":          {"[\n\"\xff\"]", "2: not valid JSON from here on: it is not UTF-8", true},
		"bad UTF-8 in name":  {"{\n\n\"\xc3\":1}", "3: not valid JSON from here on: it is not UTF-8", true},
		"surrogate as UTF-8": {"\"\xed\xa0\x80\"", "1: not valid JSON from here on: it is not UTF-8", true},
		"half a pair":        {"[\n\"\\ud83d\"]", "2: not valid JSON from here on: half of a surrogate pair", true},
		"half a pair, low":   {`"\ude00"`, "1: not valid JSON from here on: half of a surrogate pair", true},
		"half, then a pair":  {`"\ud83d\ud83d\ude00"`, "1: not valid JSON from here on: half of", true},
		"half in a name":     {`{"\udfff":1}`, "1: not valid JSON from here on: half of a surrogate pair", true},
		"member twice":       {"{\"a\":1,\n\"a\":1}", `2: member "a" comes twice`, true},
		"twice, escaped":     {"{\"a\":1,\n\"\\u0061\":2}", `2: member "a" comes twice`, true},
		"twice, below":       {"[{\"x\":\n{\"b\":1,\n\"b\":2}}]", `3: member "b" comes twice`, true},
		"long name twice":    {`{"` + long + `":1,"` + long + `":1}`, `1: member (a long name) comes twice`, true},
		"too deep": {strings.Repeat("[\n", 17) + strings.Repeat("]", 17), "17: nested deeper than 16 levels",
			true},
		"objects too deep": {strings.Repeat(`{"a":`, 17) + "1" + strings.Repeat("}", 17),
			"1: nested deeper than 16 levels", true},
		"much too deep": {strings.Repeat("[", 20000) + strings.Repeat("]", 20000), "1: not valid JSON", false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := linejson.Parse([]byte(tt.text))
			var at *linejson.Error
			if !errors.As(err, &at) || !strings.HasPrefix(err.Error(), tt.want) {
				t.Fatalf("got %v, want %s", err, tt.want)
			}
			if strings.Contains(err.Error(), long) {
				t.Error("the error repeats what may be a secret")
			}
			if taken := json.Valid([]byte(tt.text)); taken != tt.taken {
				t.Errorf("encoding/json takes it: %t", taken)
			}
		})
	}
}

func TestTooManyValues(t *testing.T) {
	text := []byte("[1,\n{\"a\":2},\n3]")
	if _, err := linejson.ParseUpTo(text, 5); err != nil {
		t.Error(err)
	}
	if _, err := linejson.ParseUpTo(text, 4); err == nil || !strings.HasPrefix(err.Error(),
		"3: there are more values") {
		t.Errorf("got %v", err)
	}
}

func TestLines(t *testing.T) {
	v, err := linejson.Parse([]byte("\n{\n\"a\":\n1,\r\n\"b\"\n:[\n\"x\\n\",\n\n{}]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	members, err := v.Object()
	if err != nil || len(members) != 2 {
		t.Fatalf("%v, %v", members, err)
	}
	items, err := members[1].Value.Array()
	if err != nil || len(items) != 2 {
		t.Fatalf("%v, %v", items, err)
	}
	got := fmt.Sprint(v.Line, members[0].Line, members[0].Value.Line, members[1].Line, members[1].Value.Line,
		items[0].Line, items[1].Line)
	if want := "2 3 4 5 6 7 9"; got != want {
		t.Errorf("lines %s, want %s", got, want)
	}
	if raw := string(members[1].Value.Raw); raw != "[\n\"x\\n\",\n\n{}]" {
		t.Errorf("raw %q", raw)
	}
}

// A value of another kind is an error with the line and, for a member, its name.
func TestWanted(t *testing.T) {
	v, err := linejson.Parse([]byte(`{"memo":null,` + "\n" + `"n":1.0,"big":1e999,"list":["x"]}`))
	if err != nil {
		t.Fatal(err)
	}
	members, _ := v.Object()
	memo, n, big, list := members[0].Value, members[1].Value, members[2].Value, members[3].Value
	items, _ := list.Array()
	for want, call := range map[string]func() error{
		`1: wanted a string`:              func() error { _, err := v.Text(); return err },
		`1: wanted an array`:              func() error { _, err := v.Array(); return err },
		`1: "memo": wanted a string`:      func() error { _, err := memo.Text(); return err },
		`1: "memo": wanted a number`:      func() error { _, err := memo.Int(); return err },
		`1: "memo": wanted true or false`: func() error { _, err := memo.Bool(); return err },
		`1: "memo": wanted an object`:     func() error { _, err := memo.Object(); return err },
		`2: "n": wanted a whole number`:   func() error { _, err := n.Int(); return err },
		`2: "big": wanted a smaller number`: func() error {
			_, err := big.Number()
			return err
		},
		`2: wanted a number`:      func() error { _, err := items[0].Number(); return err },
		`2: unknown member "big"`: func() error { _, err := v.Exactly("memo", "n", "list"); return err },
		`1: member "key" is missing`: func() error {
			_, err := v.Exactly("memo", "n", "big", "list",
				"key")
			return err
		},
		`2: "list": wanted an object`:   func() error { _, err := list.Exactly(); return err },
		`2: "list": no more than three`: func() error { return list.Wrap(errors.New("no more than three")) },
	} {
		if err := call(); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if f, err := n.Number(); f != 1 || err != nil {
		t.Errorf("got %v, %v", f, err)
	}
	if values, err := v.Exactly("list", "memo", "n", "big"); err != nil || values[0].Kind != linejson.Array {
		t.Errorf("got %v, %v", values, err)
	}
}

// Names differ in case.
func TestExactlyCase(t *testing.T) {
	v, err := linejson.Parse([]byte(`{"Memo":1}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Exactly("memo"); err == nil || err.Error() != `1: unknown member "Memo"` {
		t.Errorf("got %v", err)
	}
}

// What Parse takes, encoding/json takes too and reads as the same; what it refuses has a line that
// the file has.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{`{"a":[1,"x",null,true,{"b":-1e5}]}`, "[\n1,\n]", `"\ud83d\ude00\\u"`,
		`{"a":1,"a":2}`, `"\ud800"`, "\"\xff\"", `[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]`, ` [] []`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := linejson.Parse([]byte(text))
		var at *linejson.Error
		if errors.As(err, &at) {
			if at.Line < 1 || at.Line > 1+strings.Count(text, "\n") {
				t.Errorf("line %d: %v", at.Line, err)
			}
			return
		}
		if err != nil {
			t.Fatalf("no line: %v", err)
		}
		if string(v.Raw) != strings.Trim(text, " \t\r\n") {
			t.Errorf("raw is %q", v.Raw)
		}
		if got, want := plain(t, v), decoded(t, text); !reflect.DeepEqual(got, want) {
			t.Errorf("got %#v, want %#v", got, want)
		}
	})
}
