package agent_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pksa/agent"
	"pksa/agent/config"
	"pksa/agent/node/nodetest"
	"pksa/protocol/hive"
)

// A watched policy is taken over when its file changes; one with errors changes nothing, and says
// so.
func TestWatchedPolicy(t *testing.T) {
	script := &scriptedClient{}
	within(t, worldOptions{
		policy: "version: 1\n", fault: script.fault, prepare: func(w *world) { w.session(authKey) },
		configure: func(c *config.Config) { c.PolicyWatch = true },
	}, func(t *testing.T, w *world) {
		vote := func(n int) string {
			return answerKind(script.ask(request("sign_req", uuid(n), authKey, votePayload("p", nowNonce()+int64(n)))))
		}
		if got := vote(1); got != "nack" {
			t.Fatalf("nothing is allowed, but %s", got)
		}
		w.write("policy.yaml", allowAll)
		time.Sleep(10 * time.Second)
		if got := vote(2); got != "ack" {
			t.Errorf("after the file changed: %s", got)
		}
		before := w.agent.Status().Policy.SHA256
		w.write("policy.yaml", allowAll+"nonsense: true\n")
		time.Sleep(10 * time.Second)
		s := w.agent.Status().Policy
		if s.SHA256 != before || !strings.Contains(s.Failed, "policy.yaml:8:1") {
			t.Errorf("after a bad change: %s in force, %q", s.SHA256, s.Failed)
		}
		if got := vote(3); got != "ack" {
			t.Errorf("under the policy that stays in force: %s", got)
		}
		w.write("policy.yaml", "version: 1\n# nothing\n")
		path := filepath.Join(w.home, "policy.yaml")
		for _, want := range []struct {
			mode fs.FileMode
			says string
		}{{0o666, "chmod"}, {0o600, ""}} {
			if err := os.Chmod(path, want.mode); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Second)
			s := w.agent.Status().Policy
			if (s.SHA256 == before) != (want.says != "") || !strings.Contains(s.Failed, want.says) {
				t.Errorf("mode %o: %s in force, %q", want.mode, s.SHA256, s.Failed)
			}
		}
	})
}

// A watched file that is written in parts, or copied slowly, is a policy without its last rules
// meanwhile. It is not taken before it has come to rest, and not at all without its deny rules and
// limits: only a person can tell that it lost them on purpose.
func TestWatchedPolicyThatIsBeingWritten(t *testing.T) {
	const first = "version: 1\n"
	allow := strings.TrimPrefix(allowAll, first)
	const deny = "deny:\n  - {name: not bob, operations: [transfer: {to: bob}]}\n"
	const limits = "limits:\n  - {name: few, apps: any, requests: 100 per 1h}\n"
	script := &scriptedClient{}
	within(t, worldOptions{
		policy: first + deny + limits + allow, fault: script.fault, prepare: func(w *world) { w.session(authKey) },
		configure: func(c *config.Config) { c.PolicyWatch = true },
	}, func(t *testing.T, w *world) {
		requests := 0
		pays := func() string {
			requests++
			return answerKind(script.ask(request("sign_req", uuid(requests), authKey,
				opPayload("active", `["transfer",{"from":"alice","to":"bob","amount":"1.000 HBD","memo":""}]`,
					nowNonce()+int64(requests)))))
		}
		was := w.agent.Status().Policy.SHA256
		w.write("policy.yaml", first+allow)
		for range 5 { // as long as no two looks in a row find it the same
			if time.Sleep(2500 * time.Millisecond); pays() != "nack" {
				t.Fatal("half of a policy was taken")
			}
			allow += "# and so on\n"
			w.write("policy.yaml", first+allow)
		}
		time.Sleep(time.Minute)
		s := w.agent.Status().Policy
		if s.SHA256 != was || !strings.Contains(s.Waits, "deny and limits") || !strings.Contains(s.Waits,
			"pksa policy reload") {
			t.Errorf("%s in force, it waits because %q", s.SHA256, s.Waits)
		}
		if got := pays(); got != "nack" {
			t.Errorf("to a receiver that only the lost section denied: %s", got)
		}
		w.write("policy.yaml", first+allow+limits+deny)
		time.Sleep(10 * time.Second)
		if s := w.agent.Status().Policy; s.Waits != "" || s.SHA256 == was {
			t.Errorf("the whole file is not taken: %q", s.Waits)
		}
		w.write("policy.yaml", first+allow+deny)
		time.Sleep(10 * time.Second)
		if s := w.agent.Status().Policy; !strings.Contains(s.Waits, "under limits any more") {
			t.Errorf("without its limits: %q", s.Waits)
		}
		if err := w.agent.ReloadPolicy(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		if s := w.agent.Status().Policy; s.Waits != "" || len(s.Room) != 0 {
			t.Errorf("a person's word was not enough: %q", s.Waits)
		}
	})
}

// What was found of keys says nothing of those that `pksa keys import` puts in their place: they
// are compared at once, not at the next turn.
func TestReloadedKeysAreComparedAnew(t *testing.T) {
	within(t, worldOptions{accounts: []hive.AccountName{"alice", "carol"}}, func(t *testing.T, w *world) {
		carol, _ := w.chain.Account("carol")
		w.chain.Change("carol", func(a *nodetest.Account) {
			a.Memo, a.Posting, a.Active = keyOf("bob", hive.Memo).Public(), single("bob", hive.Posting),
				single("bob", hive.Active)
		})
		if _, err := w.agent.CheckKeys(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := w.agent.Status().Links[0].Registered; n != 1 {
			t.Fatalf("%d accounts registered", n)
		}
		w.chain.Change("carol", func(a *nodetest.Account) { *a = carol; a.Memo = keyOf("bob", hive.Memo).Public() })
		identity, err := os.ReadFile(filepath.Join(w.home, "identity.txt"))
		if err != nil {
			t.Fatal(err)
		}
		params, err := json.Marshal(map[string]any{"secret": identity})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.agent.Methods()[agent.MethodKeysReload](t.Context(), params); err != nil {
			t.Fatal(err)
		}
		time.Sleep(15 * time.Second)
		s := w.agent.Status()
		if s.Links[0].Registered != 2 || len(s.Accounts[1].Wrong) != 1 {
			t.Errorf("%d accounts registered, %+v", s.Links[0].Registered, s.Accounts)
		}
	})
}

func TestFailedReloadIsRecorded(t *testing.T) {
	within(t, worldOptions{}, func(t *testing.T, w *world) {
		w.write("policy.yaml", "version: 7\n")
		if err := w.agent.ReloadPolicy(t.Context()); err == nil {
			t.Fatal("reloaded")
		}
		got := w.events("policy reload failed")
		if len(got) != 1 || got[0].Type != "admin" || !strings.Contains(string(got[0].Content), "policy.yaml:1:") {
			t.Errorf("recorded: %+v", got)
		}
	})
}

// voteTest is a test of a policy, with the answer that it expects to be put in.
const voteTest = "account: alice\napp: bot\ncases: [{name: a vote, request: sign, expect: %s, " +
	"operations: [vote: {voter: alice, author: bob, permlink: p, weight: 1}]}]\n"

func reload(t *testing.T, w *world, method, params string) error {
	t.Helper()
	_, err := w.agent.Methods()[method](t.Context(), json.RawMessage(params))
	return err
}

// A policy whose tests fail is not taken by any way of reloading, but by force; audit, status and
// metric say what happened.
func TestTestsOfAPolicyAreAGate(t *testing.T) {
	for _, method := range []string{agent.MethodPolicyReload, agent.MethodReload} {
		within(t, worldOptions{policy: "version: 1\n"}, func(t *testing.T, w *world) {
			was := w.agent.Status().Policy.SHA256
			w.write("policy_test.yaml", fmt.Sprintf(voteTest, "deny"))
			w.write("policy.yaml", allowAll)
			err := reload(t, w, method, "{}")
			if err == nil || !strings.Contains(err.Error(), `policy_test.yaml:3: "a vote": want deny, got allow`) ||
				!strings.Contains(err.Error(), "reload --force` takes it all the same") {
				t.Errorf("%s: %v", method, err)
			}
			s := w.agent.Status().Policy
			if s.SHA256 != was || !s.Refused || !strings.Contains(s.Failed, "want deny, got allow") || s.Tests != "" {
				t.Errorf("%s: refused: %+v", method, s)
			}
			if got := w.events("policy reload failed"); len(got) != 1 ||
				!strings.Contains(string(got[0].Content), "want deny, got allow") {
				t.Errorf("%s: recorded: %+v", method, got)
			}
			if err := reload(t, w, method, `{"force":true}`); err != nil {
				t.Errorf("%s: by force: %v", method, err)
			}
			s = w.agent.Status().Policy
			if s.SHA256 == was || s.Refused || s.Failed != "" || !strings.Contains(s.Tests, "want deny, got allow") {
				t.Errorf("%s: by force: %+v", method, s)
			}
			if got := w.events("policy reload"); len(got) != 1 ||
				!strings.Contains(string(got[0].Content), "by --force: 1 of the 1 tests of the policy fail") {
				t.Errorf("%s: recorded: %+v", method, got)
			}
			if got := w.metric("pksa_policy_tests_failed"); got != "1" {
				t.Errorf("%s: the metric is %s", method, got)
			}
			// What is in force already keeps nothing out, least of all the settings beside it.
			if err := reload(t, w, method, "{}"); err != nil || w.agent.Status().Policy.Tests == "" {
				t.Errorf("%s: once more: %v", method, err)
			}
			w.write("policy_test.yaml", fmt.Sprintf(voteTest, "allow"))
			if err := reload(t, w, method, "{}"); err != nil {
				t.Errorf("%s: %v", method, err)
			}
			if got := w.metric("pksa_policy_tests_failed"); w.agent.Status().Policy.Tests != "" || got != "0" {
				t.Errorf("%s: mended, and the metric is %s", method, got)
			}
			// Force is for tests: what is no policy is taken by nothing.
			w.write("policy.yaml", "version: 7\n")
			if err := reload(t, w, method, `{"force":true}`); err == nil || strings.Contains(err.Error(), "--force") {
				t.Errorf("%s: %v", method, err)
			}
			if s := w.agent.Status().Policy; s.Refused || !strings.Contains(s.Failed, "policy.yaml:1:") {
				t.Errorf("%s: %+v", method, s)
			}
		})
	}
}

// Tests that fail are no reason not to start.
func TestStartWithFailingTests(t *testing.T) {
	within(t, worldOptions{prepare: func(w *world) {
		w.write("policy_test.yaml", fmt.Sprintf(voteTest, "deny"))
	}}, func(t *testing.T, w *world) {
		w.eventually("the tests have run", func() bool { return w.agent.Status().Policy.Tests != "" })
		if s := w.agent.Status().Policy; !strings.Contains(s.Tests, "want deny, got allow") || s.Failed != "" {
			t.Errorf("%+v", s)
		}
		if got := w.metric("pksa_policy_tests_failed"); got != "1" {
			t.Errorf("the metric is %s", got)
		}
	})
}

// A watched policy waits for its tests, and is taken once they are mended.
func TestWatchedPolicyAndItsTests(t *testing.T) {
	within(t, worldOptions{policy: "version: 1\n", configure: func(c *config.Config) { c.PolicyWatch = true }},
		func(t *testing.T, w *world) {
			was := w.agent.Status().Policy.SHA256
			w.write("policy_test.yaml", fmt.Sprintf(voteTest, "deny"))
			w.write("policy.yaml", allowAll)
			time.Sleep(10 * time.Second)
			if s := w.agent.Status().Policy; s.SHA256 != was || !s.Refused {
				t.Errorf("its tests fail: %+v", s)
			}
			w.write("policy_test.yaml", fmt.Sprintf(voteTest, "allow"))
			time.Sleep(10 * time.Second)
			if s := w.agent.Status().Policy; s.SHA256 == was || s.Refused || s.Failed != "" {
				t.Errorf("its tests pass: %+v", s)
			}
		})
}

// A policy file that the next start could not use is shown before somebody restarts, whether or not
// anybody has asked for a reload, and no longer than it is true.
func TestStatusSaysThatARestartWouldFail(t *testing.T) {
	within(t, worldOptions{}, func(t *testing.T, w *world) {
		if found := w.agent.Status().WillNotStart; len(found) != 0 {
			t.Errorf("with a good policy: %q", found)
		}
		w.write("policy.yaml", "version: 1\nalow: []\n")
		if s := w.agent.Status(); len(s.WillNotStart) != 1 || !strings.Contains(s.WillNotStart[0], "policy.yaml:2:1") ||
			len(s.NotReady) != 0 {
			t.Errorf("with a broken one: %q, not ready %q", s.WillNotStart, s.NotReady)
		}
		w.write("policy.yaml", allowAll)
		if found := w.agent.Status().WillNotStart; len(found) != 0 {
			t.Errorf("when it is mended: %q", found)
		}
	})
}

// Whoever is not root does not have the keystore locked anew: the new file would be a copy of the
// keys for everybody who can call.
func TestRelockIsForRoot(t *testing.T) {
	within(t, worldOptions{}, func(t *testing.T, w *world) {
		before, err := os.ReadFile(filepath.Join(w.home, "keystore.age"))
		if err != nil {
			t.Fatal(err)
		}
		params, err := json.Marshal(map[string]any{"secret": []byte("correct horse battery")})
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.agent.Methods()[agent.MethodKeysRelock](t.Context(), params)
		if err == nil || !strings.Contains(err.Error(), "only root") || strings.Contains(err.Error(), "horse") {
			t.Error(err)
		}
		if after, err := os.ReadFile(filepath.Join(w.home, "keystore.age")); err != nil || !bytes.Equal(before, after) {
			t.Error("it was written", err)
		}
	})
}
