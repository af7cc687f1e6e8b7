package main

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"pksa/agent/node/memchain"
	"pksa/agent/relay"
	"pksa/agent/relay/relaytest"
	"pksa/protocol"
	"pksa/protocol/hive"
	"pksa/protocol/seal"
	"pksa/protocol/secret"
)

// asked is a request that was sealed, without being sent.
func asked(t *testing.T, kind protocol.Kind) *request {
	t.Helper()
	r := &request{kind: kind, session: newSession(accountName(0)), done: make(chan struct{})}
	if _, err := (&application{secret: newUUID(), made: int(time.Now().UnixNano() % 1e6)}).seal(r); err != nil {
		t.Fatal(err)
	}
	return r
}

// sealedFor seals an answer for a request, as the wallet does.
func sealedFor(t *testing.T, r *request, clear []byte) protocol.Ack {
	t.Helper()
	payload, err := seal.Parse(r.data)
	if err != nil {
		t.Fatal(err)
	}
	m := protocol.Ack{Kind: r.kind}
	m.Data = []byte(seal.Seal(r.session.authKey, clear, seal.Binding(r.session.authKey, payload.Digest(), m.Cmd(),
		string(clear))))
	return m
}

// signedFor returns the answer to a challenge: this text, signed with this key.
func signedFor(t *testing.T, r *request, text string, key *hive.PrivateKey) protocol.Ack {
	t.Helper()
	signature, err := key.SignCanonical(hive.HashText(text))
	if err != nil {
		t.Fatal(err)
	}
	clear, err := protocol.ChallengeAckData{PubKey: key.Public(), Challenge: secret.Text(signature.String())}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return sealedFor(t, r, clear)
}

func granted(t *testing.T, r *request, until time.Time) protocol.Ack {
	t.Helper()
	clear, err := protocol.AuthAckData{Expire: until.UnixMilli(), Token: secret.Text(newUUID())}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return sealedFor(t, r, clear)
}

func TestJudge(t *testing.T) {
	key := memchain.Key(accountName(0), hive.Posting)
	for name, c := range map[string]struct {
		kind   protocol.Kind
		answer func(r *request) protocol.Answer
		want   string // in the error; "" if all is well
	}{
		"signed": {protocol.Challenge, func(r *request) protocol.Answer { return signedFor(t, r, r.text, key) }, ""},
		"another text": {protocol.Challenge, func(r *request) protocol.Answer {
			return signedFor(t, r, r.text+" ", key)
		}, "not the posting key"},
		"another key": {protocol.Challenge, func(r *request) protocol.Answer {
			return signedFor(t, r, r.text, memchain.Key(accountName(1), hive.Posting))
		}, "not the posting key"},
		"for another request": {protocol.Challenge, func(r *request) protocol.Answer {
			other := asked(t, protocol.Challenge)
			other.session = r.session
			return signedFor(t, other, r.text, key)
		}, "another request"},
		"in another session": {protocol.Challenge, func(*request) protocol.Answer {
			other := asked(t, protocol.Challenge)
			return signedFor(t, other, other.text, key)
		}, "seal"},
		"another kind": {protocol.Challenge, func(*request) protocol.Answer {
			return protocol.BroadcastAck(sampleUUID, strings.Repeat("ab", 20))
		}, "is answered with sign_ack"},
		"refused": {protocol.Challenge, func(*request) protocol.Answer {
			return protocol.Nack{Kind: protocol.Challenge, Error: "denied"}
		}, "denied"},
		"failed": {protocol.Challenge, func(r *request) protocol.Answer {
			return protocol.Err{Kind: protocol.Challenge, Error: sealText(r.session.authKey, []byte("internal error"))}
		}, "internal error"},
		"none": {protocol.Challenge, func(*request) protocol.Answer { return nil }, errLost.Error()},
		"granted": {protocol.Auth, func(r *request) protocol.Answer {
			return granted(t, r, time.Now().Add(time.Hour))
		}, ""},
		"over": {protocol.Auth, func(r *request) protocol.Answer {
			return granted(t, r, time.Now().Add(-time.Second))
		}, "has ended"},
		"no id": {protocol.Sign, func(r *request) protocol.Answer {
			return protocol.Ack{Kind: protocol.Sign, Data: []byte(`{"a":1}`)}
		}, "without a transaction id"},
	} {
		t.Run(name, func(t *testing.T) {
			r := asked(t, c.kind)
			r.answer = c.answer(r)
			switch err := r.judge(); {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("%v, want one with %q", err, c.want)
			}
		})
	}
	for name, c := range map[string]struct {
		answer protocol.Answer
		right  bool
	}{
		"refused, as it must be": {protocol.Nack{Kind: protocol.Sign, Error: protocol.TextNotSupported}, true},
		"refused otherwise":      {protocol.Nack{Kind: protocol.Sign, Error: protocol.TextRefused}, false},
		"broadcast":              {protocol.BroadcastAck(sampleUUID, strings.Repeat("ab", 20)), false},
	} {
		large := &request{kind: protocol.Sign, large: true, session: newSession(accountName(0)), answer: c.answer}
		if err := large.judge(); (err == nil) != c.right {
			t.Errorf("a large one, %s: %v", name, err)
		}
	}
	r := asked(t, protocol.Challenge)
	answer := signedFor(t, r, r.text, key)
	r.settle(answer, time.Now())
	r.settle(answer, time.Now())
	if err := r.judge(); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("answered twice: %v", err)
	}
}

func TestJudgeVotes(t *testing.T) {
	vote := func(id byte) (*request, transaction) {
		r := asked(t, protocol.Sign)
		var err error
		op, err := hive.Mainnet.ParseOperation(voteOf(accountName(0), int(id)))
		if err != nil {
			t.Fatal(err)
		}
		if r.ops, err = packOperations([]hive.Operation{op}); err != nil {
			t.Fatal(err)
		}
		tx := transaction{ID: hive.TxID{id}, Ops: r.ops}
		r.answer = protocol.BroadcastAck(sampleUUID, tx.ID.String())
		return r, tx
	}
	a, onA := vote(1)
	b, onB := vote(2)
	_, onC := vote(3)
	sent := []*request{a, b}
	for name, c := range map[string]struct {
		on    []transaction
		wrong int
	}{
		"both":            {[]transaction{onA, onB}, 0},
		"one is not":      {[]transaction{onA}, 1},
		"one twice":       {[]transaction{onA, onB, {hive.TxID{9}, onB.Ops}}, 1},
		"exchanged":       {[]transaction{{onA.ID, onB.Ops}, {onB.ID, onA.Ops}}, 2},
		"nobody asked":    {[]transaction{onA, onB, onC}, 1},
		"other operation": {[]transaction{onA, {onB.ID, onC.Ops}}, 2},
	} {
		if got := judgeVotes(sent, c.on); got.Wrong != c.wrong || got.Lost != 0 {
			t.Errorf("%s: %+v, want %d wrong", name, got, c.wrong)
		}
	}
	b.answer = nil // it was judged as lost already; that it was given all the same is no other fault
	if got := judgeVotes(sent, []transaction{onA, onB}); got.failed() {
		t.Errorf("a vote whose answer was lost: %+v", got)
	}
}

// A wallet that answers nothing, through a real relay: the requests are counted as lost, and so is
// what a relay loses on the way.
func TestLostAnswers(t *testing.T) {
	r, err := relaytest.Start(relaytest.Options{Loopback: true, Relay: relay.Options{Server: "127.0.0.1", NoProof: true,
		Logger: slog.New(slog.DiscardHandler)}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	app, err := dial(t.Context(), r.URL, newUUID())
	if err != nil {
		t.Fatal(err)
	}
	defer app.close()
	app.patience = time.Millisecond
	s := newSession(accountName(0))
	next := func() *request { return &request{kind: protocol.Challenge, session: s} }
	sent, err := app.drive(t.Context(), load{width: 2, most: 5, until: time.Now().Add(time.Hour), next: next})
	if err != nil {
		t.Fatal(err)
	}
	if got := judgeAll(sent); got.Requests != 5 || got.Lost != 5 || got.Wrong != 0 {
		t.Errorf("%+v", got)
	}
}

// A connection that breaks measures nothing, and is no lost answer.
func TestBrokenConnection(t *testing.T) {
	r, err := relaytest.Start(relaytest.Options{Loopback: true, Relay: relay.Options{Server: "127.0.0.1", NoProof: true,
		Logger: slog.New(slog.DiscardHandler)}})
	if err != nil {
		t.Fatal(err)
	}
	app, err := dial(t.Context(), r.URL, newUUID())
	if err != nil {
		t.Fatal(err)
	}
	defer app.close()
	s := newSession(accountName(0))
	next := func() *request { return &request{kind: protocol.Challenge, session: s} }
	closed := make(chan struct{})
	go func() {
		r.Close()
		close(closed)
	}()
	_, err = app.drive(t.Context(), load{width: 1, most: 1, until: time.Now().Add(time.Hour), next: next})
	if <-closed; err == nil {
		t.Error("no error")
	}
}

// What goes far away arrives late, in its order, and does not wait for what goes before.
func TestFarAway(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		buf := make([]byte, 64)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			conn.Write(buf[:n])
		}
	}()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	const delay = 20 * time.Millisecond
	address, err := farAway(ctx, listener.Addr().String(), delay)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	began := time.Now()
	var got []byte
	for _, part := range []string{"one ", "two ", "three"} {
		conn.Write([]byte(part))
	}
	for buf := make([]byte, 64); len(got) < len("one two three"); {
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, buf[:n]...)
	}
	if string(got) != "one two three" || time.Since(began) < 2*delay {
		t.Errorf("%q after %v", got, time.Since(began))
	}
}
