package hive_test

import (
	"bytes"
	"encoding"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"strings"
	"testing"

	"pksa/protocol/hive"
)

// leaks reports whether text holds a run of the secret in any base that fmt writes, or as WIF.
func leaks(text string, secret []byte, wif string) bool {
	text = strings.ToLower(strings.NewReplacer(" ", "", ",", "", "0x", "").Replace(text))
	var decimal, goHex strings.Builder
	for _, b := range secret[:8] {
		fmt.Fprintf(&decimal, "%d", b)
		fmt.Fprintf(&goHex, "%x", b)
	}
	var words strings.Builder // the eight 32-bit words of a scalar, low first
	for i := 28; i >= 24; i -= 4 {
		fmt.Fprintf(&words, "%d", uint32(secret[i])<<24|uint32(secret[i+1])<<16|uint32(secret[i+
			2])<<8|uint32(secret[i+3]))
	}
	for _, form := range []string{hex.EncodeToString(secret[:8]), decimal.String(), goHex.String(),
		words.String(), wif} {
		if form != "" && strings.Contains(text, strings.ToLower(form)) {
			return true
		}
	}
	return false
}

func secretCases(t *testing.T) (key *hive.PrivateKey, secret *hive.SharedSecret) {
	t.Helper()
	key = hive.PrivateKeyFromSeed("some key")
	secret, err := key.SharedSecret(hive.PrivateKeyFromSeed("other").Public())
	if err != nil {
		t.Fatal(err)
	}
	return key, secret
}

var verbs = []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%b", "%o", "%c", "%U", "%e", "%t", "%p",
	"%w", "%100v", "%-5.2s"}

func TestSecretsDoNotFormat(t *testing.T) {
	key, secret := secretCases(t)
	scalar, hashes := key.SecretBytes(), secret.SecretBytes()
	if !leaks(fmt.Sprint(scalar), scalar[:], "") || !leaks(fmt.Sprintf("%#v", hashes), hashes[:], "") {
		t.Fatal("the leak detector is blind")
	}
	// A field that fmt cannot call methods on, as a value and as a pointer.
	type holder struct {
		key     hive.PrivateKey
		pointer *hive.PrivateKey
		secret  hive.SharedSecret
		ref     *hive.SharedSecret
		any     any
	}
	hidden := holder{*key, key, *secret, secret, *key}
	for _, verb := range verbs {
		for name, value := range map[string]any{
			"key": key, "key value": *key, "secret": secret, "secret value": *secret,
			"hidden": hidden, "pointer to hidden": &hidden,
			"list": []*hive.PrivateKey{key}, "values": []hive.PrivateKey{*key},
			"map":      map[string]hive.SharedSecret{"a": *secret},
			"zero key": hive.PrivateKey{}, "zero secret": &hive.SharedSecret{},
		} {
			text := fmt.Sprintf(verb, value)
			if leaks(text, scalar[:], key.WIF()) || leaks(text, hashes[:64], "") || leaks(text, hashes[64:], "") {
				t.Errorf("%s of %s shows a secret: %.2000s", verb, name, text)
			}
			// fmt treats %p and %w before it asks a value how to print.
			if !strings.Contains(name, "hidden") && verb != "%p" && verb != "%w" &&
				!strings.Contains(text, "[redacted]") {
				t.Errorf("%s of %s: %s", verb, name, text)
			}
		}
	}
}

func TestSecretsDoNotMarshal(t *testing.T) {
	key, secret := secretCases(t)
	for name, value := range map[string]any{"key": key, "key value": *key, "secret": secret, "secret value": *secret} {
		if raw, err := json.Marshal(value); err != nil || string(raw) != `"[redacted]"` {
			t.Errorf("JSON of %s: %s, %v", name, raw, err)
		}
		if raw, err := json.Marshal(map[string]any{"k": []any{value}}); err != nil ||
			string(raw) != `{"k":["[redacted]"]}` {
			t.Errorf("JSON around %s: %s, %v", name, raw, err)
		}
		if raw, err := xml.Marshal(value); err != nil || !strings.Contains(string(raw), "[redacted]") {
			t.Errorf("XML of %s: %s, %v", name, raw, err)
		}
		if raw, err := value.(encoding.TextMarshaler).MarshalText(); err != nil || string(raw) != "[redacted]" {
			t.Errorf("text of %s: %s, %v", name, raw, err)
		}
	}
}

func TestSecretsDoNotLog(t *testing.T) {
	key, secret := secretCases(t)
	scalar, hashes := key.SecretBytes(), secret.SecretBytes()
	var out bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		out.Reset()
		slog.New(handler).With("with", key).Info("event", "key", key, "value", *key, "secret", secret, "group",
			slog.GroupValue(slog.Any("k", *secret)))
		if text := out.String(); leaks(text, scalar[:], key.WIF()) || leaks(text, hashes[:64], "") ||
			strings.Count(text, "[redacted]") != 5 {
			t.Errorf("%T: %s", handler, text)
		}
	}
	out.Reset()
	log.New(&out, "", 0).Println(key, *secret, errors.Join(fmt.Errorf("key %v", key)))
	if want := "[redacted] [redacted] key [redacted]\n"; out.String() != want {
		t.Errorf("log: %s", out.String())
	}
}

func TestPanicDoesNotShowSecrets(t *testing.T) {
	key, _ := secretCases(t)
	scalar := key.SecretBytes()
	defer func() {
		if text := fmt.Sprint(recover()); leaks(text, scalar[:], key.WIF()) {
			t.Errorf("panic shows %s", text)
		}
	}()
	panic(key)
}

func TestWipe(t *testing.T) {
	key, secret := secretCases(t)
	other := hive.PrivateKeyFromSeed("other").Public()
	copied, copiedSecret, public := *key, *secret, key.Public()
	memo := mustEncode(t, key, other, "#text")
	if key.SecretBytes() == [32]byte{} || secret.SecretBytes() == [128]byte{} {
		t.Fatal("no secret to wipe")
	}
	key.Wipe()
	secret.Wipe()
	if key.SecretBytes() != [32]byte{} || copied.SecretBytes() != [32]byte{} {
		t.Error("the key is still there")
	}
	if secret.SecretBytes() != [128]byte{} || copiedSecret.SecretBytes() != [128]byte{} {
		t.Error("the secret is still there")
	}
	for name, dead := range map[string]*hive.PrivateKey{"wiped": key, "copy of wiped": &copied, "zero": {}} {
		if sig, err := dead.Sign(hive.Digest{}); err == nil || sig != (hive.Signature{}) {
			t.Errorf("%s key signs", name)
		}
		if sig, err := dead.SignCanonical(hive.Digest{}); err == nil || sig != (hive.Signature{}) {
			t.Errorf("%s key signs", name)
		}
		if _, err := dead.SharedSecret(other); err == nil {
			t.Errorf("%s key shares a secret", name)
		}
		if _, err := dead.DecodeMemo(memo); err == nil {
			t.Errorf("%s key decodes", name)
		}
		if got := dead.WIF(); got != "" {
			t.Errorf("%s key is written %q", name, got)
		}
	}
	for name, dead := range map[string]*hive.SharedSecret{"wiped": secret, "copy of wiped": &copiedSecret, "zero": {}} {
		if _, err := dead.EncodeMemo(public, other, "#text", 1); err == nil {
			t.Errorf("%s secret encodes", name)
		}
		if _, err := dead.DecodeMemo(memo); err == nil {
			t.Errorf("%s secret decodes", name)
		}
	}
	if key.Public() != public || public.IsNull() {
		t.Error("the public key went too")
	}
	(*hive.PrivateKey)(nil).Wipe()
	(*hive.SharedSecret)(nil).Wipe()
	key.Wipe()
}
