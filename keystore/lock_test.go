package keystore_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"

	"pksa/keystore"
	"pksa/protocol/hive"
)

// Standard age opens what we write, also after changes: its owner is never locked in.
func TestStandardAgeOpensOurs(t *testing.T) {
	open := func(t *testing.T, path string, id age.Identity) string {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		r, err := age.Decrypt(bytes.NewReader(raw), id)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		return string(plain)
	}
	want := `{"name":"alice","posting":"` + key("alice").WIF() + `"}`
	t.Run("passphrase", func(t *testing.T) {
		path := filepath.Join(privateDir(t), "keystore.age")
		s, err := keystore.Create(path, unlockWith(t, passphrase))
		if err != nil {
			t.Fatal(err)
		}
		mustImport(t, s, "alice", hive.Posting, "alice")
		id, err := age.NewScryptIdentity(passphrase)
		if err != nil {
			t.Fatal(err)
		}
		id.SetMaxWorkFactor(15) // more would not be what we promise
		if plain := open(t, path, id); !strings.Contains(plain, want) {
			t.Errorf("lacks the key: %s", plain)
		}
		head, _ := os.ReadFile(path)
		if first := strings.Split(string(head), "\n")[1]; !strings.HasSuffix(first, " 15") {
			t.Errorf("work factor: %q", first)
		}
	})
	t.Run("recipients", func(t *testing.T) {
		mine, err := age.GenerateX25519Identity()
		if err != nil {
			t.Fatal(err)
		}
		recovery, err := age.GenerateX25519Identity()
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(privateDir(t), "keystore.age")
		s, err := keystore.Create(path, unlockWith(t, "# mine\n\n"+mine.String()+"\n"), recovery.Recipient().String())
		if err != nil {
			t.Fatal(err)
		}
		mustImport(t, s, "alice", hive.Posting, "alice")
		for _, id := range []age.Identity{mine, recovery} {
			if plain := open(t, path, id); !strings.Contains(plain, want) {
				t.Errorf("lacks the key: %s", plain)
			}
		}
	})
}

// golden copies a file of testdata to where it has the mode that it needs.
func golden(t testing.TB, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(privateDir(t), name)
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func goldenText(t testing.TB, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// We open what the age tool wrote, and can change it.
func TestOursOpensStandardAge(t *testing.T) {
	for name, text := range map[string]string{
		"golden-passphrase.age": passphrase,
		"golden-recipients.age": goldenText(t, "golden-identity.txt"),
	} {
		t.Run(name, func(t *testing.T) {
			path, unlock := golden(t, name), unlockWith(t, text)
			s := mustOpen(t, path, unlock)
			if got, want := describe(s), "alice[memo posting active] bob[posting]"; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			if s.LedgerID() != "00112233445566778899aabbccddeeff" {
				t.Errorf("ledger id %s", s.LedgerID())
			}
			public, _ := s.Public("alice", hive.Posting)
			if public.String() != "STM86eLQPsLySq5NASzEmkgCJ3LYAc3mqsswneuFCfT6xECn9aPv5" {
				t.Errorf("public key %s", public)
			}
			if err := s.Remove("bob", hive.Posting); err != nil {
				t.Fatal(err)
			}
			if got := describe(mustOpen(t, path, unlock)); got != "alice[memo posting active]" {
				t.Errorf("after the change: %s", got)
			}
		})
	}
}

// The recovery recipient goes on opening the file after changes by who does not hold its identity,
// and can change it itself.
func TestRecoveryRecipientKept(t *testing.T) {
	path := golden(t, "golden-recipients.age")
	mine, recovery := unlockWith(t, goldenText(t, "golden-identity.txt")),
		unlockWith(t, goldenText(t, "golden-recovery.txt"))
	s := mustOpen(t, path, mine)
	mustImport(t, s, "carol", hive.Memo, "carol")
	rescued := mustOpen(t, path, recovery)
	mustImport(t, rescued, "dave", hive.Memo, "dave")
	if got := describe(mustOpen(t, path, mine)); !strings.Contains(got, "carol[memo] dave[memo]") {
		t.Errorf("got %s", got)
	}
	if len(s.Recipients()) != 2 || !slices.Equal(s.Recipients(), rescued.Recipients()) {
		t.Errorf("recipients %v", s.Recipients())
	}
}

func TestOpenRefused(t *testing.T) {
	identity := unlockWith(t, goldenText(t, "golden-identity.txt"))
	stranger, _ := newIdentity(t)
	whole := []byte(goldenText(t, "golden-recipients.age"))
	byPassphrase := []byte(goldenText(t, "golden-passphrase.age"))
	tests := map[string]struct {
		raw    []byte
		unlock keystore.Unlock
		want   error
		says   string
	}{
		"wrong passphrase": {byPassphrase, unlockWith(t, "wrong"), keystore.ErrWrongPassphrase,
			"wrong passphrase"},
		"wrong identity":      {whole, stranger, keystore.ErrWrongIdentity, "identity file"},
		"no secret":           {whole, keystore.Unlock{}, keystore.ErrWrongLock, "no secret"},
		"passphrase for ids":  {whole, unlockWith(t, passphrase), keystore.ErrWrongLock, "locked to age recipients"},
		"identity for phrase": {byPassphrase, identity, keystore.ErrWrongLock, "locked by a passphrase"},
		"empty":               {nil, identity, keystore.ErrDamaged, "backup"},
		"no age file":         {[]byte(`{"name":"alice"}`), identity, keystore.ErrDamaged, "no age file"},
		"armored": {[]byte("-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n"), identity, keystore.ErrDamaged,
			"--armor"},
		"newer age": {[]byte("age-encryption.org/v2\n-> x"), identity, keystore.ErrNewerVersion,
			`this keystore was written by a newer pksa (format of age "v2"; this program reads up to "v1"): use the ` +
				`newer program`},
		"newer age, no line": {[]byte("age-encryption.org/v2345678901234567890"), identity, keystore.ErrNewerVersion,
			`(format of age "v23456789012"; `},
		"greedy work factor": {bytes.Replace(byPassphrase, []byte(" 16\n"), []byte(" 22\n"), 1),
			unlockWith(t, passphrase), keystore.ErrDamaged, "work factor"},
		"magic only":             {[]byte("age-encryption.org/v1\n"), identity, keystore.ErrDamaged, ""},
		"bytes after the end":    {append(bytes.Clone(whole), 'x'), identity, keystore.ErrDamaged, ""},
		"cut in the header":      {whole[:100], identity, keystore.ErrDamaged, ""},
		"cut in the payload":     {whole[:len(whole)-1], identity, keystore.ErrDamaged, ""},
		"header without payload": {whole[:bytes.Index(whole, []byte("\n---"))+48], identity, keystore.ErrDamaged, ""},
		"content of nothing":     {seal(t, ""), identity, keystore.ErrDamaged, "edited"},
		"content of other shape": {seal(t, `{"version":1}`), identity, keystore.ErrDamaged,
			`member "ledger" is missing`},
		"newer content": {seal(t, `{"version":5}`), identity, keystore.ErrNewerVersion,
			"this keystore was written by a newer pksa (format 5; this program reads up to 4): use the newer program"},
		"newer content of another shape": {seal(t,
			`{"keys":{"a":[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]},"version":17}`), identity,
			keystore.ErrNewerVersion, "(format 17; this program reads up to 4)"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(privateDir(t), "keystore.age")
			if err := os.WriteFile(path, tt.raw, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := keystore.Open(path, tt.unlock)
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(),
				path) {
				t.Errorf("got %v, want %v saying %q", err, tt.want, tt.says)
			}
			if after, _ := os.ReadFile(path); !bytes.Equal(after, tt.raw) {
				t.Error("the file was changed")
			}
		})
	}
}

// seal locks a content to the golden identity with the age library.
func seal(t testing.TB, content string) []byte {
	t.Helper()
	ids, err := age.ParseIdentities(strings.NewReader(goldenText(t, "golden-identity.txt")))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w, err := age.Encrypt(&out, ids[0].(*age.X25519Identity).Recipient())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// No bit of the file can be changed without notice.
func TestEveryByteCounts(t *testing.T) {
	whole := []byte(goldenText(t, "golden-recipients.age"))
	unlock := unlockWith(t, goldenText(t, "golden-identity.txt"))
	path := filepath.Join(privateDir(t), "keystore.age")
	for i := range whole {
		altered := bytes.Clone(whole)
		altered[i] ^= 1 << (i % 8)
		if err := os.WriteFile(path, altered, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := keystore.Open(path, unlock)
		if !errors.Is(err, keystore.ErrDamaged) && !errors.Is(err, keystore.ErrWrongIdentity) &&
			!errors.Is(err, keystore.ErrWrongLock) &&
			!errors.Is(err, keystore.ErrNewerVersion) {
			t.Fatalf("byte %d altered: %v", i, err)
		}
	}
}

func TestChangeLock(t *testing.T) {
	s, path, first := newStore(t)
	mustImport(t, s, "alice", hive.Posting, "alice")
	k, _ := s.Key("alice", hive.Posting)
	second, secondRecipient := newIdentity(t)
	_, recovery := newIdentity(t)

	if err := s.ChangeLock(second, recovery, recovery, secondRecipient); err != nil {
		t.Fatal(err)
	}
	if want := []string{secondRecipient, recovery}; !slices.Equal(s.Recipients(), want) {
		t.Errorf("recipients %v, want %v", s.Recipients(), want)
	}
	if _, err := keystore.Open(path, first); !errors.Is(err, keystore.ErrWrongIdentity) {
		t.Errorf("the old identity: %v", err)
	}
	mustImport(t, s, "bob", hive.Posting, "bob") // by the new secret
	mustOpen(t, path, second)

	phrase := unlockWith(t, passphrase)
	if err := s.ChangeLock(phrase); err != nil {
		t.Fatal(err)
	}
	phrase.Wipe() // the store has its own
	if len(s.Recipients()) != 0 {
		t.Errorf("recipients %v", s.Recipients())
	}
	if err := s.ChangeLock(first); err != nil {
		t.Fatal(err)
	}
	if got := describe(mustOpen(t, path, first)); got != "alice[posting] bob[posting]" {
		t.Errorf("got %s", got)
	}
	if now, _ := s.Key("alice", hive.Posting); now != k {
		t.Error("handles were exchanged")
	}
	if err := s.ChangeLock(phrase, recovery); !errors.Is(err, keystore.ErrBadLock) {
		t.Errorf("passphrase with recovery: %v", err)
	}
}

// Its owner locked the file anew with the age tool: we do not lock him out by going back to the
// recipients in the content.
func TestLockMismatch(t *testing.T) {
	unlock := unlockWith(t, goldenText(t, "golden-identity.txt"))
	path := filepath.Join(privateDir(t), "keystore.age")
	_, stranger := newIdentity(t)
	content := `{"version":1,"ledger":{"id":"00112233445566778899aabbccddeeff",
		"key":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="},
		"recipients":[%s],"accounts":[]}`
	for name, recipients := range map[string]string{"others": `"` + stranger + `"`, "none": ""} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(path, seal(t, fmt.Sprintf(content, recipients)), 0o600); err != nil {
				t.Fatal(err)
			}
			s := mustOpen(t, path, unlock)
			if err := s.Import("alice", hive.Memo, wif("alice")); !errors.Is(err, keystore.ErrLockMismatch) {
				t.Errorf("got %v", err)
			}
			if got := describe(mustOpen(t, path, unlock)); got != "" {
				t.Errorf("changed: %s", got)
			}
			if err := s.ChangeLock(unlock); err != nil {
				t.Fatal(err)
			}
			mustImport(t, s, "alice", hive.Memo, "alice")
		})
	}
}

// A store that is open does not write over what a newer program has put in the place of its file.
func TestChangeOfNewer(t *testing.T) {
	s, path, unlock := newStore(t)
	newer := []byte("age-encryption.org/v2\n")
	if err := os.WriteFile(path, newer, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{"import": s.Import("alice", hive.Memo, wif("alice")),
		"remove": s.Remove("alice", hive.Memo), "reload": s.Reload(unlock), "change lock": s.ChangeLock(unlock)} {
		if !errors.Is(err, keystore.ErrNewerVersion) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if after, err := os.ReadFile(path); !bytes.Equal(after, newer) {
		t.Errorf("the file was changed: %v", err)
	}
}
