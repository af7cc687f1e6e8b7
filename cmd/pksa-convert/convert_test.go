package main

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"pksa/keystore"
	"pksa/protocol/hive"
)

// master is the password of the exports in testdata.
const master = "a master password, in plain sight: ü"

// testKey is the key of a label in plain sight.
func testKey(name string) *hive.PrivateKey { return hive.PrivateKeyFromSeed("pksa-convert " + name) }

// said returns what was found, a line each, with public keys in the place of private ones.
func said(f found) (lines []string) {
	for _, k := range f.keys {
		lines = append(lines, string(k.account)+" "+k.role.String()+" "+k.private.Public().String())
	}
	return lines
}

// All forms of the export give the same keys, as the extension's own library wrote them.
func TestKeychainVectors(t *testing.T) {
	want := []string{
		"alice posting " + testKey("alice posting").Public().String(),
		"alice active " + testKey("alice active").Public().String(),
		"alice memo " + testKey("alice memo").Public().String(),
		"bob posting " + testKey("bob posting").Public().String(),
	}
	left := []string{"bob/active: it is on a Ledger device", `carol/posting: it is the key of "@alice"`}
	for _, name := range []string{"keychain-sha1.kc", "keychain-sha256.kc", "keychain-gcm.kc", "keychain-all.kc"} {
		t.Run(name, func(t *testing.T) {
			raw, err := os.ReadFile(filepath.Join("testdata", name))
			if err != nil {
				t.Fatal(err)
			}
			f, err := readKeychain(raw, []byte(master))
			if err != nil {
				t.Fatal(err)
			}
			if got := said(f); !slices.Equal(got, want) {
				t.Errorf("got %q", got)
			}
			for _, text := range left {
				if !slices.ContainsFunc(f.left, func(l string) bool { return strings.HasPrefix(l, text) }) {
					t.Errorf("it leaves out %q, not %q", f.left, text)
				}
			}
			if name == "keychain-all.kc" && !strings.Contains(strings.Join(f.left, "\n"), "1 EVM accounts") {
				t.Errorf("it leaves out %q", f.left)
			}
			if _, err := readKeychain(raw, []byte(master+"!")); !errors.Is(err, errPassword) {
				t.Errorf("another password: %v", err)
			}
		})
	}
}

// The wallets of beekeeper's own documentation and tests, with their passwords.
var wallets = map[string]struct{ password, hex, public string }{
	"documentation": {"password-0",
		"5a38c68ec1d7693b71e9581056be6d18d6bae5a1bee308399562c4bc9b7ce8f09a1bddf8f590c728003a" +
			"ebf6b8ecfa3952435997e6d3e1ed34da990e25864fed6b44743335e9fa46" +
			"f74adaed325649976799110205a86041a3c1aebe2f18a33b" +
			"a6a34b2c852ed2202a343bf7213b8afd0d078a7a5147fb95e2554a849790b8de88e691a3f1783da60f96d6aef6c0a41b",
		"STM7SzqmkfoSPgWjGN5NTqfmb9pvE6pUHk78PoQSWCgeqfe9EMwe2"},
	"before": {"fixture-pass",
		"23279e80bad106e06b60ee11322d79f92e2dd72eed60bcba837b05f90e50128ef0cf23d2ed81afcbee559a5" +
			"c2acccd0643e5a21d60ba61c7b2f6ed78a29e98403085382f536bf197c60" +
			"af92641e71662eaf531e166ce07ba3fb1143d3bed942edaa" +
			"ced3e1e6b30e5d5f33521b67cc58874cb617f6d9c7dd56caad67a10ef8940c500d816facf721cb8e610dd986d277e",
		"STM5RqVBAVNp5ufMCetQtvLGLJo7unX9nyCBMMrTXRWQ9i1Zzzizh"},
	"today": {"fixture-pass",
		"4245454b574c5401010010000010000102030405060708090a0b0c0d0e0f10101112131415161718191a1b1c1d1" +
			"e1f67edcb46992feedbfab1e8849069a75d14e89bca7c154384de797b7b4" +
			"9c51e078100080657f8b5dbe2052911dae498db1845bb40" +
			"f9d9dc4ce80a21756258fc716f2dc2566863028f82b442b43d73301fca27" +
			"53d806abc28fbb1cad32c167ebc467b0696442b2ca669ac" +
			"534bc17311856", "STM5RqVBAVNp5ufMCetQtvLGLJo7unX9nyCBMMrTXRWQ9i1Zzzizh"},
}

func TestBeekeeperVectors(t *testing.T) {
	for name, w := range wallets {
		t.Run(name, func(t *testing.T) {
			raw := []byte(`"` + w.hex + `"` + "\n")
			f, err := readBeekeeper(raw, []byte(w.password), nil)
			if err != nil {
				t.Fatal(err)
			}
			if len(f.keys) != 1 || w.public != "" && f.keys[0].private.Public().String() != w.public {
				t.Fatalf("it has %q", said(f))
			}
			named := names{}
			if err := named.add(f.keys[0].private.Public().String() + "=alice/active"); err != nil {
				t.Fatal(err)
			}
			if f, err = readBeekeeper(raw, []byte(w.password), named); err != nil || len(f.keys) != 1 ||
				f.keys[0].account != "alice" || f.keys[0].role != hive.Active {
				t.Errorf("named: %q, %v", said(f), err)
			}
			// The documentation has this one since its padding looks right.
			for _, wrong := range []string{"WRONG_PASSWORD", "", w.password + " "} {
				if _, err := readBeekeeper(raw, []byte(wrong), nil); !errors.Is(err, errPassword) {
					t.Errorf("%q: %v", wrong, err)
				}
			}
		})
	}
}

// A wallet of today is whole or refused; one of before has no tag, and the keys show it.
func TestBeekeeperAltered(t *testing.T) {
	blob, err := hex.DecodeString(wallets["today"].hex)
	if err != nil {
		t.Fatal(err)
	}
	for i := range blob {
		altered := bytes.Clone(blob)
		altered[i] ^= 1
		if 9 <= i && i < 13 { // the number of rounds: a higher one would take long
			continue
		}
		if _, err := readBeekeeper([]byte(`"`+hex.EncodeToString(altered)+`"`), []byte("fixture-pass"),
			nil); err == nil {
			t.Errorf("byte %d", i)
		}
	}
	for end := range blob {
		if _, err := readBeekeeper([]byte(`"`+hex.EncodeToString(blob[:end])+`"`), []byte("fixture-pass"),
			nil); err == nil {
			t.Errorf("the first %d bytes", end)
		}
	}
}

// What an export may hold besides, and what is refused, in words without a secret.
func TestExports(t *testing.T) {
	wif, public := testKey("alice posting").WIF(), testKey("alice posting").Public().String()
	for name, c := range map[string]struct{ text, want string }{
		"no public key": {`{"list":[{"name":"alice","keys":{"posting":"` + wif + `"}}]}`, ""},
		"null":          {`{"list":[{"name":"alice","keys":{"posting":"` + wif + `","active":null}}]}`, ""},
		"no name": {`{"list":[{"name":"","keys":{"posting":"HUNTER2"}},` +
			`{"name":"alice","keys":{"posting":"` + wif + `"}}]}`, ""},
		"other members": {`{"list":[{"name":"alice","color":1,"keys":{"posting":"` + wif + `"}}],"more":[]}`, ""},
		"not a key": {`{"list":[{"name":"alice","keys":{"posting":"HUNTER2"}}]}`,
			"alice/posting: not a private key"},
		"another public key": {`{"list":[{"name":"alice","keys":{"active":"` + wif + `","activePubkey":"STMother"}}]}`,
			"alice/active: the private key is not that"},
		"no account":         {`{"list":[{"name":"Not An Account","keys":{}}]}`, "not a Hive account name"},
		"no list":            {`{"hash":""}`, "no accounts of Hive"},
		"two lists":          {`{"list":[],"hiveAccounts":[]}`, "two places"},
		"a newer one":        {`{"v":3,"hiveAccounts":[]}`, "another version than 2"},
		"keys are no object": {`{"list":[{"name":"alice","keys":["HUNTER2"]}]}`, "wanted an object"},
		"a key that is twice": {`{"list":[{"name":"alice","keys":{"posting":"HUNTER2","posting":"HUNTER2"}}]}`,
			"twice"},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := readExport([]byte(c.text))
			switch {
			case c.want == "" && err == nil:
				if got := said(f); !slices.Equal(got, []string{"alice posting " + public}) {
					t.Errorf("got %q", got)
				}
			case err == nil, c.want == "", !strings.Contains(err.Error(), c.want), strings.Contains(err.Error(),
				"HUNTER2"):
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// ran runs the program with a pipe for its output.
func ran(t *testing.T, args ...string) (status int, out, errs string) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	read := make(chan string, 1)
	go func() {
		all, _ := io.ReadAll(r)
		read <- string(all)
	}()
	nothing, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer nothing.Close()
	var said strings.Builder
	status = run(t.Context(), args, streams{nothing, w, &said})
	w.Close()
	return status, <-read, said.String()
}

// private returns a folder of this user alone, with the password in a file.
func private(t *testing.T, password string) (folder, source string) {
	t.Helper()
	folder = t.TempDir()
	if err := os.Chmod(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, "password")
	if err := os.WriteFile(path, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return folder, "file:" + path
}

// The list goes into a new file that only its owner reads, and `pksa keys import` takes it.
func TestListIsTaken(t *testing.T) {
	folder, source := private(t, master)
	list := filepath.Join(folder, "keys.txt")
	status, out, errs := ran(t, "-password", source, "-out", list, "keychain", "testdata/keychain-gcm.kc")
	if status != 0 || out != "" || !strings.Contains(errs, "4 keys are in") {
		t.Fatalf("status %d: %s%s", status, out, errs)
	}
	info, err := os.Stat(list)
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info.Mode(), err)
	}
	file, err := keystore.OpenSecretFile(list)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	batch, err := keystore.ReadKeyLines(list, file)
	if err != nil {
		t.Fatal(err)
	}
	if got := batch.Accounts(); !slices.Equal(got, []hive.AccountName{"alice", "bob"}) {
		t.Errorf("accounts %v", got)
	}
	status, _, errs = ran(t, "-password", source, "-out", list, "keychain", "testdata/keychain-gcm.kc")
	if status != 1 || !strings.Contains(errs, "there is such a file already") {
		t.Errorf("a second time: %d %s", status, errs)
	}
	status, out, _ = ran(t, "-password", source, "keychain", "testdata/keychain-gcm.kc")
	if status != 0 || !strings.Contains(out, "\nalice posting "+testKey("alice posting").WIF()+"\n") {
		t.Errorf("into a pipe: %d", status)
	}
}

// Others' eyes get nothing: neither from a file that they can read, nor in a message.
func TestKeysStayPrivate(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("files have no modes there")
	}
	folder, source := private(t, master)
	loose, err := os.OpenFile(filepath.Join(folder, "loose"), os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer loose.Close()
	var said strings.Builder
	if status := run(t.Context(), []string{"-password", source, "keychain", "testdata/keychain-gcm.kc"},
		streams{os.Stdin, loose, &said}); status != 1 || !strings.Contains(said.String(), "0644") {
		t.Errorf("%d %s", status, said.String())
	}
	if info, err := loose.Stat(); err != nil || info.Size() > 0 {
		t.Errorf("%d bytes are in it", info.Size())
	}
	shared := filepath.Join(folder, "shared")
	if err := os.Mkdir(shared, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(shared, 0o777); err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(shared, "keys.txt")
	if status, _, errs := ran(t, "-password", source, "-out", list, "keychain",
		"testdata/keychain-gcm.kc"); status != 1 {
		t.Errorf("%d %s", status, errs)
	}
	if _, err := os.Stat(list); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a file was made where others can replace it")
	}
	wif := testKey("alice posting").WIF()
	for _, args := range [][]string{
		{"-key", wif + "=alice/posting", "beekeeper", "w"}, {"-password", wif, "keychain", "w"}, {"-" + wif, "keychain",
			"w"},
	} {
		if status, out, errs := ran(t, args...); status != 2 || strings.Contains(out+errs, wif) && args[0] != "-"+wif {
			t.Errorf("%d %s", status, errs)
		}
	}
}

// A wallet of beekeeper is listed first, and then its keys have names.
func TestBeekeeperNames(t *testing.T) {
	w := wallets["today"]
	folder, source := private(t, w.password)
	file := filepath.Join(folder, "bot.wallet")
	if err := os.WriteFile(file, []byte(`"`+w.hex+`"`), 0o600); err != nil {
		t.Fatal(err)
	}
	status, out, errs := ran(t, "-password", source, "beekeeper", file)
	if status != 0 || !strings.Contains(out, "  -key "+w.public+"=ACCOUNT/ROLE\n") {
		t.Fatalf("%d %s%s", status, out, errs)
	}
	status, out, _ = ran(t, "-password", source, "-key", w.public+"=alice/posting", "beekeeper", file)
	if status != 0 || !strings.Contains(out, "\nalice posting 5JkFnXrLM2ap9t3AmAxBJvQHF7xSKtnTrCTginQCkhzU5S7ecPT\n") {
		t.Errorf("%d %s", status, out)
	}
	for text, want := range map[string]string{
		w.public + "=alice/owner":                              "an owner key stays offline",
		w.public + "=alice":                                    "wanted STM…=ACCOUNT/ROLE",
		w.public + "=Alice/posting":                            "not a Hive account name",
		testKey("bob posting").Public().String() + "=bob/memo": "it has no key",
	} {
		status, out, errs := ran(t, "-password", source, "-key", text, "beekeeper", file)
		if status == 0 || out != "" || !strings.Contains(errs, want) {
			t.Errorf("%s: %d %s", text, status, errs)
		}
	}
}

// FuzzExport: what is read has names, keys that are whole, and no owner key.
func FuzzExport(f *testing.F) {
	f.Add([]byte(`{"list":[{"name":"alice","keys":{"posting":"` + testKey("alice posting").WIF() + `"}}],"hash":"x"}`))
	f.Add([]byte(`{"v":2,"hiveAccounts":[{"name":"bob","keys":{"memo":"#1","memoPubkey":"@x"}}],"evmAccounts":[1],"settings":{}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		found, err := readExport(text)
		if err != nil && len(found.keys) > 0 {
			t.Error("an error with keys")
		}
		for _, k := range found.keys {
			if _, err := hive.ParseAccountName(string(k.account)); err != nil || k.role == hive.Owner ||
				k.private.WIF() == "" {
				t.Errorf("%s/%s: %v", k.account, k.role, err)
			}
		}
	})
}

// FuzzSealed: what is taken apart is the whole of what was read, in both forms of an export.
func FuzzSealed(f *testing.F) {
	for _, name := range []string{"keychain-sha1.kc", "keychain-gcm.kc"} {
		raw, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if e, err := parseCBC(text); err == nil && (len(e.salt) != 16 || len(e.iv) != 16 || len(e.sealed)%16 != 0 ||
			len(e.sealed) == 0) {
			t.Errorf("%d %d %d", len(e.salt), len(e.iv), len(e.sealed))
		}
		if e, err := parseGCM(text); err == nil && (len(e.salt) != gcmSalt || len(e.iv) != gcmIV || e.rounds < 1 ||
			e.rounds > mostRounds) {
			t.Errorf("%d %d %d", len(e.salt), len(e.iv), e.rounds)
		}
	})
}

// FuzzWallet: the parts of a wallet of today are the wallet.
func FuzzWallet(f *testing.F) {
	for _, w := range wallets {
		blob, err := hex.DecodeString(w.hex)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(blob)
	}
	f.Fuzz(func(t *testing.T, blob []byte) {
		if got, err := parseWallet([]byte(`"` + hex.EncodeToString(blob) + `"`)); len(blob) > 0 && (err != nil ||
			!bytes.Equal(got, blob)) {
			t.Errorf("got %x, %v", got, err)
		}
		w, err := parseSealed(blob)
		if err != nil {
			return
		}
		again := slices.Concat(blob[:14], w.salt, []byte{16}, w.iv, w.sealed, w.tag)
		if !bytes.Equal(again, blob) || !bytes.Equal(w.covered, blob[:len(blob)-tagSize]) || len(w.sealed) == 0 {
			t.Errorf("%x is not %x", again, blob)
		}
	})
}

// What follows the keys, or is missing of them, is no wallet.
func TestKeysAreAll(t *testing.T) {
	legacy, err := hex.DecodeString(wallets["before"].hex)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := openLegacy(legacy, []byte("fixture-pass"))
	if err != nil {
		t.Fatal(err)
	}
	if keys, err := parseKeys(plain, true); err != nil || len(keys) != 1 {
		t.Fatalf("%d keys, %v", len(keys), err)
	}
	for end := range plain {
		if _, err := parseKeys(plain[:end], true); err == nil {
			t.Errorf("the first %d bytes", end)
		}
	}
	for _, other := range [][]byte{append(bytes.Clone(plain), 0), append([]byte{0}, plain[1:]...),
		append([]byte{2}, plain[1:]...), append([]byte{0x81, 0x80, 0x80, 0x80, 0x80, 0}, plain[1:]...)} {
		if _, err := parseKeys(other, true); err == nil {
			t.Errorf("%x", other)
		}
	}
}

// FuzzKeys: each key that is read is that of its public key.
func FuzzKeys(f *testing.F) {
	legacy, err := hex.DecodeString(wallets["before"].hex)
	if err != nil {
		f.Fatal(err)
	}
	plain, err := openLegacy(legacy, []byte("fixture-pass"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(plain, true)
	f.Add(plain[:1+leastEntry], false)
	f.Add([]byte{0}, true)
	f.Add(append([]byte{2}, plain[1:]...), true)
	f.Fuzz(func(t *testing.T, plain []byte, prefixed bool) {
		keys, err := parseKeys(plain, prefixed)
		if err != nil && keys != nil {
			t.Error("an error with keys")
		}
		for _, k := range keys {
			if public := k.Public(); !bytes.Contains(plain, public[:]) {
				t.Errorf("%s is nowhere", public)
			}
		}
	})
}
