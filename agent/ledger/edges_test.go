package ledger_test

import (
	"fmt"
	"strings"
	"testing"

	"pksa/agent/ledger"
)

// Of the name that an application gives itself so many characters are kept, and of a longer one the
// first ones.
func TestClaimsOfAnyLength(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	for n, cut := range map[int]bool{63: false, 64: false, 65: true} {
		wanted := r.newSession("alice", "mybot", fmt.Sprint("key ", n))
		wanted.Claim = strings.Repeat("é", n)
		s, err := r.l.AddSession(ctx, wanted, nil)
		must(t, err)
		if got := s.Claim != wanted.Claim; got != cut || len([]rune(s.Claim)) > 65 {
			t.Errorf("of %d characters the claim is %q", n, s.Claim)
		}
	}
}

// As many requests are in work as the ledger may know, and one more is not taken up until one of
// them has ended.
func TestRequestsThatAreKnown(t *testing.T) {
	r := newRig(t)
	r.o.Requests = 4
	r.reopen()
	begin := func(n int) error {
		key := ledger.RequestKey{Relay: "relay", UUID: fmt.Sprint("uuid ", n)}
		_, err := r.l.Begin(r.arrival(key, key.UUID))
		return err
	}
	for n := range 4 {
		must(t, begin(n))
	}
	for range 2 {
		wantError(t, begin(4), ledger.ErrBusy)
	}
	r.l.Drop(ledger.RequestKey{Relay: "relay", UUID: "uuid 2"})
	must(t, begin(4))
	wantError(t, begin(5), ledger.ErrBusy)
}

// A note of an account may have so many bytes, and not one more.
func TestNotesOfAnyLength(t *testing.T) {
	r := newRig(t)
	const most = 256 << 10
	for _, size := range []int{most - 1, most, most + 1} {
		err := r.l.NoteAccounts(ctx, map[string][]byte{"alice": make([]byte, size)})
		if (err == nil) != (size <= most) {
			t.Errorf("%d bytes: %v", size, err)
		}
		notes, err := r.l.AccountNotes(ctx, []string{"alice"})
		must(t, err)
		if got := len(notes["alice"]); got != min(size, most) {
			t.Errorf("%d bytes: %d are kept", size, got)
		}
	}
}
