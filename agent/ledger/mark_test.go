package ledger_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/ledger"
)

func TestRestoredLedger(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	steady, loose := r.session("alice", "mybot", "k1"), r.session("alice", "mybot", "k2")
	if r.try(loose, "x", 0) != ledger.Fresh || r.try(steady, "x", r.nowMS()) != ledger.Fresh {
		t.Fatal("not fresh")
	}
	must(t, r.l.Close())
	copied, err := os.ReadFile(r.path)
	must(t, err)
	r.open()
	r.clock.add(time.Minute)
	lost := r.nowMS()
	if r.try(steady, "lost", lost) != ledger.Fresh || r.try(steady, "lost too", 0) != ledger.Fresh {
		t.Fatal("not fresh")
	}
	must(t, r.l.Close())
	must(t, os.WriteFile(r.path, copied, 0o600))

	_, err = ledger.Open(r.path, r.o)
	wantError(t, err, ledger.ErrRestored)
	if errors.Is(err, ledger.ErrMark) {
		t.Errorf("the mark can be read: %v", err)
	}
	r.clock.add(time.Second)
	done, err := ledger.Accept(r.path, r.o, ledger.Acceptance{KeepAll: true, Audit: []byte(`{"by":"root"}`)})
	must(t, err)
	if done.Mark != done.Last+2 || len(done.Ended) != 1 || done.Ended[0].ID != loose.ID {
		t.Errorf("accepted: %+v", done)
	}
	r.open()
	for range 2 {
		if got := r.try(steady, "lost", lost); got != ledger.NonceForgotten {
			t.Errorf("lost nonce: %v", got)
		}
		if got := r.try(steady, "lost too", 0); got != ledger.NonceForgotten {
			t.Errorf("lost digest: %v", got)
		}
		if got := r.try(loose, "new", r.nowMS()+1); got != ledger.SessionEnded {
			t.Errorf("session that took requests without nonce: %v", got)
		}
		if s := r.session("alice", "mybot", fmt.Sprint("k", r.uuids)); !s.NoncesOnly {
			t.Error("a new session under the old secret takes requests without nonce")
		}
		v, err := r.l.Verify(ctx)
		must(t, err)
		if v.To <= done.Mark {
			t.Errorf("verified %v", v)
		}
		r.reopen()
	}
	if got := r.try(steady, "next", r.nowMS()+1); got != ledger.Fresh {
		t.Errorf("next nonce: %v", got)
	}
	_, err = r.l.RotateSlot(ctx, "mybot", "new", nil)
	must(t, err)
	if s := r.session("alice", "mybot", "k9"); s.NoncesOnly {
		t.Error("a session under a new secret must send nonces")
	}
	must(t, r.l.Close())
	done, err = ledger.Accept(r.path, r.o, ledger.Acceptance{KeepAll: true}) // nothing to accept
	must(t, err)
	if done.Last != done.Mark {
		t.Errorf("accepted again: %+v", done)
	}
	r.open()
}

func TestMarks(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	must(t, r.l.Close())
	mark := strings.TrimSuffix(r.path, ".db") + ".mark"
	good, err := os.ReadFile(mark)
	must(t, err)
	for name, text := range map[string]string{
		"empty":         "",
		"cut off":       string(good[:len(good)-3]),
		"lower number":  strings.Replace(string(good), "record 1", "record 0", 1),
		"more":          string(good) + "x",
		"other content": "hello",
	} {
		t.Run(name, func(t *testing.T) {
			must(t, os.WriteFile(mark, []byte(text), 0o600))
			_, err := ledger.Open(r.path, r.o)
			wantError(t, err, ledger.ErrRestored)
			wantError(t, err, ledger.ErrMark)
			if said := err.Error(); strings.Count(said, mark) != 1 || strings.Contains(said, "older") {
				t.Error(said)
			}
		})
	}
	must(t, os.Remove(mark))
	_, err = ledger.Open(r.path, r.o)
	wantError(t, err, ledger.ErrRestored)
	wantError(t, err, ledger.ErrMark)
	must(t, os.Mkdir(mark, 0o700))
	_, err = ledger.Open(r.path, r.o)
	wantError(t, err, ledger.ErrMark)
	if strings.Count(err.Error(), mark) != 1 {
		t.Error(err)
	}
	must(t, os.Remove(mark))
	must(t, os.WriteFile(mark, good, 0o600))
	r.open()
}

func TestMarkIsReplacedEveryMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.slot("mybot")
		mark := strings.TrimSuffix(r.path, ".db") + ".mark"
		read := func() [32]byte {
			b, err := os.ReadFile(mark)
			must(t, err)
			return sha256.Sum256(b)
		}
		before := read()
		time.Sleep(59 * time.Second)
		if read() != before {
			t.Error("mark was replaced early")
		}
		time.Sleep(2 * time.Second)
		if read() == before {
			t.Error("mark was not replaced")
		}
		must(t, r.l.Close())
	})
}

func FuzzMark(f *testing.F) {
	o := options("test")
	good := ledger.SampleMark(o)
	f.Add(good)
	f.Add(bytes.Replace(good, []byte("mark 1"), []byte("mark 2"), 1))
	f.Fuzz(func(t *testing.T, text []byte) {
		again, err := ledger.RecodeMark(o, text)
		if err == nil && !bytes.Equal(again, text) {
			t.Errorf("%q is written as %q", text, again)
		}
	})
}

// TestAcceptanceThatFails: a restored ledger that was not accepted stays refused.
func TestAcceptanceThatFails(t *testing.T) {
	for _, applied := range []bool{false, true} {
		r := newRig(t)
		r.slot("mybot")
		s := r.session("alice", "mybot", "k1")
		must(t, r.l.Close())
		copied, err := os.ReadFile(r.path)
		must(t, err)
		r.open()
		lost := r.nowMS()
		if r.try(s, "lost", lost) != ledger.Fresh {
			t.Fatal("not fresh")
		}
		must(t, r.l.Close())
		must(t, os.WriteFile(r.path, copied, 0o600))
		faulty := r.o.Around(func(op string, do func() error) error {
			if op != "commit" {
				return do()
			}
			if applied {
				must(t, do())
			}
			return errInjected
		})
		_, err = ledger.Accept(r.path, faulty, ledger.Acceptance{KeepAll: true})
		wantError(t, err, ledger.ErrCommit)
		if !applied {
			_, err = ledger.Open(r.path, r.o)
			wantError(t, err, ledger.ErrRestored)
			_, err = ledger.Accept(r.path, r.o, ledger.Acceptance{KeepAll: true})
			must(t, err)
		}
		r.open()
		if got := r.try(s, "lost", lost); got != ledger.NonceForgotten {
			t.Errorf("applied %v: lost nonce: %v", applied, got)
		}
		must(t, r.l.Close())
	}
}
