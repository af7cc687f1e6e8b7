package relay

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"pksa/protocol"
	"pksa/protocol/hive"
)

// ErrClosed means that the relay was closed: by [Relay.Close], or because another call of
// [Relay.Serve] has ended. Serve returns it.
var ErrClosed = errors.New("relay is closed")

// Relay is a HAS relay. Make one with [New]. All methods may be called concurrently.
type Relay struct {
	options   Options
	log       *slog.Logger
	prover    *prover
	spent     spentProofs
	share     share
	reading   *readingRoom
	paces     paces
	registers chan struct{} // one token for each register_req that is worked on beside the reading

	sockets sync.WaitGroup // connections; added to only while not closed
	closing chan struct{}  // closed when closed becomes true: it ends all calls of Serve

	mu         sync.Mutex // guards what follows, and what socket and request say it guards
	closed     bool
	open       map[*socket]struct{}
	strangers  int // of open, those that no wallet of Options.Known has answered
	registered int // registrations of all sockets
	store      *store
	expiry     *time.Timer // runs expire; nil while there is nothing to expire
	counters   Counters
	pagesLog   seldom // of refused web pages
	proofLog   seldom // of answers refused for want of a proof
}

// New returns a relay with a new key, or what is wrong with the options. Nothing runs until
// connections come.
func New(config Options) (*Relay, error) {
	if config.Keys == nil && !config.NoProof {
		return nil, errors.New("relay: neither a way to find account keys nor NoProof is set")
	}
	key, err := hive.GeneratePrivateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("relay: making the key: %w", err)
	}
	config = config.withDefaults()
	return &Relay{
		options:   config,
		log:       config.Logger,
		prover:    newProver(key, config),
		reading:   newReadingRoom(config.Limits.Reading, config.Limits.Frame),
		registers: make(chan struct{}, registering),
		closing:   make(chan struct{}),
		open:      make(map[*socket]struct{}),
		store:     newStore(),
	}, nil
}

// PublicKey returns the relay's key: key_ack carries it, and proofs of key are encrypted to it.
func (r *Relay) PublicKey() hive.PublicKey { return r.prover.key.Public() }

// ServeHTTP upgrades a request to a WebSocket and returns. The connection is served until it ends,
// or the relay is closed. The path of the request does not matter. A web page that Origins does not
// name gets status 403. A relay that is full or closed answers with status 503.
func (r *Relay) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if conn, ok := req.Context().Value(countedKey{}).(*counted); ok {
		conn.asked.Store(true)
		defer conn.listener.asksNoMore(conn)
		w.Header().Set("Connection", "close") // no second request, unless this one is upgraded
	}
	if !r.admitsPage(w, req) {
		return
	}
	mine := r.options.Mine(req.RemoteAddr)
	if !r.enter(mine) {
		http.Error(w, "the relay is full or stopping", http.StatusServiceUnavailable)
		return
	}
	lastPing := new(atomic.Int64)
	upgraded := &metered{ResponseWriter: w, relay: r, from: peerOf(req.RemoteAddr)}
	conn, err := websocket.Accept(upgraded, req, &websocket.AcceptOptions{
		InsecureSkipVerify: true, // admitsPage looked
		OnPingReceived: func(context.Context, []byte) bool {
			lastPing.Store(time.Now().UnixNano())
			return true
		},
	})
	if err != nil {
		r.sockets.Done()
		r.log.Debug("upgrading a connection", "remote", req.RemoteAddr, "err", err)
		return
	}
	// The context of a request says nothing once its connection was taken over.
	ctx, drop := context.WithCancelCause(context.WithoutCancel(req.Context()))
	s := newSocket(ctx, r, conn, drop)
	s.lastPing, s.from, s.mine = lastPing, upgraded.from, mine
	upgraded.meter.socket.Store(s)
	// On a goroutine of its own, so that the server lets go of the request: its headers take 16
	// times their bytes, and a deep stack.
	go r.attend(ctx, s, strings.Clone(req.RemoteAddr))
}

// countedKey is the key of the connection in the context of its requests.
type countedKey struct{}

// attend serves a connection until it ends.
func (r *Relay) attend(ctx context.Context, s *socket, remote string) {
	defer r.sockets.Done()
	defer func() {
		// As the HTTP server does: what others send must end nothing but their connection. The
		// value of a panic may hold what they said.
		if p := recover(); p != nil {
			r.log.Error("panic while serving a connection", "socket", s.id, "type", fmt.Sprintf("%T", p),
				"stack", string(debug.Stack()))
		}
		s.drop(nil)
		s.end()
		r.forget(s)
	}()
	if !r.greet(s) { // the upgrade took time: the last place may be taken
		return
	}
	r.log.Debug("connection opened", "socket", s.id, "remote", remote)
	err := s.serve(ctx)
	r.log.Debug("connection closed", "socket", s.id, "err", err)
}

// Serve accepts connections on the listener until ctx ends, the relay is closed or the listener
// breaks, then stops the relay for good: each connection gets what is queued for it and a close
// frame, and a few seconds to answer. It returns when every connection has ended, and closes the
// listener in any case. Whether the listener speaks TLS is the caller's business.
//
// It returns nil if ctx ended it, and [ErrClosed] if the relay is closed: at once if it was closed
// before the call. Any other error is that of the listener.
func (r *Relay) Serve(ctx context.Context, listener net.Listener) error {
	if r.isClosed() {
		listener.Close()
		return ErrClosed
	}
	server := &http.Server{
		Handler:           r,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    headBytes - slackBytes,
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			return context.WithValue(ctx, countedKey{}, conn)
		},
		ErrorLog: slog.NewLogLogger(r.log.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() {
		served <- server.Serve(&limited{Listener: listener, relay: r})
		close(served)
	}()
	r.log.Info("relay listens", "address", listener.Addr().String(), "key", r.PublicKey().String())
	err := r.awaitEnd(ctx, served)
	// The listener first: no connection may come while the others end. Those that WebSockets have
	// taken over no longer belong to the server: r.Close ends them.
	server.Close()
	<-served
	r.Close()
	r.log.Info("relay stopped", "address", listener.Addr().String())
	if err != nil && !errors.Is(err, ErrClosed) {
		err = fmt.Errorf("relay: serving %s: %w", listener.Addr(), err)
	}
	return err
}

// awaitEnd waits until there is a reason to stop serving and returns it, nil if ctx is the reason.
func (r *Relay) awaitEnd(ctx context.Context, served <-chan error) error {
	select {
	case <-ctx.Done():
		return nil
	case <-r.closing:
		// Another call of Serve under the same context may have been quicker to close the relay.
		if ctx.Err() != nil {
			return nil
		}
		return ErrClosed
	case err := <-served:
		return err
	}
}

func (r *Relay) isClosed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed
}

// grace is how long Close waits for connections to take what is queued for them. A peer that does
// not read must not hold up the stop of all.
const grace = 3 * time.Second

// Close ends all connections, refuses new ones and ends every call of Serve. It returns when every
// connection has ended, which may take a few seconds. It may be called more than once.
func (r *Relay) Close() {
	r.mu.Lock()
	if !r.closed {
		r.closed = true
		close(r.closing)
	}
	for s := range r.open {
		s.closeSoon()
	}
	hurry := time.AfterFunc(grace, r.dropAll)
	r.mu.Unlock()

	// Not under the lock: each connection needs it to end.
	r.sockets.Wait()
	hurry.Stop()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.expiry != nil {
		r.expiry.Stop()
		r.expiry = nil
	}
}

func (r *Relay) dropAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for s := range r.open {
		s.drop(errStopping)
	}
}

// enter counts a connection that begins. It reports false if there is no place.
func (r *Relay) enter(mine bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || !mine && !r.mayEnterLocked(time.Now()) {
		r.counters.TurnedAway++
		return false
	}
	r.sockets.Add(1) // under the lock: Close, once it has the lock, waits for all that were added
	return true
}

// greet makes the connection known and queues connected as its first frame. It reports false if
// there is no place.
func (r *Relay) greet(s *socket) bool {
	version := 1.0
	if r.options.Version08 {
		version = 0.8
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || !s.mine && !r.takePlaceLocked(time.Now()) {
		r.counters.TurnedAway++
		return false
	}
	r.open[s] = struct{}{}
	if !s.mine {
		s.stranger = true
		r.strangers++
	}
	r.counters.Connections++
	s.reply(protocol.Connected{
		TimeoutSeconds:  int(r.options.Timeout / time.Second),
		Version:         Version,
		Protocol:        version,
		Server:          r.options.Server,
		SocketID:        s.id,
		PingRateSeconds: int(r.options.PingRate / time.Second),
	})
	return true
}

// forget removes a connection and its registrations. Its requests stay, for attach (HAS §11.2, 7).
func (r *Relay) forget(s *socket) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forgetLocked(s)
}

func (r *Relay) forgetLocked(s *socket) {
	delete(r.open, s)
	s.noStrangerLocked()
	s.gone = true // a registration that still looks up keys must not enroll it again
	for name := range s.accounts {
		a := r.store.accounts[name]
		delete(a.wallets, s)
		r.store.forgetIfIdle(a)
	}
	r.registered -= len(s.accounts)
	s.accounts = nil
	for q := range s.asked {
		r.store.bind(q, nil)
	}
}

// content returns the bytes of a queued item, nil if they need no longer be sent.
func (r *Relay) content(it item) []byte {
	if it.request == nil {
		return it.frame
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case !time.Now().Before(it.request.expire): // the timer that drops it may be late
		return nil
	case it.answer:
		r.store.answerSent(it.request)
		return it.request.answer
	}
	if it.request.message != nil {
		r.counters.Delivered++
	}
	return it.request.message
}

// scheduleLocked makes sure that requests are dropped when they expire, even if nothing else
// happens.
func (r *Relay) scheduleLocked(at time.Time) {
	// One timer is enough: requests expire in the order in which they came.
	if r.expiry == nil && !at.IsZero() && !r.closed {
		r.expiry = time.AfterFunc(time.Until(at), r.expire)
	}
}

func (r *Relay) expire() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.expiry = nil
	r.scheduleLocked(r.sweepLocked(time.Now()))
}

// sweepLocked drops what has expired and returns when the next request does; zero if none is left.
func (r *Relay) sweepLocked(now time.Time) (next time.Time) {
	unanswered, next := r.store.expire(now)
	r.counters.Expired += uint64(unanswered)
	return next
}

func (r *Relay) count(add func(*Counters)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	add(&r.counters)
}

// newUUID returns a new uuid of version 4.
func newUUID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
