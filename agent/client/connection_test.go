package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"pksa/agent/relay"
	"pksa/agent/relay/relaytest"
	"pksa/protocol"
	"pksa/protocol/hive"
)

// FuzzFrames gives a client frames of any content, one a line, while three requests wait. It must
// neither panic nor hold more than its bounds, and a call ends once.
func FuzzFrames(f *testing.F) {
	const id, other = "9b0e2dc3-f574-4766-abdd-c429dce11284", "11111111-2222-4333-8444-555555555555"
	f.Add(`{"cmd":"sign_wait","uuid":"` + id + `","expire":1700000060000}` + "\n" + `{"cmd":"sign_ack","uuid":"` + id +
		`","data":"x"}`)
	f.Add(`{"cmd":"sign_ack","uuid":"` + id + `","data":"x"}` + "\n" + `{"cmd":"sign_wait","uuid":"` + id +
		`","expire":1}`)
	f.Add(`{"cmd":"error","error":"x"}` + "\n" + `{"cmd":"error","error":"x"}` + "\n" + `{"cmd":"auth_wait","uuid":"` +
		other + `","expire":1}`)
	f.Add(`{"cmd":"attach_nack","uuid":"` + id + `"}` + "\n" + `{"cmd":"attach_ack","uuid":"` + other + `"}`)
	f.Fuzz(func(t *testing.T, frames string) {
		c := &Client{log: slog.New(slog.NewTextHandler(io.Discard, nil)), changed: make(chan struct{}),
			calls: map[string]*call{}}
		conn := &connection{timeout: time.Minute, early: map[string][]protocol.Answer{}}
		calls := []*call{newCall(protocol.Sign, "alice"), newCall(protocol.Sign, "alice"),
			newCall(protocol.Auth, "bob")}
		conn.unnamed = append(conn.unnamed, calls...)
		for frame := range strings.SplitSeq(frames, "\n") {
			if c.handleFrame(conn, []byte(frame)) != nil {
				break
			}
		}
		if len(conn.early) > maxEarly || len(c.calls) > len(calls) {
			t.Errorf("%d early answers, %d calls", len(conn.early), len(c.calls))
		}
		c.lose(conn)
		for _, waiting := range calls {
			c.finish(waiting, nil)
			<-waiting.ended
		}
		if len(c.calls) != 0 {
			t.Errorf("%d calls are left", len(c.calls))
		}
	})
}

// brokenConn is a connection on which writing fails once it is broken.
type brokenConn struct {
	net.Conn
	broken bool
}

func (c *brokenConn) Write(p []byte) (int, error) {
	if c.broken {
		return 0, errors.New("broken")
	}
	return c.Conn.Write(p)
}

// A connection on which a write has failed is handed out to no other request, although no reader
// has noticed yet: here none runs.
func TestNothingIsWrittenAfterAFailedWrite(t *testing.T) {
	silent := slog.New(slog.DiscardHandler)
	server, err := relaytest.Start(relaytest.Options{Relay: relay.Options{Logger: silent,
		Keys: relay.FixedKeys(map[hive.AccountName][]hive.PublicKey{"alice": nil})}})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	wire := &brokenConn{}
	options, err := Options{Relay: server.URL, App: protocol.AppInfo{Name: "bot"}, Logger: silent,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			wire.Conn, err = server.DialContext(ctx, network, address)
			return wire, err
		}}.check()
	if err != nil {
		t.Fatal(err)
	}
	c := &Client{options: options, log: silent, changed: make(chan struct{}), calls: map[string]*call{}}
	conn, err := c.connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.ws.CloseNow()
	c.setConnection(conn, nil)
	wire.broken = true
	s := NewSession("alice", "")
	build := func() (protocol.Request, error) { return s.sealRequest(protocol.Sign, []byte("{}")), nil }
	waiting := newCall(protocol.Sign, "alice")
	if err := c.send(t.Context(), waiting, build); !errors.Is(err, ErrLost) {
		t.Fatalf("error %v", err)
	}
	// The next request finds no connection, and would wait for one.
	over, end := context.WithCancel(t.Context())
	end()
	if next, err := c.acquire(over); next != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("the broken connection is handed out again: %v", err)
	}
	if !waiting.finished {
		t.Error("the request waits on")
	}
}

// Answers that no request has a name for yet are kept for so many uuids, so many of each, and only
// while a request waits for its name.
func TestEarlyAnswersAreBounded(t *testing.T) {
	answer := func(n int) protocol.Answer {
		return protocol.Nack{Kind: protocol.Sign, UUID: protocol.UUID(fmt.Sprintf("00000000-0000-4000-8000-%012d", n))}
	}
	for _, n := range []int{63, 64, 65} {
		c := &Client{log: slog.New(slog.DiscardHandler), calls: map[string]*call{}}
		conn := &connection{early: map[string][]protocol.Answer{}}
		c.answerLocked(conn, answer(0), 1)
		if len(conn.early) != 0 {
			t.Error("an answer is kept that no request can be about")
		}
		conn.unnamed = []*call{newCall(protocol.Sign, "alice")}
		for i := range n {
			for range maxAnswers + 1 {
				c.answerLocked(conn, answer(i), 1)
			}
		}
		kept := 0
		for _, answers := range conn.early {
			kept += len(answers)
		}
		if len(conn.early) != min(n, 64) || kept != min(n, 64)*maxAnswers {
			t.Errorf("of %d uuids %d are kept, with %d answers", n, len(conn.early), kept)
		}
	}
}

// Early answers have so many bytes and one frame more. They are forgotten when the last request has
// its name: none of them can be about another.
func TestEarlyAnswersHaveFewBytes(t *testing.T) {
	id := func(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }
	for _, extra := range []int{-1, 0, 1} {
		c := &Client{log: slog.New(slog.DiscardHandler), changed: make(chan struct{}), calls: map[string]*call{}}
		conn := &connection{timeout: time.Minute, early: map[string][]protocol.Answer{}}
		first, second := newCall(protocol.Sign, "alice"), newCall(protocol.Sign, "alice")
		conn.unnamed = []*call{first, second}
		text := func(n, size int) []byte {
			frame := `{"cmd":"sign_ack","uuid":"` + id(n) + `","data":""}`
			return []byte(strings.Replace(frame, `""`, `"`+strings.Repeat("x", size-len(frame))+`"`, 1))
		}
		for n, size := range []int{earlyBytes/2 + extra, earlyBytes / 2, 200} {
			if err := c.handleFrame(conn, text(n, size)); err != nil {
				t.Fatal(err)
			}
		}
		if want := map[int]int{-1: 3, 0: 2, 1: 2}[extra]; len(conn.early) != want {
			t.Errorf("%d bytes less than the bound: %d answers are kept, want %d", -extra, len(conn.early), want)
		}
		for n := range 2 {
			wait := `{"cmd":"sign_wait","uuid":"` + id(n) + `","expire":1700000060000}`
			if err := c.handleFrame(conn, []byte(wait)); err != nil {
				t.Fatal(err)
			}
		}
		if len(first.answers) != 1 || len(second.answers) != 1 || len(conn.early) != 0 || conn.held != 0 {
			t.Errorf("%d and %d answers, %d are kept, of %d bytes", len(first.answers), len(second.answers),
				len(conn.early), conn.held)
		}
		c.finish(first, nil)
		c.finish(second, nil)
	}
}
