package agent_test

import (
	"encoding/json"
	"testing"
	"time"

	"pksa/agent"
	"pksa/agent/config"
	"pksa/protocol"
)

const askVotes = `version: 1
ask: [{name: votes, request: sign, apps: any, operations: [vote], timeout: 30s}]
limits: [{name: few, apps: any, operations: [vote], count: 1 per 24h}]
`

// asking runs a test with an agent that can ask.
func asking(t *testing.T, policy string, f func(*testing.T, *world, *scriptedClient)) {
	t.Helper()
	script := &scriptedClient{}
	within(t, worldOptions{
		policy: policy, fault: script.fault, prepare: func(w *world) { w.session(authKey) },
		configure: func(c *config.Config) { c.Ask = "pending" },
	}, func(t *testing.T, w *world) { f(t, w, script) })
}

func (w *world) pending() []agent.PendingRequest {
	result, err := w.agent.Methods()[agent.MethodPending](w.t.Context(), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return result.([]agent.PendingRequest)
}

func (w *world) decide(number uint64, yes bool) error {
	params, _ := json.Marshal(agent.DecideParams{Number: number, Yes: yes})
	_, err := w.agent.Methods()[agent.MethodDecide](w.t.Context(), params)
	return err
}

// askFor sends a vote and gives its answer when it comes, and what is pending meanwhile.
func (script *scriptedClient) start(w *world, n int) (<-chan protocol.Message, agent.PendingRequest) {
	w.t.Helper()
	answer := make(chan protocol.Message, 1)
	go func() {
		answer <- script.askFor(request("sign_req", uuid(n), authKey, votePayload("p", nowNonce()+int64(n))),
			2*time.Minute)
	}()
	w.eventually("question", func() bool { return len(w.pending()) == 1 })
	return answer, w.pending()[0]
}

func TestAsk(t *testing.T) {
	asking(t, askVotes, func(t *testing.T, w *world, script *scriptedClient) {
		answer, asked := script.start(w, 1)
		if asked.App != "app" || asked.Account != "alice" || len(asked.Operations) != 1 ||
			len(w.chain.Transactions()) != 0 {
			t.Errorf("%+v", asked)
		}
		if until := time.Until(asked.Until); until > 30*time.Second || until < 25*time.Second {
			t.Errorf("asked for %s", until)
		}
		time.Sleep(20 * time.Second)
		if err := w.decide(asked.Number, true); err != nil {
			t.Fatal(err)
		}
		if got := answerKind(<-answer); got != "ack" || len(w.chain.Transactions()) != 1 {
			t.Errorf("after the yes: %s, %d transactions", got, len(w.chain.Transactions()))
		}
		if err := w.decide(asked.Number, true); err == nil {
			t.Error("a second yes was taken")
		}
	})
}

func TestAskNoAndTimeout(t *testing.T) {
	asking(t, askVotes, func(t *testing.T, w *world, script *scriptedClient) {
		answer, asked := script.start(w, 1)
		if err := w.decide(asked.Number, false); err != nil {
			t.Fatal(err)
		}
		if got := answerKind(<-answer); got != "nack" {
			t.Errorf("after the no: %s", got)
		}
		begun := time.Now()
		answer, _ = script.start(w, 2)
		if got := answerKind(<-answer); got != "nack" || time.Since(begun) < 25*time.Second {
			t.Errorf("nobody answered: %s after %s", got, time.Since(begun))
		}
		// Neither was charged: the limit still has room for one.
		answer, asked = script.start(w, 3)
		if err := w.decide(asked.Number, true); err != nil {
			t.Fatal(err)
		}
		if got := answerKind(<-answer); got != "ack" {
			t.Errorf("the first that is charged: %s", got)
		}
		if n := len(w.chain.Transactions()); n != 1 {
			t.Errorf("%d transactions", n)
		}
	})
}

// A yes is judged by the policy that is in force when it is said.
func TestAskThenPolicyForbids(t *testing.T) {
	asking(t, askVotes, func(t *testing.T, w *world, script *scriptedClient) {
		answer, asked := script.start(w, 1)
		w.write("policy.yaml", "version: 1\ndeny: [{name: frozen}]\n")
		if err := w.agent.ReloadPolicy(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := w.decide(asked.Number, true); err != nil {
			t.Fatal(err)
		}
		if got := answerKind(<-answer); got != "nack" || len(w.chain.Transactions()) != 0 {
			t.Errorf("after a yes under a policy that forbids: %s", got)
		}
	})
}

// A stop answers what waits with a no.
func TestAskThenStop(t *testing.T) {
	asking(t, askVotes, func(t *testing.T, w *world, script *scriptedClient) {
		answer, _ := script.start(w, 1)
		w.stop()
		if got := answerKind(<-answer); got != "nack" {
			t.Errorf("at the stop: %s", got)
		}
	})
}

// Without a way to ask, asking is a no.
func TestNobodyToAsk(t *testing.T) {
	withScript(t, askVotes, func(t *testing.T, w *world, script *scriptedClient) {
		if got := answerKind(script.ask(request("sign_req", uuid(1), authKey,
			votePayload("p", nowNonce())))); got != "nack" {
			t.Errorf("nobody to ask: %s", got)
		}
	})
}
