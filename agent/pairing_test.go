package agent_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pksa/agent"
	"pksa/agent/client"
	"pksa/agent/control"
)

// offer gives a pairing link to the running agent, as `pksa pair` does.
func (w *world) offer(link string, wait time.Duration) (agent.SessionInfo, error) {
	params, err := control.Encode(agent.PairParams{App: "app", Link: control.Secret(link), Length: 48 * time.Hour,
		Wait: wait})
	if err != nil {
		w.t.Fatal(err)
	}
	result, err := w.agent.Methods()[agent.MethodPair](w.t.Context(), params)
	info, _ := result.(agent.SessionInfo)
	return info, err
}

// The application's request is there first, as it nearly always is.
func TestPairAfterRequest(t *testing.T) {
	within(t, worldOptions{policy: "version: 1\n"}, func(t *testing.T, w *world) {
		c := w.dial()
		pairing, err := c.Pair(t.Context(), client.Auth{Account: "alice"})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second) // the request has reached the agent, which cannot open it yet
		info, err := w.offer(pairing.Link(), time.Minute)
		if err != nil || info.Origin != "paired" || info.Account != "alice" || time.Until(info.Expires) < 47*time.Hour {
			t.Fatalf("%+v, %v", info, err)
		}
		grant, err := pairing.Wait(t.Context())
		if err != nil || !grant.Expires.Equal(info.Expires.Truncate(time.Millisecond)) {
			t.Errorf("the application heard %+v, %v", grant, err)
		}
	})
}

// The link is there first: the agent remembers it.
func TestPairBeforeRequest(t *testing.T) {
	script := &scriptedClient{}
	within(t, worldOptions{fault: script.fault}, func(t *testing.T, w *world) {
		link := `{"account":"alice","uuid":"` + uuid(1) + `","key":"` + authKey + `","host":"` + w.relay.URL + `"}`
		type result struct {
			info agent.SessionInfo
			err  error
		}
		done := make(chan result)
		go func() {
			info, err := w.offer(link, time.Minute)
			done <- result{info, err}
		}()
		time.Sleep(time.Second)
		if got := answerKind(script.ask(request("auth_req", uuid(1), authKey, `{"app":{"name":"x"}}`))); got != "ack" {
			t.Errorf("paired request: %s", got)
		}
		if r := <-done; r.err != nil || r.info.Account != "alice" {
			t.Errorf("%+v", r)
		}
		// The session is as good as any.
		if got := answerKind(script.ask(request("sign_req", uuid(2), authKey,
			votePayload("p", nowNonce())))); got != "ack" {
			t.Errorf("a vote in the paired session: %s", got)
		}
	})
}

func TestPairRefused(t *testing.T) {
	const never = `version: 1
deny: [{name: never, request: auth}]
`
	within(t, worldOptions{policy: never}, func(t *testing.T, w *world) {
		c := w.dial()
		pairing, err := c.Pair(t.Context(), client.Auth{Account: "alice"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.offer(pairing.Link(), time.Minute); err == nil || !strings.Contains(err.Error(), "never") {
			t.Errorf("the person heard %v", err)
		}
		if _, err := pairing.Wait(t.Context()); !errors.Is(err, client.ErrRefused) {
			t.Errorf("the application heard %v", err)
		}
	})
}

func TestPairComplaints(t *testing.T) {
	within(t, worldOptions{}, func(t *testing.T, w *world) {
		link := func(account, host string) string {
			return `{"account":"` + account + `","uuid":"` + uuid(1) + `","key":"` + authKey + `","host":"` +
				host + `"}`
		}
		for name, c := range map[string]struct{ link, want string }{
			"not a link":    {"hello", ""},
			"other relay":   {link("alice", "wss://elsewhere.example"), "not among the relays"},
			"other account": {link("carol", w.relay.URL), "no key of carol"},
			"no request":    {link("alice", w.relay.URL), "did not arrive"},
		} {
			if _, err := w.offer(c.link, 10*time.Second); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v", name, err)
			} else if strings.Contains(err.Error(), authKey) {
				t.Errorf("%s: the complaint shows the key", name)
			}
		}
	})
}
