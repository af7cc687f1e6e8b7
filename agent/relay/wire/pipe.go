package wire

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// maxBuffered is what one direction of a pipe holds. net.Pipe holds nothing, and two ends that ping
// each other at the same instant then wait for each other.
const maxBuffered = 64 << 10

// pipe returns two ends of a connection in memory. All waiting is on channels, so that a
// testing/synctest bubble knows when nothing can happen any more.
func pipe() (near, far net.Conn) {
	there, back := newStream(), newStream()
	return &end{in: back, out: there}, &end{in: there, out: back}
}

// stream is one direction.
type stream struct {
	mu      sync.Mutex
	held    []byte
	ended   bool          // by either side
	changed chan struct{} // closed, and made again, at every change
}

func newStream() *stream { return &stream{changed: make(chan struct{})} }

func (s *stream) changeLocked() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *stream) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.changeLocked()
}

// take moves bytes out. Without any, it returns a channel that is closed when it is worth trying
// again.
func (s *stream) take(p []byte) (n int, again <-chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case len(p) == 0:
		return 0, nil, nil
	case len(s.held) > 0:
		n = copy(p, s.held)
		s.held = s.held[n:]
		s.changeLocked()
		return n, nil, nil
	case s.ended:
		return 0, nil, io.EOF
	}
	return 0, s.changed, nil
}

// put moves bytes in, as many as there is room for.
func (s *stream) put(p []byte) (n int, again <-chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return 0, nil, io.ErrClosedPipe
	}
	if n = min(len(p), maxBuffered-len(s.held)); n > 0 {
		s.held = append(s.held, p[:n]...)
		s.changeLocked()
	}
	return n, s.changed, nil
}

// end is one end of a pipe.
type end struct {
	in, out     *stream
	read, write deadline
}

func (e *end) Read(p []byte) (int, error) {
	for {
		if e.read.over() {
			return 0, os.ErrDeadlineExceeded
		}
		n, again, err := e.in.take(p)
		if again == nil {
			return n, err
		}
		e.read.wait(again)
	}
}

func (e *end) Write(p []byte) (written int, err error) {
	for {
		if e.write.over() {
			return written, os.ErrDeadlineExceeded
		}
		n, again, err := e.out.put(p[written:])
		if written += n; err != nil || written == len(p) {
			return written, err
		}
		e.write.wait(again)
	}
}

// Close ends both directions. The other end still reads what was written before.
func (e *end) Close() error {
	e.in.end()
	e.out.end()
	return nil
}

func (e *end) LocalAddr() net.Addr  { return memoryAddr{} }
func (e *end) RemoteAddr() net.Addr { return memoryAddr{} }

func (e *end) SetDeadline(t time.Time) error {
	e.read.set(t)
	e.write.set(t)
	return nil
}

func (e *end) SetReadDeadline(t time.Time) error {
	e.read.set(t)
	return nil
}

func (e *end) SetWriteDeadline(t time.Time) error {
	e.write.set(t)
	return nil
}

// deadline is an instant that may change while somebody waits for it. The zero value is never over.
type deadline struct {
	mu      sync.Mutex
	at      time.Time
	changed chan struct{} // closed when at changes; nil while nobody waits
}

func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at = t
	if d.changed != nil {
		close(d.changed)
		d.changed = nil
	}
}

func (d *deadline) over() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.at.IsZero() && !time.Now().Before(d.at)
}

// wait returns when ready is closed, the deadline is over, or the deadline has changed.
func (d *deadline) wait(ready <-chan struct{}) {
	d.mu.Lock()
	if d.changed == nil {
		d.changed = make(chan struct{})
	}
	changed, at := d.changed, d.at
	d.mu.Unlock()
	var over <-chan time.Time
	if !at.IsZero() {
		timer := time.NewTimer(time.Until(at))
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-ready:
	case <-over:
	case <-changed:
	}
}
