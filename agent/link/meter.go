package link

import (
	"bufio"
	"errors"
	"net"
	"sync"
	"time"

	"pksa/agent/outage"
	"pksa/protocol"
	"pksa/protocol/frames"
)

const (
	weightUnit = 16 << 10 // bytes that cost one more token
	// leastBurst is what two frames of the largest size cost, with their headers: a bucket that is
	// half full must hold one. With a smaller one at a low rate such a frame would take longer than
	// floodTime, and an honest relay would be hung up on.
	leastBurst = 2 * (protocol.MaxFrame/weightUnit + 2)
	// framesAtOnce is how many frames are read in one go, at most: so much above the rate is the
	// most that is ever read.
	framesAtOnce = 16
	// pauseLeast is the shortest pause in reading: a flood must not cost a wake-up for each frame.
	pauseLeast = 50 * time.Millisecond
	// floodTime is for how long a relay may send above the rate. It is hung up on then.
	floodTime = 10 * time.Second
)

var errFlood = outage.As(outage.Flood,
	errors.New("hung up: the relay sent more than limits.requests_per_second for 10 s"))

// meter is the reading side of a connection, below WebSocket: it counts every frame of the relay,
// also those that the library keeps for itself, such as pings and empty parts of a message, and
// reads no faster than the rate of the link. What the relay sends above that waits on its own side
// of the connection. One goroutine at a time reads.
type meter struct {
	net.Conn
	link  *Link
	from  *bufio.Reader // of Conn
	ended <-chan struct{}

	frames frames.Scanner
	over   time.Duration // for how long the relay was above the rate, less the time it was not since
	calm   time.Time     // until when over was counted
}

// Read reads some bytes of at most framesAtOnce frames, once the rate allows it.
func (m *meter) Read(p []byte) (int, error) {
	if err := m.wait(); err != nil {
		return 0, err
	}
	if _, err := m.from.Peek(1); err != nil {
		return 0, err
	}
	ready, err := m.from.Peek(min(len(p), m.from.Buffered()))
	if err != nil {
		return 0, err
	}
	n, begun := m.frames.Scan(ready, framesAtOnce)
	m.link.chargeFrames(begun, n)
	return m.from.Read(p[:n])
}

// wait waits until one more frame is within the rate. It returns errFlood if the relay is ahead of
// that for too long.
func (m *meter) wait() error {
	now := time.Now()
	if !m.calm.IsZero() {
		m.over = max(0, m.over-now.Sub(m.calm))
	}
	for {
		m.calm = now
		pause := m.link.pauseFor(now)
		if pause == 0 {
			return nil
		}
		timer := time.NewTimer(min(max(pause, pauseLeast), floodTime-m.over))
		select {
		case <-timer.C:
		case <-m.ended:
			timer.Stop()
			return net.ErrClosed
		}
		now = time.Now()
		if m.over += now.Sub(m.calm); m.over >= floodTime {
			m.link.countDrop(DropLinkRate)
			return errFlood
		}
	}
}

// pauseFor returns for how long nothing of the relay is read, and counts the pause if there is one.
func (l *Link) pauseFor(now time.Time) time.Duration {
	l.mu.Lock()
	pause := l.limit.wait(now, l.options.LinkRate)
	if pause > 0 {
		l.facts.Pauses++
	}
	l.mu.Unlock()
	if pause > 0 {
		l.options.Slowed()
	}
	return pause
}

func (l *Link) chargeFrames(frames, bytes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.facts.Frames += uint64(frames)
	l.limit.fill(time.Now(), l.options.LinkRate)
	l.limit.tokens -= float64(frames) + float64(bytes)/weightUnit
}

// closing is a connection that tells when it was closed on this side.
type closing struct {
	net.Conn
	once  sync.Once
	ended chan struct{}
}

func (c *closing) Close() error {
	c.once.Do(func() { close(c.ended) })
	return c.Conn.Close()
}
