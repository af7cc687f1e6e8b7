package keystore_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"pksa/keystore"
	"pksa/keystore/plugintest"
	"pksa/protocol/hive"
)

const passphrase = "correct horse battery staple"

func key(label string) *hive.PrivateKey { return hive.PrivateKeyFromSeed("test key " + label) }

func wif(label string) []byte { return []byte(key(label).WIF()) }

func privateDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// symlink makes a link, and skips the test on Windows where that takes a right.
func symlink(t *testing.T, to, name string) {
	t.Helper()
	err := os.Symlink(to, name)
	if err != nil && runtime.GOOS == "windows" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func newIdentity(t testing.TB) (keystore.Unlock, string) {
	t.Helper()
	unlock, recipient, err := keystore.CreateIdentity(filepath.Join(privateDir(t), "identity.txt"))
	if err != nil {
		t.Fatal(err)
	}
	return unlock, recipient
}

func unlockWith(t testing.TB, text string) keystore.Unlock {
	t.Helper()
	unlock, err := keystore.NewUnlock(keystore.NewSecret([]byte(text)))
	if err != nil {
		t.Fatal(err)
	}
	return unlock
}

// newStore is a keystore locked to an identity, which opens without the cost of scrypt.
func newStore(t testing.TB) (s *keystore.Store, path string, unlock keystore.Unlock) {
	t.Helper()
	path = filepath.Join(privateDir(t), "keystore.age")
	unlock, _ = newIdentity(t)
	s, err := keystore.Create(path, unlock)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, path, unlock
}

func mustImport(t testing.TB, s *keystore.Store, account hive.AccountName, role hive.Role, label string) {
	t.Helper()
	if err := s.Import(account, role, wif(label)); err != nil {
		t.Fatal(err)
	}
}

func mustOpen(t testing.TB, path string, unlock keystore.Unlock) *keystore.Store {
	t.Helper()
	s, err := keystore.Open(path, unlock)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func describe(s *keystore.Store) string {
	var b strings.Builder
	for _, account := range s.Accounts() {
		fmt.Fprintf(&b, "%s%v ", account, s.Roles(account))
	}
	return strings.TrimSpace(b.String())
}

func TestCreateOpen(t *testing.T) {
	s, path, unlock := newStore(t)
	mustImport(t, s, "bob", hive.Active, "bob")
	mustImport(t, s, "alice", hive.Active, "alice a")
	mustImport(t, s, "alice", hive.Posting, "alice p")
	again := mustOpen(t, path, unlock)
	for name, s := range map[string]*keystore.Store{"changed": s, "opened": again} {
		if got, want := describe(s), "alice[posting active] bob[active]"; got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
		if public, ok := s.Public("alice", hive.Posting); !ok || public != key("alice p").Public() {
			t.Errorf("%s: public key %s", name, public)
		}
		if k, ok := s.LowestKey("alice"); !ok || k.Role() != hive.Posting ||
			k.Public() != key("alice p").Public() {
			t.Errorf("%s: lowest key %v", name, k)
		}
		for _, role := range []hive.Role{0, hive.Memo, hive.Owner, 200} {
			if _, ok := s.Key("alice", role); ok {
				t.Errorf("%s: has a key for %s", name, role)
			}
			if _, ok := s.Public("alice", role); ok {
				t.Errorf("%s: has a public key for %s", name, role)
			}
		}
		if _, ok := s.LowestKey("carol"); ok || len(s.Roles("carol")) > 0 {
			t.Errorf("%s: knows carol", name)
		}
	}
	if s.LedgerID() != again.LedgerID() || len(s.LedgerID()) != 32 {
		t.Errorf("ledger ids %q and %q", s.LedgerID(), again.LedgerID())
	}
}

func TestCreateRefused(t *testing.T) {
	unlock, recipient := newIdentity(t)
	t.Run("exists", func(t *testing.T) {
		_, path, unlock := newStore(t)
		before, _ := os.ReadFile(path)
		if _, err := keystore.Create(path, unlock); !errors.Is(err, keystore.ErrExists) {
			t.Errorf("got %v", err)
		}
		if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
			t.Error("the file was changed")
		}
	})
	t.Run("dangling link exists", func(t *testing.T) {
		path := filepath.Join(privateDir(t), "k")
		symlink(t, "nowhere", path)
		if _, err := keystore.Create(path, unlock); !errors.Is(err, keystore.ErrExists) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("no folder", func(t *testing.T) {
		if _, err := keystore.Create(filepath.Join(privateDir(t), "no", "k"), unlock); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("got %v", err)
		}
	})
	locks := map[string]struct {
		unlock   keystore.Unlock
		recovery string
		want     error
	}{
		"no secret":                {keystore.Unlock{}, recipient, keystore.ErrBadLock},
		"passphrase and recipient": {unlockWith(t, passphrase), recipient, keystore.ErrBadLock},
		"broken plugin recipient": {unlock, "age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3s",
			keystore.ErrBadLock},
		"plugin recipient in capitals": {unlock, strings.ToUpper(plugintest.Recipient("plain")), keystore.ErrBadLock},
		"ssh recipient": {unlock,
			"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsKLqeplhpW+uObz5dvMgjz1OxfM/XXUB+VHtZ6isGN", keystore.ErrNotNative},
		"no recipient":          {unlock, "carol", keystore.ErrBadLock},
		"recipient in capitals": {unlock, strings.ToUpper(recipient), keystore.ErrBadLock},
		"recipient and comment": {unlock, "# x\n" + recipient, keystore.ErrBadLock},
	}
	for name, tt := range locks {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(privateDir(t), "k")
			if _, err := keystore.Create(path, tt.unlock, tt.recovery); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if _, err := os.Stat(path); err == nil {
				t.Error("a file was made")
			}
		})
	}
}

func TestMissingFile(t *testing.T) {
	unlock, _ := newIdentity(t)
	if _, err := keystore.Open(filepath.Join(privateDir(t), "keystore.age"), unlock); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// A keystore behind a link is replaced where it lies, and the link stays.
func TestLinkStays(t *testing.T) {
	_, path, unlock := newStore(t)
	link := filepath.Join(privateDir(t), "link.age")
	symlink(t, path, link)
	mustImport(t, mustOpen(t, link, unlock), "alice", hive.Memo, "alice")
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v %v", info, err)
	}
	if got := describe(mustOpen(t, path, unlock)); got != "alice[memo]" {
		t.Errorf("got %s", got)
	}
}

// Several stores over one file, as several commands at once: no change is lost.
func TestNoLostUpdate(t *testing.T) {
	first, path, unlock := newStore(t)
	stores := []*keystore.Store{first, mustOpen(t, path, unlock), mustOpen(t, path, unlock)}
	var wg sync.WaitGroup
	for i, s := range stores {
		for j := range 4 {
			wg.Go(func() {
				name := hive.AccountName(fmt.Sprintf("bot-%d-%d", i, j))
				if err := s.Import(name, hive.Posting, wif(string(name))); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	if got := len(mustOpen(t, path, unlock).Accounts()); got != 12 {
		t.Errorf("%d accounts, want 12", got)
	}
}

func TestRemove(t *testing.T) {
	s, path, unlock := newStore(t)
	mustImport(t, s, "alice", hive.Memo, "alice m")
	mustImport(t, s, "alice", hive.Posting, "alice p")
	mustImport(t, s, "bob", hive.Posting, "bob")
	for name, tt := range map[string]struct {
		err  error
		want error
	}{
		"unknown account":      {s.Remove("carol", hive.Memo), keystore.ErrUnknownAccount},
		"unknown account, all": {s.RemoveAccount("carol"), keystore.ErrUnknownAccount},
		"unknown role":         {s.Remove("alice", hive.Active), keystore.ErrUnknownKey},
		"no role":              {s.Remove("alice", 0), keystore.ErrUnknownKey},
		"owner":                {s.Remove("alice", hive.Owner), keystore.ErrUnknownKey},
	} {
		if !errors.Is(tt.err, tt.want) {
			t.Errorf("%s: got %v", name, tt.err)
		}
	}
	k, _ := s.Key("alice", hive.Memo)
	if err := s.Remove("alice", hive.Memo); err != nil {
		t.Fatal(err)
	}
	if err := s.RemoveAccount("bob"); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*keystore.Store{s, mustOpen(t, path, unlock)} {
		if got := describe(s); got != "alice[posting]" {
			t.Errorf("got %s", got)
		}
	}
	if _, err := k.Sign(hive.HashText("x")); !errors.Is(err, keystore.ErrKeyGone) {
		t.Errorf("the handle of a removed key: %v", err)
	}
	if err := s.Remove("alice", hive.Posting); err != nil {
		t.Fatal(err)
	}
	if len(s.Accounts()) != 0 {
		t.Errorf("an account without keys: %v", s.Accounts())
	}
}

func TestReload(t *testing.T) {
	command, path, unlock := newStore(t)
	mustImport(t, command, "alice", hive.Posting, "alice")
	mustImport(t, command, "bob", hive.Posting, "bob")
	mustImport(t, command, "carol", hive.Posting, "carol")
	agent := mustOpen(t, path, unlock)
	agent.ForgetUnlock()
	kept, _ := agent.Key("alice", hive.Posting)
	removed, _ := agent.Key("bob", hive.Posting)
	replaced, _ := agent.Key("carol", hive.Posting)

	if err := command.Remove("bob", hive.Posting); err != nil {
		t.Fatal(err)
	}
	batch, err := keystore.KeyOf("carol", hive.Posting, wif("carol anew"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := command.Add(batch, keystore.AddOptions{Replace: true}); err != nil {
		t.Fatal(err)
	}
	mustImport(t, command, "dave", hive.Memo, "dave")

	if err := agent.Reload(unlockWith(t, "wrong")); !errors.Is(err, keystore.ErrWrongLock) {
		t.Errorf("wrong secret: %v", err)
	}
	if _, err := removed.Sign(hive.HashText("x")); err != nil ||
		describe(agent) != "alice[posting] bob[posting] carol[posting]" {
		t.Errorf("a reload that failed changed the store: %v, %s", err, describe(agent))
	}
	if err := agent.Reload(unlock); err != nil {
		t.Fatal(err)
	}
	if got := describe(agent); got != "alice[posting] carol[posting] dave[memo]" {
		t.Errorf("got %s", got)
	}
	if now, _ := agent.Key("alice", hive.Posting); now != kept {
		t.Error("the handle of an unchanged key was exchanged")
	}
	if _, err := kept.Sign(hive.HashText("x")); err != nil {
		t.Errorf("unchanged key: %v", err)
	}
	for name, k := range map[string]*keystore.Key{"removed": removed, "replaced": replaced} {
		if _, err := k.Sign(hive.HashText("x")); !errors.Is(err, keystore.ErrKeyGone) {
			t.Errorf("%s key: %v", name, err)
		}
	}
	if public, _ := agent.Public("carol", hive.Posting); public != key("carol anew").Public() {
		t.Errorf("replaced key: %s", public)
	}
	if err := agent.Import("eve", hive.Memo, wif("eve")); !errors.Is(err, keystore.ErrReadOnly) {
		t.Errorf("a reload made the store writable: %v", err)
	}
}

// A file of another keystore in this one's place is not a later state of it.
func TestReloadOtherKeystore(t *testing.T) {
	s, path, unlock := newStore(t)
	mustImport(t, s, "alice", hive.Posting, "alice")
	other := filepath.Join(privateDir(t), "other.age")
	if _, err := keystore.Create(other, unlock); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(other, path); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{"reload": s.Reload(unlock), "change": s.Import("bob", hive.Memo,
		wif("bob"))} {
		if !errors.Is(err, keystore.ErrOtherLedger) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if describe(s) != "alice[posting]" {
		t.Errorf("got %s", describe(s))
	}
}

func TestClose(t *testing.T) {
	s, _, unlock := newStore(t)
	mustImport(t, s, "alice", hive.Posting, "alice")
	k, _ := s.Key("alice", hive.Posting)
	relay := key("relay").Public()
	if _, err := k.Prove(relay, "1"); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s.Close()
	_, signErr := k.Sign(hive.HashText("x"))
	_, canonicalErr := k.SignCanonical(hive.HashText("x"))
	_, memoErr := k.DecodeMemo("#x")
	_, proveErr := k.Prove(relay, "1")
	for name, err := range map[string]error{"Sign": signErr, "SignCanonical": canonicalErr, "DecodeMemo": memoErr,
		"Prove": proveErr} {
		if !errors.Is(err, keystore.ErrKeyGone) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if k.Public() != key("alice").Public() {
		t.Error("the public key is gone")
	}
	for name, err := range map[string]error{
		"Import": s.Import("bob", hive.Memo, wif("bob")), "Remove": s.Remove("alice", hive.Posting),
		"Reload": s.Reload(unlock), "ChangeLock": s.ChangeLock(unlock),
	} {
		if !errors.Is(err, keystore.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(s.Accounts()) != 0 {
		t.Error("accounts after Close")
	}
	if _, ok := s.LowestKey("alice"); ok {
		t.Error("a key after Close")
	}
	s.LedgerMAC([]byte("x"))
}
