package link_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"pksa/agent/link"
	ourrelay "pksa/agent/relay"
	"pksa/agent/relay/relaytest"
	"pksa/protocol"
	"pksa/protocol/hive"
)

// memoAccount proves with real memos.
func memoAccount(name string) (link.Account, *hive.PrivateKey) {
	key := hive.PrivateKeyFromSeed("posting key of " + name)
	return link.Account{Name: hive.AccountName(name), KeyType: hive.Posting,
		Prove: func(relay hive.PublicKey, text string) (string, error) {
			return key.EncodeMemo(relay, text, uint64(time.Now().UnixNano()))
		}}, key
}

// A wire to our own relay spoils one frame in five. The link never stops, and once the wire behaves
// all accounts are registered and a request is answered.
func TestOwnRelayOnHostileWire(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { hostile(t, seed) })
		})
	}
}

func hostile(t *testing.T, seed uint64) {
	var tame atomic.Bool
	adversary := relaytest.Adversary(seed, 0.2, 2)
	var set []link.Account
	keys := map[hive.AccountName][]hive.PublicKey{}
	for i := range 20 {
		a, key := memoAccount(fmt.Sprintf("user-%05d", i))
		set = append(set, a)
		keys[a.Name] = []hive.PublicKey{key.Public()}
	}
	delete(keys, "user-00007")
	s, err := relaytest.Start(relaytest.Options{
		Relay: ourrelay.Options{Keys: ourrelay.FixedKeys(keys), Logger: slog.New(slog.DiscardHandler)},
		Fault: func(w *relaytest.Wire, f relaytest.Frame) {
			if tame.Load() {
				w.Pass(f)
				return
			}
			adversary(w, f)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	w := &world{done: make(chan struct{})}
	l, err := link.New(link.Options{URL: "ws://relay.test", Plaintext: true, DialContext: s.DialContext,
		Handler: func(ctx context.Context, d link.Delivery) {
			d.Link.Answer(ctx, d.Request.Account, protocol.Nack{Kind: d.Request.Kind, UUID: d.Request.UUID,
				Data: d.Request.Data})
		}})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.SetAccounts(set); err != nil {
		t.Fatal(err)
	}
	w.run(t, l)
	defer w.close()

	for range 60 {
		time.Sleep(5 * time.Second)
		ask(t, s, 10*time.Millisecond)
	}
	tame.Store(true)
	time.Sleep(20 * time.Minute) // the largest pause of an account
	if st := l.Status(); st.Registered != 19 || len(st.Refused) != 1 || st.Refused[0].Account != "user-00007" {
		t.Errorf("%d registered, refused %+v, %+v", st.Registered, st.Refused, st.Counters)
	}
	if got := ask(t, s, time.Second); got != "sign_nack" {
		t.Errorf("the last request: %q", got)
	}
}

// ask sends a request as an application and returns the answer's command.
func ask(t *testing.T, s *relaytest.Server, patience time.Duration) string {
	client := &http.Client{Transport: &http.Transport{DialContext: s.DialContext, DisableKeepAlives: true}}
	conn, _, err := websocket.Dial(t.Context(), s.URL, &websocket.DialOptions{HTTPClient: client})
	if err != nil {
		return err.Error()
	}
	defer conn.CloseNow()
	conn.SetReadLimit(-1)
	m := request("user-00003", 0)
	m.UUID, m.Expire = "", 0
	frame, err := protocol.Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	conn.Write(t.Context(), websocket.MessageText, frame)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		_, frame, err := conn.Read(ctx)
		if err != nil {
			return err.Error()
		}
		if m, err := protocol.DecodeForApp(frame); err == nil && m.Cmd() == "sign_nack" {
			return m.Cmd()
		}
	}
}
