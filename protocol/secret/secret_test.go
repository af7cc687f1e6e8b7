package secret_test

import (
	"bytes"
	"encoding"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"pksa/protocol/secret"
)

const canary = "canary, the bird"

// holder is a struct as they are in other packages.
type holder struct {
	secret.Redacted
	Name string
	key  secret.Hidden[*[]byte]
}

// owner has secrets in all the places that fmt looks into without calling methods.
type owner struct {
	text   secret.Hidden[string]
	raw    secret.Hidden[[]byte]
	ref    secret.Hidden[*string]
	holder holder
	behind *holder
	any    any
}

// part is a struct that is secret in part, as they are in other packages.
type part struct {
	Name   string
	Text   secret.Text
	Number int
	next   string // is left out
}

func (p part) Format(f fmt.State, verb rune) { secret.Format(f, verb, p) }

// leaks reports whether text holds the canary in any base that fmt and the encoders write.
func leaks(text string) bool {
	text = strings.ToLower(text)
	for _, form := range []string{canary, fmt.Sprint([]byte(canary)[:6]), fmt.Sprintf("%#v", []byte(canary)[:6]),
		hex.EncodeToString([]byte(canary)[:6]), base64.StdEncoding.EncodeToString([]byte(canary)[:6])} {
		if strings.Contains(text, strings.ToLower(strings.Trim(form, "[]byte{}"))) {
			return true
		}
	}
	return false
}

// shown returns everything that fmt, the loggers and the encoders make of a value.
func shown(value any) string {
	var out bytes.Buffer
	all := slices.Concat(verbs, pastMethods)
	switch value.(type) {
	case secret.Text, secret.Bytes:
		all = verbs // see the comment on Text
	}
	for _, verb := range all {
		for _, v := range []any{value, []any{value}, map[string]any{"k": value}} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
	}
	for _, marshal := range []func(any) ([]byte, error){json.Marshal, xml.Marshal} {
		raw, err := marshal(value)
		fmt.Fprintf(&out, "%s %v\n", raw, err)
	}
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "value", value, "list", []any{value})
	slog.New(slog.NewTextHandler(&out, nil)).With("value", value).Info("x", slog.Group("g", "value", value))
	return out.String()
}

var verbs = []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%b", "%o", "%c", "%U", "%e", "%t",
	"%100v", "%-5.2s"}

// pastMethods are verbs that fmt carries out, or complains of, before it asks a value for its
// methods.
var pastMethods = []string{"%p", "%w"}

func secrets() map[string]any {
	raw, text := []byte(canary), canary
	h := holder{Name: "name", key: secret.Hide(&raw)}
	return map[string]any{
		"text": secret.Text(canary), "bytes": secret.Bytes(canary), "hidden": secret.Hide(canary),
		"hidden pointer": secret.Hide(&text), "holder": h, "pointer to holder": &h,
		"zero text": secret.Text(""), "zero bytes": secret.Bytes(nil), "zero hidden": secret.Hidden[string](nil),
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	for name, value := range secrets() {
		if text := shown(value); leaks(text) {
			t.Errorf("%s: %.2000s", name, text)
		}
		for _, verb := range verbs {
			if text := fmt.Sprintf(verb, value); text != secret.Mark {
				t.Errorf("%s of %s: %s", verb, name, text)
			}
		}
		text, err := value.(encoding.TextMarshaler).MarshalText()
		words := value.(fmt.Stringer).String() + value.(fmt.GoStringer).GoString() + string(text)
		if err != nil || words != strings.Repeat(secret.Mark, 3) {
			t.Errorf("%s: %s, %v", name, words, err)
		}
		if got := value.(slog.LogValuer).LogValue().String(); got != secret.Mark {
			t.Errorf("%s in a log: %s", name, got)
		}
		raw, err := json.Marshal(map[string]any{"k": []any{value}})
		if err != nil || string(raw) != `{"k":["[redacted]"]}` {
			t.Errorf("%s as JSON: %s, %v", name, raw, err)
		}
	}
}

func TestHiddenInUnexportedFields(t *testing.T) {
	raw, text := []byte(canary), canary
	h := holder{key: secret.Hide(&raw)}
	o := owner{secret.Hide(canary), secret.Hide(raw), secret.Hide(&text), h, &h, h}
	for _, value := range []any{o, &o, []owner{o}, map[string]*owner{"k": &o}, struct{ o owner }{o}} {
		if text := shown(value); leaks(text) {
			t.Errorf("%T: %.2000s", value, text)
		}
	}
	if o.text.Reveal() != canary || &o.raw.Reveal()[0] != &raw[0] || *o.ref.Reveal() != canary ||
		*h.key.Reveal() == nil {
		t.Error("what was hidden is not there")
	}
	var zero secret.Hidden[*string]
	if zero.Reveal() != nil {
		t.Error("the zero value holds something")
	}
}

func TestAStructIsSecretInPart(t *testing.T) {
	p := part{"name", canary, 7, canary}
	for verb, want := range map[string]string{
		"%v":  "{name [redacted] 7}",
		"%+v": "{Name:name Text:[redacted] Number:7}",
		"%#v": `secret_test.part{Name:"name", Text:[redacted], Number:7}`,
		"%s":  "{Name:name Text:[redacted] Number:7}",
		"%q":  "{Name:name Text:[redacted] Number:7}",
		"%x":  "{Name:name Text:[redacted] Number:7}",
		"%d":  "{Name:name Text:[redacted] Number:7}",
	} {
		if got := fmt.Sprintf(verb, p); got != want {
			t.Errorf("%s: %s, want %s", verb, got, want)
		}
		// Behind a pointer in a field, fmt would ask the members for no methods.
		for _, around := range []any{&p, []part{p}, []*part{&p}, struct{ P *part }{&p}, map[string]*part{"p": &p}} {
			if text := fmt.Sprintf(verb, around); leaks(text) || !strings.Contains(text, "name") {
				t.Errorf("%s of %T: %s", verb, around, text)
			}
		}
	}
	var none *part
	if text := fmt.Sprint(none); text != "<nil>" {
		t.Errorf("no part is written as %s", text)
	}
}

// A program that panics prints the value on its way out, so the test does it in a process of its
// own.
func TestPanicsDoNotShowSecrets(t *testing.T) {
	values := secrets()
	values["secret in part"] = part{Text: canary}
	if name, ok := os.LookupEnv("SECRET_TEST_PANIC"); ok {
		panic(values[name])
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name := range values {
		cmd := exec.Command(self, "-test.run=^TestPanicsDoNotShowSecrets$")
		cmd.Env = append(os.Environ(), "SECRET_TEST_PANIC="+name)
		out, err := cmd.CombinedOutput()
		if err == nil || !bytes.Contains(out, []byte("panic: ")) || leaks(string(out)) {
			t.Errorf("%s: %v, %s", name, err, out)
		}
	}
}

// The tests above must see what is not protected.
func TestLeaksAreSeen(t *testing.T) {
	for _, value := range []any{canary, []byte(canary), struct{ s string }{canary}, struct{ t secret.Text }{canary}} {
		if !leaks(shown(value)) {
			t.Errorf("not seen in %T", value)
		}
	}
}

func TestContent(t *testing.T) {
	if string(secret.Text(canary)) != canary || string([]byte(secret.Bytes(canary))) != canary {
		t.Error("a conversion does not give the content")
	}
	if unsafe.Sizeof(secret.Redacted{}) != 0 {
		t.Error("the embedded type takes room")
	}
}
