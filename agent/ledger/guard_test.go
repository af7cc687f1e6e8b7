package ledger_test

import (
	"strings"
	"testing"

	"pksa/agent/ledger"
)

// The note of an account stands with its record, also after a restart, until its account is gone;
// no longer one is taken.
func TestAccountNotes(t *testing.T) {
	r := newRig(t)
	must(t, r.l.NoteAccounts(ctx, map[string][]byte{"alice": []byte("seen"), "bob": []byte("seen, too")},
		ledger.Entry{Type: ledger.RecordEvent, Outcome: "account changed", Account: "alice"}))
	head, _ := r.l.Head()
	r.reopen()
	notes, err := r.l.AccountNotes(ctx, []string{"alice", "carol"})
	must(t, err)
	if len(notes) != 1 || string(notes["alice"]) != "seen" {
		t.Errorf("%q", notes)
	}
	if got, _ := r.l.Head(); got != head || head == 0 {
		t.Errorf("the head is %d, and was %d", got, head)
	}
	must(t, r.l.KeepAccountNotes(ctx, func(account string) bool { return account == "bob" }))
	r.reopen()
	notes, err = r.l.AccountNotes(ctx, []string{"alice", "bob"})
	must(t, err)
	if len(notes) != 1 || string(notes["bob"]) != "seen, too" {
		t.Errorf("of the account that is kept: %q", notes)
	}
	long := map[string][]byte{"alice": []byte(strings.Repeat("x", 256<<10+1))}
	if err := r.l.NoteAccounts(ctx, long); err == nil || !strings.Contains(err.Error(), "alice") {
		t.Errorf("a note that is too long: %v", err)
	}
}
