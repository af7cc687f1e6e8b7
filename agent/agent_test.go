package agent_test

import (
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/node/nodetest"
	"pksa/protocol"
)

// A stop in order lets an admitted request finish, and its answer reach the application.
func TestStopFinishesAdmitted(t *testing.T) {
	script := &scriptedClient{}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{fault: script.fault})
		w.session(authKey)
		w.start()
		w.node.FailAlways(broadcastMethod, nodetest.Fault{Slow: 5 * time.Second})
		answered := make(chan protocol.Message)
		go func() { answered <- script.ask(request("sign_req", uuid(1), authKey, votePayload("p", nowNonce()))) }()
		time.Sleep(time.Second)
		w.stop()
		if got := answerKind(<-answered); got != "ack" {
			t.Errorf("a request that was admitted before the stop: %s", got)
		}
		w.close()
	})
}
