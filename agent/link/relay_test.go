package link_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"pksa/agent/link"
	"pksa/protocol"
	"pksa/protocol/hive"
)

// network is an in-memory network with one relay on it. Pipes have buffers, as sockets do, and can
// be cut.
type network struct {
	relay *relay

	mu     sync.Mutex
	refuse error
	dials  []time.Time
	wires  []*wire
	wg     sync.WaitGroup
}

// wire is one connection: client end, server end, and what runs between them.
type wire struct {
	client, server net.Conn // the ends that link and relay hold
	inner          [2]net.Conn
	deaf           atomic.Bool // nothing arrives at either end, nothing is refused
	stuck          atomic.Bool // the relay's end stops taking bytes
	gone           chan struct{}
	once           sync.Once
}

func (n *network) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.dials = append(n.dials, time.Now())
	if n.refuse != nil {
		return nil, n.refuse
	}
	w := &wire{gone: make(chan struct{})}
	w.client, w.inner[0] = net.Pipe()
	w.server, w.inner[1] = net.Pipe()
	n.wires = append(n.wires, w)
	n.wg.Go(func() { w.pump(w.inner[0], w.inner[1], &w.stuck) })
	n.wg.Go(func() { w.pump(w.inner[1], w.inner[0], new(atomic.Bool)) })
	n.wg.Go(func() { n.relay.accept(w.server) })
	return w.client, nil
}

// pump carries bytes one way through a buffer.
func (w *wire) pump(from, to net.Conn, stuck *atomic.Bool) {
	queue := make(chan []byte, 4096)
	var wg sync.WaitGroup
	wg.Go(func() {
		defer to.Close()
		for b := range queue {
			if _, err := to.Write(b); err != nil {
				from.Close()
			}
		}
	})
	buf := make([]byte, 64<<10)
	for {
		k, err := from.Read(buf)
		if err != nil {
			break
		}
		for stuck.Load() {
			select {
			case <-w.gone:
				stuck.Store(false)
			case <-time.After(time.Second):
			}
		}
		if !w.deaf.Load() {
			queue <- append([]byte(nil), buf[:k]...)
		}
	}
	close(queue)
	wg.Wait()
}

func (w *wire) cut() {
	w.once.Do(func() { close(w.gone) })
	for _, c := range []net.Conn{w.client, w.server, w.inner[0], w.inner[1]} {
		c.Close()
	}
}

func (n *network) last() *wire {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.wires[len(n.wires)-1]
}

func (n *network) dialled() []time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]time.Time(nil), n.dials...)
}

func (n *network) setRefuse(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.refuse = err
}

func (n *network) close() {
	n.mu.Lock()
	wires := n.wires
	n.mu.Unlock()
	for _, w := range wires {
		w.cut()
	}
	n.wg.Wait()
}

// relay is a scripted relay. Its hooks are set before the link runs; nil means to behave.
type relay struct {
	down     bool // no connection to it succeeds, until network.setRefuse
	key      func() hive.PublicKey
	greet    func(p *peer)                                   // on opening
	keyed    func(p *peer)                                   // on key_req
	register func(p *peer, a protocol.RegisterAccount)       // on each account
	answer   func(p *peer, m protocol.Message)               // on everything else
	raw      func(conn net.Conn, request *http.Request) bool // instead of the upgrade

	mu        sync.Mutex
	peers     []*peer
	registers []string
	answers   []protocol.Message
	closes    []websocket.StatusCode
}

// peer is one connection as the relay sees it.
type peer struct {
	relay *relay
	ws    *websocket.Conn
	conn  net.Conn
	key   hive.PublicKey
	n     int // of the connection, from 1
}

func (r *relay) accept(conn net.Conn) {
	defer conn.Close()
	br := bufio.NewReader(conn)
	request, err := http.ReadRequest(br)
	if err != nil {
		return
	}
	if r.raw != nil && r.raw(conn, request) {
		return
	}
	ws, err := websocket.Accept(&hijacker{conn: conn, br: br, header: http.Header{}}, request, nil)
	if err != nil {
		return
	}
	ws.SetReadLimit(protocol.MaxFrame)
	p := &peer{relay: r, ws: ws, conn: conn, key: relayKey}
	if r.key != nil {
		p.key = r.key()
	}
	r.mu.Lock()
	r.peers = append(r.peers, p)
	p.n = len(r.peers)
	r.mu.Unlock()
	p.serve()
	ws.CloseNow()
}

func (p *peer) serve() {
	if p.relay.greet != nil {
		p.relay.greet(p)
	} else {
		p.send(greeting)
	}
	for {
		_, frame, err := p.ws.Read(context.Background())
		if err != nil {
			p.relay.mu.Lock()
			p.relay.closes = append(p.relay.closes, websocket.CloseStatus(err))
			p.relay.mu.Unlock()
			return
		}
		m, err := protocol.DecodeForRelay(frame)
		if err != nil {
			panic(fmt.Sprintf("the link sent %q: %v", frame, err))
		}
		p.handle(m)
	}
}

func (p *peer) handle(m protocol.Message) {
	r := p.relay
	switch m := m.(type) {
	case protocol.KeyReq:
		if r.keyed != nil {
			r.keyed(p)
			return
		}
		p.send(protocol.KeyAck{Key: p.key})
	case protocol.RegisterReq:
		for _, a := range m.Accounts {
			r.mu.Lock()
			r.registers = append(r.registers, a.Name)
			r.mu.Unlock()
			if r.register != nil {
				r.register(p, a)
				continue
			}
			p.judge(a)
		}
	default:
		r.mu.Lock()
		r.answers = append(r.answers, m)
		r.mu.Unlock()
		if r.answer != nil {
			r.answer(p, m)
		}
	}
}

// judge registers an account if its proof is good.
func (p *peer) judge(a protocol.RegisterAccount) {
	if problem := p.checkProof(a); problem != "" {
		p.send(protocol.ErrorMessage{Text: problem})
		return
	}
	p.send(protocol.RegisterAck{Account: a.Name})
}

func (p *peer) checkProof(a protocol.RegisterAccount) string {
	if a.Challenge != a.PoK || a.KeyType == "" {
		return "both forms are wanted"
	}
	text, ok := opened(a.PoK, hive.AccountName(a.Name), p.key)
	ms, err := strconv.ParseInt(strings.TrimPrefix(text, "#"), 10, 64)
	if !ok || err != nil {
		return fmt.Sprintf("bad proof for %s", a.Name)
	}
	if age := time.Since(time.UnixMilli(ms)).Abs(); age > 10*time.Second {
		return fmt.Sprintf("stale proof for %s", a.Name)
	}
	return ""
}

func (p *peer) send(m protocol.Message) {
	frame, err := protocol.Encode(m)
	if err != nil {
		panic(err)
	}
	p.sendText(string(frame))
}

func (p *peer) sendText(text string) {
	p.ws.Write(context.Background(), websocket.MessageText, []byte(text))
}

func (r *relay) lastPeer() *peer {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.peers[len(r.peers)-1]
}

func (r *relay) answered() []protocol.Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]protocol.Message(nil), r.answers...)
}

func (r *relay) asked() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.registers...)
}

func (r *relay) closedWith() []websocket.StatusCode {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]websocket.StatusCode(nil), r.closes...)
}

// hijacker is the part of an http.Server that Accept needs.
type hijacker struct {
	conn   net.Conn
	br     *bufio.Reader
	header http.Header
}

func (h *hijacker) Header() http.Header { return h.header }

func (h *hijacker) WriteHeader(code int) {
	fmt.Fprintf(h.conn, "HTTP/1.1 %d %s\r\n", code, http.StatusText(code))
	h.header.Write(h.conn)
	fmt.Fprint(h.conn, "\r\n")
}

func (h *hijacker) Write(p []byte) (int, error) { return h.conn.Write(p) }

func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.conn, bufio.NewReadWriter(h.br, bufio.NewWriter(h.conn)), nil
}

var (
	relayKey = hive.PrivateKeyFromSeed("relay").Public()
	greeting = protocol.Connected{TimeoutSeconds: 60, Version: "1.0.0", Protocol: 1, Server: "relay.test",
		PingRateSeconds: 30}
)

// account has proofs that are cheap to make and to check; memo proofs have a test of their own.
func account(name string) link.Account {
	return link.Account{Name: hive.AccountName(name), KeyType: hive.Posting,
		Prove: func(relay hive.PublicKey, text string) (string, error) {
			return proof(hive.AccountName(name), relay, text), nil
		}}
}

func proof(name hive.AccountName, relay hive.PublicKey, text string) string {
	return strings.Join([]string{"#proof", string(name), relay.String(), text}, "|")
}

func opened(memo string, name hive.AccountName, relay hive.PublicKey) (string, bool) {
	return strings.CutPrefix(memo, proof(name, relay, ""))
}

func accounts(names ...string) []link.Account {
	var all []link.Account
	for _, name := range names {
		all = append(all, account(name))
	}
	return all
}

func many(n int) []link.Account {
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("user-%05d", i))
	}
	return accounts(names...)
}

// world is a link, its network and its relay, inside a bubble.
type world struct {
	t     *testing.T
	net   *network
	relay *relay
	link  *link.Link

	mu   sync.Mutex
	got  []link.Delivery
	stop context.CancelCauseFunc
	done chan struct{}
}

var errStop = errors.New("stop")

// start runs a link against a relay. The function that it returns stops both; a goroutine that
// still runs after it fails the bubble.
func start(t *testing.T, r *relay, set link.Options, who ...link.Account) *world {
	t.Helper()
	w := &world{t: t, relay: r, net: &network{relay: r}, done: make(chan struct{})}
	if r.down {
		w.net.refuse = errors.New("refused by the test")
	}
	fill(&set, w)
	l, err := link.New(set)
	if err != nil {
		t.Fatal(err)
	}
	w.link = l
	if err := l.SetAccounts(who); err != nil {
		t.Fatal(err)
	}
	w.run(t, l)
	t.Cleanup(w.close)
	return w
}

func (w *world) run(t testing.TB, l *link.Link) {
	ctx, cancel := context.WithCancelCause(context.Background())
	w.stop = cancel
	go func() {
		defer close(w.done)
		if err := l.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
}

func fill(set *link.Options, w *world) {
	if set.URL == "" {
		set.URL = "ws://relay.test"
		set.Plaintext = true
	}
	if set.DialContext == nil {
		set.DialContext = w.net.DialContext
	}
	if set.Handler == nil {
		set.Handler = func(ctx context.Context, d link.Delivery) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.got = append(w.got, d)
		}
	}
}

// close stops the link, then the network.
func (w *world) close() {
	w.stop(errStop)
	<-w.done
	if w.net != nil {
		w.net.close()
	}
}

func (w *world) delivered() []link.Delivery {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]link.Delivery(nil), w.got...)
}

func request(name string, n int) protocol.Request {
	return protocol.Request{Kind: protocol.Sign, Account: hive.AccountName(name),
		Data: "U2FsdGVkX18AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		UUID: uuid(n), Expire: time.Now().Add(time.Minute).UnixMilli()}
}

func uuid(n int) protocol.UUID {
	return protocol.UUID(fmt.Sprintf("%08x-0000-4000-8000-000000000000", n))
}

func nack(n int) protocol.Nack {
	return protocol.Nack{Kind: protocol.Sign, UUID: uuid(n), Data: "U2FsdGVkX18AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		Error: protocol.TextRefused}
}
