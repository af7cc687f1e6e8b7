package ledger_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"pksa/agent/ledger"
)

// Which policy was approved is kept over restarts, and replaced only by who knows which one counts.
func TestApprovedPolicy(t *testing.T) {
	r := newRig(t)
	check := func(when string, want []byte) {
		t.Helper()
		text, required := r.l.ApprovedPolicy()
		if required != (want != nil) || !bytes.Equal(text, want) {
			t.Errorf("%s: required %t, %d bytes", when, required, len(text))
		}
	}
	entry := ledger.Entry{Type: ledger.RecordAdmin, Outcome: "policy approved"}
	approve := func(was, text []byte) error { return r.l.ApprovePolicy(ctx, was, text, entry) }
	one, two := []byte("version: 1\n"), bytes.Repeat([]byte("version: 2\n"), 90_000)
	check("at first", nil)
	if err := approve(one, two); !errors.Is(err, ledger.ErrNotReplaced) {
		t.Errorf("in the place of one that there is not: %v", err)
	}
	must(t, approve(nil, one))
	check("the first", one)
	r.reopen()
	check("after a restart", one)
	for _, was := range [][]byte{nil, two, {}} {
		if err := approve(was, two); !errors.Is(err, ledger.ErrNotReplaced) {
			t.Errorf("in the place of another one: %v", err)
		}
	}
	must(t, approve(one, two))
	r.reopen()
	check("a large one", two)
	noise := make([]byte, ledger.MostApproved/4)
	random := rand.NewChaCha8([32]byte{})
	_, _ = random.Read(noise)
	for _, large := range [][]byte{bytes.Repeat([]byte("a"), ledger.MostApproved+1), noise} {
		if err := approve(two, large); err == nil {
			t.Errorf("%d bytes are taken", len(large))
		}
	}
	must(t, approve(two, noise[:len(noise)-1024]))
	r.reopen()
	check("one that is not compressed", noise[:len(noise)-1024])
	before, _ := r.l.Head()
	must(t, r.l.EndApproval(ctx, entry))
	check("at the end", nil)
	if now, _ := r.l.Head(); now != before+1 {
		t.Error("the end is not recorded")
	}
	r.reopen()
	check("at the end, after a restart", nil)
}
