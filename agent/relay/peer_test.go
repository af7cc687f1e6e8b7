package relay_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"pksa/agent/relay"
	"pksa/agent/relay/relaytest"
	"pksa/protocol"
	"pksa/protocol/hive"
)

// The accounts of these tests. Their keys come from these labels and hold no money.
var (
	alice   = hive.PrivateKeyFromSeed("relay test/alice")
	bob     = hive.PrivateKeyFromSeed("relay test/bob")
	mallory = hive.PrivateKeyFromSeed("relay test/mallory")
	keys    = relay.FixedKeys(map[hive.AccountName][]hive.PublicKey{
		"alice": {alice.Public()}, "bob": {bob.Public()}, "mallory": {mallory.Public()},
	})
)

// nonce makes each memo another one, at the same instant, too.
var nonce atomic.Uint64

var silent = slog.New(slog.NewTextHandler(io.Discard, nil))

// start runs a relay for the length of the test.
func start(t testing.TB, options relay.Options) *relaytest.Server {
	t.Helper()
	if options.Keys == nil && !options.NoProof {
		options.Keys = keys
	}
	options.Logger = silent
	s, err := relaytest.Start(relaytest.Options{Relay: options})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// message is a frame of the relay as any JSON reader sees it.
type message map[string]any

func (m message) text(name string) string {
	s, _ := m[name].(string)
	return s
}

// peer is one connection, of a wallet or an application.
type peer struct {
	t     testing.TB
	conn  *websocket.Conn
	hears chan message // closed when the connection ends
	end   context.CancelFunc
	done  sync.WaitGroup
	key   hive.PublicKey
	greet message
}

func dial(t testing.TB, s *relaytest.Server) *peer {
	t.Helper()
	return dialWith(t, s.URL, s.DialContext)
}

func dialWith(t testing.TB, url string, dialer func(context.Context, string, string) (net.Conn, error)) *peer {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DialContext: dialer, DisableKeepAlives: true}}
	conn, _, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{HTTPClient: client})
	if err != nil {
		t.Fatal(err)
	}
	conn.SetReadLimit(1 << 20)
	ctx, end := context.WithCancel(context.Background())
	p := &peer{t: t, conn: conn, hears: make(chan message, 1<<15), end: end}
	p.done.Go(func() { p.listen(ctx) })
	t.Cleanup(p.close)
	p.greet = p.expect("connected")
	return p
}

func (p *peer) listen(ctx context.Context) {
	defer close(p.hears)
	// A read that begins when its context has ended returns at once, and leaves the connection
	// open.
	defer p.conn.CloseNow()
	for {
		_, frame, err := p.conn.Read(ctx)
		if err != nil {
			return
		}
		m := message{}
		if err := json.Unmarshal(frame, &m); err != nil {
			p.t.Errorf("the relay sent %q", frame)
			return
		}
		p.hears <- m
	}
}

func (p *peer) close() {
	p.end()
	p.conn.CloseNow()
	p.done.Wait()
}

func (p *peer) raw(frame string) {
	p.t.Helper()
	if err := p.conn.Write(p.t.Context(), websocket.MessageText, []byte(frame)); err != nil {
		p.t.Fatalf("sending: %v", err)
	}
}

func (p *peer) send(m message) {
	p.t.Helper()
	frame, err := json.Marshal(m)
	if err != nil {
		p.t.Fatal(err)
	}
	p.raw(string(frame))
}

// next returns the next message, nil if the connection ends first.
func (p *peer) next() message {
	p.t.Helper()
	select {
	case m := <-p.hears:
		return m
	case <-time.After(5 * time.Minute):
		p.t.Fatal("nothing came")
		return nil
	}
}

// expect reads the next message and fails if it is another.
func (p *peer) expect(cmd string) message {
	p.t.Helper()
	m := p.next()
	if m.text("cmd") != cmd {
		p.t.Fatalf("got %v, wanted %s", m, cmd)
	}
	return m
}

func (p *peer) expectError(text string) {
	p.t.Helper()
	if m := p.expect("error"); m.text("error") != text {
		p.t.Errorf("error %q, wanted %q", m.text("error"), text)
	}
}

// quiet fails if anything comes within d, which passes at once in a bubble.
func (p *peer) quiet(d time.Duration) {
	p.t.Helper()
	select {
	case m, ok := <-p.hears:
		if ok {
			p.t.Fatalf("got %v, wanted silence", m)
		}
		p.t.Fatal("the connection ended")
	case <-time.After(d):
	}
}

// ended waits for the end of the connection and returns what came before it.
func (p *peer) ended() (before []message) {
	p.t.Helper()
	for {
		select {
		case m, ok := <-p.hears:
			if !ok {
				return before
			}
			before = append(before, m)
		case <-time.After(5 * time.Minute):
			p.t.Fatal("the connection stands")
		}
	}
}

func (p *peer) relayKey() hive.PublicKey {
	p.t.Helper()
	if p.key.IsNull() {
		p.send(message{"cmd": "key_req"})
		key, err := hive.ParsePublicKey(p.expect("key_ack").text("key"))
		if err != nil {
			p.t.Fatal(err)
		}
		p.key = key
	}
	return p.key
}

func (p *peer) proof(key *hive.PrivateKey, text string) string {
	p.t.Helper()
	memo, err := key.EncodeMemo(p.relayKey(), "#"+text, nonce.Add(1))
	if err != nil {
		p.t.Fatal(err)
	}
	return memo
}

func (p *peer) timeProof(key *hive.PrivateKey) string {
	return p.proof(key, strconv.FormatInt(time.Now().UnixMilli(), 10))
}

// register registers one account and reads the acknowledgement.
func (p *peer) register(name string, key *hive.PrivateKey) {
	p.t.Helper()
	p.send(registration(name, p.timeProof(key)))
	if m := p.expect("register_ack"); m.text("account") != name {
		p.t.Fatalf("got %v, wanted the account %s", m, name)
	}
}

func registration(name, proof string) message {
	return message{"cmd": "register_req", "app": "test", "accounts": []message{{"name": name, "pok": proof}}}
}

// ask sends a request and returns the uuid of the wait, which must be the next message.
func (p *peer) ask(kind, account, data string) string {
	p.t.Helper()
	p.send(message{"cmd": kind + "_req", "account": account, "data": data})
	return p.expect(kind + "_wait").text("uuid")
}

// acknowledge answers a request for an account whose key it is.
func (p *peer) acknowledge(kind, id string, key *hive.PrivateKey) {
	p.t.Helper()
	p.send(message{"cmd": kind + "_ack", "uuid": id, "data": "answer to " + id, "pok": p.proof(key, id)})
}

func decodeForApp(t testing.TB, m message) protocol.Message {
	t.Helper()
	frame, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := protocol.DecodeForApp(bytes.TrimSpace(frame))
	if err != nil {
		t.Fatal(err)
	}
	return decoded
}
