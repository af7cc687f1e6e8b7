package relay

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"pksa/protocol"
	"pksa/protocol/hive"
)

// Why a connection ends, for the log.
var (
	errSlowFrame = errors.New("a frame took too long to arrive")
	errNoPong    = errors.New("two pings went unanswered")
	errSilent    = errors.New("it said nothing, and another connection wants the place")
	errStopping  = errors.New("the relay is stopping")
)

// socket is one connection, of an application, a wallet or both.
//
// One goroutine belongs to it, which reads and handles frames. Another one writes as long as there
// is something to write, and one pings now and then: there may be a thousand connections, and most
// of them silent. Registrations, which may wait for keys to be looked up, run beside them. All end
// when drop is called.
type socket struct {
	relay   *Relay
	conn    *websocket.Conn
	id      string
	from    netip.Prefix // who has the connection; not valid for this machine
	mine    bool         // of the wallet in this process
	drop    context.CancelCauseFunc
	writer  func()         // writeLoop, with the context of the connection
	tasks   sync.WaitGroup // begun only while not ended
	wallet  atomic.Bool    // it has registered an account
	trusted atomic.Bool    // a wallet that is own has answered it
	own     atomic.Bool    // it has registered an account of Options.Known

	lastFrame atomic.Int64  // when it was read, or the connection began; ns since 1970
	lastPing  *atomic.Int64 // when the peer's last ping was read; zero: none was

	// Guarded by Relay.mu.
	accounts map[hive.AccountName]struct{} // registered on this connection
	asked    map[*request]struct{}         // requests whose answer goes to this connection
	pending  int                           // those of them without an answer
	held     int                           // bytes that these hold
	answered map[hive.AccountName]struct{} // accounts whose wallet has answered this connection
	gone     bool                          // the connection has ended
	stranger bool                          // one of Relay.strangers
	proves   bool                          // an account was registered with the member pok
	strange  bucket                        // requests of strangers that it was sent as a wallet
	beside   int                           // registrations that are worked on beside the reading
	failed   int                           // registrations that were refused

	// Guarded by mu, which is taken after Relay.mu where both are.
	mu     sync.Mutex
	queue  []item
	owed   int           // items in queue that are replies to the peer's own frames
	ending bool          // write what is queued, then close
	writes bool          // a goroutine writes
	ended  bool          // nothing may begin any more
	pings  *time.Timer   // runs ping; nil until it is served
	wake   chan struct{} // holds one token when queue or ending has changed
	room   chan struct{} // holds one token when owed has fallen

	done   chan struct{} // holds one token when beside has fallen
	asking chan struct{} // holds one token while a look-up takes or waits for the strangers' share

	// Guarded by rate.
	rate  sync.Mutex
	spent bucket
}

// item is one frame to write: bytes of its own, or what a request holds when its turn comes, which
// may be nothing any more. So no queue keeps a message in memory beyond its expiry, however long
// the queue is.
type item struct {
	frame   []byte
	request *request
	answer  bool // the answer of request, not its message
	owed    bool // a reply to a frame of the peer
}

func newSocket(ctx context.Context, r *Relay, conn *websocket.Conn, drop context.CancelCauseFunc) *socket {
	s := &socket{
		relay: r, conn: conn, id: newUUID(), drop: drop, lastPing: new(atomic.Int64),
		accounts: make(map[hive.AccountName]struct{}),
		asked:    make(map[*request]struct{}),
		answered: make(map[hive.AccountName]struct{}),
		done:     make(chan struct{}, 1),
		asking:   make(chan struct{}, 1),
		wake:     make(chan struct{}, 1),
		room:     make(chan struct{}, 1),
	}
	s.writer = func() { s.writeLoop(ctx) }
	s.lastFrame.Store(time.Now().UnixNano())
	return s
}

// serve serves the connection until it ends, and returns the reason.
func (s *socket) serve(ctx context.Context) error {
	s.conn.SetReadLimit(int64(s.relay.options.Limits.Frame))
	s.mu.Lock()
	s.pings = time.AfterFunc(s.relay.options.PingRate, func() { s.ping(ctx) })
	s.mu.Unlock()
	err := s.readLoop(ctx)
	s.drop(err)
	err = context.Cause(ctx) // what ended it first: reading fails whatever the reason is
	s.end()
	return err
}

// end waits for all that runs beside the reading of a connection that was dropped.
func (s *socket) end() {
	s.mu.Lock()
	s.ended = true
	if s.pings != nil {
		s.pings.Stop()
	}
	s.mu.Unlock()
	s.conn.CloseNow() // ends a write and a ping that wait for the peer
	s.tasks.Wait()
}

func (s *socket) readLoop(ctx context.Context) error {
	for {
		if err := s.awaitRoom(ctx); err != nil {
			return err
		}
		kind, frame, release, err := s.read(ctx)
		if err != nil {
			return err
		}
		now := time.Now()
		s.lastFrame.Store(now.UnixNano())
		if pause, ok := s.chargeFrame(now); !ok {
			release()
			s.relay.count(func(c *Counters) { c.OverLimit++ })
			s.reply(protocol.ErrorMessage{Text: textTooMany})
			// Reading pauses too, so that a flood costs no more than the rate it exceeds.
			if err := sleep(ctx, pause); err != nil {
				return err
			}
			continue
		}
		s.handle(ctx, arrival{text: kind == websocket.MessageText, frame: frame, at: now, release: release})
	}
}

// chargeFrame charges one frame to the rate of the connection. If it is over the rate, ok is false
// and pause is the time that one frame may take.
func (s *socket) chargeFrame(now time.Time) (pause time.Duration, ok bool) {
	rate := s.frameRate()
	s.rate.Lock()
	defer s.rate.Unlock()
	return time.Second / time.Duration(rate), s.spent.spend(now, rate, 1)
}

// punish waits on the goroutine that found a proof bad, since checking it has cost more than
// reading many frames. A connection without registrations is not read meanwhile. Nothing else is
// refused, so that one bad account does not spoil those behind it.
func (s *socket) punish(ctx context.Context) {
	sleep(ctx, badProofCost*time.Second/time.Duration(s.frameRate()))
}

// frameRate returns how many frames a second the connection may send: many once it has proved an
// account.
func (s *socket) frameRate() int {
	if s.isWallet() {
		return s.relay.options.Limits.WalletFrames
	}
	return s.relay.options.Limits.AppFrames
}

func (s *socket) isWallet() bool { return s.wallet.Load() }

// read returns one frame. The caller calls release when the frame is no longer needed.
func (s *socket) read(ctx context.Context) (kind websocket.MessageType, frame []byte, release func(), err error) {
	kind, r, err := s.conn.Reader(ctx)
	if err != nil {
		return 0, nil, nil, err
	}
	late := time.AfterFunc(s.relay.options.Limits.Read, func() { s.drop(errSlowFrame) })
	defer late.Stop()
	in := &incoming{from: s.from, own: s.own.Load, drop: s.drop}
	frame, err = s.readAll(ctx, r, in)
	if err != nil {
		s.relay.reading.leave(in)
		return 0, nil, nil, err
	}
	return kind, frame, func() { s.relay.reading.leave(in); giveBuffer(frame) }, nil
}

// readAll returns the bytes of one frame. It takes its buffer from the relay's room: the rest of
// the frame stays in the connection until there is some.
func (s *socket) readAll(ctx context.Context, r io.Reader, in *incoming) (frame []byte, err error) {
	frame = takeBuffer(firstRead)
	for {
		if len(frame) == cap(frame) {
			if frame, err = s.grow(ctx, frame, in); err != nil {
				return nil, err
			}
		}
		n, err := r.Read(frame[len(frame):cap(frame)])
		frame = frame[:len(frame)+n]
		if err == io.EOF {
			return frame, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// grow returns the beginning of a frame in a larger buffer.
func (s *socket) grow(ctx context.Context, frame []byte, in *incoming) (larger []byte, err error) {
	size, held := ordinaryFrame, 0 // the first buffer does not count
	if len(frame) >= ordinaryFrame {
		// One byte more than a frame may have: the library ends the connection when it reads the
		// next.
		size = min(2*len(frame), max(s.relay.options.Limits.Frame+1, len(frame)+1))
		held = len(frame)
	}
	if err := s.relay.reading.take(ctx, in, size-held); err != nil {
		return nil, err
	}
	larger = append(takeBuffer(size), frame...)
	giveBuffer(frame)
	return larger, nil
}

// awaitRoom waits while the peer leaves too many of its replies unread: a peer that does not read
// is not read from, or its replies would fill the memory.
func (s *socket) awaitRoom(ctx context.Context) error {
	for {
		most := s.relay.options.Limits.Replies
		if !s.isWallet() {
			most = max(1, most/appRepliesPart)
		}
		s.mu.Lock()
		full := s.owed >= most
		s.mu.Unlock()
		if !full {
			signal(s.room) // pass the token on: registrations wait here beside the reader
			return nil
		}
		select {
		case <-s.room:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// reply queues a message that answers a frame of this connection.
func (s *socket) reply(m protocol.Message) {
	frame, err := protocol.Encode(m)
	if err != nil {
		s.relay.log.Error("encoding a reply", "cmd", m.Cmd(), "err", err)
		return
	}
	s.push(item{frame: frame, owed: true})
}

// push queues an item and never waits: it is called with Relay.mu held. Replies are bounded by
// awaitRoom; the other items hold no bytes of their own.
func (s *socket) push(it item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append(s.queue, it)
	if it.owed {
		s.owed++
	}
	s.writeLocked()
}

// writeLocked makes sure that a goroutine writes.
func (s *socket) writeLocked() {
	switch {
	case s.writes:
		signal(s.wake)
	case !s.ended:
		s.writes = true
		s.tasks.Go(s.writer)
	}
}

// closeSoon makes the writer close the connection with a close frame once the queue is written.
func (s *socket) closeSoon() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ending = true
	s.writeLocked()
}

// next removes the head of the queue. ending is true if there is none and none will come.
func (s *socket) next() (it item, ok, ending bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		s.queue = nil // a long queue is not kept once it is written
		return item{}, false, s.ending
	}
	it = s.queue[0]
	s.queue[0] = item{}
	s.queue = s.queue[1:]
	if it.owed {
		s.owed--
		signal(s.room)
	}
	return it, true, false
}

// writerLingers is how long the goroutine that writes waits for more, so that a busy connection
// keeps its own.
const writerLingers = 100 * time.Millisecond

// writeLoop writes what is queued, and returns when there is nothing more.
func (s *socket) writeLoop(ctx context.Context) {
	idle := time.NewTimer(writerLingers)
	defer idle.Stop()
	for {
		it, ok, ending := s.next()
		switch {
		case ending:
			s.conn.Close(websocket.StatusGoingAway, errStopping.Error())
			s.drop(errStopping)
			return
		case !ok:
			idle.Reset(writerLingers)
			select {
			case <-s.wake:
			case <-ctx.Done():
				return
			case <-idle.C:
				if s.nothingToWrite() {
					return
				}
			}
		default:
			if err := s.write(ctx, s.relay.content(it)); err != nil {
				s.drop(err)
				return
			}
		}
	}
}

// nothingToWrite reports whether the goroutine that writes is to end.
func (s *socket) nothingToWrite() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes = len(s.queue) > 0 || s.ending
	return !s.writes
}

func (s *socket) write(ctx context.Context, frame []byte) error {
	if frame == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.relay.options.Limits.Write)
	defer cancel()
	return s.conn.Write(ctx, websocket.MessageText, frame)
}

// ping pings the peer, now and again after a while. It drops the connection after two pings in a
// row without a pong: one may be late behind a big frame.
func (s *socket) ping(ctx context.Context) {
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return
	}
	s.tasks.Add(1)
	s.mu.Unlock()
	defer s.tasks.Done()
	rate := s.relay.options.PingRate
	for range 2 {
		pong, cancel := context.WithTimeout(ctx, rate)
		err := s.conn.Ping(pong)
		cancel()
		if err == nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			if !s.ended {
				s.pings.Reset(rate)
			}
			return
		}
		if ctx.Err() != nil {
			return
		}
	}
	s.drop(errNoPong)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
