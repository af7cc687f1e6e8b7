package relay_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/relay"
	"pksa/agent/relay/relaytest"
	"pksa/protocol"
)

func TestConnected(t *testing.T) {
	for _, c := range []struct {
		name     string
		config   relay.Options
		protocol float64
	}{
		{"protocol 1", relay.Options{Server: "relay.example"}, 1},
		{"protocol 0.8", relay.Options{Server: "relay.example", Version08: true}, 0.8},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := dial(t, start(t, c.config)).greet
				want := message{"cmd": "connected", "timeout": 60.0, "ping_rate": 30.0, "protocol": c.protocol,
					"server": "relay.example", "version": relay.Version, "socketid": m["socketid"]}
				if fmt.Sprint(m) != fmt.Sprint(want) || m.text("socketid") == "" {
					t.Errorf("got %v, wanted %v", m, want)
				}
			})
		})
	}
}

// TestContract checks what any wallet and any application may rely on, over each kind of listener.
func TestContract(t *testing.T) {
	wires := map[string]relaytest.Options{
		"memory":        {},
		"loopback":      {Loopback: true},
		"faithful wire": {Fault: relaytest.Pass},
	}
	for name, o := range wires {
		t.Run(name, func(t *testing.T) {
			o.Relay = relay.Options{Keys: keys, Logger: silent}
			s, err := relaytest.Start(o)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(s.Close)
			contract(t, s)
		})
	}
}

func contract(t *testing.T, s *relaytest.Server) {
	wallet, app := dial(t, s), dial(t, s)
	if wallet.relayKey() != s.Relay().PublicKey() {
		t.Error("key_ack carries another key")
	}
	wallet.register("alice", alice)
	for _, kind := range []string{"auth", "sign", "challenge"} {
		id := app.ask(kind, "alice", "sealed "+kind)
		m := wallet.expect(kind + "_req")
		if m.text("uuid") != id || m.text("account") != "alice" || m.text("data") != "sealed "+kind {
			t.Errorf("wallet got %v", m)
		}
		if expire, _ := m["expire"].(float64); expire <= float64(time.Now().UnixMilli()) {
			t.Errorf("expire is %v", m["expire"])
		}
		wallet.acknowledge(kind, id, alice)
		m = app.expect(kind + "_ack")
		if m.text("uuid") != id || m.text("data") != "answer to "+id {
			t.Errorf("application got %v", m)
		}
		if _, ok := m["pok"]; ok {
			t.Error("the application got the proof of key")
		}
		decodeForApp(t, m)
	}
	if got := s.Relay().Status().Counters; got.Requests != 3 || got.Answered != 3 || got.Delivered != 3 {
		t.Errorf("counters %+v", got)
	}
}

func TestOnlyKnownMembersAreForwarded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, relay.Options{})
		wallet, app := dial(t, s), dial(t, s)
		wallet.register("alice", alice)
		app.send(message{"cmd": "auth_req", "account": "alice", "data": "d", "auth_key": "k", "token": "t",
			"uuid": "chosen by the application", "expire": 1, "pok": "p", "extra": message{"a": 1}})
		id := app.expect("auth_wait").text("uuid")
		got := wallet.expect("auth_req")
		want := message{"cmd": "auth_req", "account": "alice", "data": "d", "auth_key": "k", "token": "t", "uuid": id,
			"expire": got["expire"]}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got %v, wanted %v", got, want)
		}
		app.send(message{"cmd": "sign_req", "account": "alice", "data": "d", "token": nil})
		app.expect("sign_wait")
		if _, ok := wallet.expect("sign_req")["token"]; ok {
			t.Error("a token that was null was forwarded")
		}
	})
}

func TestPendingOldestFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, relay.Options{})
		app := dial(t, s)
		var asked []string
		for range 5 {
			asked = append(asked, app.ask("sign", "alice", "d"))
			time.Sleep(time.Second)
		}
		app.ask("sign", "bob", "d")
		wallet := dial(t, s)
		wallet.register("alice", alice)
		for i, id := range asked {
			if got := wallet.expect("sign_req").text("uuid"); got != id {
				t.Errorf("place %d: got %s, wanted %s", i, got, id)
			}
		}
		wallet.quiet(time.Second)
		// Registering again is acknowledged, and delivers nothing twice.
		wallet.register("alice", alice)
		wallet.quiet(time.Second)
	})
}

func TestFirstAnswerWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, relay.Options{})
		one, two, app := dial(t, s), dial(t, s), dial(t, s)
		one.register("alice", alice)
		two.register("alice", alice)
		id := app.ask("sign", "alice", "d")
		one.expect("sign_req")
		two.expect("sign_req")
		two.send(message{"cmd": "sign_nack", "uuid": id, "data": "no", "error": "request refused",
			"pok": two.proof(alice, id)})
		got := app.expect("sign_nack")
		if got.text("data") != "no" || got.text("error") != "request refused" {
			t.Errorf("got %v", got)
		}
		// The wallet that was late and says something else is told, so that a copy is noticed. One
		// that says the same, or answers its own request twice, is not.
		one.acknowledge("sign", id, alice)
		if got := one.expect("error"); got.text("error") != protocol.TextAnsweredElsewhere {
			t.Errorf("got %v", got)
		}
		two.acknowledge("sign", id, alice)
		one.send(message{"cmd": "sign_nack", "uuid": id, "data": "no", "error": "request refused",
			"pok": one.proof(alice, id)})
		one.quiet(time.Second)
		two.quiet(time.Second)
		app.quiet(time.Second)
		// A wallet that comes later does not get a request that is answered.
		three := dial(t, s)
		three.register("alice", alice)
		three.quiet(time.Second)
		if got := s.Relay().Status(); got.Counters.LateAnswers != 3 || got.Pending != 0 || got.Requests != 1 {
			t.Errorf("status %+v", got)
		}
	})
}

func TestAnswersThatAreRefused(t *testing.T) {
	cases := []struct {
		name string
		text string
		send func(wallet *peer, id string) message
	}{
		{"no proof", "invalid proof of key", func(w *peer, id string) message {
			return message{"cmd": "sign_ack", "uuid": id, "data": "d"}
		}},
		{"proof for another uuid", "invalid proof of key", func(w *peer, id string) message {
			return message{"cmd": "sign_ack", "uuid": id, "data": "d", "pok": w.proof(alice, strings.ToUpper(id))}
		}},
		{"proof by another account", "invalid proof of key", func(w *peer, id string) message {
			return message{"cmd": "sign_ack", "uuid": id, "data": "d", "pok": w.proof(mallory, id)}
		}},
		{"other kind", "answer does not fit the request", func(w *peer, id string) message {
			return message{"cmd": "challenge_ack", "uuid": id, "data": "d", "pok": w.proof(alice, id)}
		}},
		{"unknown uuid", "unknown or expired uuid", func(w *peer, id string) message {
			other := "00000000-0000-4000-8000-000000000000"
			return message{"cmd": "sign_ack", "uuid": other, "data": "d", "pok": w.proof(alice, other)}
		}},
		{"uuid in capitals", "unknown or expired uuid", func(w *peer, id string) message {
			return message{"cmd": "sign_ack", "uuid": strings.ToUpper(id), "data": "d", "pok": w.proof(alice, id)}
		}},
		{"no uuid", "invalid payload (uuid)", func(w *peer, id string) message {
			return message{"cmd": "sign_ack", "data": "d", "pok": w.proof(alice, id)}
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := start(t, relay.Options{})
				wallet, app := dial(t, s), dial(t, s)
				wallet.register("alice", alice)
				id := app.ask("sign", "alice", "d")
				wallet.expect("sign_req")
				wallet.send(c.send(wallet, id))
				wallet.expectError(c.text)
				app.quiet(time.Second)
				// The request is still there.
				wallet.acknowledge("sign", id, alice)
				app.expect("sign_ack")
			})
		})
	}
}

func TestAnswerFromElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, relay.Options{})
		wallet, other, app := dial(t, s), dial(t, s), dial(t, s)
		wallet.register("alice", alice)
		other.register("bob", bob)
		id := app.ask("sign", "alice", "d")
		wallet.expect("sign_req")
		other.acknowledge("sign", id, alice) // even with alice's key: it is not registered here
		other.expectError("account is not registered on this connection")
		other.quiet(time.Second)
		app.quiet(time.Second)
	})
}

func TestRegistrationsThatAreRefused(t *testing.T) {
	cases := []struct {
		name, account, text string
		proof               func(p *peer) string
	}{
		{"bad name", "A", `account name is not valid: "A"`, func(p *peer) string { return p.timeProof(alice) }},
		{"unknown account", "nobody", "account does not exist: nobody",
			func(p *peer) string { return p.timeProof(alice) }},
		{"no proof", "alice", "invalid proof of key: alice", func(p *peer) string { return "" }},
		{"other key", "alice", "invalid proof of key: alice", func(p *peer) string { return p.timeProof(bob) }},
		{"too old", "alice", "invalid proof of key: alice", func(p *peer) string {
			proof := p.timeProof(alice)
			time.Sleep(10*time.Second + time.Millisecond)
			return proof
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := start(t, relay.Options{})
				p := dial(t, s)
				p.relayKey()
				p.send(registration(c.account, c.proof(p)))
				p.expectError(c.text)
				if got := s.Relay().Status().Registrations; got != 0 {
					t.Errorf("%d registrations", got)
				}
			})
		})
	}
}

func TestOneBadAccountAmongGood(t *testing.T) {
	for _, whole := range []bool{false, true} {
		t.Run(fmt.Sprint("whole=", whole), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := start(t, relay.Options{WholeRegistration: whole})
				p := dial(t, s)
				p.send(message{"cmd": "register_req", "app": "test", "accounts": []message{
					{"name": "alice", "pok": p.timeProof(alice)},
					{"name": "nobody", "pok": p.timeProof(alice)},
					{"name": "bob", "pok": p.timeProof(bob)},
				}})
				if !whole {
					p.expect("register_ack")
				}
				p.expectError("account does not exist: nobody")
				if !whole {
					p.expect("register_ack")
				}
				p.quiet(time.Second)
			})
		})
	}
}

func TestExpirySilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, relay.Options{})
		wallet, app := dial(t, s), dial(t, s)
		wallet.register("alice", alice)
		id := app.ask("sign", "alice", "d")
		wallet.expect("sign_req")
		app.quiet(time.Minute)
		wallet.quiet(time.Second)
		wallet.acknowledge("sign", id, alice)
		wallet.expectError("unknown or expired uuid")
		app.send(message{"cmd": "attach_req", "uuid": id})
		app.expect("attach_nack")
		if got := s.Relay().Status(); got.Requests != 0 || got.Bytes != 0 || got.Accounts != 1 ||
			got.Counters.Expired != 1 {
			t.Errorf("status %+v", got)
		}
	})
}

func TestEachExpiresInItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, relay.Options{})
		app := dial(t, s)
		for i := range 4 {
			if got := s.Relay().Status().Requests; got != min(i, 2) {
				t.Errorf("%d requests after %d x 20 s", got, i)
			}
			app.ask("sign", "alice", "d")
			time.Sleep(20*time.Second + time.Millisecond)
		}
		for want := 2; want >= 0; want-- {
			synctest.Wait()
			if got := s.Relay().Status().Requests; got != want {
				t.Errorf("%d requests, wanted %d", got, want)
			}
			time.Sleep(20 * time.Second)
		}
	})
}

func TestAttach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, relay.Options{})
		wallet, app := dial(t, s), dial(t, s)
		wallet.register("alice", alice)
		early, late := app.ask("sign", "alice", "d"), app.ask("challenge", "alice", "d")
		app.close()
		wallet.expect("sign_req")
		wallet.expect("challenge_req")
		wallet.acknowledge("sign", early, alice)
		wallet.quiet(time.Second)

		again := dial(t, s)
		again.send(message{"cmd": "attach_req", "uuid": early})
		if m := again.expect("attach_ack"); m.text("uuid") != early {
			t.Errorf("got %v", m)
		}
		again.expect("sign_ack")
		again.send(message{"cmd": "attach_req", "uuid": late})
		again.expect("attach_ack")
		again.quiet(time.Second)
		wallet.acknowledge("challenge", late, alice)
		again.expect("challenge_ack")
		again.send(message{"cmd": "attach_req", "uuid": "00000000-0000-4000-8000-000000000000"})
		again.expect("attach_nack")
		time.Sleep(time.Minute)
		again.send(message{"cmd": "attach_req", "uuid": early})
		again.expect("attach_nack")
	})
}

func TestWalletThatLeavesIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, relay.Options{})
		wallet, app := dial(t, s), dial(t, s)
		wallet.register("alice", alice)
		wallet.close()
		synctest.Wait()
		if got := s.Relay().Status(); got.Registrations != 0 || got.Accounts != 0 || got.Connections != 1 {
			t.Errorf("status %+v", got)
		}
		id := app.ask("sign", "alice", "d")
		again := dial(t, s)
		again.register("alice", alice)
		if got := again.expect("sign_req").text("uuid"); got != id {
			t.Errorf("got %s, wanted %s", got, id)
		}
	})
}

func TestNoise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := dial(t, start(t, relay.Options{}))
		for _, ignored := range []string{"ping", " ping\n", `{"cmd":"auth_wait"}`, `{"cmd":"sign_wait"}`,
			`{"cmd":"challenge_wait"}`,
			`{"cmd":"error","error":"Cannot destructure property 'auth'"}`} {
			p.raw(ignored)
			p.quiet(time.Second)
		}
		for frame, text := range map[string]string{
			`{"cmd":"auth_attach"}`:                 "unknown cmd",
			`{"cmd":"connected"}`:                   "unknown cmd",
			`{}`:                                    "invalid payload (cmd)",
			`[]`:                                    "invalid payload",
			`hello`:                                 "invalid payload",
			`{"cmd":"sign_req"}`:                    "invalid payload (account)",
			`{"cmd":"sign_req","account":"alice"}`:  "invalid payload (data)",
			`{"cmd":"sign_req","account":"@alice"}`: "invalid payload (account)",
			`{"cmd":"register_req","app":""}`:       "invalid payload (accounts)",
			`{"cmd":"attach_req","uuid":"1"}`:       "invalid payload (uuid)",
			`{"cmd":"key_req","cmd":"key_req"}`:     "invalid payload",
			`{"cmd":"sign_req","account":1,"data":"\uD8"`: "invalid payload",
		} {
			p.raw(frame)
			if m := p.expect("error"); m.text("error") != text {
				t.Errorf("%s: error %q, wanted %q", frame, m.text("error"), text)
			}
		}
		p.relayKey()
	})
}

// TestOldClients talks as the clients of protocol 0.8 do: Keychain's mobile wallet, which registers
// without pok, sends bare waits and answers without proof, and its extension, which sends the token
// outside and pings in text.
func TestOldClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, relay.Options{Version08: true})
		wallet, app := dial(t, s), dial(t, s)
		wallet.send(message{"cmd": "register_req", "app": "Hive Keychain", "accounts": []message{
			{"name": "alice", "key_type": "memo", "challenge": wallet.timeProof(alice)}}})
		wallet.expect("register_ack")
		app.raw("ping")
		app.send(message{"cmd": "sign_req", "account": "alice", "data": "d",
			"token": "82b31850-00e0-40b4-a8a5-64a2ad8a43ff"})
		id := app.expect("sign_wait").text("uuid")
		if m := wallet.expect("sign_req"); m.text("token") != "82b31850-00e0-40b4-a8a5-64a2ad8a43ff" {
			t.Errorf("got %v", m)
		}
		wallet.send(message{"cmd": "sign_wait"})
		wallet.send(message{"cmd": "sign_nack", "uuid": id, "error": "Request was canceled by the user."})
		if m := app.expect("sign_nack"); m.text("error") != "Request was canceled by the user." {
			t.Errorf("got %v", m)
		}
		// If there is a proof, it must be good.
		id = app.ask("sign", "alice", "d")
		wallet.expect("sign_req")
		wallet.send(message{"cmd": "sign_ack", "uuid": id, "data": "d", "pok": wallet.proof(bob, id)})
		wallet.expectError("invalid proof of key")
	})
}

func TestNoProof(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, relay.Options{NoProof: true})
		wallet, app := dial(t, s), dial(t, s)
		wallet.send(registration("anyone", ""))
		wallet.expect("register_ack")
		id := app.ask("sign", "anyone", "d")
		wallet.expect("sign_req")
		wallet.send(message{"cmd": "sign_err", "uuid": id, "error": "sealed"})
		app.expect("sign_err")
	})
	if _, err := relay.New(relay.Options{}); err == nil {
		t.Error("a relay without keys and without NoProof was made")
	}
}

func TestFixedKeys(t *testing.T) {
	if found, err := keys(t.Context(), "alice"); err != nil || len(found) != 1 || found[0] != alice.Public() {
		t.Errorf("keys %v, %v", found, err)
	}
	if found, err := keys(t.Context(), "nobody"); !errors.Is(err, relay.ErrNoAccount) {
		t.Errorf("keys %v, %v", found, err)
	}
}

// TestTimesAreWholeSeconds: the greeting has no place for fractions.
func TestTimesAreWholeSeconds(t *testing.T) {
	for given, want := range map[time.Duration]float64{
		time.Millisecond: 1, 1400 * time.Millisecond: 1, 1500 * time.Millisecond: 2, time.Hour: 3600,
	} {
		synctest.Test(t, func(t *testing.T) {
			greet := dial(t, start(t, relay.Options{Timeout: given, PingRate: given})).greet
			if greet["timeout"] != want || greet["ping_rate"] != want {
				t.Errorf("%s: timeout %v, ping_rate %v, wanted %v", given, greet["timeout"], greet["ping_rate"], want)
			}
		})
	}
}
