package hive_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"

	"pksa/protocol/hive"
)

const nullKeyText = "STM1111111111111111111111111111111114T1Anm"

func TestKeyVectors(t *testing.T) {
	type vector struct {
		Name      string
		Valid     bool
		Strict    string
		WIF       string `json:"wif"`
		Public    string `json:"public_key"`
		PublicHex string `json:"public_hex_compressed"`
		Origin    string `json:"private_key"`
	}
	valid := 0
	for _, v := range readKeyVectors[vector](t, "keys.json") {
		t.Run(v.Name, func(t *testing.T) {
			if !v.Valid {
				if v.Strict != "reject" {
					t.Fatalf("column strict says %q", v.Strict)
				}
				if _, err := hive.ParseWIF(v.WIF); err == nil {
					t.Error("ParseWIF accepts it")
				}
				if key, err := hive.ParsePublicKey(v.Public); err == nil || !key.IsNull() {
					t.Errorf("ParsePublicKey = %v, %v", key, err)
				}
				return
			}
			valid++
			key := mustKey(t, v.WIF)
			if got := key.WIF(); got != v.WIF {
				t.Errorf("WIF = %s, want %s", got, v.WIF)
			}
			checkPublic(t, key.Public(), v.Public, v.PublicHex)
			// Origin reads sha256("alice"+"posting"+"password").
			parts := regexp.MustCompile(`"[^"]*"`).FindAllString(v.Origin, -1)
			for i, part := range parts {
				parts[i] = strings.Trim(part, `"`)
			}
			if got := hive.PrivateKeyFromSeed(strings.Join(parts, "")).WIF(); len(parts) == 0 || got != v.WIF {
				t.Errorf("from seed: %s, want %s", got, v.WIF)
			}
			if len(parts) != 3 {
				return
			}
			if got := fromPassword(t, parts[0], parts[1], parts[2]).WIF(); got != v.WIF {
				t.Errorf("from password: %s, want %s", got, v.WIF)
			}
		})
	}
	if valid == 0 {
		t.Error("no valid key among the vectors")
	}
}

func checkPublic(t *testing.T, key hive.PublicKey, text, point string) {
	t.Helper()
	if key.String() != text || hex.EncodeToString(key[:]) != point {
		t.Errorf("public key %s %x, want %s %s", key, key[:], text, point)
	}
	if parsed, err := hive.ParsePublicKey(text); err != nil || parsed != key {
		t.Errorf("ParsePublicKey(%s) = %v, %v", text, parsed, err)
	}
	if parsed, err := hive.PublicKeyFromBytes(key[:]); err != nil || parsed != key {
		t.Errorf("PublicKeyFromBytes(%s) = %v, %v", point, parsed, err)
	}
}

func TestPasswordVectors(t *testing.T) {
	var file struct {
		Keys []struct {
			Account, Password, Role, WIF string
			Public                       string `json:"public_key"`
			PublicTST                    string `json:"public_key_tst"`
			PublicHex                    string `json:"public_key_hex"`
		}
		Null struct {
			Public    string `json:"public_key"`
			PublicHex string `json:"public_key_hex"`
		} `json:"null_key"`
	}
	if err := json.Unmarshal(readKeyFile(t, "tx-keys.json"), &file); err != nil || len(file.Keys) == 0 {
		t.Fatalf("%d keys, %v", len(file.Keys), err)
	}
	for _, v := range file.Keys {
		key := fromPassword(t, v.Account, v.Role, v.Password)
		if got := key.WIF(); got != v.WIF {
			t.Errorf("%s/%s: WIF %s, want %s", v.Account, v.Role, got, v.WIF)
		}
		checkPublic(t, key.Public(), v.Public, v.PublicHex)
		if got := key.Public().Text("TST"); got != v.PublicTST {
			t.Errorf("with TST: %s, want %s", got, v.PublicTST)
		}
		if got, err := hive.ParsePublicKeyPrefix(v.PublicTST, "TST"); err != nil || got != key.Public() {
			t.Errorf("ParsePublicKeyPrefix(%s): %v, %v", v.PublicTST, got, err)
		}
	}
	if got := (hive.PublicKey{}).String(); got != file.Null.Public || got != nullKeyText {
		t.Errorf("null key is %s, want %s", got, file.Null.Public)
	}
}

func fromPassword(t *testing.T, account, role, password string) *hive.PrivateKey {
	t.Helper()
	parsed, err := hive.ParseRole(role)
	if err != nil {
		t.Fatal(err)
	}
	return hive.PrivateKeyFromPassword(hive.AccountName(account), parsed, password)
}

func TestPasswordsAreTakenAsTheyAre(t *testing.T) {
	type vector struct {
		Account, Password, Role, Wax string
		HiveJS                       string `json:"hive-js"`
	}
	for _, v := range readKeyVectors[vector](t, "tx-keys-differ.json") {
		got := fromPassword(t, v.Account, v.Role, v.Password).WIF()
		if got != v.Wax || got == v.HiveJS {
			t.Errorf("%s/%s %q: %s, want %s", v.Account, v.Role, v.Password, got, v.Wax)
		}
	}
}

func TestBadKeys(t *testing.T) {
	type vector struct{ Kind, Value, Why string }
	for _, v := range readKeyVectors[vector](t, "tx-keys-bad.json") {
		t.Run(v.Why, func(t *testing.T) {
			switch v.Kind {
			case "wif":
				if _, err := hive.ParseWIF(v.Value); err == nil {
					t.Error("accepted")
				}
			case "public":
				if _, err := hive.ParsePublicKey(v.Value); err == nil {
					t.Error("accepted")
				}
			default:
				t.Fatalf("unknown kind %q", v.Kind)
			}
		})
	}
}

func TestNullKey(t *testing.T) {
	if _, err := hive.ParsePublicKey(nullKeyText); err == nil {
		t.Error("ParsePublicKey accepts the null key")
	}
	if key, err := hive.ParsePublicKeyOrNull(nullKeyText, "STM"); err != nil || !key.IsNull() {
		t.Errorf("ParsePublicKeyOrNull: %v, %v", key, err)
	}
	if _, err := hive.PublicKeyFromBytes(make([]byte, 33)); err == nil {
		t.Error("PublicKeyFromBytes accepts the null key")
	}
	public := hive.PrivateKeyFromSeed("some key").Public()
	if public.IsNull() {
		t.Error("a key is null")
	}
	if key, err := hive.ParsePublicKeyOrNull(public.String(), "STM"); err != nil || key != public {
		t.Errorf("ParsePublicKeyOrNull of a key: %v, %v", key, err)
	}
}

func TestPublicKeyBytes(t *testing.T) {
	public := hive.PrivateKeyFromSeed("some key").Public()
	hybrid := public
	hybrid[0] += 4 // 6 and 7 mark hybrid keys
	infinity := hive.PublicKey{0: 2}
	beyond := hive.PublicKey(bytes.Repeat([]byte{0xff}, 33)) // x is not below the field's prime
	beyond[0] = 2
	for name, point := range map[string][]byte{
		"nil": nil, "32 bytes": public[:32], "34 bytes": append(public[:], 0), "uncompressed header": hybrid[:],
		"x = 0": infinity[:], "x beyond the field": beyond[:],
	} {
		if key, err := hive.PublicKeyFromBytes(point); err == nil || !key.IsNull() {
			t.Errorf("%s: accepted as %v", name, key)
		}
	}
}

func TestPublicKeyAsJSON(t *testing.T) {
	public := hive.PrivateKeyFromSeed("some key").Public()
	raw, err := json.Marshal(map[hive.PublicKey]hive.PublicKey{public: public})
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"` + public.String() + `":"` + public.String() + `"}`; string(raw) != want {
		t.Errorf("%s, want %s", raw, want)
	}
	var back map[hive.PublicKey]hive.PublicKey
	if err := json.Unmarshal(raw, &back); err != nil || back[public] != public {
		t.Errorf("%v, %v", back, err)
	}
	kept := public
	if err := kept.UnmarshalText([]byte("STMnonsense")); err == nil || kept != public {
		t.Errorf("%v, %v", kept, err)
	}
}

func TestGeneratePrivateKey(t *testing.T) {
	raw := bytes.Repeat([]byte{7}, 32)
	key, err := hive.GeneratePrivateKey(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if again := mustKey(t, key.WIF()); again.Public() != key.Public() {
		t.Error("another public key after WIF")
	}
	if _, err := hive.GeneratePrivateKey(bytes.NewReader(raw[:31])); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("31 bytes of randomness: %v", err)
	}
	for name, b := range map[string]byte{"zero": 0, "above the order": 0xff} {
		if _, err := hive.GeneratePrivateKey(bytes.NewReader(bytes.Repeat([]byte{b}, 32))); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestErrorsQuoteNoKey(t *testing.T) {
	wif := hive.PrivateKeyFromSeed("some key").WIF()
	for _, text := range []string{wif + "\n", wif[:50], " " + wif, wif[:50] + "1", strings.Repeat(wif, 2),
		"STM" + wif} {
		_, err := hive.ParseWIF(text)
		_, publicErr := hive.ParsePublicKey(text)
		_, memoErr := hive.ParseMemo("#" + text)
		_, signatureErr := hive.ParseSignature(text)
		_, nameErr := hive.ParseAccountName(text)
		_, roleErr := hive.ParseRole(text)
		for _, err := range []error{err, publicErr, memoErr, signatureErr, nameErr, roleErr} {
			if err == nil {
				t.Errorf("%q accepted", text)
			} else if strings.Contains(err.Error(), wif[10:30]) {
				t.Errorf("error shows the key: %v", err)
			}
		}
	}
}

func TestLongTextsAreRefusedEarly(t *testing.T) {
	long := strings.Repeat("5", 50_000_000) // minutes, if anybody converted it
	if _, err := hive.ParseWIF(long); err == nil {
		t.Error("ParseWIF accepts it")
	}
	if _, err := hive.ParsePublicKey("STM" + long); err == nil {
		t.Error("ParsePublicKey accepts it")
	}
	if hive.IsEncryptedMemo("#" + long) {
		t.Error("a memo")
	}
	if _, err := hive.ParseSignature(long); err == nil {
		t.Error("ParseSignature accepts it")
	}
}

func FuzzParseWIF(f *testing.F) {
	f.Add(hive.PrivateKeyFromSeed("some key").WIF())
	f.Add("5HpHagT65TZzG1PH3CSu63k8DbpvD8s5ip4nEB3kEsreAbuatmU")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		if key, err := hive.ParseWIF(text); err == nil && key.WIF() != text {
			t.Errorf("%q is written %q", text, key.WIF())
		}
	})
}

func FuzzParsePublicKey(f *testing.F) {
	f.Add(hive.PrivateKeyFromSeed("some key").Public().String(), "STM")
	f.Add(nullKeyText, "STM")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, text, prefix string) {
		key, err := hive.ParsePublicKeyOrNull(text, prefix)
		if err != nil {
			return
		}
		if key.Text(prefix) != text {
			t.Errorf("%q is written %q", text, key.Text(prefix))
		}
		if _, err := hive.PublicKeyFromBytes(key[:]); (err != nil) != key.IsNull() {
			t.Errorf("%q: %v", text, err)
		}
	})
}
