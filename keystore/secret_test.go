package keystore_test

import (
	"bytes"
	"encoding"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"pksa/keystore"
	"pksa/protocol/hive"
)

const canary = "canary"

// leaks lists the forms in which fmt could print the canary's bytes.
func leaks(text string) bool {
	for _, form := range []string{canary, "99 97 110 97 114 121", "63616e617279", "0x63, 0x61, 0x6e", "AGE-SECRET-KEY",
		"5JZABPReZZqYB", "Y2FuYXJ5"} {
		if strings.Contains(strings.ToLower(text), strings.ToLower(form)) {
			return true
		}
	}
	return false
}

// numbers matches the bytes of an identity as fmt would print them.
var numbers = regexp.MustCompile(`([0-9]+ ){6}`)

// Whatever holds a secret prints as one word, also inside structs of others, exported or not.
func TestNothingPrints(t *testing.T) {
	s, _, identity := newStore(t)
	batch, err := keystore.KeyOf("alice", hive.Posting, []byte("5JZABPReZZqYBvrFYDAhmN6NQ6r9wDn9B9FnXPNLixhBaAyRbsq"))
	if err != nil {
		t.Fatal(err)
	}
	secret := keystore.NewSecret([]byte(canary))
	for name, value := range map[string]any{
		"secret": secret, "secret pointer": &secret, "unlock": unlockWith(t, canary), "identity": identity, "store": s,
		"batch": batch,
		"slice": []keystore.Secret{secret}, "map": map[string]keystore.Secret{"x": secret},
		"exported field": struct{ S keystore.Secret }{secret}, "hidden field": struct{ s keystore.Secret }{secret},
		"hidden unlock":   struct{ u keystore.Unlock }{unlockWith(t, canary)},
		"hidden identity": struct{ u keystore.Unlock }{identity},
		//nolint:govet // on purpose
		"hidden store": struct{ s *keystore.Store }{s}, "hidden batch": struct{ b keystore.Batch }{*batch},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%c", "%U", "%t"} {
				fmt.Fprintf(&out, verb+"\n", value)
			}
			for _, marshal := range []func(any) ([]byte, error){json.Marshal, xml.Marshal} {
				raw, err := marshal(value)
				fmt.Fprintf(&out, "%s %v\n", raw, err)
			}
			slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "value", value)
			slog.New(slog.NewTextHandler(&out, nil)).Info("x", "value", value)
			if leaks(out.String()) {
				t.Errorf("leaks:\n%s", out.String())
			}
			if name == "hidden identity" && numbers.MatchString(out.String()) {
				t.Errorf("prints a run of numbers:\n%s", out.String())
			}
			if text, ok := value.(encoding.TextMarshaler); ok {
				if raw, err := text.MarshalText(); err != nil || string(raw) != "[redacted]" {
					t.Errorf("as text: %s, %v", raw, err)
				}
			}
			if !strings.HasPrefix(name, "hidden") && !strings.Contains(out.String(), "[redacted]") {
				t.Errorf("does not say [redacted]:\n%s", out.String())
			}
		})
	}
}

func TestSecretWipe(t *testing.T) {
	raw := []byte(canary)
	s := keystore.NewSecret(raw)
	other := s
	if string(other.Bytes()) != canary {
		t.Errorf("got %q", other.Bytes())
	}
	s.Wipe()
	if !bytes.Equal(raw, make([]byte, len(canary))) || !bytes.Equal(other.Bytes(), raw) {
		t.Error("not wiped")
	}
	var zero keystore.Secret
	zero.Wipe()
	if zero.Bytes() != nil {
		t.Error("the zero secret is not empty")
	}
}
