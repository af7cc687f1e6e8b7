package agent_test

import (
	"strings"
	"testing"
	"time"

	"pksa/agent/config"
)

// A watched policy is taken over when its file changes; one with errors changes nothing, and says
// so.
func TestWatchedPolicy(t *testing.T) {
	p := &puppet{}
	within(t, worldOptions{
		policy: "version: 1\n", fault: p.fault, prepare: func(w *world) { w.session(authKey) },
		configure: func(c *config.Config) { c.PolicyWatch = true },
	}, func(t *testing.T, w *world) {
		vote := func(n int) string {
			return answerKind(p.ask(request("sign_req", uuid(n), authKey, votePayload("p", nowNonce()+int64(n)))))
		}
		if got := vote(1); got != "nack" {
			t.Fatalf("nothing is allowed, but %s", got)
		}
		w.write("policy.yaml", allowAll)
		time.Sleep(5 * time.Second)
		if got := vote(2); got != "ack" {
			t.Errorf("after the file changed: %s", got)
		}
		before := w.agent.Status().Policy.SHA256
		w.write("policy.yaml", allowAll+"nonsense: true\n")
		time.Sleep(5 * time.Second)
		s := w.agent.Status().Policy
		if s.SHA256 != before || !strings.Contains(s.Failed, "policy.yaml:8:1") {
			t.Errorf("after a bad change: %s in force, %q", s.SHA256, s.Failed)
		}
		if got := vote(3); got != "ack" {
			t.Errorf("under the policy that stays in force: %s", got)
		}
	})
}
