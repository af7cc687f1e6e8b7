package relay_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/relay"
	"pksa/agent/relay/relaytest"
	"pksa/protocol/hive"
)

// onlyBob lets wallets of bob answer without proof.
func onlyBob(account hive.AccountName) bool { return account == "bob" }

// oldRegistration is what the phone wallets of protocol 0.8 send.
func oldRegistration(name, proof string) message {
	return message{"cmd": "register_req", "app": "Hive Keychain", "accounts": []message{
		{"name": name, "key_type": "posting", "challenge": proof}}}
}

// registerOld registers an account as protocol 0.8 has it.
func (p *peer) registerOld(name string, key *hive.PrivateKey) {
	p.t.Helper()
	p.send(oldRegistration(name, p.timeProof(key)))
	p.expect("register_ack")
}

// answerUnproved answers a request as Keychain does: without data and without proof.
func (p *peer) answerUnproved(id string) {
	p.t.Helper()
	p.send(message{"cmd": "sign_nack", "uuid": id, "error": "Request was canceled by the user."})
}

// A wallet that registered as protocol 0.8 has it answers without proof for the accounts that the
// relay allows it for, whatever protocol the relay announces.
func TestUnprovenWallet(t *testing.T) {
	for _, old := range []bool{false, true} {
		t.Run(fmt.Sprint("0.8=", old), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := new(bytes.Buffer)
				s, err := relaytest.Start(relaytest.Options{Relay: relay.Options{Keys: keys, Unproven: onlyBob,
					Version08: old, Logger: slog.New(slog.NewTextHandler(log, nil))}})
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				phone, app := dial(t, s), dial(t, s)
				phone.registerOld("alice", alice)
				phone.registerOld("bob", bob)
				if got := s.Relay().Status(); got.Wallets != 1 || got.Unproved != 1 {
					t.Errorf("status %+v", got)
				}
				id := app.ask("sign", "bob", "d")
				phone.expect("sign_req")
				phone.answerUnproved(id)
				if m := app.expect("sign_nack"); m.text("error") != "Request was canceled by the user." {
					t.Errorf("got %v", m)
				}
				for range 3 {
					id := app.ask("sign", "alice", "d")
					phone.expect("sign_req")
					phone.answerUnproved(id)
					phone.expectError("invalid proof of key")
					app.quiet(time.Second)
					phone.acknowledge("sign", id, alice) // it may prove all the same
					app.expect("sign_ack")
				}
				// A proof that is there must be good.
				id = app.ask("sign", "bob", "d")
				phone.expect("sign_req")
				phone.acknowledge("sign", id, alice)
				phone.expectError("invalid proof of key")
				app.quiet(time.Second)
				if n := strings.Count(log.String(), "relay.unproven"); n != 1 {
					t.Errorf("the log names the setting %d times: %s", n, log)
				}
			})
		})
	}
}

// A connection that registered with a proof of protocol 1 proves each answer, whatever it registers
// besides, and whatever the relay announces.
func TestWhoeverProvesGoesOn(t *testing.T) {
	for _, old := range []bool{false, true} {
		for name, register := range map[string]func(p *peer){
			"with pok alone": func(p *peer) { p.register("bob", bob) },
			"in both forms": func(p *peer) {
				proof := p.timeProof(bob)
				p.send(message{"cmd": "register_req", "app": "pksa", "accounts": []message{
					{"name": "bob", "pok": proof, "key_type": "posting", "challenge": proof}}})
				p.expect("register_ack")
			},
			"and again without pok": func(p *peer) { p.register("bob", bob); p.registerOld("bob", bob) },
			"pok after 0.8":         func(p *peer) { p.registerOld("bob", bob); p.register("bob", bob) },
			"another account":       func(p *peer) { p.registerOld("bob", bob); p.register("alice", alice) },
		} {
			t.Run(fmt.Sprint("0.8=", old, " ", name), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := start(t, relay.Options{Version08: old,
						Unproven: func(hive.AccountName) bool { return true }})
					wallet, app := dial(t, s), dial(t, s)
					register(wallet)
					id := app.ask("sign", "bob", "d")
					wallet.expect("sign_req")
					wallet.answerUnproved(id)
					wallet.expectError("invalid proof of key")
					app.quiet(time.Second)
					wallet.acknowledge("sign", id, bob)
					app.expect("sign_ack")
				})
			})
		}
	}
}

// Whoever sees a registration in both forms cannot register with it in his turn, and so cannot
// answer without proof.
func TestProofRegistersOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, relay.Options{Unproven: func(hive.AccountName) bool { return true }})
		wallet, thief := dial(t, s), dial(t, s)
		proof := wallet.timeProof(bob)
		both := message{"cmd": "register_req", "app": "pksa", "accounts": []message{
			{"name": "bob", "pok": proof, "key_type": "posting", "challenge": proof}}}
		wallet.send(both)
		wallet.expect("register_ack")
		for range 3 {
			for _, m := range []message{both, oldRegistration("bob", proof), registration("bob", proof)} {
				thief.send(m)
				thief.expectError("invalid proof of key: bob")
			}
			time.Sleep(4 * time.Second)
		}
		// The wallet itself may say again what it is.
		wallet.send(registration("bob", wallet.timeProof(bob)))
		wallet.expect("register_ack")
		if got := s.Relay().Status().Registrations; got != 1 {
			t.Errorf("%d registrations", got)
		}
		// Its end frees the account, and not the proof.
		last := wallet.timeProof(bob)
		again := dial(t, s)
		again.send(registration("bob", last))
		again.expect("register_ack")
		again.close()
		thief.send(oldRegistration("bob", last))
		thief.expectError("invalid proof of key: bob")
	})
}

// What is remembered of proofs is bounded for an account, and does not stay.
func TestSpentProofsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, relay.Options{})
		register := func() string {
			p := dial(t, s)
			p.send(registration("bob", p.timeProof(bob)))
			m := p.next()
			p.close()
			return m.text("cmd")
		}
		for n := range 64 {
			if got := register(); got != "register_ack" {
				t.Fatalf("connection %d: %s", n, got)
			}
		}
		if got := register(); got != "error" {
			t.Errorf("connection 65: %s", got)
		}
		time.Sleep(11 * time.Second)
		if got := register(); got != "register_ack" {
			t.Errorf("after 11 s: %s", got)
		}
	})
}
