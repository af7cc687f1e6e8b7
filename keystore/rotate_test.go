package keystore

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pksa/protocol/hive"
)

// rotating makes a keystore of alice/posting, and returns it with its path and what opens it.
func rotating(t *testing.T) (*Store, string, Unlock) {
	t.Helper()
	dir := privateDir(t)
	unlock := testUnlock(t, dir)
	path := filepath.Join(dir, "keystore.age")
	s, err := Create(path, unlock)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	if err := s.Import("alice", hive.Posting, testWIF("old")); err != nil {
		t.Fatal(err)
	}
	return s, path, unlock
}

func rotateTo(s *Store, label string) (Change, error) {
	batch, err := KeyOf("alice", hive.Posting, testWIF(label))
	if err != nil {
		return Unchanged, err
	}
	return s.Rotate(batch)
}

func publicOf(label string) hive.PublicKey {
	return hive.PrivateKeyFromSeed("test key " + label).Public()
}

// holds checks which key signs and which one it replaced, in the store and in the file.
func holds(t *testing.T, s *Store, path string, unlock Unlock, key, before string) {
	t.Helper()
	again, err := Open(path, unlock)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	for _, s := range []*Store{s, again} {
		if public, _ := s.Public("alice", hive.Posting); public != publicOf(key) {
			t.Errorf("%s signs, want %s", public, key)
		}
		r, ok := s.Rotation("alice", hive.Posting)
		if ok != (before != "") || ok && (r.Before != publicOf(before) || r.Key != publicOf(key)) {
			t.Errorf("rotation %v, want %s before", r, before)
		}
	}
}

func TestRotate(t *testing.T) {
	t.Parallel()
	s, path, unlock := rotating(t)
	first, _ := s.Key("alice", hive.Posting)
	if change, err := rotateTo(s, "old"); change != Unchanged || err != nil {
		t.Error("to itself:", change, err)
	}
	holds(t, s, path, unlock, "old", "")
	for range 2 { // the same again is no failure
		if _, err := rotateTo(s, "new"); err != nil {
			t.Fatal(err)
		}
		holds(t, s, path, unlock, "new", "old")
	}
	if _, err := first.Sign([32]byte{1}); !errors.Is(err, ErrKeyGone) {
		t.Error("the handle of the old key:", err)
	}
	if _, err := rotateTo(s, "third"); !errors.Is(err, ErrRotating) {
		t.Error(err)
	}
	if _, err := rotateTo(s, "old"); !errors.Is(err, ErrIsBefore) {
		t.Error(err)
	}
	batch, _ := KeyOf("alice", hive.Posting, testWIF("third"))
	if _, err := s.Add(batch, AddOptions{Replace: true}); !errors.Is(err, ErrRotating) {
		t.Error("replaced meanwhile:", err)
	}
	if err := s.UndoRotation("alice", hive.Posting); err != nil {
		t.Error(err)
	}
	holds(t, s, path, unlock, "old", "")
	if err := s.UndoRotation("alice", hive.Posting); !errors.Is(err, ErrNotRotating) {
		t.Error(err)
	}
	if _, err := rotateTo(s, "new"); err != nil {
		t.Fatal(err)
	}
	if err := s.FinishRotation("alice", hive.Posting); err != nil {
		t.Error(err)
	}
	holds(t, s, path, unlock, "new", "")
	if err := s.FinishRotation("alice", hive.Posting); !errors.Is(err, ErrNotRotating) {
		t.Error(err)
	}
	if err := s.FinishRotation("alice", hive.Memo); !errors.Is(err, ErrUnknownKey) {
		t.Error(err)
	}
	if err := s.FinishRotation("bob", hive.Memo); !errors.Is(err, ErrUnknownAccount) {
		t.Error(err)
	}
}

// Who removes a key that is being rotated removes both.
func TestRemoveRotated(t *testing.T) {
	t.Parallel()
	for name, remove := range map[string]func(*Store) error{
		"key":     func(s *Store) error { return s.Remove("alice", hive.Posting) },
		"account": func(s *Store) error { return s.RemoveAccount("alice") },
	} {
		s, path, unlock := rotating(t)
		if _, err := rotateTo(s, "new"); err != nil {
			t.Fatal(err)
		}
		if err := remove(s); err != nil {
			t.Fatal(name, err)
		}
		c, err := readContent(path, unlock.open())
		if err != nil || len(c.accounts)+len(c.before) != 0 || c.version() != firstVersion {
			t.Errorf("%s: %v, %v", name, c, err)
		}
	}
}

// The version tells older programs what they do not know, and only while it is there.
func TestRotationVersion(t *testing.T) {
	t.Parallel()
	s, path, unlock := rotating(t)
	version := func() int {
		c, err := readContent(path, unlock.open())
		if err != nil {
			t.Fatal(err)
		}
		defer c.wipe()
		return c.version()
	}
	if _, err := rotateTo(s, "new"); err != nil {
		t.Fatal(err)
	}
	if version() != rotationVersion {
		t.Error("version", version())
	}
	if err := s.FinishRotation("alice", hive.Posting); err != nil {
		t.Fatal(err)
	}
	if version() != firstVersion {
		t.Error("version", version())
	}
}

// What somebody wrote into the content by hand has to be a rotation.
func TestRotationContent(t *testing.T) {
	t.Parallel()
	a, b := string(testWIF("a")), string(testWIF("b"))
	text := func(keys ...string) string {
		return `{"version":3,"ledger":{"id":"00112233445566778899aabbccddeeff","key":` +
			`"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="},"recipients":[],"accounts":[{"name":"alice",` +
			strings.Join(keys, ",") + `}]}`
	}
	posting, old := `"posting":"`+a+`"`, `"old_posting":"`+b+`"`
	for content, want := range map[string]string{
		text(posting, old):                          "",
		text(posting, `"old_posting":"`+a+`"`):      "one key as old_posting and posting",
		text(`"memo":"`+a+`"`, old):                 "no key in the place of its old_posting",
		text(old):                                   "has no key",
		text(posting, `"old_owner":"`+b+`"`):        `unknown member "old_owner"`,
		text(posting, `"old_old_posting":"`+b+`"`):  "unknown member",
		text(posting, `"old_posting":"5Jno key"`):   "not a private key",
		text(posting, old, `"old_posting":"`+a+`"`): "old_posting",
	} {
		c, err := decodeContent([]byte(content))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
		if err != nil && (strings.Contains(err.Error(), a) || strings.Contains(err.Error(), b)) {
			t.Error("a key is in the error")
		}
		if err == nil && !slices.Equal(c.rotations(),
			[]Rotation{{"alice", hive.Posting, publicOf("a"), publicOf("b")}}) {
			t.Error(c.rotations())
		}
	}
}
