package keystore

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pksa/protocol/hive"
)

// spare makes an identity that opens nothing yet.
func spare(t *testing.T, dir, name string) (Unlock, string) {
	t.Helper()
	unlock, recipient, err := CreateIdentity(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return unlock, recipient
}

// opens reports whether the file opens, and checks that it holds the key of alice.
func opens(t *testing.T, path string, unlock Unlock) bool {
	t.Helper()
	s, err := Open(path, unlock)
	if err != nil {
		return false
	}
	defer s.Close()
	if public, _ := s.Public("alice", hive.Posting); public != publicOf("old") && public != publicOf("new") {
		t.Errorf("%s holds %s", path, public)
	}
	return true
}

func TestRecipients(t *testing.T) {
	t.Parallel()
	s, path, unlock := rotating(t)
	offline, recipient := spare(t, filepath.Dir(path), "offline")
	if opens(t, path, offline) {
		t.Fatal("it opens already")
	}
	for _, want := range []bool{true, false} { // twice is no failure
		if added, err := s.AddRecipient(recipient); added != want || err != nil {
			t.Fatal(added, err)
		}
	}
	if !opens(t, path, offline) || !opens(t, path, unlock) || !slices.Equal(s.Others(), []string{recipient}) {
		t.Error("not opened by both", s.Others())
	}
	own := unlock.open().recipients[0]
	if err := s.RemoveRecipient(own); !errors.Is(err, ErrOwnRecipient) {
		t.Error(err)
	}
	if err := s.RemoveRecipient(recipient); err != nil {
		t.Error(err)
	}
	if opens(t, path, offline) || !opens(t, path, unlock) {
		t.Error("the removed one opens it, or the kept one does not")
	}
	if err := s.RemoveRecipient(recipient); !errors.Is(err, ErrNotRecipient) {
		t.Error(err)
	}
	if err := s.RemoveRecipient(own); !errors.Is(err, ErrOwnRecipient) {
		t.Error("the last one:", err)
	}
	for _, text := range []string{"", "age1", "AGE-SECRET-KEY-1", "ssh-ed25519 AAAA"} {
		if _, err := s.AddRecipient(text); !errors.Is(err, ErrBadLock) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Beside a passphrase nothing else can stand.
func TestNoRecipientsBesideAPassphrase(t *testing.T) {
	t.Parallel()
	dir := privateDir(t)
	_, recipient := spare(t, dir, "offline")
	unlock, err := NewUnlock(NewSecret([]byte("correct horse battery")))
	if err != nil {
		t.Fatal(err)
	}
	s, err := Create(filepath.Join(dir, "keystore.age"), unlock)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.AddRecipient(recipient); !errors.Is(err, ErrNoRecipients) {
		t.Error(err)
	}
	if err := s.RemoveRecipient(recipient); !errors.Is(err, ErrNoRecipients) {
		t.Error(err)
	}
}

// A store that has forgotten what opens the file locks it anew, whole: with the ledger's key, and
// with what a rotation replaced.
func TestRelock(t *testing.T) {
	t.Parallel()
	s, path, unlock := rotating(t)
	if _, err := rotateTo(s, "new"); err != nil {
		t.Fatal(err)
	}
	before, err := readContent(path, unlock.open())
	if err != nil {
		t.Fatal(err)
	}
	s.ForgetUnlock()
	next, recipient := spare(t, filepath.Dir(path), "next")
	if err := s.Relock(next); err != nil {
		t.Fatal(err)
	}
	if opens(t, path, unlock) || !slices.Equal(s.Recipients(), []string{recipient}) {
		t.Error("what opened it before still does", s.Recipients())
	}
	after, err := readContent(path, next.open())
	if err != nil {
		t.Fatal(err)
	}
	before.recipients = after.recipients
	if string(before.encode()) != string(after.encode()) {
		t.Error("it holds something else")
	}
	if err := s.Relock(next); err != nil {
		t.Error("again:", err)
	}
	if err := s.Remove("alice", hive.Posting); !errors.Is(err, ErrReadOnly) {
		t.Error("the store keeps what opens the file:", err)
	}
	holds(t, s, path, next, "new", "old")
}

// What somebody else wrote meanwhile is not lost: nobody could look into it.
func TestRelockAfterAChange(t *testing.T) {
	t.Parallel()
	s, path, unlock := rotating(t)
	other, err := Open(path, unlock)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := other.Import("bob", hive.Memo, testWIF("bob")); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s.ForgetUnlock()
	next, _ := spare(t, filepath.Dir(path), "next")
	if err := s.Relock(next); !errors.Is(err, ErrChanged) {
		t.Error(err)
	}
	if again, err := os.ReadFile(path); err != nil || string(again) != string(raw) {
		t.Error("it was written", err)
	}
	if err := s.Reload(unlock); err != nil {
		t.Fatal(err)
	}
	if err := s.Relock(next); err != nil {
		t.Error("once it was read:", err)
	}
	s.Close()
	if err := s.Relock(next); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}
