package hive_test

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"

	"pksa/protocol/hive"
)

func TestMemoVectors(t *testing.T) {
	type vector struct {
		Name, Plaintext, Memo string
		FromWIF               string `json:"from_wif"`
		ToWIF                 string `json:"to_wif"`
		From                  string `json:"from_public"`
		To                    string `json:"to_public"`
		Nonce                 string
	}
	for _, v := range readKeyVectors[vector](t, "memo.json") {
		t.Run(v.Name, func(t *testing.T) {
			if v.FromWIF == "" { // a text without #: refused here, echoed by hive-js
				if _, err := hive.PrivateKeyFromSeed("any").EncodeMemo(hive.PrivateKeyFromSeed("other").Public(),
					v.Plaintext, 1); err == nil {
					t.Error("encoded")
				}
				return
			}
			nonce, err := strconv.ParseUint(v.Nonce, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			from, to := mustKey(t, v.FromWIF), mustKey(t, v.ToWIF)
			memo, err := from.EncodeMemo(to.Public(), v.Plaintext, nonce)
			if err != nil || memo != v.Memo {
				t.Errorf("EncodeMemo = %s, %v, want %s", memo, err, v.Memo)
			}
			header, err := hive.ParseMemo(v.Memo)
			if want := (hive.MemoHeader{From: mustPublic(t, v.From), To: mustPublic(t, v.To),
				Nonce: nonce}); err != nil || header != want {
				t.Errorf("ParseMemo = %v, %v, want %v", header, err, want)
			}
			checkBothEnds(t, from, to, v.Memo, v.Plaintext)
		})
	}
}

// checkBothEnds expects that both keys read the memo as text, each by itself and by a secret that
// was kept, and that a third key does not.
func checkBothEnds(t *testing.T, from, to *hive.PrivateKey, memo, text string) {
	t.Helper()
	for _, end := range [][2]*hive.PrivateKey{{from, to}, {to, from}} {
		secret, err := end[0].SharedSecret(end[1].Public())
		if err != nil {
			t.Fatal(err)
		}
		for _, decode := range []func(string) (string, error){end[0].DecodeMemo, secret.DecodeMemo} {
			if got, err := decode(memo); err != nil || got != text {
				t.Errorf("DecodeMemo = %q, %v, want %q", got, err, text)
			}
		}
	}
	if _, err := hive.PrivateKeyFromSeed("third").DecodeMemo(memo); !errors.Is(err, hive.ErrMemoKey) {
		t.Errorf("a third key: %v", err)
	}
}

func TestMemoDecodeVectors(t *testing.T) {
	type vector struct {
		Name, WIF, Memo, Strict string
		HiveJS                  struct{ Result, Error string }
	}
	// What hive-js cannot read and we can.
	ours := map[string]string{"shared-secret-leading-zero-padded-variant": "#padded"}
	for _, v := range readKeyVectors[vector](t, "memo_decode.json") {
		t.Run(v.Name, func(t *testing.T) {
			got, err := mustKey(t, v.WIF).DecodeMemo(v.Memo)
			want := v.HiveJS.Result
			if v.HiveJS.Error != "" {
				want = ours[v.Name]
			}
			switch v.Strict {
			case "accept":
				if err != nil || got != want || want == "" {
					t.Errorf("DecodeMemo = %q, %v, want %q", got, err, want)
				}
			case "reject", "optional": // what is optional we leave out
				if err == nil || got != "" {
					t.Errorf("DecodeMemo = %q, %v", got, err)
				}
			default:
				t.Fatalf("column strict says %q", v.Strict)
			}
		})
	}
}

// The checks of a relay, as documented, with the functions of this package.
func TestProofOfKeyVectors(t *testing.T) {
	type vector struct {
		Name, Kind, Account, PoK string
		UUID                     string `json:"request_uuid"`
		Now                      int64  `json:"now_ms"`
		Accept                   bool
		Reason                   string
	}
	file := readProofFile(t)
	server := mustKey(t, file.Server)
	accepted := 0
	for _, v := range readKeyVectors[vector](t, "pok_check.json") {
		t.Run(v.Name, func(t *testing.T) {
			header, headerErr := hive.ParseMemo(v.PoK)
			text, err := server.DecodeMemo(v.PoK)
			got := headerErr == nil && err == nil && file.holds(v.Account, header.From) && header.To == server.Public()
			switch v.Kind {
			case "register":
				ms, err := strconv.ParseUint(strings.TrimPrefix(text, "#"), 10, 63)
				got = got && err == nil && v.Now-int64(ms) <= 10_000 && int64(ms)-v.Now <= 10_000
			case "reply":
				got = got && text == "#"+v.UUID
			default:
				t.Fatalf("unknown kind %q", v.Kind)
			}
			if got != v.Accept {
				t.Errorf("accepted: %v (%q, %v), want %v %s", got, text, err, v.Accept, v.Reason)
			}
			if got {
				accepted++
			}
		})
	}
	if accepted == 0 {
		t.Error("no proof was accepted")
	}
}

type proofFile struct {
	Server   string                         `json:"server_wif"`
	Accounts map[string]map[string][]string `json:"account_keys"`
}

func readProofFile(t *testing.T) (file proofFile) {
	t.Helper()
	if err := json.Unmarshal(readKeyFile(t, "pok_check.json"), &file); err != nil {
		t.Fatal(err)
	}
	return file
}

func (f proofFile) holds(account string, key hive.PublicKey) bool {
	for _, role := range []string{"posting", "active", "memo"} {
		for _, held := range f.Accounts[account][role] {
			if held == key.String() {
				return true
			}
		}
	}
	return false
}

func TestEncodeMemoRefuses(t *testing.T) {
	alice, bob := hive.PrivateKeyFromSeed("alice"), hive.PrivateKeyFromSeed("bob")
	secret, err := alice.SharedSecret(bob.Public())
	if err != nil {
		t.Fatal(err)
	}
	third := hive.PrivateKeyFromSeed("third").Public()
	for name, test := range map[string]struct {
		from, to hive.PublicKey
		text     string
	}{
		"empty":            {alice.Public(), bob.Public(), ""},
		"no hash":          {alice.Public(), bob.Public(), "text"},
		"not UTF-8":        {alice.Public(), bob.Public(), "#\xff"},
		"surrogate":        {alice.Public(), bob.Public(), "#\xed\xa0\x80"},
		"too long":         {alice.Public(), bob.Public(), "#" + strings.Repeat("x", 24<<10)},
		"from another key": {third, bob.Public(), "#text"},
		"to another key":   {alice.Public(), third, "#text"},
		"to itself":        {alice.Public(), alice.Public(), "#text"},
		"null key":         {alice.Public(), hive.PublicKey{}, "#text"},
	} {
		if memo, err := secret.EncodeMemo(test.from, test.to, test.text, 1); err == nil {
			t.Errorf("%s: encoded as %s", name, memo)
		}
	}
	for _, to := range []hive.PublicKey{{}, {0: 2}} {
		if _, err := alice.EncodeMemo(to, "#text", 1); err == nil {
			t.Errorf("encoded to %x", to[:])
		}
	}
	// In the other direction the secret is the same.
	memo, err := secret.EncodeMemo(bob.Public(), alice.Public(), "#text", 1)
	if err != nil {
		t.Fatal(err)
	}
	if want, err := bob.EncodeMemo(alice.Public(), "#text", 1); err != nil || memo != want {
		t.Errorf("%s, want %s, %v", memo, want, err)
	}
	if _, err := secret.DecodeMemo(mustEncode(t, alice, third, "#text")); !errors.Is(err, hive.ErrMemoKey) {
		t.Errorf("a memo to another key: %v", err)
	}
}

func mustEncode(t testing.TB, from *hive.PrivateKey, to hive.PublicKey, text string) string {
	t.Helper()
	memo, err := from.EncodeMemo(to, text, 7)
	if err != nil {
		t.Fatal(err)
	}
	return memo
}

// The longest memo that is written can be read; of one byte more, neither.
func TestLongestMemo(t *testing.T) {
	const longest = 24<<10 - 78 - 3 - 15 - 3 - 1 // header, length, less than a block, length of the text, padding
	alice, bob := hive.PrivateKeyFromSeed("alice"), hive.PrivateKeyFromSeed("bob")
	text := "#" + strings.Repeat("x", longest)
	memo := mustEncode(t, alice, bob.Public(), text)
	if got, err := bob.DecodeMemo(memo); err != nil || got != text {
		t.Errorf("%d bytes: %v", longest, err)
	}
	if _, err := alice.EncodeMemo(bob.Public(), text+"x", 7); err == nil {
		t.Errorf("%d bytes: encoded", longest+1)
	}
	secret, err := alice.SharedSecret(bob.Public())
	if err != nil {
		t.Fatal(err)
	}
	for blocks, want := range map[int]bool{24<<10/16 - 6: true, 24<<10/16 - 5: false, 24 << 10 / 8: false} {
		if hive.IsEncryptedMemo(secret.EncodeMemoBody(make([]byte, blocks*16))) != want {
			t.Errorf("%d blocks are read: %v", blocks, !want)
		}
	}
}

func TestMemoBodies(t *testing.T) {
	alice, bob := hive.PrivateKeyFromSeed("alice"), hive.PrivateKeyFromSeed("bob")
	secret, err := alice.SharedSecret(bob.Public())
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ body, want string }{
		"prefixed":                  {"\x04text" + strings.Repeat("\x0b", 11), "#text"},
		"not prefixed":              {"text........" + strings.Repeat("\x04", 4), "#text........"},
		"nothing at all":            {strings.Repeat("\x10", 16), "#"},
		"text after the prefixed":   {"\x02text" + strings.Repeat("\x0b", 11), "#te"},
		"prefix ends in character":  {"\x01ä" + strings.Repeat("\x0d", 13), ""},
		"prefix of eleven bytes":    {strings.Repeat("\xff", 11) + strings.Repeat("\x05", 5), ""},
		"prefix of 2^63":            {"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01" + strings.Repeat("\x06", 6), ""},
		"padding of zero":           {"\x04text" + strings.Repeat("\x00", 11), ""},
		"padding of 17":             {"\x0atext.........." + "\x11", ""},
		"padding unequal":           {"\x04text\x0a" + strings.Repeat("\x0b", 10), ""},
		"padding of 17, two blocks": {strings.Repeat("\x11", 32), ""},
	} {
		memo := secret.EncodeMemoBody([]byte(test.body))
		if got, err := bob.DecodeMemo(memo); got != test.want || (err == nil) != (test.want != "") {
			t.Errorf("%s: DecodeMemo = %q, %v, want %q", name, got, err, test.want)
		}
	}
}

// Serialised memos whose ciphertext cannot be: none may reach the cipher.
func TestMemoForm(t *testing.T) {
	alice, bob := hive.PrivateKeyFromSeed("alice"), hive.PrivateKeyFromSeed("bob")
	pair := string(append(append([]byte{}, publicBytes(alice)...), publicBytes(bob)...))
	header := pair + "12345678" + "abcd"
	block := strings.Repeat("c", 16)
	for name, test := range map[string]struct {
		raw  string
		want bool
	}{
		"one block":           {header + "\x10" + block, true},
		"two blocks":          {header + "\x20" + block + block, true},
		"eight blocks":        {header + "\x80\x01" + strings.Repeat(block, 8), true},
		"17 bytes":            {header + "\x11" + block + "c", false},
		"31 bytes":            {header + "\x1f" + block + block[1:], false},
		"no ciphertext":       {header + "\x00", false},
		"a block, length 0":   {header + "\x00" + block, false},
		"length too large":    {header + "\x20" + block, false},
		"length too small":    {header + "\x10" + block + block, false},
		"length in two bytes": {header + "\x90\x00" + block, false},
		"length without end":  {header + strings.Repeat("\x80", 17), false},
		"length above 2^64":   {header + strings.Repeat("\xff", 9) + "\x7f" + block, false},
		"from the null key":   {strings.Repeat("\x00", 33) + header[33:] + "\x10" + block, false},
		"to no point": {header[:33] + "\x02" + strings.Repeat("\x00", 32) + header[66:] + "\x10" + block,
			false},
		"uncompressed from":      {"\x04" + header[1:] + "\x10" + block, false},
		"header only":            {header, false},
		"leading zero byte more": {"\x00" + header + "\x10" + block, false},
	} {
		text := "#" + hive.EncodeBase58([]byte(test.raw))
		if got := hive.IsEncryptedMemo(text); got != test.want {
			t.Errorf("%s: IsEncryptedMemo = %v", name, got)
		}
		if _, err := alice.DecodeMemo(text); err == nil {
			t.Errorf("%s: decodes", name)
		}
	}
}

func publicBytes(key *hive.PrivateKey) []byte {
	public := key.Public()
	return public[:]
}

func FuzzParseMemo(f *testing.F) {
	alice, bob := hive.PrivateKeyFromSeed("alice"), hive.PrivateKeyFromSeed("bob")
	f.Add(mustEncode(f, alice, bob.Public(), "#text"))
	f.Add(mustEncode(f, bob, alice.Public(), "#"+strings.Repeat("long ", 100)))
	f.Add("#")
	f.Add("#plain words")
	f.Fuzz(func(t *testing.T, text string) {
		header, err := hive.ParseMemo(text)
		if hive.IsEncryptedMemo(text) != (err == nil) {
			t.Fatal("IsEncryptedMemo and ParseMemo disagree")
		}
		if _, decodeErr := alice.DecodeMemo(text); err != nil && decodeErr == nil {
			t.Fatal("decodes what does not parse")
		}
		if err != nil {
			if header != (hive.MemoHeader{}) {
				t.Fatal("a header beside an error")
			}
			return
		}
		if again := hive.RewriteMemo(text); again != text {
			t.Errorf("%q is written %q", text, again)
		}
	})
}

// FuzzParseMemoBytes reaches behind base58, which a random text seldom passes.
func FuzzParseMemoBytes(f *testing.F) {
	alice, bob := hive.PrivateKeyFromSeed("alice").Public(), hive.PrivateKeyFromSeed("bob").Public()
	f.Add(alice[:], bob[:], []byte("12345678abcd\x10ciphertext......"))
	f.Add(alice[:], alice[:], []byte("12345678abcd\x90\x00ciphertext......"))
	f.Fuzz(func(t *testing.T, from, to, rest []byte) {
		text := "#" + hive.EncodeBase58(append(append(from[:len(from):len(from)], to...), rest...))
		if _, err := hive.ParseMemo(text); err == nil && hive.RewriteMemo(text) != text {
			t.Errorf("%q is written %q", text, hive.RewriteMemo(text))
		}
	})
}

// FuzzMemo encrypts any text and reads it back at both ends. One changed byte of the memo never
// gives another key's text, a panic, or invalid UTF-8.
func FuzzMemo(f *testing.F) {
	alice, bob := hive.PrivateKeyFromSeed("alice"), hive.PrivateKeyFromSeed("bob")
	f.Add("text", uint64(1), uint16(3))
	f.Add("", uint64(0), uint16(0))
	f.Add("\xff", uint64(0), uint16(90))
	f.Fuzz(func(t *testing.T, text string, nonce uint64, at uint16) {
		memo, err := alice.EncodeMemo(bob.Public(), "#"+text, nonce)
		if valid := strings.ToValidUTF8(text, "") == text && len(text) < 20_000; err == nil != valid {
			if valid || len(text) < 20_000 {
				t.Fatalf("EncodeMemo: %v", err)
			}
			return
		}
		if err != nil {
			return
		}
		for _, end := range []*hive.PrivateKey{alice, bob} {
			if got, err := end.DecodeMemo(memo); err != nil || got != "#"+text {
				t.Fatalf("DecodeMemo = %q, %v, want %q", got, err, text)
			}
		}
		broken := []byte(memo)
		broken[int(at)%len(broken)] ^= 1
		if got, err := bob.DecodeMemo(string(broken)); err == nil && strings.ToValidUTF8(got, "") != got {
			t.Errorf("invalid UTF-8 in %q", got)
		}
	})
}
