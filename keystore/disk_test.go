package keystore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"pksa/keystore/durable"
	"pksa/keystore/durable/durabletest"
	"pksa/protocol/hive"
)

func testUnlock(t testing.TB, dir string) Unlock {
	t.Helper()
	unlock, _, err := CreateIdentity(filepath.Join(dir, "identity.txt"))
	if err != nil {
		t.Fatal(err)
	}
	return unlock
}

func testWIF(label string) []byte { return []byte(hive.PrivateKeyFromSeed("test key " + label).WIF()) }

func privateDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// changes are all ways to rewrite a keystore that holds alice/posting.
var changes = map[string]func(*Store, Unlock) error{
	"import": func(s *Store, _ Unlock) error { return s.Import("bob", hive.Memo, testWIF("bob")) },
	"replace": func(s *Store, _ Unlock) error {
		batch, err := KeyOf("alice", hive.Posting, testWIF("other"))
		if err != nil {
			return err
		}
		_, err = s.Add(batch, AddOptions{Replace: true})
		return err
	},
	"rotate": func(s *Store, _ Unlock) error { _, err := rotateTo(s, "other"); return err },
	"add recipient": func(s *Store, _ Unlock) error {
		_, err := s.AddRecipient("age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj")
		return err
	},
	"relock": func(s *Store, u Unlock) error { return s.Relock(u) },
	"remove": func(s *Store, _ Unlock) error { return s.Remove("alice", hive.Posting) },
	"change lock": func(s *Store, u Unlock) error {
		return s.ChangeLock(u, "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj")
	},
}

// Whatever fails while the file is rewritten, it stays whole and opens with the old secret; it is
// in doubt which of the two it is only where the error says so.
func TestChangeFailing(t *testing.T) {
	for name, change := range changes {
		for _, step := range durabletest.ReplaceSteps {
			for _, applied := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/applied=%t", name, step, applied), func(t *testing.T) {
					changeFailing(t, change, step, applied)
				})
			}
		}
	}
}

func changeFailing(t *testing.T, change func(*Store, Unlock) error, step string, applied bool) {
	dir := privateDir(t)
	path := filepath.Join(dir, "keystore.age")
	unlock := testUnlock(t, dir)
	s, err := Create(path, unlock)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Import("alice", hive.Posting, testWIF("alice")); err != nil {
		t.Fatal(err)
	}
	before := fileDigest(t, path)
	old, _ := s.Key("alice", hive.Posting)

	faults := &durabletest.Faults{Step: step, Applied: applied}
	s.disk = faults.Disk(durable.System())
	err = change(s, unlock)
	if !faults.Met() {
		t.Fatalf("step %q was not reached", step)
	}
	if err == nil {
		t.Fatal("the change reported success")
	}
	happened := step == durabletest.SyncFolder || step == durabletest.Rename && applied
	if errors.Is(err, ErrInDoubt) != happened {
		t.Errorf("in doubt = %t, want %t: %v", !happened, happened, err)
	}
	if !strings.Contains(err.Error(), durabletest.ErrInjected.Error()) {
		t.Errorf("the cause is missing: %v", err)
	}
	snapshot(t, path, unlock) // it opens
	if after := fileDigest(t, path); (after != before) != happened {
		t.Errorf("file changed = %t, want %t", after != before, happened)
	}
	if _, err := old.Sign(hive.HashText("x")); err != nil {
		t.Errorf("a handle ended although the change failed: %v", err)
	}
	if step != durabletest.Create { // of a file that was made without our knowing nobody knows the name
		noLeftovers(t, dir)
	}
	retryAfterFailure(t, s, path, unlock)
}

// fileDigest tells files apart also where their content is the same: each is locked by keys of its
// own.
func fileDigest(t *testing.T, path string) [32]byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return digestOf(raw)
}

// retryAfterFailure makes sure that the next change works and cleans up.
func retryAfterFailure(t *testing.T, s *Store, path string, unlock Unlock) {
	s.disk = durable.System()
	if err := s.Import("carol", hive.Active, testWIF("carol")); err != nil {
		t.Errorf("the next change: %v", err)
	}
	if !strings.Contains(snapshot(t, path, unlock), "carol") {
		t.Error("the next change is not in the file")
	}
	noLeftovers(t, filepath.Dir(path))
}

func noLeftovers(t *testing.T, dir string) {
	t.Helper()
	names, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.Contains(name.Name(), ".new-") {
			t.Errorf("left behind: %s", name.Name())
		}
	}
}

// snapshot is what the file holds: accounts, roles, public keys and recipients.
func snapshot(t *testing.T, path string, unlock Unlock) string {
	t.Helper()
	s, err := Open(path, unlock)
	if err != nil {
		t.Fatalf("the file does not open: %v", err)
	}
	defer s.Close()
	text := s.LedgerID() + fmt.Sprint(s.Recipients())
	for _, account := range s.Accounts() {
		for _, role := range s.Roles(account) {
			public, _ := s.Public(account, role)
			text += fmt.Sprintf(" %s/%s=%s", account, role, public)
		}
	}
	return text
}

// A second writer waits for the first, but not for ever.
func TestLockBusy(t *testing.T) {
	dir := privateDir(t)
	path := filepath.Join(dir, "keystore.age")
	s, err := Create(path, testUnlock(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		release, err := lockFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Import("alice", hive.Memo, testWIF("alice")); !errors.Is(err, ErrBusy) {
			t.Errorf("got %v, want ErrBusy", err)
		}
		done := make(chan error)
		go func() { done <- s.Import("alice", hive.Memo, testWIF("alice")) }()
		synctest.Wait()
		release()
		if err := <-done; err != nil {
			t.Errorf("after the release: %v", err)
		}
	})
}
