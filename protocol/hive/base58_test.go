package hive_test

import (
	"bytes"
	"encoding/hex"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"pksa/protocol/hive"
)

// Texts from draft-msporny-base58-03 and the tests of Bitcoin Core
// (src/test/data/base58_encode_decode.json).
func TestBase58KnownTexts(t *testing.T) {
	for raw, text := range map[string]string{
		"":                         "",
		"00":                       "1",
		"61":                       "2g",
		"626262":                   "a3gV",
		"636363":                   "aPEr",
		"516b6fcd0f":               "ABnLTmg",
		"572e4794":                 "3EFU7m",
		"ecac89cad93923c02321":     "EJDM8drfXA6uyA",
		"10c8511e":                 "Rt5zm",
		"00000000000000000000":     "1111111111",
		"0000287fb4cd":             "11233QC4",
		"48656c6c6f20576f726c6421": "2NEpo7TZRRrLZSi2U",
		"73696d706c792061206c6f6e6720737472696e67":           "2cFupjhnEsSn59qHXstmK2ffpLv2",
		"00eb15231dfceb60925886b67d065299925915aeb172c06647": "1NS17iag9jJgTHD1VXjvLCEnZuQ3rJDE9L",
		"bf4f89001e670274dd":                                 "3SEo3LWLoPntC",
	} {
		want, err := hex.DecodeString(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := hive.EncodeBase58(want); got != text {
			t.Errorf("%s is written %q, want %q", raw, got, text)
		}
		if got, err := hive.DecodeBase58(text); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%q is read %x, %v, want %s", text, got, err, raw)
		}
	}
}

// bigBase58 returns base58 by its definition, with math/big.
func bigBase58(src []byte) string {
	const alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
	const digits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUV"
	trimmed := bytes.TrimLeft(src, "\x00")
	text := strings.Repeat("1", len(src)-len(trimmed))
	if len(trimmed) == 0 {
		return text
	}
	return text + strings.Map(func(r rune) rune {
		return rune(alphabet[strings.IndexRune(digits, r)])
	}, new(big.Int).SetBytes(trimmed).Text(58))
}

func TestBase58AsBigNumbers(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for n := range 400 {
		raw := make([]byte, n)
		for i := n % 4; i < n; i++ {
			raw[i] = byte(random.Uint32())
		}
		if n%3 == 0 {
			for i := n / 2; i < n; i++ {
				raw[i] = 0xff * byte(n%2)
			}
		}
		checkBase58(t, raw)
	}
}

func checkBase58(t *testing.T, raw []byte) {
	t.Helper()
	text := hive.EncodeBase58(raw)
	if want := bigBase58(raw); text != want {
		t.Fatalf("%x is written %q, want %q", raw, text, want)
	}
	if back, err := hive.DecodeBase58(text); err != nil || !bytes.Equal(back, raw) {
		t.Fatalf("%q is read %x, %v, want %x", text, back, err, raw)
	}
}

func TestBase58Refuses(t *testing.T) {
	for _, text := range []string{"0", "O", "I", "l", " ", "a b", "abc\n", "+", "/", "é", "\x00", "111\xff",
		"1111111110"} {
		if raw, err := hive.DecodeBase58(text); err == nil {
			t.Errorf("%q is read %x", text, raw)
		}
	}
}

func FuzzBase58(f *testing.F) {
	f.Add("11233QC4", []byte("\x00\x00\xff"))
	f.Add("l0", []byte{})
	f.Fuzz(func(t *testing.T, text string, raw []byte) {
		if len(raw) < 4096 {
			checkBase58(t, raw)
		}
		if back, err := hive.DecodeBase58(text); err == nil && hive.EncodeBase58(back) != text {
			t.Errorf("%q is read %x, which is written %q", text, back, hive.EncodeBase58(back))
		}
	})
}
