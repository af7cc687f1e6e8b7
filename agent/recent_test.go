package agent_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pksa/agent/config"
	"pksa/protocol"
)

// Who is denied, or refused by a person, takes no id from those who are allowed: a transaction that
// is not signed is on its way nowhere.
func TestDeniedKeepNoIDs(t *testing.T) {
	withScript(t, `version: 1
allow:
  - {name: login, request: auth, apps: any, session: 24h}
`, func(t *testing.T, w *world, script *scriptedClient) {
		for i := range 40 {
			script.ask(request("sign_req", uuid(i+1), authKey, votePayload(fmt.Sprint("p", i), nowNonce()+int64(i))))
		}
		if n := w.agent.RecentIDs(); n != 0 {
			t.Errorf("%d ids are kept", n)
		}
	})
}

// Of what waits for a person so many ids are kept as may wait, and none of what was denied then,
// for however long a relay lets requests live.
func TestWaitingKeepTheirIDs(t *testing.T) {
	script := &scriptedClient{}
	within(t, worldOptions{policy: `version: 1
allow:
  - {name: login, request: auth, apps: any, session: 24h}
ask:
  - {name: votes, request: sign, apps: any, operations: [vote], broadcast: any}
`, fault: script.fault, configure: func(c *config.Config) { c.Ask = config.AskPending },
		prepare: func(w *world) { w.session(authKey) }}, func(t *testing.T, w *world) {
		for i := range 60 {
			q := request("sign_req", uuid(i+1), authKey, votePayload(fmt.Sprint("p", i), nowNonce()+int64(i)))
			q["expire"] = time.Now().Add(23 * time.Hour).UnixMilli()
			script.sayAll(q)
			time.Sleep(100 * time.Millisecond)
		}
		waiting := w.pending()
		if n := w.agent.RecentIDs(); len(waiting) != 20 || n != 20 {
			t.Fatalf("%d wait, %d ids are kept", len(waiting), n)
		}
		for i, one := range waiting {
			if err := w.decide(one.Number, false); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			if n := w.agent.RecentIDs(); n != 19-i {
				t.Errorf("%d ids are kept after %d were refused", n, i+1)
			}
		}
	})
}

// Where there is no room for another id, the app is told busy, and status says why nothing is made.
func TestNoRoomForIDs(t *testing.T) {
	withScript(t, allowAll, func(t *testing.T, w *world, script *scriptedClient) {
		w.agent.FillOwnIDs()
		m := script.ask(request("sign_req", uuid(1), authKey, votePayload("p", nowNonce())))
		reason := w.lastJudged().Reason
		if errorText(m, authKey) != protocol.TextBusy || !strings.Contains(reason, "too many transactions") {
			t.Errorf("%s %q: %s", answerKind(m), errorText(m, authKey), reason)
		}
		told := fmt.Sprint(w.agent.Status().Hindrances)
		if !strings.Contains(told, "too many transactions were made") {
			t.Errorf("status says %s", told)
		}
		time.Sleep(10 * time.Minute)
		m = script.ask(request("sign_req", uuid(2), authKey, votePayload("p", nowNonce())))
		if answerKind(m) != "ack" {
			t.Errorf("later: %s %q", answerKind(m), errorText(m, authKey))
		}
	})
}
