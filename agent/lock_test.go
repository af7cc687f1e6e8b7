package agent_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pksa/agent"
	"pksa/agent/client"
	"pksa/agent/config"
	"pksa/agent/lock"
	"pksa/agent/node/nodetest"
	"pksa/protocol/hive"
)

// identity is what opens the keystore.
func (w *world) identity() []byte {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join(w.home, "identity.txt"))
	if err != nil {
		w.t.Fatal(err)
	}
	return text
}

func (w *world) lock() lock.Status {
	w.t.Helper()
	got, err := w.call(agent.MethodLock, struct{}{})
	if err != nil {
		w.t.Fatal(err)
	}
	return got.(lock.Status)
}

func (w *world) unlock(secret []byte) (lock.Status, error) {
	got, err := w.call(agent.MethodUnlock, agent.UnlockParams{Secret: secret})
	s, _ := got.(lock.Status)
	return s, err
}

func (w *world) isLocked() bool { return w.hinderedBy("locked") }

func (w *world) hinderedBy(cause string) bool {
	for _, h := range w.agent.Status().Hindrances {
		if string(h.Cause) == cause {
			return true
		}
	}
	return false
}

// votesFor asks for a vote, and returns where its result comes.
func votesFor(t *testing.T, c *client.Client, s *client.Session, permlink string) <-chan error {
	result := make(chan error, 1)
	go func() {
		_, err := c.Sign(t.Context(), s, client.SignRequest{Role: hive.Posting, Operations: []client.Operation{{
			Name: "vote", Fields: map[string]any{"voter": "alice", "author": "bob", "permlink": permlink,
				"weight": 100}}}})
		result <- err
	}()
	return result
}

// A locked wallet takes nothing and has no links; what was asked meanwhile is served when it is
// unlocked. What needs keys says so, everything else works, and the trail has both ends.
func TestLock(t *testing.T) {
	within(t, worldOptions{}, func(t *testing.T, w *world) {
		app := w.dial()
		session := w.login(app)
		if err := <-votesFor(t, app, session, "before"); err != nil {
			t.Fatal(err)
		}
		if s := w.lock(); !s.Locked || s.Already || s.Since.IsZero() || s.By == "" {
			t.Errorf("%+v", s)
		}
		if s := w.lock(); !s.Locked || !s.Already {
			t.Errorf("again: %+v", s)
		}
		s := w.agent.Status()
		if len(s.Hindrances) != 1 || s.Hindrances[0].Cause != "locked" || s.StillServed != "" || len(s.Links) != 0 ||
			!strings.Contains(s.NotReady[0], "pksa unlock") || len(s.Accounts) != 1 {
			t.Errorf("%+v", s)
		}
		if w.metric(`pksa_not_ready{cause="locked"}`) != "1" {
			t.Error("no metric says it")
		}
		broadcasts := len(w.node.Broadcasts())
		result := votesFor(t, app, session, "meanwhile")
		time.Sleep(10 * time.Second)
		select {
		case err := <-result:
			t.Fatalf("while locked: %v", err)
		default:
		}
		w.refusesWhileLocked()
		for _, secret := range []string{"a passphrase, and no identity", ""} {
			if s, err := w.unlock([]byte(secret)); err == nil && !s.Bring || !w.isLocked() || !w.keys.Locked() {
				t.Errorf("unlocked by %q: %v", secret, err)
			}
		}
		if s, err := w.unlock(w.identity()); err != nil || s.Locked || s.Already {
			t.Fatalf("%+v, %v", s, err)
		}
		if err := <-result; err != nil || len(w.node.Broadcasts()) != broadcasts+1 {
			t.Errorf("what was asked while it was locked: %v, %d broadcasts", err, len(w.node.Broadcasts())-broadcasts)
		}
		if s, err := w.unlock(nil); err != nil || !s.Already {
			t.Errorf("again: %+v, %v", s, err)
		}
		if len(w.agent.Status().Links) != 1 || w.isLocked() {
			t.Errorf("%+v", w.agent.Status().Links)
		}
		a, r := w.events("lock"), w.events("unlock")
		if len(a) != 1 || len(r) != 1 || !strings.Contains(string(a[0].Content), "by ") {
			t.Errorf("in the trail: %+v, %+v", a, r)
		}
	})
}

// refusesWhileLocked calls what needs keys or links, and what does not.
func (w *world) refusesWhileLocked() {
	w.t.Helper()
	for method, params := range map[string]any{
		agent.MethodPair:   agent.PairParams{App: "app", Link: []byte("has://auth_req/x")},
		agent.MethodCanary: struct{}{},
	} {
		if _, err := w.call(method, params); err == nil || !strings.Contains(err.Error(), "pksa unlock") {
			w.t.Errorf("%s while locked: %v", method, err)
		}
	}
	for _, call := range []struct {
		method string
		params any
	}{
		{agent.MethodReload, struct{}{}}, {agent.MethodPolicyReload, struct{}{}}, {agent.MethodKeysCheck, struct{}{}},
		{agent.MethodSessionList, struct{}{}}, {agent.MethodAppAdd, agent.AppParams{Name: "other"}},
		{agent.MethodPause, struct{}{}}, {agent.MethodResume, struct{}{}}, // in this order: it serves again later
		{agent.MethodLive, struct{}{}}, {agent.MethodGuardList, struct{}{}}, {agent.MethodAuditPage, struct{}{}},
		{agent.MethodSessionAdd, agent.SessionRequest{App: "app", Account: "alice"}},
	} {
		if _, err := w.call(call.method, call.params); err != nil {
			w.t.Errorf("%s while locked: %v", call.method, err)
		}
	}
	if got, err := w.call(agent.MethodKeysReload, agent.ReloadParams{Secret: w.identity()}); err != nil ||
		got != (agent.KeysReloaded{Locked: true}) || !w.keys.Locked() {
		w.t.Errorf("keys reload while locked: %+v, %v", got, err)
	}
	if len(w.agent.Status().Links) != 0 {
		w.t.Errorf("something connected: %+v", w.agent.Status().Links)
	}
}

// What was admitted is finished and answered before the keys go.
func TestLockFinishesWhatWasAdmitted(t *testing.T) {
	within(t, worldOptions{}, func(t *testing.T, w *world) {
		app := w.dial()
		session := w.login(app)
		w.node.Fail("condenser_api.broadcast_transaction", nodetest.Slow(5*time.Second))
		result := votesFor(t, app, session, "slow")
		w.eventually("the broadcast", func() bool { return len(w.events("admitted")) == 2 })
		begun := time.Now()
		w.lock()
		select {
		case err := <-result:
			if took := time.Since(begun); err != nil || took < 3*time.Second {
				t.Errorf("%v after %s", err, took)
			}
		default:
			t.Error("locked without an answer")
		}
	})
}

// Nobody is waited for: a request that waits for a person is denied, and answered.
func TestLockEndsWhatWaits(t *testing.T) {
	asking(t, askVotes, func(t *testing.T, w *world, script *scriptedClient) {
		answer, asked := script.start(w, 1)
		w.lock()
		if got := answerKind(<-answer); got != "nack" {
			t.Errorf("the request that waited: %s", got)
		}
		if err := w.decide(asked.Number, true); err == nil {
			t.Error("it waits still")
		}
	})
}

// The wallet locks itself after so much time without a request that was admitted.
func TestLockAfter(t *testing.T) {
	within(t, worldOptions{configure: func(c *config.Config) { c.LockAfter = 30 * time.Minute }},
		func(t *testing.T, w *world) {
			app := w.dial()
			session := w.login(app)
			for range 4 {
				time.Sleep(20 * time.Minute)
				if err := <-votesFor(t, app, session, "now and then"); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(29 * time.Minute)
			if w.isLocked() {
				t.Error("locked too early")
			}
			w.eventuallyWithin(2*time.Minute, "the lock", w.isLocked)
			if all := w.events("lock"); len(all) != 1 || !strings.Contains(string(all[0].Content), "lock_after") {
				t.Errorf("in the trail: %+v", all)
			}
			if _, err := w.unlock(w.identity()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(29 * time.Minute)
			if w.isLocked() {
				t.Error("the time begins again with the end of the lock")
			}
			w.eventuallyWithin(2*time.Minute, "the next lock", w.isLocked)
		})
}

// With guard: lock a change by somebody else locks the wallet, once: unlocked, it serves the other
// accounts, and not that one until a person accepts the change.
func TestGuardLocks(t *testing.T) {
	guarded(t, config.GuardLock, "", func(t *testing.T, w *world, script *scriptedClient) {
		time.Sleep(90 * time.Second)
		w.chain.Change("alice", func(a *nodetest.Account) { a.Proxy = "mallory" })
		w.eventuallyWithin(3*time.Minute, "the lock", w.isLocked)
		if all := w.events("lock"); len(all) != 1 || !strings.Contains(string(all[0].Content), "alice was changed") {
			t.Errorf("in the trail: %+v", all)
		}
		if _, err := w.unlock(w.identity()); err != nil {
			t.Fatal(err)
		}
		w.eventually("registration", w.serves)
		time.Sleep(10 * time.Minute)
		if w.isLocked() || len(w.agent.Status().Guard) != 1 || !w.agent.Status().Guard[0].Stopped {
			t.Errorf("%+v", w.agent.Status())
		}
		m := script.ask(request("sign_req", uuid(1), authKey, votePayload("p", nowNonce())))
		if got := answerKind(m); got != "nack" {
			t.Errorf("a vote of the account that was changed: %s", got)
		}
	})
}
