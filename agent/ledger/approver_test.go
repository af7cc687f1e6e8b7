package ledger_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"pksa/agent/ledger"
)

// An approver stands with its record, also after a restart, until it is removed. Who was removed
// does not come back by being used.
func TestApprovers(t *testing.T) {
	r := newRig(t)
	record := ledger.Entry{Type: ledger.RecordAdmin, Outcome: "approver enrolled"}
	must(t, r.l.PutApprover(ctx, "anna", []byte("one"), false, record))
	must(t, r.l.PutApprover(ctx, "bob", []byte("two"), false, record))
	if r.l.PutApprover(ctx, "bob", []byte("three"), false, record) == nil {
		t.Error("somebody is enrolled twice")
	}
	must(t, r.l.PutApprover(ctx, "anna", []byte("later"), true, record))
	must(t, r.l.RemoveApprover(ctx, "bob", record))
	head, _ := r.l.Head()
	for _, err := range []error{r.l.RemoveApprover(ctx, "bob", record),
		r.l.PutApprover(ctx, "bob", []byte("two"), true, record)} {
		if !errors.Is(err, ledger.ErrNoApprover) {
			t.Errorf("of somebody who was removed: %v", err)
		}
	}
	if r.l.PutApprover(ctx, "anna", bytes.Repeat([]byte("x"), 16<<10+1), true, record) == nil {
		t.Error("a note that is too long is taken")
	}
	r.reopen()
	notes, err := r.l.Approvers(ctx)
	must(t, err)
	if len(notes) != 1 || string(notes["anna"]) != "later" {
		t.Errorf("%q", notes)
	}
	if got, _ := r.l.Head(); got != head {
		t.Errorf("the head is %d, and was %d", got, head)
	}
}

// A restored ledger has no approvers: somebody may have been removed since the copy was made.
func TestRestoreBringsNoApproverBack(t *testing.T) {
	r := newRig(t)
	record := ledger.Entry{Type: ledger.RecordAdmin, Outcome: "approver enrolled"}
	must(t, r.l.PutApprover(ctx, "anna", []byte("one"), false, record))
	must(t, r.l.PutApprover(ctx, "bob", []byte("two"), false, record))
	restored(t, r, func() { must(t, r.l.RemoveApprover(ctx, "anna", record)) })
	done, err := ledger.Accept(r.path, r.o, ledger.Acceptance{KeepAll: true})
	must(t, err)
	if !slices.Equal(done.Approvers, []string{"anna", "bob"}) {
		t.Errorf("removed: %v", done.Approvers)
	}
	r.open()
	notes, err := r.l.Approvers(ctx)
	must(t, err)
	if len(notes) != 0 {
		t.Errorf("after the restore these are approvers: %q", notes)
	}
}
