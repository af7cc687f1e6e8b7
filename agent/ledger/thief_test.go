package ledger_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"pksa/agent/ledger"
)

// wantTaken checks that a secret is refused, by the name of the app that has it.
func wantTaken(t *testing.T, err error, app string) {
	t.Helper()
	var taken *ledger.SecretTakenError
	if !errors.As(err, &taken) || taken.App != app {
		t.Fatalf("error is %v, want that %s has the secret", err, app)
	}
}

func TestSecretNamesOneApp(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	r.slot("other")
	_, err := r.l.AddSlot(ctx, "b4", "secret of mybot", nil)
	wantTaken(t, err, "mybot")
	_, err = r.l.RotateSlot(ctx, "other", "secret of mybot", nil)
	wantTaken(t, err, "mybot")
	_, _, err = r.l.RotateSlotAndEnd(ctx, "other", "secret of mybot", nil)
	wantTaken(t, err, "mybot")
	// Its digests would be dropped while all that it sealed still opens.
	_, err = r.l.RotateSlot(ctx, "mybot", "secret of mybot", nil)
	wantTaken(t, err, "mybot")
	if number, _ := r.l.Head(); number != 2 {
		t.Errorf("a refused secret left a record: %d", number)
	}
	// A secret that is free again may be given.
	_, err = r.l.RotateSlot(ctx, "mybot", "new", nil)
	must(t, err)
	_, err = r.l.AddSlot(ctx, "b4", "secret of mybot", nil)
	must(t, err)
}

func TestFirstOfTwoSlotsKeepsTheirSecret(t *testing.T) {
	r := newRig(t)
	for _, name := range []string{"mybot", "b4", "other"} {
		r.slot(name)
	}
	must(t, r.l.GiveSecret("b4", "secret of mybot"))
	for range 2 {
		b4, _ := r.l.Slot("b4")
		mybot, _ := r.l.Slot("mybot")
		other, _ := r.l.Slot("other")
		if b4.SameSecretAs != "" || mybot.SameSecretAs != "b4" || other.SameSecretAs != "" {
			t.Errorf("b4 %q, mybot %q, other %q", b4.SameSecretAs, mybot.SameSecretAs, other.SameSecretAs)
		}
		r.reopen()
	}
	_, err := r.l.RotateSlot(ctx, "mybot", "new", nil)
	must(t, err)
	if mybot, _ := r.l.Slot("mybot"); mybot.SameSecretAs != "" {
		t.Error("a slot with a new secret is still disabled")
	}
}

func TestRotateEndsAllSessionsInOneCommit(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	r.slot("other")
	var want []ledger.SessionID
	for _, key := range []string{"k1", "k2", "k3"} {
		want = append(want, r.session("alice", "mybot", key).ID)
	}
	kept := r.session("alice", "other", "k4")
	// In the trail and in the store, so that thinning would find its key.
	r.clock.add(time.Hour)
	commits := 0
	r.aroundCommits(func(commit func() error) error { commits++; return commit() })
	s, ended, err := r.l.RotateSlotAndEnd(ctx, "mybot", "new", []byte(`"rotate"`))
	must(t, err)
	if commits != 1 {
		t.Errorf("%d commits", commits)
	}
	if got := ids(ended); string(s.Secret) != "new" || !slices.Equal(got, want) {
		t.Errorf("ended %v, want %v", got, want)
	}
	r.reopen()
	if got := ids(r.l.Sessions()); !slices.Equal(got, []ledger.SessionID{kept.ID}) {
		t.Errorf("left are %v", got)
	}
	// The thief knows the keys: an honest application that still has one must make another.
	_, err = r.l.AddSession(ctx, r.newSession("alice", "mybot", "k1"), nil)
	wantError(t, err, ledger.ErrKeySpent)
}

func ids(sessions []*ledger.Session) (all []ledger.SessionID) {
	for _, s := range sessions {
		all = append(all, s.ID)
	}
	return all
}

func TestEndSessions(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	r.slot("other")
	one, two := r.session("alice", "mybot", "k1"), r.session("bob", "mybot", "k2")
	three, four := r.session("alice", "other", "k3"), r.session("bob", "other", "k4")
	commits := 0
	r.aroundCommits(func(commit func() error) error { commits++; return commit() })
	ended, missing, err := r.l.EndSessions(ctx, ledger.Revocation{IDs: []ledger.SessionID{four.ID, 999},
		Which: func(s *ledger.Session) bool { return s.App == "mybot" }})
	must(t, err)
	if got := ids(ended); commits != 1 || !slices.Equal(got, []ledger.SessionID{one.ID, two.ID, four.ID}) ||
		!slices.Equal(missing, []ledger.SessionID{999}) {
		t.Errorf("%d commits, ended %v, missing %v", commits, got, missing)
	}
	r.reopen()
	if got := ids(r.l.Sessions()); !slices.Equal(got, []ledger.SessionID{three.ID}) {
		t.Errorf("left are %v", got)
	}
	_, err = r.l.AddSession(ctx, r.newSession("bob", "mybot", "k2"), nil)
	wantError(t, err, ledger.ErrKeySpent)

	// What has expired did not live, and its key is spent all the same.
	r.clock.add(48 * time.Hour)
	ended, missing, err = r.l.EndSessions(ctx, ledger.Revocation{IDs: []ledger.SessionID{three.ID}})
	must(t, err)
	if len(ended) != 0 || !slices.Equal(missing, []ledger.SessionID{three.ID}) {
		t.Errorf("ended %v, missing %v", ids(ended), missing)
	}
	_, err = r.l.AddSession(ctx, r.newSession("alice", "other", "k3"), nil)
	wantError(t, err, ledger.ErrKeySpent)
}

// admitSession asks for a session as an auth_req with the secret of its slot does.
func (r *rig) admitSession(account, app, key string) (*ledger.Session, error) {
	r.t.Helper()
	var refused error
	a := ledger.Admission{Key: r.arrive(fmt.Sprint("login ", r.uuids)), Account: account, Kind: ledger.KindAuth,
		App: app}
	made, err := r.l.Admit(ctx, a, func(v ledger.View) ledger.Ruling {
		n := r.newSession(account, app, key)
		n.Origin = ledger.Service
		if refused = v.MayOpen(n); refused != nil {
			return ledger.Ruling{}
		}
		return ledger.Ruling{Verdict: ledger.Admitted, NewSession: &n}
	})
	must(r.t, err)
	return made.Session, refused
}

// A full account takes a new session of an app in the place of its idle one, and of no other.
func TestNewSessionReplacesAnIdleOneOfItsApp(t *testing.T) {
	o := options("test")
	o.SessionsPerAccount = 4
	r := newRigWith(t, o)
	r.slot("mybot")
	r.slot("other")
	login := func(app, key string) *ledger.Session {
		t.Helper()
		s, err := r.admitSession("alice", app, key)
		must(t, err)
		return s
	}
	hand := r.session("alice", "mybot", "k1")
	paired := r.newSession("alice", "mybot", "k2")
	paired.Origin = ledger.Paired
	byLink, err := r.l.AddSession(ctx, paired, nil)
	must(t, err)
	idle, used := login("mybot", "k3"), login("mybot", "k4")

	// Nothing is idle for an hour yet.
	r.clock.add(time.Hour - time.Second)
	_, err = r.admitSession("alice", "mybot", "k5")
	wantError(t, err, ledger.ErrSessions)
	if r.try(used, "vote", r.nowMS()) != ledger.Fresh {
		t.Fatal("not fresh")
	}
	r.clock.add(time.Second)
	// Another app, another account's fullness and a person's session replace nothing.
	_, err = r.admitSession("alice", "other", "k5")
	wantError(t, err, ledger.ErrSessions)
	_, err = r.l.AddSession(ctx, r.newSession("alice", "mybot", "k5"), nil)
	wantError(t, err, ledger.ErrSessions)
	fresh := login("mybot", "k5")
	if string(fresh.AuthKey) != "k5" {
		t.Fatal("another session was made")
	}
	want := []ledger.SessionID{hand.ID, byLink.ID, used.ID, fresh.ID}
	for range 2 {
		if got := ids(r.l.Sessions()); !slices.Equal(got, want) {
			t.Errorf("live are %v, want %v", got, want)
		}
		r.reopen()
	}
	if _, live := r.l.Session(idle.ID); live {
		t.Error("the idle session lives")
	}
	// What is left was used, or is a person's.
	_, err = r.admitSession("alice", "mybot", "k6")
	wantError(t, err, ledger.ErrSessions)
	r.clock.add(time.Hour)
	login("mybot", "k6")
	login("mybot", "k7")
	if got := ids(r.l.Sessions()); !slices.Equal(got[:2], want[:2]) || len(got) != 4 {
		t.Errorf("live are %v", got)
	}
}

func TestSessionKeepsTheNameThatItsAppClaims(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	n := r.newSession("alice", "mybot", "k1")
	n.Claim = strings.Repeat("My Web Page ", 10)
	want := n.Claim[:64] + "…"
	s, err := r.l.AddSession(ctx, n, nil)
	must(t, err)
	without := r.session("alice", "mybot", "k2")
	for i := range 2 {
		got, _ := r.l.Session(s.ID)
		other, _ := r.l.Session(without.ID)
		if !strings.HasPrefix(got.Claim, n.Claim[:60]) || len(got.Claim) > len(want) || other.Claim != "" {
			t.Errorf("claims are %q and %q", got.Claim, other.Claim)
		}
		// Its use writes the session anew, and the claim stays.
		if r.try(got, fmt.Sprint("vote ", i), r.nowMS()) != ledger.Fresh {
			t.Fatal("not fresh")
		}
		r.clock.add(time.Second)
		r.reopen()
	}
	_, err = r.l.EndSession(ctx, s.ID, nil)
	must(t, err)
	r.reopen()
	must(t, r.l.Close())
	must(t, ledger.TestingRewrite(r.path, "meta", func(b *bolt.Bucket) error {
		return b.ForEach(func(key, _ []byte) error {
			if strings.HasPrefix(string(key), "claim") {
				t.Error("the claim of an ended session is left")
			}
			return nil
		})
	}))
	r.open()
}

// An app has no more sessions of an account than its own bound says, whatever room the account has,
// and takes none from another app or account. A new one takes the place of its own idle one.
func TestSessionsOfOneApp(t *testing.T) {
	o := options("test")
	o.SessionsPerApp = 3
	r := newRigWith(t, o)
	r.slot("noisy")
	r.slot("other")
	hand := r.session("alice", "noisy", "by hand")
	paired := r.newSession("alice", "noisy", "paired")
	paired.Origin = ledger.Paired
	_, err := r.l.AddSession(ctx, paired, nil)
	must(t, err)
	first, err := r.admitSession("alice", "noisy", "k1") // the third: at the bound
	must(t, err)
	_, err = r.admitSession("alice", "noisy", "k2")
	wantError(t, err, ledger.ErrAppSessions)
	_, err = r.l.AddSession(ctx, r.newSession("alice", "noisy", "k2"), nil)
	wantError(t, err, ledger.ErrAppSessions)
	for i := range 3 {
		_, err = r.admitSession("alice", "other", fmt.Sprint("other ", i))
		must(t, err)
		_, err = r.admitSession("bob", "noisy", fmt.Sprint("bob ", i))
		must(t, err)
	}
	moved := r.newSession("alice", "noisy", "moved")
	moved.Moved = true
	_, err = r.l.AddSession(ctx, moved, nil)
	must(t, err)

	r.clock.add(5*time.Minute - time.Second)
	_, err = r.admitSession("alice", "noisy", "k2")
	wantError(t, err, ledger.ErrAppSessions)
	r.clock.add(time.Second)
	_, err = r.l.AddSession(ctx, r.newSession("alice", "noisy", "k2"), nil) // by hand it replaces none
	wantError(t, err, ledger.ErrAppSessions)
	_, err = r.admitSession("alice", "noisy", "k2")
	must(t, err)
	if _, live := r.l.Session(first.ID); live {
		t.Error("the idle session of the app lives")
	}
	if _, live := r.l.Session(hand.ID); !live || len(r.l.SessionsOf("alice")) != 4+3 ||
		len(r.l.SessionsOf("bob")) != 3 {
		t.Errorf("alice has %d sessions, bob %d", len(r.l.SessionsOf("alice")), len(r.l.SessionsOf("bob")))
	}
	// A lower bound ends nothing of what is there.
	r.o.SessionsPerApp = 1
	r.reopen()
	if n := len(r.l.SessionsOf("alice")); n != 4+3 {
		t.Errorf("under a lower bound %d sessions live", n)
	}
	_, err = r.admitSession("alice", "noisy", "k3")
	wantError(t, err, ledger.ErrAppSessions)
}
