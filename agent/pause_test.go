package agent_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"pksa/agent"
	"pksa/protocol"
)

// A paused wallet tells each request to come again later, uses it up, and goes on doing so after a
// restart, until it is resumed. What waits for a person waits on.
func TestPause(t *testing.T) {
	script := &scriptedClient{}
	within(t, worldOptions{fault: script.fault, prepare: func(w *world) { w.session(authKey) }},
		func(t *testing.T, w *world) {
			nonce := nowNonce()
			ask := func(n int) string {
				m := script.ask(request("sign_req", uuid(n), authKey, votePayload("p", nonce+int64(n))))
				if kind := answerKind(m); kind != "nack" {
					return kind
				}
				return errorText(m, authKey)
			}
			pause := func(method string) agent.Paused {
				t.Helper()
				got, err := w.call(method, struct{}{})
				if err != nil {
					t.Fatal(err)
				}
				return got.(agent.Paused)
			}
			if got := ask(1); got != "ack" {
				t.Fatal(got)
			}
			if p := pause(agent.MethodPause); !p.Paused || p.Already || p.Since.IsZero() {
				t.Errorf("%+v", p)
			}
			if p := pause(agent.MethodPause); !p.Paused || !p.Already {
				t.Errorf("again: %+v", p)
			}
			broadcasts := len(w.node.Broadcasts())
			if got := ask(2); got != protocol.TextBusy {
				t.Errorf("a vote while paused: %s", got)
			}
			s := w.agent.Status()
			if len(s.Hindrances) != 1 || s.Hindrances[0].Cause != "paused" || s.StillServed != "" ||
				s.Links[0].Registered != 1 || !strings.Contains(s.NotReady[0], "pksa resume") {
				t.Errorf("%+v", s.Hindrances)
			}
			ready := httptest.NewRecorder()
			w.agent.Metrics().Handler().ServeHTTP(ready, httptest.NewRequest("GET", "/readyz", nil))
			if said := ready.Body.String(); !strings.Contains(said, "until `pksa --home w resume`") {
				t.Errorf("/readyz: %s", said)
			}
			w.end()
			w.run()
			w.eventually("registration", func() bool { return w.agent.Status().Links[0].Registered == 1 })
			time.Sleep(time.Minute) // for the first look at other copies
			if got := ask(3); got != protocol.TextBusy {
				t.Errorf("a vote after a restart: %s", got)
			}
			if p := pause(agent.MethodResume); p.Paused || p.Already {
				t.Errorf("%+v", p)
			}
			if got := ask(4); got != "ack" {
				t.Errorf("a vote after the end: %s", got)
			}
			// What was called busy is never carried out, whoever brings it again.
			if got := ask(2); got == "ack" {
				t.Errorf("the vote of before: %s", got)
			}
			if n := len(w.node.Broadcasts()); n != broadcasts+1 {
				t.Errorf("%d broadcasts", n-broadcasts)
			}
			if p := pause(agent.MethodResume); !p.Already {
				t.Errorf("%+v", p)
			}
			if a, r := w.events("pause"), w.events("resume"); len(a) != 1 || len(r) != 1 {
				t.Errorf("in the trail: %+v, %+v", a, r)
			}
		})
}

// A person's yes is not used up by a pause.
func TestPauseKeepsWhatWaits(t *testing.T) {
	asking(t, askVotes, func(t *testing.T, w *world, script *scriptedClient) {
		answer, asked := script.start(w, 1)
		if _, err := w.call(agent.MethodPause, struct{}{}); err != nil {
			t.Fatal(err)
		}
		if err := w.decide(asked.Number, true); err == nil || !strings.Contains(err.Error(), "pksa resume") {
			t.Errorf("yes while paused: %v", err)
		}
		if _, err := w.call(agent.MethodResume, struct{}{}); err != nil {
			t.Fatal(err)
		}
		if err := w.decide(asked.Number, true); err != nil {
			t.Error(err)
		}
		if got := answerKind(<-answer); got != "ack" {
			t.Errorf("after the yes: %s", got)
		}
	})
}
