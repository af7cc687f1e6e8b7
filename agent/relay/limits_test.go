package relay_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"pksa/agent/relay"
	"pksa/agent/relay/relaytest"
	"pksa/protocol/hive"
)

func TestFramesPerSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := dial(t, start(t, relay.Options{}))
		for range 50 {
			app.raw(`{"cmd":"attach_req","uuid":"00000000-0000-4000-8000-000000000000"}`)
			app.expect("attach_nack")
		}
		app.raw(`{"cmd":"key_req"}`)
		app.expectError("too many requests")
		time.Sleep(time.Second)
		app.raw(`{"cmd":"key_req"}`)
		app.expect("key_ack")
	})
}

// TestFlood: a connection that sends without pause is read at about its rate, and refused at most
// as often.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, relay.Options{})
		app, other := dial(t, s), dial(t, s)
		began := time.Now()
		for range 1000 {
			app.raw(`{"cmd":"key_req"}`)
		}
		for range 1000 {
			app.next()
		}
		if took := time.Since(began); took < 9*time.Second || took > 21*time.Second {
			t.Errorf("1000 frames were read in %s", took)
		}
		other.relayKey()
	})
}

// TestWalletRate: a wallet of many accounts sends many registrations at once, more than an
// application may send.
func TestWalletRate(t *testing.T) {
	const accounts = 1000
	all := map[hive.AccountName][]hive.PublicKey{}
	for i := range accounts {
		all[hive.AccountName(fmt.Sprintf("acc%d", i))] = []hive.PublicKey{alice.Public()}
	}
	slow := func(ctx context.Context, name hive.AccountName) ([]hive.PublicKey, error) {
		time.Sleep(50 * time.Millisecond) // a round trip
		return relay.FixedKeys(all)(ctx, name)
	}
	synctest.Test(t, func(t *testing.T) {
		s := start(t, relay.Options{Keys: slow})
		wallet := dial(t, s)
		began := time.Now()
		for name := range all {
			wallet.send(registration(string(name), wallet.timeProof(alice)))
		}
		for range all {
			wallet.expect("register_ack")
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("registering took %s", took)
		}
	})
}

// smallHolds is what an unanswered request takes whose data has 20 bytes: 134 of its message, and
// what each costs beside.
const smallHolds = 134 + 448 + 384

func TestPendingLimits(t *testing.T) {
	cases := []struct {
		name   string
		limits relay.Limits
		taken  int
	}{
		{"of one connection", relay.Limits{AppPending: 3}, 3},
		{"of one account", relay.Limits{AccountPending: 4}, 4},
		{"of all", relay.Limits{Requests: 5}, 5},
		{"bytes", relay.Limits{Bytes: 7 * smallHolds}, 7},
		{"a byte less", relay.Limits{Bytes: 7*smallHolds - 1}, 6},
		{"a byte more", relay.Limits{Bytes: 7*smallHolds + 1}, 7},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := start(t, relay.Options{Limits: c.limits})
				app := dial(t, s)
				for range c.taken {
					app.ask("sign", "alice", strings.Repeat("d", 20))
				}
				app.send(message{"cmd": "sign_req", "account": "alice", "data": strings.Repeat("d", 20)})
				app.expectError("too many requests")
				time.Sleep(time.Minute)
				app.ask("sign", "alice", "d")
				if got := s.Relay().Status(); got.Requests != 1 || got.Pending != 1 || got.Counters.OverLimit != 1 {
					t.Errorf("status %+v", got)
				}
			})
		})
	}
}

func TestAnsweredRequestsMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, relay.Options{Limits: relay.Limits{AppPending: 1}})
		wallet, app := dial(t, s), dial(t, s)
		wallet.register("alice", alice)
		for range 3 {
			id := app.ask("sign", "alice", "d")
			wallet.expect("sign_req")
			wallet.acknowledge("sign", id, alice)
			app.expect("sign_ack")
		}
	})
}

func TestSizes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, relay.Options{})
		wallet, app := dial(t, s), dial(t, s)
		wallet.register("alice", alice)
		big := strings.Repeat("d", 500_000)
		app.ask("sign", "alice", big)
		if m := wallet.expect("sign_req"); m.text("data") != big {
			t.Error("big data did not arrive")
		}
		app.ask("sign", "alice", big[1:])
		wallet.expect("sign_req")
		app.send(message{"cmd": "sign_req", "account": "alice", "data": big + "d"})
		app.expectError("data is empty or too long")
		app.send(message{"cmd": "sign_req", "account": "alice", "data": ""})
		app.expectError("invalid payload (data)")
		app.send(message{"cmd": "sign_req", "account": "alice", "data": "d", "token": strings.Repeat("t", 257)})
		app.expectError("data is empty or too long")
		app.conn.Write(t.Context(), websocket.MessageText, make([]byte, 1<<20+2))
		app.ended()
		wallet.quiet(time.Second)
	})
}

func TestRegistrationLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, relay.Options{Limits: relay.Limits{WalletRegistrations: 1, Registrations: 2}})
		one, two, three := dial(t, s), dial(t, s), dial(t, s)
		one.register("alice", alice)
		one.send(registration("bob", one.timeProof(bob)))
		one.expectError("too many registrations: bob")
		two.register("bob", bob)
		three.send(registration("alice", three.timeProof(alice)))
		three.expectError("too many registrations: alice")
		two.close()
		synctest.Wait()
		three.register("alice", alice)
	})
}

// TestBadProofsCostMore: guessing proofs is slower than asking.
func TestBadProofsCostMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := dial(t, start(t, relay.Options{}))
		began := time.Now()
		for range 60 {
			p.send(registration("alice", p.timeProof(bob)))
			p.expectError("invalid proof of key: alice")
		}
		if took := time.Since(began); took < 59*time.Second {
			t.Errorf("60 bad proofs in %s", took)
		}
		// One message with many bad accounts is not faster, and the good one behind them is served.
		accounts := make([]message, 0, 6)
		for range 5 {
			accounts = append(accounts, message{"name": "nobody", "pok": p.timeProof(bob)})
		}
		accounts = append(accounts, message{"name": "alice", "pok": p.timeProof(alice)})
		began = time.Now()
		p.send(message{"cmd": "register_req", "app": "test", "accounts": accounts})
		for range 5 {
			p.expectError("account does not exist: nobody")
		}
		p.expect("register_ack")
		if took := time.Since(began); took < 5*time.Second || took > 7*time.Second {
			t.Errorf("5 bad accounts in %s", took)
		}
	})
}

func TestConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, relay.Options{Limits: relay.Limits{Connections: 2}})
		one := dial(t, s)
		dial(t, s)
		client := &http.Client{Transport: &http.Transport{DialContext: s.DialContext, DisableKeepAlives: true}}
		_, response, err := websocket.Dial(t.Context(), s.URL, &websocket.DialOptions{HTTPClient: client})
		if err == nil || response.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("error %v, response %v", err, response)
		}
		one.close()
		synctest.Wait()
		dial(t, s)
	})
}

// TestIdleConnections: connections that never send a request have a limit as well, and end by
// themselves.
func TestIdleConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := relay.New(relay.Options{Keys: keys, Logger: silent, Limits: relay.Limits{Connections: 1}})
		if err != nil {
			t.Fatal(err)
		}
		listener := relaytest.Listen()
		ctx, cancel := context.WithCancel(t.Context())
		stopped := make(chan error, 1)
		go func() { stopped <- r.Serve(ctx, listener) }()
		closed := make(chan struct{}, 200)
		for range 200 {
			conn, err := listener.DialContext(t.Context(), "", "")
			if err != nil {
				t.Fatal(err)
			}
			go func() { conn.Read(make([]byte, 1)); conn.Close(); closed <- struct{}{} }()
		}
		synctest.Wait()
		if len(closed) != 200-129 {
			t.Errorf("%d were closed at once", len(closed))
		}
		time.Sleep(11 * time.Second)
		if len(closed) != 200 {
			t.Errorf("%d were closed in the end", len(closed))
		}
		dialWith(t, "ws://relay.example", listener.DialContext).relayKey()
		cancel()
		<-stopped
	})
}

// The head of a request may have 64 lines and 8 KiB: each line takes many times its bytes.
func TestHeadOfARequest(t *testing.T) {
	const (
		first = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
		lines = 6
		most  = 8 << 10
	)
	long := func(size int) string { return first + "X:" + strings.Repeat("x", size-len(first)-6) + "\r\n\r\n" }
	for name, c := range map[string]struct {
		head   string
		answer string
	}{
		"63 lines": {first + strings.Repeat("X:\r\n", 63-lines-1) + "\r\n", "101"},
		"64 lines": {first + strings.Repeat("X:\r\n", 64-lines-1) + "\r\n", "101"},
		"65 lines": {first + strings.Repeat("X:\r\n", 65-lines-1) + "\r\n", "400"},
		"n-1":      {long(most - 1), "101"},
		"n":        {long(most), "101"},
		"n+1":      {long(most + 1), "431"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := reach(t, relay.Options{})
				r.listener.address = "192.0.2.1:1"
				conn, err := r.listener.DialContext(t.Context(), "", "")
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				if _, err := conn.Write([]byte(c.head)); err != nil {
					t.Fatal(err)
				}
				answer := make([]byte, 12)
				_, err = io.ReadFull(conn, answer)
				if got := strings.TrimPrefix(strings.Trim(string(answer), "\x00"), "HTTP/1.1 "); got != c.answer {
					t.Errorf("answered with %q, %v; want %q", got, err, c.answer)
				}
				time.Sleep(time.Second) // the server lingers after a refusal
			})
		})
	}
}

func TestOrigins(t *testing.T) {
	for _, c := range []struct {
		allowed []string
		origin  string
		ok      bool
	}{
		{nil, "", true}, {nil, "https://evil.example", false}, {[]string{"app.example"}, "https://app.example", true},
		{[]string{"app.example"}, "https://evil.example", false}, {[]string{"*"}, "https://any.example", true},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := start(t, relay.Options{Origins: c.allowed})
			client := &http.Client{Transport: &http.Transport{DialContext: s.DialContext, DisableKeepAlives: true}}
			o := &websocket.DialOptions{HTTPClient: client, HTTPHeader: http.Header{}}
			if c.origin != "" {
				o.HTTPHeader.Set("Origin", c.origin)
			}
			conn, _, err := websocket.Dial(t.Context(), s.URL, o)
			if (err == nil) != c.ok {
				t.Errorf("%v, origin %q: %v", c.allowed, c.origin, err)
			}
			if err == nil {
				conn.CloseNow()
			}
		})
	}
}

// TestSlowReaderIsDropped: a wallet that stops reading loses its connection and holds up neither
// the application nor the other wallet.
func TestSlowReaderIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, relay.Options{})
		fast, app := dial(t, s), dial(t, s)
		fast.register("alice", alice)
		stuck := stuckWallet(t, s)
		big := strings.Repeat("d", 400_000)
		began := time.Now()
		for range 20 {
			id := app.ask("sign", "alice", big)
			fast.expect("sign_req")
			fast.acknowledge("sign", id, alice)
			app.expect("sign_ack")
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("the others were held up for %s", took)
		}
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if got := s.Relay().Status(); got.Connections != 2 || got.Registrations != 1 {
			t.Errorf("status %+v", got)
		}
		stuck.CloseNow()
	})
}

// stuckWallet registers alice and never reads again.
func stuckWallet(t *testing.T, s *relaytest.Server) *websocket.Conn {
	p := dial(t, s)
	proof := p.timeProof(alice)
	p.end() // ends the reading, and the connection with it: only the proof was wanted
	client := &http.Client{Transport: &http.Transport{DialContext: s.DialContext, DisableKeepAlives: true}}
	conn, _, err := websocket.Dial(t.Context(), s.URL, &websocket.DialOptions{HTTPClient: client})
	if err != nil {
		t.Fatal(err)
	}
	frame := `{"cmd":"register_req","app":"test","accounts":[{"name":"alice","pok":"` + proof + `"}]}`
	if err := conn.Write(t.Context(), websocket.MessageText, []byte(frame)); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	if got := s.Relay().Status().Registrations; got != 2 {
		t.Fatalf("%d registrations", got)
	}
	return conn
}

// TestRepliesUnread: a connection that does not read its replies is not read, so that they do not
// pile up.
func TestRepliesUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, relay.Options{Limits: relay.Limits{AppFrames: 1 << 20, Replies: 10}})
		client := &http.Client{Transport: &http.Transport{DialContext: s.DialContext, DisableKeepAlives: true}}
		conn, _, err := websocket.Dial(t.Context(), s.URL, &websocket.DialOptions{HTTPClient: client})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.CloseNow()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		written := 0
		for err == nil {
			if err = conn.Write(ctx, websocket.MessageText, []byte(`{"cmd":"key_req"}`)); err == nil {
				written++
			}
		}
		// 64 KiB are held in each direction of the connection, and what the relay has read it has
		// answered.
		if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, net.ErrClosed) || written > 6000 {
			t.Errorf("%d frames were taken, %v", written, err)
		}
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if got := s.Relay().Status().Connections; got != 0 {
			t.Errorf("%d connections", got)
		}
	})
}

// TestSlowFrame: a frame that begins and does not end ends the connection.
func TestSlowFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, relay.Options{})
		p := dial(t, s)
		w, err := p.conn.Writer(t.Context(), websocket.MessageText)
		if err != nil {
			t.Fatal(err)
		}
		w.Write([]byte(strings.Repeat("{", 8192))) // flushed, not ended
		began := time.Now()
		p.ended()
		if took := time.Since(began); took != 30*time.Second {
			t.Errorf("ended after %s", took)
		}
	})
}

func TestPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, relay.Options{})
		alive := dial(t, s)
		client := &http.Client{Transport: &http.Transport{DialContext: s.DialContext, DisableKeepAlives: true}}
		dead, _, err := websocket.Dial(t.Context(), s.URL, &websocket.DialOptions{HTTPClient: client})
		if err != nil {
			t.Fatal(err)
		}
		defer dead.CloseNow() // never read: pings stay unanswered
		time.Sleep(89 * time.Second)
		if got := s.Relay().Status().Connections; got != 2 {
			t.Errorf("%d connections after 89 s", got)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := s.Relay().Status().Connections; got != 1 {
			t.Errorf("%d connections after 91 s", got)
		}
		time.Sleep(time.Hour)
		alive.relayKey()
	})
}

func TestGracefulStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := relay.New(relay.Options{Keys: keys, Logger: silent})
		if err != nil {
			t.Fatal(err)
		}
		listener := relaytest.Listen()
		ctx, cancel := context.WithCancel(t.Context())
		stopped := make(chan error, 1)
		go func() { stopped <- r.Serve(ctx, listener) }()
		app := dialWith(t, "ws://relay.example", listener.DialContext)
		app.ask("sign", "alice", "d")
		client := &http.Client{Transport: &http.Transport{DialContext: listener.DialContext, DisableKeepAlives: true}}
		stuck, _, err := websocket.Dial(t.Context(), "ws://relay.example", &websocket.DialOptions{HTTPClient: client})
		if err != nil {
			t.Fatal(err)
		}
		defer stuck.CloseNow() // does not answer the close frame
		began := time.Now()
		cancel()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > 6*time.Second {
			t.Errorf("stopping took %s", took)
		}
		app.ended()
		if _, err := listener.DialContext(t.Context(), "", ""); err == nil {
			t.Error("the listener stands")
		}
		if got := r.Status().Connections; got != 0 {
			t.Errorf("%d connections", got)
		}
	})
}
