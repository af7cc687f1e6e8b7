package seal_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"pksa/protocol/seal"
)

const authKey = "03f63469-5a35-47cb-a6b4-e8c4d3144cf9"

type vectorFile struct {
	Count   int
	Vectors []vector
	// Plaintext is what every accepted vector of aes_negative.json opens to.
	Plaintext string
}

type vector struct {
	Name, Passphrase string
	Plaintext        []byte `json:"plaintext_base64"`
	Salt             string `json:"salt_hex"`
	Output           string
	Data, Strict     string
}

func readVectors(t testing.TB, name string) vectorFile {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var file vectorFile
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Vectors) == 0 || len(file.Vectors) != file.Count {
		t.Fatalf("%s: %d vectors, its count says %d", name, len(file.Vectors), file.Count)
	}
	return file
}

func salt(t testing.TB, text string) [8]byte {
	t.Helper()
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != 8 {
		t.Fatalf("salt %q: %v", text, err)
	}
	return [8]byte(raw)
}

func TestSealAsCryptoJS(t *testing.T) {
	for _, v := range readVectors(t, "aes.json").Vectors {
		t.Run(v.Name, func(t *testing.T) {
			if got := seal.Seal(v.Passphrase, v.Plaintext, salt(t, v.Salt)); got != v.Output {
				t.Errorf("Seal = %s, want %s", got, v.Output)
			}
			sealed, err := seal.Parse(v.Output)
			if err != nil {
				t.Fatal(err)
			}
			clear, err := sealed.Open(v.Passphrase)
			if err != nil || !bytes.Equal(clear, v.Plaintext) {
				t.Errorf("Open = %q, %v", clear, err)
			}
			if sealed.Damaged(v.Passphrase) {
				t.Error("Damaged although it opens")
			}
			if sealed.String() != v.Output {
				t.Error("String differs from what was parsed")
			}
			if _, err := sealed.Open(v.Passphrase + "x"); !errors.Is(err, seal.ErrNotMine) {
				t.Errorf("Open with another passphrase: %v", err)
			}
		})
	}
}

func TestRefuseWhatCryptoJSTakes(t *testing.T) {
	file := readVectors(t, "aes_negative.json")
	accepted := 0
	for _, v := range file.Vectors {
		t.Run(v.Name, func(t *testing.T) {
			clear, err := open(v.Data, v.Passphrase)
			switch v.Strict {
			case "accept":
				accepted++
				if err != nil || string(clear) != file.Plaintext {
					t.Errorf("Open = %q, %v", clear, err)
				}
			case "reject":
				if err == nil {
					t.Errorf("opened to %q", clear)
				}
			default:
				t.Fatalf("column strict says %q", v.Strict)
			}
		})
	}
	if accepted == 0 {
		t.Error("no control vector was accepted")
	}
}

func open(data, passphrase string) ([]byte, error) {
	sealed, err := seal.Parse(data)
	if err != nil {
		return nil, err
	}
	return sealed.Open(passphrase)
}

func TestDamaged(t *testing.T) {
	want := map[string]bool{ // every vector that parses and does not open
		"wrong-passphrase":                 false,
		"wrong-passphrase-2":               false,
		"wrong-passphrase-3":               false,
		"wrong-passphrase-empty":           false,
		"short-plaintext-wrong-passphrase": false,
		"truncated-one-block":              true,
		"truncated-to-one-block":           true,
		"salt-bit-flipped":                 false,
		"first-block-bit-flipped":          false,
		"middle-block-bit-flipped":         true,
		"last-byte-flipped":                true,
		"padding-byte-zero":                false,
		"padding-byte-17":                  false,
		"padding-bytes-unequal":            false,
		"plaintext-not-utf8":               false,
		"plaintext-overlong-utf8":          false,
		"plaintext-utf8-surrogate":         false,
	}
	seen := 0
	for _, v := range readVectors(t, "aes_negative.json").Vectors {
		sealed, err := seal.Parse(v.Data)
		if err != nil || v.Strict == "accept" {
			continue
		}
		expected, known := want[v.Name]
		if !known {
			t.Errorf("%s: parses, and this table does not know it", v.Name)
		}
		seen++
		if got := sealed.Damaged(v.Passphrase); got != expected {
			t.Errorf("%s: Damaged = %v", v.Name, got)
		}
	}
	if seen != len(want) {
		t.Errorf("%d vectors of %d met", seen, len(want))
	}
}

// What makes a first block look like the beginning of a JSON object.
func TestDamagedFirstBlock(t *testing.T) {
	for name, test := range map[string]struct {
		clear string
		want  bool
	}{
		"pretty JSON":               {"{\n\t\"key_type\": \"posting\" }", true},
		"rune across the boundary":  {`{"challenge":"日本語"}`, true},
		"no object":                 {`[{"challenge":"abcdefgh"}]`, false},
		"control character":         {"{\x01 sixteen bytes and more", false},
		"delete":                    {"{\x7f sixteen bytes and more", false},
		"C1 control in UTF-8":       {"{\u0085 sixteen bytes and more", false},
		"first block is not UTF-8":  {"{\xff sixteen bytes and more", false},
		"less than a block, broken": {"{}", false},
	} {
		t.Run(name, func(t *testing.T) {
			raw, err := base64.StdEncoding.DecodeString(seal.Seal(authKey, []byte(test.clear), [8]byte{1}))
			if err != nil {
				t.Fatal(err)
			}
			raw[len(raw)-1] ^= 0x80
			sealed, err := seal.Parse(base64.StdEncoding.EncodeToString(raw))
			if err != nil {
				t.Fatal(err)
			}
			if got := sealed.Damaged(authKey); got != test.want {
				t.Errorf("Damaged = %v", got)
			}
		})
	}
}

// A trial finds with each passphrase what Open and Damaged find, also after others.
func TestTrial(t *testing.T) {
	const key = "the key of the session"
	long := seal.Seal(key, []byte(`{"key_type":"posting","challenge":"some text"}`), salt(t, "0102030405060708"))
	raw, err := base64.StdEncoding.DecodeString(long)
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)-1] ^= 1
	for name, c := range map[string]struct {
		data string
		want seal.Finding
	}{
		"whole":   {long, seal.Opened},
		"altered": {base64.StdEncoding.EncodeToString(raw), seal.Altered},
		"short":   {seal.Seal(key, []byte("{}"), salt(t, "0102030405060708")), seal.Opened},
		"foreign": {seal.Seal("another", []byte("{}"), salt(t, "0102030405060708")), seal.NotMine},
	} {
		t.Run(name, func(t *testing.T) {
			sealed, err := seal.Parse(c.data)
			if err != nil {
				t.Fatal(err)
			}
			trial := seal.NewTrial(sealed)
			for _, try := range []string{"one", key, "two", strings.Repeat("long ", 100), key} {
				clear, found := trial.Try(try)
				opened, err := sealed.Open(try)
				if string(clear) != string(opened) || (found == seal.Opened) != (err == nil) ||
					(found == seal.Altered) != sealed.Damaged(try) || try == key && found != c.want {
					t.Errorf("%.10s: %q, %d, but Open says %q, %v, and Damaged %t", try, clear, found, opened, err,
						sealed.Damaged(try))
				}
			}
		})
	}
	if clear, found := seal.NewTrial(seal.Sealed{}).Try(key); clear != nil || found != seal.NotMine {
		t.Errorf("the zero value: %q, %d", clear, found)
	}
}

func TestParseIsStrict(t *testing.T) {
	good := seal.Seal(authKey, []byte("{}"), [8]byte{1, 2, 3})
	if !strings.HasSuffix(good, "=") {
		t.Fatalf("%q has no padding to play with", good)
	}
	loose := []byte(good) // the same bytes with loose bits set in the last digit
	at := strings.IndexByte(good, '=') - 1
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	loose[at] = digits[strings.IndexByte(digits, good[at])+1]
	for name, data := range map[string]string{
		"line break inside":    good[:20] + "\n" + good[20:],
		"carriage return":      good + "\r",
		"line break at end":    good + "\n",
		"blank":                good[:4] + " " + good[4:],
		"no padding":           strings.TrimRight(good, "="),
		"text after padding":   good + "AAAA",
		"loose bits":           string(loose),
		"URL alphabet":         strings.Replace(good, "/", "_", 1),
		"other magic":          "u" + good[1:],
		"magic only":           base64.StdEncoding.EncodeToString([]byte("Salted__")),
		"header only":          base64.StdEncoding.EncodeToString([]byte("Salted__12345678")),
		"half a block":         base64.StdEncoding.EncodeToString([]byte("Salted__12345678abcdefgh")),
		"a block and a half":   base64.StdEncoding.EncodeToString([]byte("Salted__12345678abcdefghabcdefghabcdefgh")),
		"less than the header": base64.StdEncoding.EncodeToString([]byte("Salt")),
		"empty":                "",
	} {
		if _, err := seal.Parse(data); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestZeroValueOpensNothing(t *testing.T) {
	var sealed seal.Sealed
	if _, err := sealed.Open(authKey); !errors.Is(err, seal.ErrNotMine) {
		t.Errorf("Open: %v", err)
	}
	if sealed.Damaged(authKey) {
		t.Error("Damaged")
	}
}

func TestDigestCoversAllBytes(t *testing.T) {
	data := seal.Seal(authKey, []byte("{}"), [8]byte{1})
	raw, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := seal.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if sealed.Digest() != sha256.Sum256(raw) {
		t.Error("not the digest of the decoded bytes")
	}
	for at := len("Salted__"); at < len(raw); at++ {
		raw[at] ^= 1
		other, err := seal.Parse(base64.StdEncoding.EncodeToString(raw))
		if err != nil {
			t.Fatal(err)
		}
		if other.Digest() == sealed.Digest() {
			t.Errorf("byte %d is not covered", at)
		}
		raw[at] ^= 1
	}
}

// Open must agree, for every length, with the plain way of opening: all passphrases that do not fit
// are refused, the right one gives the text.
func TestEveryLength(t *testing.T) {
	text := []byte(strings.Repeat("äöü€𝄞 ", 40))
	for n := range len(text) + 1 {
		clear := bytes.ToValidUTF8(text[:n], nil)
		sealed, err := seal.Parse(seal.Seal(authKey, clear, [8]byte{byte(n), byte(n >> 8)}))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := sealed.Open(authKey); err != nil || !bytes.Equal(got, clear) {
			t.Fatalf("%d bytes: %q, %v", n, got, err)
		}
		// A text cut inside a character is sealed as it is and never opens.
		if len(clear) != n {
			cut, err := seal.Parse(seal.Seal(authKey, text[:n], [8]byte{byte(n)}))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := cut.Open(authKey); err == nil {
				t.Fatalf("%d bytes cut inside a character: %q", n, got)
			}
		}
	}
}

func FuzzOpen(f *testing.F) {
	for _, v := range readVectors(f, "aes.json").Vectors {
		f.Add(v.Output, v.Passphrase)
	}
	for _, v := range readVectors(f, "aes_negative.json").Vectors {
		f.Add(v.Data, v.Passphrase)
	}
	f.Fuzz(func(t *testing.T, data, passphrase string) {
		sealed, err := seal.Parse(data)
		if err != nil {
			return
		}
		if sealed.String() != data {
			t.Fatalf("parsed %q, which is written %q", data, sealed)
		}
		clear, err := sealed.Open(passphrase)
		damaged := sealed.Damaged(passphrase)
		if tried, found := seal.NewTrial(sealed).Try(passphrase); string(tried) != string(clear) ||
			(found == seal.Opened) != (err == nil) || (found == seal.Altered) != damaged {
			t.Errorf("a trial finds %d and %q", found, tried)
		}
		if err != nil {
			return
		}
		if damaged {
			t.Error("opens, and is damaged")
		}
		raw, err := base64.StdEncoding.DecodeString(data)
		if err != nil {
			t.Fatal(err)
		}
		if again := seal.Seal(passphrase, clear, [8]byte(raw[8:16])); again != data {
			t.Errorf("opened %q, which seals to %q", data, again)
		}
	})
}

// FuzzSeal: whatever text is sealed opens again, and under no other passphrase.
func FuzzSeal(f *testing.F) {
	f.Add(authKey, "{}", uint64(1))
	f.Add("", "", uint64(0))
	f.Fuzz(func(t *testing.T, passphrase, clear string, seed uint64) {
		var salt [8]byte
		for i := range salt {
			salt[i] = byte(seed >> (8 * i))
		}
		sealed, err := seal.Parse(seal.Seal(passphrase, []byte(clear), salt))
		if err != nil {
			t.Fatal(err)
		}
		got, err := sealed.Open(passphrase)
		if valid := strings.ToValidUTF8(clear, "") == clear; valid != (err == nil) {
			t.Fatalf("Open: %v", err)
		} else if valid && string(got) != clear {
			t.Fatalf("Open = %q, want %q", got, clear)
		}
	})
}
