package client_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/client"
	"pksa/agent/relay/relaytest"
	"pksa/protocol"
	"pksa/protocol/hive"
)

// TestAttach loses the connection of the client while the wallet works, and finds the answer on the
// next one.
func TestAttach(t *testing.T) {
	cases := map[string]struct {
		fault relaytest.Fault
		after time.Duration // from the request to the answer
	}{
		"cut before the answer":  {relaytest.Cut, 3 * time.Second},
		"cut after the answer":   {relaytest.Cut, 0},
		"half open, then pinged": {relaytest.HalfOpen, 40 * time.Second},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				// If the answer follows at once, the ack breaks the first connection; else the next
				// ping of the client does.
				at := "sign_ack"
				if c.after > 0 {
					at = "sign_wait"
				}
				fault := toClient(at, 1, func(w *relaytest.Wire, f relaytest.Frame) {
					if f.Cmd == "sign_wait" {
						w.Pass(f)
					}
					c.fault(w, f)
				})
				w := newWorld(t, relaytest.Script(fault), nil)
				s := w.login()
				w.setAnswer(func(protocol.Request) (protocol.Message, bool) { time.Sleep(c.after); return nil, false })
				signed, err := w.client.Sign(t.Context(), s, vote(1))
				if err != nil || signed.ID.String() != txID {
					t.Fatalf("signed %+v, %v", signed, err)
				}
				if got := w.server.Relay().Status().Counters; got.Attached != 1 || got.Requests != 2 {
					t.Errorf("counters %+v", got)
				}
			})
		})
	}
}

func TestExpiredWhileAway(t *testing.T) {
	bubble(t, func(t *testing.T) {
		another := map[string]any{"uuid": "00000000-0000-4000-8000-000000000000"}
		fault := relaytest.Script(
			toClient("sign_ack", 1, relaytest.Cut),
			toRelay("attach_req", relaytest.Set(another)),
			toClient("attach_nack", 0, relaytest.Drop),
		)
		w := newWorld(t, fault, nil)
		s := w.login()
		_, err := w.client.Sign(t.Context(), s, vote(1))
		if !errors.Is(err, client.ErrExpired) || errors.Is(err, client.ErrNobody) {
			t.Errorf("error %v", err)
		}
	})
}

func TestRelayForgets(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var asked string
		fault := relaytest.Script(
			toClient("sign_ack", 1, func(w *relaytest.Wire, f relaytest.Frame) {
				asked = f.UUID
				w.Cut()
			}),
			toRelay("attach_req", func(w *relaytest.Wire, _ relaytest.Frame) {
				w.Send(relaytest.ToClient, []byte(`{"cmd":"attach_nack","uuid":"`+asked+`"}`))
			}),
		)
		w := newWorld(t, fault, nil)
		s := w.login()
		began := time.Now()
		_, err := w.client.Sign(t.Context(), s, vote(1))
		took := time.Since(began)
		if !errors.Is(err, client.ErrExpired) || errors.Is(err, client.ErrNobody) || took > 10*time.Second {
			t.Errorf("error %v after %s", err, took)
		}
	})
}

func TestLostBeforeTheWait(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, relaytest.Script(toClient("sign_wait", 1, relaytest.Cut)), nil)
		s := w.login()
		if _, err := w.client.Sign(t.Context(), s, vote(1)); !errors.Is(err, client.ErrLost) {
			t.Errorf("error %v", err)
		}
		// The next request connects again.
		if _, err := w.client.Sign(t.Context(), s, vote(1)); err != nil {
			t.Error(err)
		}
	})
}

// TestNoWait: a request that the relay does not name ends the connection, since later waits would
// be taken for its own.
func TestNoWait(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, relaytest.Script(toClient("sign_wait", 2, relaytest.Drop)), nil)
		s := w.login()
		began := time.Now()
		_, err := w.client.Sign(t.Context(), s, vote(1))
		if took := time.Since(began); !errors.Is(err, client.ErrLost) || took != 10*time.Second {
			t.Errorf("error %v after %s", err, took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := w.client.Sign(ctx, s, vote(1)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		time.Sleep(10 * time.Second)
		if _, err := w.client.Sign(t.Context(), s, vote(1)); err != nil {
			t.Error(err)
		}
	})
}

// TestForeignWait: a wait that fits no request ends the connection, for the same reason.
func TestForeignWait(t *testing.T) {
	for name, wrong := range map[string]map[string]any{"kind": {"cmd": "auth_wait"}, "account": {"account": "bob"}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, relaytest.Script(toClient("sign_wait", 0, relaytest.Set(wrong))), nil)
				s := w.login()
				if _, err := w.client.Sign(t.Context(), s, vote(1)); !errors.Is(err, client.ErrLost) {
					t.Errorf("error %v", err)
				}
			})
		})
	}
}

// TestManyAtOnce: requests of many goroutines get their own answers, and their nonces reach the
// wallet in order.
func TestManyAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, nil, nil)
		s := w.login()
		var asking sync.WaitGroup
		for i := range 40 {
			asking.Go(func() {
				text := string(rune('a' + i))
				proof, err := w.client.Challenge(t.Context(), s, client.Challenge{Role: hive.Posting, Text: text})
				if err != nil || !proof.Signature.Verify(hive.HashText(text), alice.Public()) {
					t.Errorf("%q: %+v, %v", text, proof, err)
				}
			})
		}
		asking.Wait()
		var nonces []protocol.Nonce
		for _, req := range w.requests[1:] {
			text, _ := relaytest.Open(w.authKey, req.Data)
			data, err := protocol.DecodeChallengeReqData([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			nonces = append(nonces, data.Nonce)
		}
		if len(nonces) != 40 || !slices.IsSorted(nonces) || len(slices.Compact(slices.Clone(nonces))) != 40 {
			t.Errorf("nonces %v", nonces)
		}
	})
}

func TestContextEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, nil, nil)
		s := w.login()
		w.setAnswer(func(protocol.Request) (protocol.Message, bool) { return nil, true })
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if _, err := w.client.Sign(ctx, s, vote(1)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		w.setAnswer(nil)
		if _, err := w.client.Sign(t.Context(), s, vote(1)); err != nil {
			t.Error(err)
		}
	})
}

func TestClose(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, nil, nil)
		s := w.login()
		w.setAnswer(func(protocol.Request) (protocol.Message, bool) { return nil, true })
		result := make(chan error, 1)
		go func() { _, err := w.client.Sign(t.Context(), s, vote(1)); result <- err }()
		synctest.Wait()
		w.client.Close()
		if err := <-result; !errors.Is(err, client.ErrClosed) {
			t.Errorf("error %v", err)
		}
		if _, err := w.client.Sign(t.Context(), s, vote(1)); !errors.Is(err, client.ErrClosed) {
			t.Errorf("error %v", err)
		}
		w.client.Close()
	})
}

func TestRelayGone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, nil, nil)
		s := w.login()
		w.server.Close()
		synctest.Wait()
		if _, err := w.client.Sign(t.Context(), s, vote(1)); !errors.Is(err, client.ErrLost) {
			t.Errorf("error %v", err)
		}
	})
}

// remoteConn is a connection that claims to lead to an address.
type remoteConn struct {
	net.Conn
	remote net.Addr
}

func (c remoteConn) RemoteAddr() net.Addr { return c.remote }

// A resolver may lead the name localhost to another machine: without TLS nothing is said to it.
func TestPlaintextStaysOnThisMachine(t *testing.T) {
	for address, refused := range map[string]bool{"192.0.2.1": true, "::1%eth0": true, "127.0.0.1": false,
		"::1": false} {
		ip := net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(address), 80))
		ours, theirs := net.Pipe()
		theirs.Close()
		_, err := client.Dial(t.Context(), options("localhost", func(context.Context, string, string) (net.Conn,
			error) {
			return remoteConn{ours, ip}, nil
		}))
		if err == nil || strings.Contains(err.Error(), "leads to another one") != refused {
			t.Errorf("%s: %v, refused wanted: %v", address, err, refused)
		}
	}
}
