package relay

import (
	"bufio"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"pksa/protocol/frames"
)

// What it costs to read frames is bounded by three paces: of the connection, of its address, and of
// all connections in the same position. Whoever is ahead of one is read later; nothing is refused
// for that. A frame is one unit, and so are each bytesOfFrame, so that small parts, pings and large
// frames are all bounded by what they cost.
const (
	// rawFrames is how many frames below WebSocket a connection may send for each message that it
	// may send: parts, pings and answers to our pings are no messages.
	rawFrames = 2
	// rawAtOnce is what a connection may send after a pause: 15 frames of the largest size.
	rawAtOnce = 1024
	// connectionCost is what it takes to begin a connection, which has a handshake of TLS and a
	// request of HTTP.
	connectionCost = 20
	// trustedPart is how many times as fast those are read that a wallet of this program has
	// answered.
	trustedPart = 4
	// stepOfMany is how many frames are read at once. Of strangers that wait for each other it is
	// one, so that many at once hold up another one for a short while only.
	stepOfMany = 16
)

// pace lets units through at a rate, and some at once after a pause, in the order in which they
// come. The zero value has seen none. Its methods may be called concurrently.
type pace struct {
	mu   sync.Mutex
	next time.Time // when the next unit has its turn, unless that is long ago
}

// reserve returns how long it is until the turn that it takes, for so many units. It takes none,
// and reports false, if that is longer than most.
func (p *pace) reserve(now time.Time, each time.Duration, atOnce int, units float64, most time.Duration) (
	wait time.Duration, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if full := now.Add(-time.Duration(atOnce-1) * each); p.next.Before(full) {
		p.next = full
	}
	if wait = max(0, p.next.Sub(now)); wait > most {
		return 0, false
	}
	p.next = p.next.Add(time.Duration(units * float64(each)))
	return wait, true
}

// turn reserves for whoever waits as long as it takes.
func (p *pace) turn(perSecond, atOnce int, units float64) (wait time.Duration) {
	wait, _ = p.reserve(time.Now(), time.Second/time.Duration(perSecond), atOnce, units, 1<<62)
	return wait
}

// idle reports whether nothing was let through for long enough to forget it.
func (p *pace) idle(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.next.Before(now.Add(-time.Minute))
}

// paces are those of the relay.
type paces struct {
	strangers, trusted pace

	mu   sync.Mutex
	from map[netip.Prefix]*pace
	some int // how many may be remembered before the idle ones are forgotten

	late lateness
}

// of returns the pace of an address; nil for this machine, which has none.
func (p *paces) of(from netip.Prefix) *pace {
	if !from.IsValid() {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if known := p.from[from]; known != nil {
		return known
	}
	if p.from == nil {
		p.from = make(map[netip.Prefix]*pace)
	}
	if p.some = max(p.some, 1024); len(p.from) >= p.some {
		for other, known := range p.from {
			if known.idle(time.Now()) {
				delete(p.from, other)
			}
		}
		p.some = 2 * len(p.from) // so that looking costs little, however many there are
	}
	known := new(pace)
	p.from[from] = known
	return known
}

// meter is the reading side of a connection, below WebSocket. It counts every frame, also those
// that the library keeps for itself, and reads no faster than the paces allow. One goroutine at a
// time reads.
type meter struct {
	net.Conn
	relay   *Relay
	address *pace // nil: none
	frames  frames.Scanner
	rest    []byte // was read, and has no turn yet
	alone   pace   // of this connection
	once    sync.Once
	ended   chan struct{}
	socket  atomic.Pointer[socket] // nil until it is made
}

// Read reads some bytes of a few frames, once they have their turn.
func (m *meter) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(m.rest) > 0 {
		n, begun := m.frames.Scan(m.rest[:min(len(p), len(m.rest))], m.step())
		copy(p, m.rest[:n])
		if m.rest = m.rest[n:]; len(m.rest) == 0 {
			m.rest = nil
		}
		return n, m.wait(begun, n)
	}
	read, err := m.Conn.Read(p)
	if read == 0 {
		return 0, err
	}
	n, begun := m.frames.Scan(p[:read], m.step())
	if n < read {
		m.rest = append([]byte(nil), p[n:read]...)
	}
	return n, m.wait(begun, n) // an error of the connection comes again
}

func (m *meter) step() int {
	if s := m.socket.Load(); m.relay.options.Limits.Frames > 0 && (s == nil || !s.own.Load() && !s.trusted.Load()) {
		return 1
	}
	return stepOfMany
}

// wait waits for the turn of so many frames, with so many bytes: by the pace of the connection
// first, so that whoever sends most waits without a place before others.
func (m *meter) wait(begun, bytes int) error {
	s, limits := m.socket.Load(), m.relay.options.Limits
	units := float64(begun) + float64(bytes)/bytesOfFrame
	rate, all, every, of := limits.AppFrames, &m.relay.paces.strangers, limits.Frames, OfStrangers
	if s != nil {
		switch {
		case s.own.Load():
			return nil
		case s.trusted.Load():
			all, every, of = &m.relay.paces.trusted, trustedPart*limits.Frames, OfKnown
		}
		rate = s.frameRate()
	}
	late := &m.relay.paces.late
	if err := late.pause(OfConnection, m.alone.turn(rawFrames*rate, rawAtOnce, units), m.ended); err != nil {
		return err
	}
	if m.address != nil {
		wait := m.address.turn(limits.AddressFrames, limits.AddressFrames, units)
		if err := late.pause(OfAddress, wait, m.ended); err != nil {
			return err
		}
	}
	if every == 0 {
		return nil
	}
	return late.pause(of, all.turn(every, every/10, units), m.ended)
}

// lateness counts the waits for each of Paces. Its methods may be called concurrently.
type lateness struct {
	times, time [len(Paces)]atomic.Uint64
}

// counted returns the waits so far.
func (l *lateness) counted() (all [len(Paces)]Late) {
	for i := range all {
		all[i] = Late{Times: l.times[i].Load(), Time: time.Duration(l.time[i].Load())}
	}
	return all
}

// pause waits so long for a turn at a pace, unless the connection is closed on this side first.
func (l *lateness) pause(at Pace, d time.Duration, ended <-chan struct{}) error {
	if d <= 0 {
		return nil
	}
	l.times[at].Add(1)
	l.time[at].Add(uint64(d))
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ended:
		return net.ErrClosed
	}
}

func (m *meter) Close() error {
	m.once.Do(func() { close(m.ended) })
	return m.Conn.Close()
}

// metered is a response whose connection is metered when it is taken over.
type metered struct {
	http.ResponseWriter
	relay *Relay
	from  netip.Prefix
	meter *meter // nil until then
}

// readBuffer and writeBuffer are the buffers that a connection has also at rest. Most frames fit in
// one of writeBuffer; the payload of a longer one is read without the buffer. Those of the HTTP
// server have 4 KiB each.
const (
	readBuffer  = 1 << 10
	writeBuffer = 2 << 10
)

// Hijack lets the library take the connection over.
func (w *metered) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	begun, err := buffered.Reader.Peek(buffered.Reader.Buffered())
	if err != nil {
		return nil, nil, errors.Join(err, conn.Close()) // unreachable: it is buffered
	}
	w.meter = &meter{Conn: conn, relay: w.relay, address: w.relay.paces.of(w.from), ended: make(chan struct{}),
		rest: append([]byte(nil), begun...)}
	return w.meter, bufio.NewReadWriter(bufio.NewReaderSize(w.meter, readBuffer),
		bufio.NewWriterSize(conn, writeBuffer)), nil
}
