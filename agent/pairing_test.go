package agent_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"pksa/agent"
	"pksa/agent/client"
	"pksa/agent/control"
	"pksa/protocol"
)

// logins returns the logins that wait for a link.
func (w *world) logins() []agent.PendingLogin {
	result, err := w.agent.Methods()[agent.MethodLogins](w.t.Context(), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return result.([]agent.PendingLogin)
}

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

// call calls a method of the control socket.
func (w *world) call(method string, params any) (any, error) {
	encoded, err := control.Encode(params)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.agent.Methods()[method](w.t.Context(), encoded)
}

func linkUUID(t *testing.T, text string) string {
	link, err := protocol.ParsePairingLink(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(link.UUID)
}

// refusedAtOnce reports a link that is not refused with this text, or that has to wait for it. In
// the bubble nothing takes time but waiting.
func (w *world) refusedAtOnce(link, want string) {
	w.t.Helper()
	for _, method := range []string{agent.MethodPairLook, agent.MethodPair} {
		begun := time.Now()
		result, err := w.call(method, agent.PairParams{App: "app", Link: control.Secret(link)})
		if err == nil || !strings.Contains(err.Error(), want) {
			w.t.Errorf("%s: %v, %v; want %q", method, result, err, want)
		}
		if waited := time.Since(begun); waited > time.Second {
			w.t.Errorf("%s: %q was said after %s", method, want, waited)
		}
	}
}

func TestSpentLinkSaysSoAtOnce(t *testing.T) {
	script := &scriptedClient{}
	within(t, worldOptions{fault: script.fault}, func(t *testing.T, w *world) {
		link := func(n int, key string) string {
			return `{"account":"alice","uuid":"` + uuid(n) + `","key":"` + key + `","host":"` + w.relay.URL + `"}`
		}
		var asking sync.WaitGroup
		defer asking.Wait()
		ask := func(n int, key string) {
			asking.Go(func() {
				time.Sleep(time.Second)
				script.ask(request("auth_req", uuid(n), key, `{"app":{"name":"x"}}`))
			})
		}
		// It made a session: to pair again changes nothing, while the session lives.
		ask(1, authKey)
		info, err := w.offer(link(1, authKey), time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := w.offer(link(1, authKey), time.Minute); err != nil || !again.Already || again.ID != info.ID {
			t.Errorf("%+v, %v", again, err)
		}
		if _, err := w.call(agent.MethodAppAdd, agent.AppParams{Name: "other"}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.call(agent.MethodPair, agent.PairParams{App: "other",
			Link: control.Secret(link(1, authKey))}); err ==
			nil || !strings.Contains(err.Error(), "spent: it made session") {
			t.Errorf("for another app: %v", err)
		}
		if _, err := w.call(agent.MethodRevoke, agent.SessionParams{ID: info.ID}); err != nil {
			t.Fatal(err)
		}
		w.refusedAtOnce(link(1, authKey), "spent: the session that it made has ended")
		// Its request was refused.
		w.write("policy.yaml", "version: 1\ndeny: [{name: never, request: auth}]\n")
		if err := w.agent.ReloadPolicy(t.Context()); err != nil {
			t.Fatal(err)
		}
		ask(2, "another key, of no session")
		if _, err := w.offer(link(2, "another key, of no session"), time.Minute); err == nil {
			t.Error("not refused")
		}
		w.refusedAtOnce(link(2, "another key, of no session"), "spent: its request was answered")
	})
}

// A login that came and expired needs no wait; one that did not come may still come.
func TestExpiredLink(t *testing.T) {
	within(t, worldOptions{}, func(t *testing.T, w *world) {
		pairing, err := w.dial().Pair(t.Context(), client.Auth{Account: "alice"})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		waits := w.logins()
		if len(waits) != 1 || waits[0].Account != "alice" || !strings.HasPrefix(waits[0].Relay, w.relay.URL) ||
			waits[0].Kind != "auth" ||
			waits[0].WaitsFor != "link" || time.Since(waits[0].Since) > time.Minute ||
			!waits[0].Until.After(time.Now()) ||
			waits[0].UUID != linkUUID(t, pairing.Link()) {
			t.Fatalf("%+v", waits)
		}
		time.Sleep(time.Until(waits[0].Until) + 10*time.Minute)
		if waits := w.logins(); len(waits) != 0 {
			t.Errorf("expired, and yet listed: %+v", waits)
		}
		w.refusedAtOnce(pairing.Link(), "has expired")
	})
}
