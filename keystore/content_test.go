package keystore

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pksa/protocol/hive"
)

func testContent() *content {
	c := newContent()
	c.recipients = []string{"age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"}
	c.accounts["alice"] = &ring{hive.PrivateKeyFromSeed("a"), hive.PrivateKeyFromSeed("b"),
		hive.PrivateKeyFromSeed("c")}
	c.accounts["bob.bot-1"] = &ring{nil, hive.PrivateKeyFromSeed("d"), nil}
	return c
}

func TestContentRoundTrip(t *testing.T) {
	for name, c := range map[string]*content{"full": testContent(), "empty": newContent()} {
		t.Run(name, func(t *testing.T) {
			raw := c.encode()
			again, err := decodeContent(raw)
			if err != nil {
				t.Fatal(err)
			}
			if !sameContent(c, again) {
				t.Errorf("decoded differs:\n%s\n%s", raw, again.encode())
			}
			if !bytes.Equal(raw, again.encode()) {
				t.Error("encodes to other bytes")
			}
		})
	}
}

func sameContent(a, b *content) bool {
	if a.ledgerID != b.ledgerID || a.ledgerKey != b.ledgerKey || fmt.Sprint(a.recipients) != fmt.Sprint(b.recipients) ||
		len(a.accounts) != len(b.accounts) {
		return false
	}
	for name, keys := range a.accounts {
		other := b.accounts[name]
		if other == nil {
			return false
		}
		for i := range keys {
			if (keys[i] == nil) != (other[i] == nil) || keys[i] != nil && keys[i].WIF() != other[i].WIF() {
				return false
			}
		}
	}
	return true
}

// The buffer of encode must not be outgrown: what it grew out of would not be wiped.
func TestEncodeOneBuffer(t *testing.T) {
	c := newContent()
	for i := range 100 {
		name := hive.AccountName(fmt.Sprintf("account-%08d", i))
		c.accounts[name] = &ring{hive.PrivateKeyFromSeed("a"), hive.PrivateKeyFromSeed("b"),
			hive.PrivateKeyFromSeed("c")}
	}
	for range 40 {
		c.recipients = append(c.recipients, strings.Repeat("x", 2000)) // as long as those of post-quantum identities
	}
	raw := c.encode()
	want := 512 + 40*2008 + 100*256
	if cap(raw) < want || cap(raw) > want+want/4 || len(raw) > want {
		t.Errorf("capacity %d for %d bytes, want about %d", cap(raw), len(raw), want)
	}
}

const (
	goodHead = `{"version":1,"ledger":{"id":"00112233445566778899aabbccddeeff",` +
		`"key":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="},`
	goodWIF = "5JZABPReZZqYBvrFYDAhmN6NQ6r9wDn9B9FnXPNLixhBaAyRbsq"
)

func TestContentRefused(t *testing.T) {
	alice := `{"name":"alice","posting":"` + goodWIF + `"}`
	tests := map[string]string{
		"empty":            ``,
		"not JSON":         `keystore`,
		"null":             `null`,
		"array":            `[]`,
		"no version":       `{"recipients":[],"accounts":[]}`,
		"version null":     strings.Replace(goodHead, "1", "null", 1) + `"recipients":[],"accounts":[]}`,
		"version zero":     strings.Replace(goodHead, "1", "0", 1) + `"recipients":[],"accounts":[]}`,
		"version text":     strings.Replace(goodHead, "1", `"1"`, 1) + `"recipients":[],"accounts":[]}`,
		"version fraction": strings.Replace(goodHead, "1", `1.0`, 1) + `"recipients":[],"accounts":[]}`,
		"version twice":    `{"version":1,` + goodHead[1:] + `"recipients":[],"accounts":[]}`,
		"version in capitals": strings.Replace(goodHead, "version", "Version", 1) +
			`"recipients":[],"accounts":[]}`,
		"unknown member":     goodHead + `"recipients":[],"accounts":[],"more":1}`,
		"accounts missing":   goodHead + `"recipients":[]}`,
		"recipients missing": goodHead + `"accounts":[]}`,
		"ledger missing":     `{"version":1,"recipients":[],"accounts":[]}`,
		"ledger key missing": `{"version":1,"ledger":{"id":"00112233445566778899aabbccddeeff"},` +
			`"recipients":[],"accounts":[]}`,
		"ledger id in capitals": strings.Replace(goodHead, "ee", "EE", 1) + `"recipients":[],"accounts":[]}`,
		"ledger id short":       strings.Replace(goodHead, "eeff", "", 1) + `"recipients":[],"accounts":[]}`,
		"ledger key short":      strings.Replace(goodHead, "AAEC", "", 1) + `"recipients":[],"accounts":[]}`,
		"ledger key line break": strings.Replace(goodHead, "AAEC", `AAEC\n`, 1) + `"recipients":[],"accounts":[]}`,
		"ledger key zero": strings.Replace(goodHead, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
			strings.Repeat("A", 43)+"=", 1) + `"recipients":[],"accounts":[]}`,
		"recipient no recipient": goodHead + `"recipients":["age1abc"],"accounts":[]}`,
		"recipient null":         goodHead + `"recipients":[null],"accounts":[]}`,
		"account array":          goodHead + `"recipients":[],"accounts":[[]]}`,
		"account without key":    goodHead + `"recipients":[],"accounts":[{"name":"alice"}]}`,
		"account without name":   goodHead + `"recipients":[],"accounts":[{"posting":"` + goodWIF + `"}]}`,
		"account key null":       goodHead + `"recipients":[],"accounts":[{"name":"alice","memo":null}]}`,
		"account key empty":      goodHead + `"recipients":[],"accounts":[{"name":"alice","memo":""}]}`,
		"account key broken": goodHead + `"recipients":[],"accounts":[{"name":"alice","memo":"` + goodWIF[:50] +
			`"}]}`,
		"account role in capitals": goodHead + `"recipients":[],"accounts":[{"name":"alice","Memo":"` + goodWIF +
			`"}]}`,
		"account owner":    goodHead + `"recipients":[],"accounts":[{"name":"alice","owner":"` + goodWIF + `"}]}`,
		"account bad name": goodHead + `"recipients":[],"accounts":[{"name":"Alice","posting":"` + goodWIF + `"}]}`,
		"account twice":    goodHead + `"recipients":[],"accounts":[` + alice + `,` + alice + `]}`,
		"role twice": goodHead + `"recipients":[],"accounts":[{"name":"alice","memo":"` + goodWIF +
			`","memo":"` + goodWIF + `"}]}`,
		"key as member name": goodHead + `"recipients":[],"accounts":[{"name":"alice","` + goodWIF + `":"memo"}]}`,
		"invalid UTF-8": goodHead + "\"recipients\":[],\"accounts\":[{\"name\":\"\xff\",\"memo\":\"" + goodWIF +
			"\"}]}",
		"second value":   goodHead + `"recipients":[],"accounts":[]}{}`,
		"trailing comma": goodHead + `"recipients":[],"accounts":[],}`,
		"cut short":      goodHead + `"recipients":[],"accounts":[`,
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := decodeContent([]byte(text))
			if err == nil {
				t.Fatal("accepted")
			}
			if errors.Is(err, ErrNewerVersion) {
				t.Errorf("taken for a newer version: %v", err)
			}
			if strings.Contains(err.Error(), goodWIF[:50]) {
				t.Errorf("the error shows a key: %v", err)
			}
		})
	}
	// The head itself is good: each case above fails for its own reason.
	if _, err := decodeContent([]byte(goodHead + `"recipients":[],"accounts":[` + alice + `]}`)); err != nil {
		t.Errorf("the good one: %v", err)
	}
}

func TestNewerContent(t *testing.T) {
	for _, text := range []string{`{"version":5}`, `{"version":5,"accounts":{"shape":"unknown"}}`,
		`{"later":true,"version":17}`} {
		if _, err := decodeContent([]byte(text)); !errors.Is(err, ErrNewerVersion) {
			t.Errorf("%s: got %v, want ErrNewerVersion", text, err)
		}
	}
}

func FuzzDecodeContent(f *testing.F) {
	f.Add(testContent().encode())
	f.Add(newContent().encode())
	f.Add([]byte(goodHead + ` "accounts":[{"posting":"` + goodWIF + `","name":"alice"}], "recipients":[]}`))
	f.Add([]byte(goodHead + `"recipients":[],"accounts":[{"name":"alice","memo":"` + goodWIF + `","old_memo":"` +
		string(testWIF("old")) + `"}]}`))
	f.Add([]byte(`{"version":5}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := decodeContent(raw)
		if err != nil {
			return
		}
		once := c.encode()
		again, err := decodeContent(once)
		if err != nil {
			t.Fatalf("our own encoding is refused: %v\n%s", err, once)
		}
		if !sameContent(c, again) || !bytes.Equal(once, again.encode()) {
			t.Errorf("does not survive encoding:\n%s\n%s", raw, once)
		}
	})
}

func FuzzReadKeys(f *testing.F) {
	f.Add("alice posting " + goodWIF + "\n# comment\n\nbob memo " + goodWIF)
	f.Add(`[{"name":"alice","posting":"` + goodWIF + `","active":"","memo":"` + goodWIF + `"}]`)
	f.Add(`[{"name":"alice"}]`)
	f.Fuzz(func(t *testing.T, text string) {
		lines, err := ReadKeyLines("x", strings.NewReader(text))
		checkBatch(t, text, lines, err)
		array, err := ReadKeysJSON("x", strings.NewReader(text))
		checkBatch(t, text, array, err)
	})
}

// checkBatch: all keys or a complaint, and no complaint shows a long word of the text.
func checkBatch(t *testing.T, text string, b *Batch, err error) {
	if (b == nil) == (err == nil) {
		t.Fatalf("batch %v, error %v", b, err)
	}
	if err == nil && b.Len() == 0 {
		t.Error("an empty batch")
	}
	for word := range strings.FieldsSeq(text) {
		if err != nil && len(word) > 40 && strings.Contains(err.Error(), word) {
			t.Errorf("complaint shows %q: %v", word, err)
		}
	}
	if err != nil {
		return
	}
	for i := range b.entries {
		e := &b.entries[i]
		if _, err := hive.ParseAccountName(string(e.account)); err != nil {
			t.Errorf("account %q", e.account)
		}
		if _, ok := place(e.role); !ok {
			t.Errorf("role %s", e.role)
		}
	}
}
