package agent_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/ledger"
	"pksa/agent/trace"
	"pksa/protocol"
)

// sessions makes sessions of alice, of as many apps as are needed, and returns their keys. Of fewer
// than 100 the last one was used last.
func (w *world) sessions(n int) (keys []string) {
	w.t.Helper()
	const ofApp = 25
	var made sync.WaitGroup
	for i := range n {
		key := fmt.Sprintf("auth key %08d of one session", i)
		keys = append(keys, key)
		app := fmt.Sprint("app-", i/ofApp)
		if i%ofApp == 0 {
			secret := ledger.Secret("the secret of that slot " + app)
			if _, err := w.ledger.AddSlot(w.t.Context(), app, secret, nil); err != nil {
				w.t.Fatal(err)
			}
		}
		made.Go(func() {
			if _, err := w.ledger.AddSession(w.t.Context(), ledger.NewSession{
				Account: "alice", App: app, AuthKey: ledger.Secret(key), Origin: ledger.Hand,
				Expires: w.ledger.Now().Add(24 * time.Hour),
			}, nil); err != nil {
				w.t.Error(err)
			}
		})
		if n < 100 || i%ofApp == ofApp-1 { // few ones keep their order
			made.Wait()
		}
	}
	made.Wait()
	return keys
}

// Strangers send 200 requests a second for an account with 1,000 sessions. Each of 20 honest
// requests in between is served, half of them in sessions that are not used otherwise.
func TestStrangersShutNobodyOut(t *testing.T) {
	script := &scriptedClient{}
	var keys []string
	within(t, worldOptions{fault: script.fault, prepare: func(w *world) { keys = w.sessions(1000) }},
		func(t *testing.T, w *world) {
			chance := rand.New(rand.NewPCG(1, 1))
			time.Sleep(10 * time.Second)
			const strangers, honest = 200, 20
			for i := range strangers {
				script.say(undecryptable(chance, "sign_req", 1000+i, 400))
				if i%(strangers/honest) == strangers/honest-1 {
					n := i / (strangers / honest)
					key := keys[0]
					if n%2 == 1 {
						key = keys[n*50]
					}
					script.sayAll(request("sign_req", uuid(n), key, votePayload(fmt.Sprint("post-", n), nowNonce()+
						int64(n))))
				}
				time.Sleep(time.Second / 200)
			}
			time.Sleep(5 * time.Second)
			served := 0
			for n := range honest {
				if answerKind(script.answerTo(uuid(n))) == "ack" {
					served++
				}
			}
			if served != honest {
				t.Errorf("%d of %d honest requests were served", served, honest)
			}
		})
}

// Whatever strangers send, and however little is left to try keys for them, the 64 sessions of the
// account that were used last are served. One that was not used lately is served again when there
// is something left. What is opened is not paid by the strangers' bucket.
func TestStrangersUseUpTheirBucketOnly(t *testing.T) {
	const always = 64
	for _, sessions := range []int{always - 1, always, always + 1} {
		t.Run(fmt.Sprint(sessions), func(t *testing.T) {
			script := &scriptedClient{}
			var keys []string
			within(t, worldOptions{fault: script.fault, prepare: func(w *world) { keys = w.sessions(sessions) }},
				func(t *testing.T, w *world) {
					time.Sleep(10 * time.Second)
					// The bucket holds 380,000 keys; this uses it up at once, as strangers would.
					w.agent.SpendTries()
					ask := func(n int, key string) protocol.Message {
						// A moment, so that the bucket does not fill up again.
						return script.askFor(request("sign_req", uuid(n), key, votePayload(fmt.Sprint("post-", n),
							nowNonce())),
							100*time.Millisecond)
					}
					last, first := ask(1, keys[sessions-1]), ask(2, keys[0])
					if answerKind(last) != "ack" {
						t.Errorf("the session used last: %s", answerKind(last))
					}
					if got, want := answerKind(first), sessions <= always; (got == "ack") != want {
						t.Errorf("session %d by its last use was answered with %q", sessions, got)
					}
					dropped := w.metric(`pksa_requests_dropped_total{reason="too many strangers"}`)
					if (dropped == "1") != (sessions > always) {
						t.Errorf("%q were dropped for the strangers", dropped)
					}
					if got := w.agent.Status().LastHour; len(got) > 0 != (sessions > always) ||
						len(got) > 0 && (got[0].Kind != trace.Untried || got[0].Count != 1) {
						t.Errorf("status: %v", got)
					}
					time.Sleep(time.Minute)
					synctest.Wait()
					if got := answerKind(ask(3, keys[0])); got != "ack" {
						t.Errorf("later: %q", got)
					}
				})
		})
	}
}

// Of more apps than are always tried those come first that are at work, whatever their names.
func TestAppsAtWorkAreTriedFirst(t *testing.T) {
	for _, slots := range []int{64, 65} {
		prepare := func(w *world) {
			add := func(app string) {
				if _, err := w.ledger.AddSlot(w.t.Context(), app, ledger.Secret("the secret of that slot "+app),
					nil); err != nil {
					w.t.Fatal(err)
				}
			}
			for n := len(w.ledger.Slots()); n < slots-1; n++ {
				add(fmt.Sprint("idle-", n))
			}
			add("zz-at-work")
			if _, err := w.ledger.AddSession(w.t.Context(), ledger.NewSession{Account: "alice", App: "zz-at-work",
				AuthKey: "auth key of the app at work", Origin: ledger.Service, Expires: w.ledger.Now().Add(time.Hour)},
				nil); err != nil {
				w.t.Fatal(err)
			}
		}
		within(t, worldOptions{prepare: prepare}, func(t *testing.T, w *world) {
			all := w.agent.SlotsFor("alice")
			if len(all) != slots || (all[0].Name == "zz-at-work") != (slots > 64) {
				t.Errorf("of %d apps %q comes first", len(all), all[0].Name)
			}
		})
	}
}
