package ledger_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/ledger"
)

// arranged makes changes, or tries them.
func (r *rig) arranged(try bool, a ledger.Arrangement) error {
	_, err := r.l.Arrange(ctx, try, func(ledger.Standing) (ledger.Arrangement, error) { return a, nil })
	return err
}

// shown returns the slots with their secrets and answers, and the sessions.
func (r *rig) shown() (all []string) {
	for _, s := range r.l.Slots() {
		form := ""
		if s.Documented {
			form = " documented"
		}
		all = append(all, s.Name+"="+string(s.Secret)+form)
	}
	for _, s := range r.l.Sessions() {
		all = append(all, s.App+"/"+s.Account+"="+string(s.AuthKey))
	}
	return all
}

// All changes of an arrangement are one commit, also over a restart.
func TestArrange(t *testing.T) {
	r := newRig(t)
	for _, name := range []string{"gone", "kept", "turned"} {
		_, err := r.l.AddSlot(ctx, name, ledger.Secret("secret of "+name), nil)
		must(t, err)
	}
	ended := r.session("alice", "kept", "k1")
	r.session("alice", "gone", "k2")
	records, _ := r.l.Head()
	a := ledger.Arrangement{
		Remove: []string{"gone"}, End: []ledger.SessionID{ended.ID},
		Rotate:  []ledger.Slot{{Name: "turned", Secret: "another secret"}},
		Answers: []ledger.Slot{{Name: "kept", Documented: true}},
		Add:     []ledger.Slot{{Name: "new", Secret: "secret of gone"}}, // which is free again
		Open:    []ledger.NewSession{r.newSession("alice", "new", "k3")},
	}
	before := r.shown()
	must(t, r.arranged(true, a))
	if after := r.shown(); !slices.Equal(before, after) {
		t.Errorf("a try changed %q to %q", before, after)
	}
	if now, _ := r.l.Head(); now != records {
		t.Errorf("a try wrote %d records", now-records)
	}
	must(t, r.arranged(false, a))
	want := []string{"kept=secret of kept documented", "new=secret of gone", "turned=another secret", "new/alice=k3"}
	if got := r.shown(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	r.reopen()
	if got := r.shown(); !slices.Equal(got, want) {
		t.Errorf("after a restart %q, want %q", got, want)
	}
	if now, _ := r.l.Head(); now != records+7 {
		t.Errorf("%d records, want 7: each change has one, and each session that ended", now-records)
	}
	_, err := r.l.Verify(ctx)
	must(t, err)
	if _, err := r.l.AddSession(ctx, r.newSession("alice", "kept", "k1"), nil); !errors.Is(err, ledger.ErrKeySpent) {
		t.Errorf("a revoked auth_key: %v", err)
	}
}

// If one change cannot be made, none is: nothing of those before it stays, on disk or in memory.
func TestArrangeAllOrNothing(t *testing.T) {
	for name, c := range map[string]struct {
		last ledger.Arrangement
		want error
		slot string
	}{
		"an app is there": {ledger.Arrangement{Add: []ledger.Slot{{Name: "kept", Secret: "x"}}},
			ledger.ErrSlotExists, "kept"},
		"a name is none": {ledger.Arrangement{Add: []ledger.Slot{{Name: "Kept", Secret: "x"}}},
			ledger.ErrSlotName, "Kept"},
		"no app to remove": {ledger.Arrangement{Remove: []string{"gone", "nobody"}}, ledger.ErrNoSlot, "nobody"},
		"no app to rotate": {ledger.Arrangement{Rotate: []ledger.Slot{{Name: "nobody", Secret: "x"}}},
			ledger.ErrNoSlot, "nobody"},
		"no app to answer": {ledger.Arrangement{Answers: []ledger.Slot{{Name: "nobody"}}}, ledger.ErrNoSlot,
			"nobody"},
		"a key is another's": {ledger.Arrangement{Open: []ledger.NewSession{{Account: "bob", App: "kept",
			AuthKey: "k1"}}}, ledger.ErrKeyElsewhere, ""},
		"a key is used": {ledger.Arrangement{Open: []ledger.NewSession{{Account: "alice", App: "kept",
			AuthKey: "k1"}}}, ledger.ErrKeyLive, ""},
		"a session has no app": {ledger.Arrangement{Open: []ledger.NewSession{{Account: "alice", App: "gone",
			AuthKey: "k9"}}}, ledger.ErrNoSlot, ""},
		"a key twice in a list": {ledger.Arrangement{Open: []ledger.NewSession{{Account: "alice", App: "kept",
			AuthKey: "k9"}, {Account: "alice", App: "kept", AuthKey: "k9"}}}, ledger.ErrKeyLive, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			for _, name := range []string{"gone", "kept"} {
				_, err := r.l.AddSlot(ctx, name, ledger.Secret("secret of "+name), nil)
				must(t, err)
			}
			r.session("alice", "kept", "k1")
			r.session("alice", "gone", "k2")
			before := r.shown()
			a := c.last
			if a.Remove == nil {
				a.Remove = []string{"gone"}
			}
			a.Add = append([]ledger.Slot{{Name: "new", Secret: "a new secret"}}, a.Add...)
			for i := range a.Open {
				a.Open[i].Origin, a.Open[i].Expires = ledger.Hand, r.clock.now().Add(time.Hour)
			}
			err := r.arranged(false, a)
			var at *ledger.ArrangeError
			if !errors.Is(err, c.want) || !errors.As(err, &at) || at.Slot != c.slot {
				t.Fatalf("got %v, want %v of %q", err, c.want, c.slot)
			}
			if c.slot == "" && at.Open != len(a.Open)-1 {
				t.Errorf("it names session %d", at.Open)
			}
			if after := r.shown(); !slices.Equal(before, after) {
				t.Errorf("left is %q, want %q", after, before)
			}
			r.reopen()
			if after := r.shown(); !slices.Equal(before, after) {
				t.Errorf("after a restart %q, want %q", after, before)
			}
		})
	}
}

// Secrets stay with one slot each, whatever is changed together.
func TestArrangeKeepsSecretsApart(t *testing.T) {
	r := newRig(t)
	for _, name := range []string{"first", "second"} {
		_, err := r.l.AddSlot(ctx, name, ledger.Secret("secret of "+name), nil)
		must(t, err)
	}
	before := r.shown()
	for name, a := range map[string]ledger.Arrangement{
		"two new ones":   {Add: []ledger.Slot{{Name: "a", Secret: "one"}, {Name: "b", Secret: "one"}}},
		"new and old":    {Add: []ledger.Slot{{Name: "a", Secret: "secret of first"}}},
		"rotated to old": {Rotate: []ledger.Slot{{Name: "second", Secret: "secret of first"}}},
		"rotated and new": {Rotate: []ledger.Slot{{Name: "second", Secret: "one"}}, Add: []ledger.Slot{{Name: "a",
			Secret: "one"}}},
		"its own again": {Rotate: []ledger.Slot{{Name: "second", Secret: "secret of second"}}},
	} {
		var taken *ledger.SecretTakenError
		if err := r.arranged(false, a); !errors.As(err, &taken) {
			t.Errorf("%s: %v", name, err)
		} else if strings.Contains(err.Error(), "secret of") {
			t.Errorf("%s: the error has a secret: %v", name, err)
		}
	}
	if after := r.shown(); !slices.Equal(before, after) {
		t.Errorf("left is %q, want %q", after, before)
	}
}

// The plan sees what is changed, and its own error is returned as it is.
func TestArrangePlan(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	r.session("alice", "mybot", "k1")
	no := errors.New("no")
	_, err := r.l.Arrange(ctx, false, func(v ledger.Standing) (ledger.Arrangement, error) {
		if len(v.Slots) != 1 || v.Slots[0].Name != "mybot" || len(v.Sessions) != 1 || !v.Now.Equal(r.clock.now()) {
			t.Errorf("it sees %+v", v)
		}
		return ledger.Arrangement{Remove: []string{"mybot"}}, no
	})
	if err != no || len(r.l.Slots()) != 1 {
		t.Errorf("got %v, %d slots", err, len(r.l.Slots()))
	}
}

// What another step of the same commit has done counts: then the arrangement alone is refused.
func TestArrangeSharesCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		hold := false
		r := newRigWith(t, options("test").InMemory(ledger.NewMemDisk()).Around(func(op string, do func() error) error {
			if op == "commit" && hold {
				hold = false
				<-free
			}
			return do()
		}))
		hold = true
		var first, added, arranged error
		var done sync.WaitGroup
		begin := func(f func()) {
			done.Go(f)
			synctest.Wait() // it is in the queue, or in its commit
		}
		begin(func() { _, first = r.l.AddSlot(ctx, "first", "one", nil) })
		begin(func() { _, added = r.l.AddSlot(ctx, "second", "two", nil) })
		begin(func() {
			arranged = r.arranged(false, ledger.Arrangement{
				Add: []ledger.Slot{{Name: "new", Secret: "three"}, {Name: "second", Secret: "four"}}})
		})
		close(free)
		done.Wait()
		if first != nil || added != nil || !errors.Is(arranged, ledger.ErrSlotExists) {
			t.Errorf("got %v, %v and %v", first, added, arranged)
		}
		if got := r.shown(); !slices.Equal(got, []string{"first=one", "second=two"}) {
			t.Errorf("left is %q", got)
		}
		must(t, r.l.Close())
	})
}
