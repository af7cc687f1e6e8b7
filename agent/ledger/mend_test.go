package ledger_test

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"pksa/agent/ledger"
)

// alter changes bytes in the n-th value of a bucket.
func (r *rig) alter(bucket string, n int, at ...int) {
	r.t.Helper()
	must(r.t, ledger.TestingRewrite(r.path, bucket, func(b *bolt.Bucket) error {
		c := b.Cursor()
		k, v := c.First()
		for range n {
			k, v = c.Next()
		}
		v = slices.Clone(v)
		for _, i := range at {
			v[i] ^= 0x41
		}
		return b.Put(k, v)
	}))
}

func (r *rig) mend() ([]string, error) {
	done, err := ledger.Mend(ctx, r.path, r.o, ledger.Mending{})
	return done.Restored, err
}

// A value that was altered in one byte is restored as it was, at the operator's word: an old
// record, a record that was not gathered, a session, a charge. The trail tells.
func TestMend(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	s := r.session("alice", "mybot", "k1")
	nonce := r.nowMS()
	if got := r.try(s, "once", nonce); got != ledger.Fresh {
		t.Fatal(got)
	}
	if mended, err := r.mendClosed(); err != nil || len(mended) != 0 {
		t.Fatalf("a whole ledger: %v, %v", mended, err)
	}
	must(t, r.l.Close())
	r.alter("audit", 0, 17)
	r.alter("audit", 2, 3)
	r.alter("sessions", 0, 40)
	_, err := ledger.Open(r.path, r.o)
	wantError(t, err, ledger.ErrDamaged)
	if !strings.Contains(err.Error(), "`pksa ledger mend`") {
		t.Errorf("it does not say what helps: %v", err)
	}
	mended, err := r.mend()
	must(t, err)
	if len(mended) != 3 || !slices.Contains(mended, "audit record 1") || !slices.Contains(mended, "audit record 3") {
		t.Errorf("mended %q", mended)
	}
	r.open()
	if got := r.try(s, "once more", nonce); got != ledger.NonceLow {
		t.Errorf("a nonce came back: %v", got)
	}
	if _, err := r.l.Verify(ctx); err != nil {
		t.Error(err)
	}
	told := false
	for rec, err := range r.l.Audit(1) {
		must(t, err)
		told = told || rec.Outcome == "damaged values restored"
	}
	if !told {
		t.Error("the trail does not tell")
	}
}

func (r *rig) mendClosed() ([]string, error) {
	must(r.t, r.l.Close())
	defer r.open()
	return r.mend()
}

// What was altered in more than a byte is not guessed: nothing is changed.
func TestMendRefuses(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	r.session("alice", "mybot", "k1")
	must(t, r.l.Close())
	r.alter("audit", 0, 17)
	r.alter("sessions", 0, 20, 21)
	before, err := os.ReadFile(r.path)
	must(t, err)
	_, err = r.mend()
	wantError(t, err, ledger.ErrDamaged)
	after, err := os.ReadFile(r.path)
	must(t, err)
	if !bytes.Equal(before, after) {
		t.Error("the file was changed")
	}
}

// Cut off before its commit, mending has changed nothing, and can be done again.
func TestMendCutOff(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	must(t, r.l.Close())
	r.alter("audit", 0, 17)
	whole := r.o
	r.o = r.o.Around(func(op string, do func() error) error {
		if op == "commit" {
			return errors.New("cut off")
		}
		return do()
	})
	if _, err := r.mend(); !errors.Is(err, ledger.ErrCommit) {
		t.Errorf("cut off: %v", err)
	}
	r.o = whole
	_, err := ledger.Open(r.path, r.o)
	wantError(t, err, ledger.ErrDamaged)
	if mended, err := r.mend(); err != nil || len(mended) != 1 {
		t.Errorf("again: %q, %v", mended, err)
	}
	r.open()
}
