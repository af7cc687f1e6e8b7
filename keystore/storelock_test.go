package keystore_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"filippo.io/age"

	"pksa/keystore"
	"pksa/protocol/hive"
)

// use tries all that a handle can do, and returns the error that all of it gives.
func use(t *testing.T, k *keystore.Key) error {
	t.Helper()
	memo, err := key("bob").EncodeMemo(k.Public(), "#hello", 7)
	if err != nil {
		t.Fatal(err)
	}
	_, sign := k.Sign(hive.HashText("text"))
	_, canonical := k.SignCanonical(hive.HashText("text"))
	_, decode := k.DecodeMemo(memo)
	_, prove := k.Prove(key("relay").Public(), "1700000000000")
	for _, other := range []error{canonical, decode, prove} {
		if !errors.Is(other, sign) || (other == nil) != (sign == nil) {
			t.Errorf("%v, but %v", sign, other)
		}
	}
	return sign
}

// A locked store knows what it keeps and can use none of it, until it is unlocked: by what the file
// holds then.
func TestLock(t *testing.T) {
	s, path, unlock := newStore(t)
	mustImport(t, s, "alice", hive.Posting, "alice")
	mustImport(t, s, "alice", hive.Memo, "alice memo")
	mustImport(t, s, "bob", hive.Posting, "bob")
	posting, _ := s.Key("alice", hive.Posting)
	memo, _ := s.Key("alice", hive.Memo)
	if err := use(t, posting); err != nil || keystore.SharedSecrets(posting) != 1 {
		t.Fatal(err)
	}
	for range 2 {
		s.Lock()
		if err := use(t, posting); !errors.Is(err, keystore.ErrLocked) {
			t.Errorf("a locked handle: %v", err)
		}
	}
	if n := keystore.SharedSecrets(posting); n != 0 || !s.Locked() {
		t.Errorf("%d shared secrets are kept; locked: %t", n, s.Locked())
	}
	public, ok := s.Public("alice", hive.Posting)
	if names := s.Accounts(); !slices.Equal(names, []hive.AccountName{"alice", "bob"}) || !ok ||
		public != key("alice").Public() || len(s.Roles("alice")) != 2 {
		t.Errorf("known while locked: %v, %v", names, public)
	}
	for name, err := range map[string]error{
		"a change":   s.Import("carol", hive.Posting, []byte(wif("carol"))),
		"a reload":   s.Reload(unlock),
		"a new lock": s.Relock(unlock),
	} {
		if !errors.Is(err, keystore.ErrLocked) {
			t.Errorf("%s while locked: %v", name, err)
		}
	}

	// What cannot be read leaves it locked.
	wrong := unlockWith(t, "another passphrase")
	if err := s.Unlock(wrong); !errors.Is(err, keystore.ErrWrongLock) || !s.Locked() {
		t.Errorf("the wrong secret: %v, locked: %t", err, s.Locked())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	if err := s.Unlock(unlock); !errors.Is(err, os.ErrNotExist) || use(t, posting) == nil {
		t.Errorf("without the file: %v", err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}

	// Another process goes on changing it.
	other := mustOpen(t, path, unlock)
	if err := other.Remove("alice", hive.Memo); err != nil {
		t.Fatal(err)
	}
	mustImport(t, other, "carol", hive.Posting, "carol")
	other.Close()
	if err := s.Unlock(unlock); err != nil || s.Locked() {
		t.Fatal(err)
	}
	if err := use(t, posting); err != nil {
		t.Errorf("a handle of before: %v", err)
	}
	if err := use(t, memo); !errors.Is(err, keystore.ErrKeyGone) {
		t.Errorf("a key that was removed meanwhile: %v", err)
	}
	if carol, ok := s.Key("carol", hive.Posting); !ok || use(t, carol) != nil {
		t.Error("a key that was added meanwhile does not work")
	}
	if err := s.Import("dave", hive.Posting, []byte(wif("dave"))); !errors.Is(err, keystore.ErrReadOnly) {
		t.Errorf("the unlock secret was kept: %v", err)
	}
	s.Lock()
	s.Close()
	if err := use(t, posting); !errors.Is(err, keystore.ErrKeyGone) {
		t.Errorf("locked, then closed: %v", err)
	}
	if err := s.Unlock(unlock); !errors.Is(err, keystore.ErrClosed) {
		t.Errorf("unlocked after it was closed: %v", err)
	}
}

// A key that a rotation replaced is wiped, and is in the file still.
func TestLockKeepsRotations(t *testing.T) {
	s, _, unlock := newStore(t)
	mustImport(t, s, "alice", hive.Posting, "alice")
	batch, err := keystore.KeyOf("alice", hive.Posting, []byte(wif("alice new")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Rotate(batch); err != nil {
		t.Fatal(err)
	}
	s.Lock()
	if n := len(s.Rotations()); n != 1 || keystore.Before(s) != 0 {
		t.Errorf("%d rotations are known, %d old keys kept", n, keystore.Before(s))
	}
	if err := s.Unlock(unlock); err != nil || len(s.Rotations()) != 1 || keystore.Before(s) != 1 {
		t.Errorf("unlocked: %v, %d, %d", err, len(s.Rotations()), keystore.Before(s))
	}
}

// A lock waits for what uses a key, and nothing is in between: a call has its result or is refused.
func TestLockWhileInUse(t *testing.T) {
	s, _, unlock := newStore(t)
	mustImport(t, s, "alice", hive.Posting, "alice")
	k, _ := s.Key("alice", hive.Posting)
	relay := key("relay")
	end := make(chan struct{})
	var calls sync.WaitGroup
	for range 4 {
		calls.Go(func() {
			for {
				select {
				case <-end:
					return
				default:
				}
				proof, err := k.Prove(relay.Public(), "1")
				switch text, bad := relay.DecodeMemo(proof); {
				case errors.Is(err, keystore.ErrLocked):
				case err != nil || bad != nil || text != "#1":
					t.Errorf("%v, %q, %v", err, text, bad)
				}
			}
		})
	}
	for range 5 {
		s.Lock()
		if err := s.Unlock(unlock); err != nil {
			t.Error(err)
		}
	}
	close(end)
	calls.Wait()
	if err := use(t, k); err != nil {
		t.Error(err)
	}
}

// What panics with a key panics where it was called.
func TestPanicBesideAKey(t *testing.T) {
	defer func() {
		if got := recover(); got != "a fault" {
			t.Errorf("%v", got)
		}
	}()
	keystore.Apart(func() { panic("a fault") })
}

// What the age library has decrypted does not stay in the buffer of its reader.
func TestWipeBuffers(t *testing.T) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, id.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	const clearText = "a text in plain sight"
	if _, err := io.WriteString(w, clearText); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	r, err := age.Decrypt(&sealed, id)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(r); err != nil || string(text) != clearText {
		t.Fatalf("%q, %v", text, err)
	}
	v := reflect.ValueOf(r).Elem()
	size := v.Type().Size()
	memory := unsafe.Slice((*byte)(v.Addr().UnsafePointer()), size)
	if !bytes.Contains(memory, []byte(clearText)) {
		t.Fatal("the library holds its clear text elsewhere: look where, and wipe it there")
	}
	keystore.WipeBuffers(r)
	if bytes.Contains(memory, []byte(clearText)) {
		t.Error("the clear text stays")
	}
	keystore.WipeBuffers(strings.NewReader("of another form"))
}
