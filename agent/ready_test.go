package agent_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"pksa/agent/ledger"
	"pksa/agent/node/nodetest"
	"pksa/agent/status"
	"pksa/protocol"
	"pksa/protocol/hive"
)

// causes returns the causes for which the agent is not ready.
func (w *world) causes() string {
	var all []string
	for _, h := range w.agent.Status().Hindrances {
		all = append(all, string(h.Cause))
	}
	return strings.Join(all, " ")
}

var headMethods = []string{"condenser_api.get_dynamic_global_properties", "condenser_api.get_block_header",
	"database_api.get_version"}

// While no node answers, the wallet says that it signs nothing, and so does a request; logins are
// served, and the process lives. It is ready again once a node answers.
func TestReadyMeansItSigns(t *testing.T) {
	withScript(t, "", func(t *testing.T, w *world, script *scriptedClient) {
		w.eventually("readiness", func() bool { return len(w.agent.Ready()) == 0 })
		for _, method := range headMethods {
			w.node.FailAlways(method, nodetest.Fault{Refuse: true})
		}
		w.eventually("a node that is missed", func() bool { return w.causes() == string(status.CauseNode) })
		time.Sleep(5 * time.Minute) // the head in the cache is too old by now
		if got := w.causes(); got != string(status.CauseNode) {
			t.Errorf("not ready because of %q", got)
		}
		if s := w.agent.Status(); s.StillServed != "logins and challenges" || len(s.NotReady) != 1 || s.NoNode == "" {
			t.Errorf("not ready %q, still served %q", s.NotReady, s.StillServed)
		}
		m := script.ask(request("sign_req", uuid(1), authKey, votePayload("p", nowNonce())))
		if errorText(m, authKey) != protocol.TextBroadcastNoNode {
			t.Errorf("a request was told %q", errorText(m, authKey))
		}
		if err := w.agent.Live(t.Context()); err != nil {
			t.Errorf("not alive: %v", err)
		}
		for _, method := range headMethods {
			w.node.FailAlways(method, nodetest.Fault{})
		}
		w.eventuallyWithin(5*time.Minute, "readiness", func() bool { return len(w.agent.Ready()) == 0 })
		if c := w.agent.Status().Chain; c == nil || c.Age > time.Minute || c.Skew.Abs() > 10*time.Second ||
			c.HeadBlock == 0 {
			t.Errorf("chain: %+v", c)
		}
	})
}

// Nodes that answer and serve another chain are told as such.
func TestNotReadyOnAnotherChain(t *testing.T) {
	withScript(t, "", func(t *testing.T, w *world, _ *scriptedClient) {
		w.eventually("readiness", func() bool { return len(w.agent.Ready()) == 0 })
		w.node.SetChainID(hive.Testnet.ChainID)
		w.eventuallyWithin(11*time.Minute, "a node that is missed", func() bool {
			return w.causes() == string(status.CauseNode)
		})
		if s := w.agent.Status(); !strings.HasPrefix(s.NoNode, "each Hive API node serves another chain: logins") {
			t.Errorf("%q", s.NoNode)
		}
	})
}

// An agent that stops says so until it has ended.
func TestNotReadyWhileItStops(t *testing.T) {
	within(t, worldOptions{}, func(t *testing.T, w *world) {
		w.agent.SetStopping(true)
		if got := w.causes(); !strings.HasPrefix(got, string(status.CauseStopping)) {
			t.Errorf("not ready because of %q", got)
		}
		if w.agent.Status().StillServed != "" {
			t.Error("something is said to be served")
		}
		w.agent.SetStopping(false)
	})
}

// Keys that do not fit the chain sign nothing that it takes.
func TestNotReadyWithoutAKeyThatFits(t *testing.T) {
	within(t, worldOptions{}, func(t *testing.T, w *world) {
		w.eventually("readiness", func() bool { return len(w.agent.Ready()) == 0 })
		for _, name := range w.keys.Accounts() {
			w.agent.SetMismatched(name, w.keys.Roles(name)...)
		}
		if got := w.causes(); got != string(status.CauseKeys) {
			t.Errorf("not ready because of %q", got)
		}
	})
}

// With memo keys alone logins are served, and no transaction can be signed: that is not ready, and
// says what is missing.
func TestNotReadyWithMemoKeysOnly(t *testing.T) {
	within(t, worldOptions{}, func(t *testing.T, w *world) {
		w.eventually("readiness", func() bool { return len(w.agent.Ready()) == 0 })
		for _, name := range w.keys.Accounts() {
			for _, role := range w.keys.Roles(name) {
				if role == hive.Memo {
					continue
				}
				if err := w.keys.Remove(name, role); err != nil {
					t.Fatal(err)
				}
			}
		}
		s := w.agent.Status()
		if got := w.causes(); got != string(status.CauseKeys) || s.StillServed != "logins and challenges" ||
			!strings.Contains(strings.Join(s.NotReady, " "),
				"only memo keys are held; import another with `pksa keys import") {
			t.Errorf("not ready because of %q: %q, still served %q", got, s.NotReady, s.StillServed)
		}
	})
}

// A ledger whose committing goroutine hangs ends the life of the process, and nothing else does.
func TestLiveness(t *testing.T) {
	within(t, worldOptions{}, func(t *testing.T, w *world) {
		if err := w.agent.Live(t.Context()); err != nil {
			t.Fatalf("not alive: %v", err)
		}
		hangs, goesOn := make(chan struct{}), make(chan struct{})
		looked := make(chan error, 1)
		go func() {
			looked <- w.ledger.Look(context.WithoutCancel(t.Context()), func(ledger.View) { close(hangs); <-goesOn })
		}()
		<-hangs
		if err := w.agent.Live(t.Context()); err == nil || !strings.Contains(err.Error(),
			"has not come round within 3s") {
			t.Errorf("while it hangs: %v", err)
		}
		close(goesOn)
		if err := <-looked; err != nil {
			t.Fatal(err)
		}
		if err := w.agent.Live(t.Context()); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}
