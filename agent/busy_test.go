package agent_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent"
	"pksa/agent/client"
	"pksa/agent/config"
	"pksa/agent/trace"
	"pksa/protocol"
)

// metric returns the value of a metric, as text; "" if there is none.
func (w *world) metric(series string) string {
	response := httptest.NewRecorder()
	w.agent.Metrics().Handler().ServeHTTP(response, httptest.NewRequest("GET", "/metrics", nil))
	text, _ := io.ReadAll(response.Body)
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// A quick honest loop is done in seconds at default settings, all of it: 400 votes one after the
// other, as fast as the answers come; and as many of four loops beside each other, which are
// together too fast for the wallet, hear so, and ask again.
func TestQuickHonestLoop(t *testing.T) {
	for _, loops := range []int{1, 4} {
		t.Run(fmt.Sprint(loops, " loops"), func(t *testing.T) {
			within(t, worldOptions{}, func(t *testing.T, w *world) {
				const votes = 400
				begun := time.Now()
				var running sync.WaitGroup
				for n := range loops {
					c := w.dial()
					s := w.login(c)
					running.Go(func() {
						for i := range votes / loops {
							if _, err := c.Sign(t.Context(), s, vote(fmt.Sprintf("post-%d-%d", n, i))); err != nil {
								t.Errorf("loop %d, vote %d: %v", n, i, err)
								return
							}
						}
					})
				}
				running.Wait()
				if took := time.Since(begun); took > 20*time.Second {
					t.Errorf("it took %s", took)
				}
				if n := len(w.chain.Transactions()); n != votes {
					t.Errorf("%d votes on the chain", n)
				}
				busy := w.metric(`pksa_requests_total{code="busy",kind="sign",result="refused"}`)
				if heard := busy != "" && busy != "0"; heard != (loops > 1) {
					t.Errorf("busy was said %q times", busy)
				}
			})
		})
	}
}

// answerTo returns what the agent has answered to a request; nil if nothing.
func (script *scriptedClient) answerTo(id string) protocol.Message {
	for _, m := range script.heard() {
		if answer, ok := protocol.AnswerOf(m); ok && string(answer.RequestUUID()) == id {
			return m
		}
	}
	return nil
}

// slow lets one request a second through for each account, two after a pause, and tells one more
// that it is busy.
func slow(c *config.Config) { c.AccountRequestsPerSecond = 1 }

// An application that was told busy may ask again, so the request itself is never carried out: not
// if the relay brings it again under another uuid, nor after a restart.
func TestBusyIsNeverDoneLater(t *testing.T) {
	script := &scriptedClient{}
	within(t, worldOptions{fault: script.fault, configure: slow, prepare: func(w *world) { w.session(authKey) }},
		func(t *testing.T, w *world) {
			time.Sleep(10 * time.Second)
			var late map[string]any
			for i := range 3 {
				late = request("sign_req", uuid(i), authKey, votePayload(fmt.Sprint("post-", i), nowNonce()+int64(i)))
				script.sayAll(late)
			}
			synctest.Wait()
			time.Sleep(time.Second)
			if got := script.answerTo(uuid(2)); errorText(got, authKey) != protocol.TextBusy {
				t.Fatalf("the third was answered with %v %q", got, errorText(got, authKey))
			}
			for i, restart := range []bool{false, true} {
				if restart {
					w.end()
					w.start()
				}
				time.Sleep(5 * time.Second)
				again := with(with(late, "uuid", uuid(50+i)), "expire", time.Now().Add(time.Minute).UnixMilli())
				if got := errorText(script.ask(again), authKey); got != protocol.TextBusy {
					t.Errorf("brought again: %q", got)
				}
			}
			if n := len(w.chain.Transactions()); n != 2 {
				t.Errorf("%d votes on the chain", n)
			}
		})
}

// A login above the rate hears that the wallet is busy, as every other request does whose key is
// known, and not that it failed: its application asks again.
func TestLoginAboveTheRateHearsBusy(t *testing.T) {
	script := &scriptedClient{}
	within(t, worldOptions{fault: script.fault, configure: slow, prepare: func(w *world) { w.session(authKey) }},
		func(t *testing.T, w *world) {
			time.Sleep(10 * time.Second)
			for i := range 3 {
				script.sayAll(request("auth_req", uuid(i), authKey, `{"app":{"name":"x"}}`))
			}
			synctest.Wait()
			time.Sleep(time.Second)
			third := script.answerTo(uuid(2))
			if answerKind(third) != "nack" || errorText(third, authKey) != protocol.TextBusy {
				t.Errorf("the third login was answered with %s %q", answerKind(third), errorText(third, authKey))
			}
		})
}

// Beyond what is told busy there is silence, and each request is counted in the log, which gets one
// line a minute, in status, and in the metrics.
func TestTooFastLeavesATrace(t *testing.T) {
	script, log := &scriptedClient{}, new(lines)
	within(t, worldOptions{fault: script.fault, configure: slow, prepare: func(w *world) { w.session(authKey) },
		log: slog.New(slog.NewTextHandler(log, nil))}, func(t *testing.T, w *world) {
		time.Sleep(10 * time.Second)
		if got := w.metric(`pksa_link_frames_dropped_total{reason="account_rate",relay="` +
			w.agent.Status().Links[0].Relay + `"}`); got != "0" {
			t.Errorf("the metric is %q before it happens", got)
		}
		for i := range 20 {
			script.sayAll(request("sign_req", uuid(i), authKey, votePayload(fmt.Sprint("post-", i), nowNonce()+
				int64(i))))
		}
		synctest.Wait()
		time.Sleep(time.Second)
		busy := 0
		for _, m := range script.heard() {
			if errorText(m, authKey) == protocol.TextBusy {
				busy++
			}
		}
		if n := len(w.chain.Transactions()); n != 2 || busy != 1 {
			t.Errorf("%d voted, %d heard busy", n, busy)
		}
		var got []string
		for _, e := range w.agent.Status().LastHour {
			got = append(got, e.String())
		}
		if want := []string{`1 request for alice above the rate, answered with "busy"`,
			"17 requests for alice above the rate, dropped"}; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("status: %q", got)
		}
		time.Sleep(2 * time.Minute)
		if n, told := log.with("above the rate, dropped"); n != 2 || !strings.Contains(told, "16 requests") {
			t.Errorf("%d lines in the log: %s", n, told)
		}
		if got := w.metric(`pksa_link_frames_dropped_total{reason="account_rate",relay="` +
			w.agent.Status().Links[0].Relay +
			`"}`); got != "17" {
			t.Errorf("the metric is %q", got)
		}
		time.Sleep(time.Hour)
		if rest := w.agent.Status().LastHour; len(rest) != 0 {
			t.Errorf("after an hour status shows %v", rest)
		}
	})
}

// lines collects what is logged.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// with returns the lines that contain a text, and how many there are.
func (l *lines) with(text string) (n int, found string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.text.String()) {
		if strings.Contains(line, text) {
			n, found = n+1, found+line
		}
	}
	return n, found
}

// What nothing opens leaves a trace while its application still waits: a wrong secret at once, a
// session that has ended, too.
func TestUnopenedLeavesATrace(t *testing.T) {
	log := new(lines)
	within(t, worldOptions{log: slog.New(slog.NewTextHandler(log, nil))}, func(t *testing.T, w *world) {
		c := w.dial()
		if got := w.metric(`pksa_requests_dropped_total{reason="nobody's"}`); got != "0" {
			t.Errorf("the metric is %q before it happens", got)
		}
		login := make(chan error)
		go func() {
			_, err := c.Authenticate(t.Context(), client.Auth{Account: "alice", Secret: "another secret, not ours"})
			login <- err
		}()
		time.Sleep(time.Second)
		got := w.agent.Status().LastHour
		if len(got) != 1 || got[0].Kind != trace.Unopened || got[0].Account != "alice" || got[0].Count != 1 ||
			time.Since(got[0].Last) > time.Minute {
			t.Errorf("status shows %+v", got)
		}
		if n, line := log.with("that nothing opens"); n != 1 || !strings.Contains(line, "level=WARN") ||
			!strings.Contains(line, "wrong secret") || !strings.Contains(line, "account=alice") {
			t.Errorf("logged %d times: %s", n, line)
		}
		if err := <-login; !errors.Is(err, client.ErrNobody) {
			t.Errorf("the application heard %v", err)
		}
		// Counted once, although the request is dropped only now.
		time.Sleep(time.Minute)
		if got := w.agent.Status().LastHour; len(got) != 1 || got[0].Count != 1 {
			t.Errorf("when it has expired: %+v", got)
		}
		gone := client.NewSession("alice", "a session that nobody made")
		if _, err := c.Sign(t.Context(), gone, vote("post")); !errors.Is(err, client.ErrNobody) {
			t.Errorf("the application heard %v", err)
		}
		if got := w.agent.Status().LastHour; len(got) != 1 || got[0].Count != 2 {
			t.Errorf("after an unknown session: %+v", got)
		}
	})
}

// What the own relay dropped, refused or closed leaves a trace: once, however often status is asked
// for, for an hour, and in a line of the log.
func TestOwnRelayLeavesATrace(t *testing.T) {
	log := new(lines)
	var own atomic.Pointer[agent.OwnRelay]
	own.Store(&agent.OwnRelay{Listen: "127.0.0.1:9480"})
	within(t, worldOptions{log: slog.New(slog.NewTextHandler(log, nil)), prepare: func(w *world) {
		w.made = func() { w.agent.ShowRelay(func() agent.OwnRelay { return *own.Load() }) }
	}}, func(t *testing.T, w *world) {
		if got := w.agent.Status().LastHour; len(got) != 0 {
			t.Errorf("at first: %v", got)
		}
		own.Store(&agent.OwnRelay{Listen: "127.0.0.1:9480", Displaced: 7, TooMany: 1, SilentClosed: 2, TurnedAway: 3})
		for range 2 {
			var got []string
			for _, e := range w.agent.Status().LastHour {
				got = append(got, e.String())
			}
			want := []string{"7 requests at the own relay dropped to make room",
				"1 message to the own relay refused as too many",
				"2 silent connections to the own relay closed to make room",
				"3 connections to the own relay without a place"}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("status: %q", got)
			}
		}
		if n, line := log.with("own relay dropped to make room"); n != 1 || !strings.Contains(line, "7 requests") ||
			!strings.Contains(line, "hint=") || !strings.Contains(line, "relay=127.0.0.1:9480") {
			t.Errorf("%d lines: %s", n, line)
		}
		// Nobody asks for status: the log has it all the same.
		own.Store(&agent.OwnRelay{Listen: "127.0.0.1:9480", Displaced: 9, TooMany: 1, SilentClosed: 2, TurnedAway: 3})
		time.Sleep(2 * time.Minute)
		if n, line := log.with("own relay dropped to make room"); n != 2 || !strings.Contains(line, "2 requests") {
			t.Errorf("%d lines: %s", n, line)
		}
		time.Sleep(time.Hour)
		if got := w.agent.Status().LastHour; len(got) != 0 {
			t.Errorf("after an hour: %v", got)
		}
	})
}

// A login that finds the sessions of its account used up leaves a trace.
func TestFullSessionsLeaveATrace(t *testing.T) {
	within(t, worldOptions{configure: func(c *config.Config) { c.SessionsPerAccount = 2 }},
		func(t *testing.T, w *world) {
			for i := range 3 {
				_, err := w.dial().Authenticate(t.Context(), client.Auth{Account: "alice", Secret: secret})
				if refused := errors.Is(err, client.ErrRefused); refused != (i == 2) {
					t.Errorf("login %d: %v", i, err)
				}
			}
			got := w.agent.Status().LastHour
			if len(got) != 1 || got[0].Kind != trace.SessionsFull || got[0].Count != 1 {
				t.Errorf("status shows %+v", got)
			}
		})
}
