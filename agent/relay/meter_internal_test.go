package relay

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// So many units pass at once, and the next when its time has come.
func TestPaceAtTheEdge(t *testing.T) {
	for units, wait := range map[int]time.Duration{99: 0, 100: 0, 101: 10 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			var p pace
			last := time.Duration(0)
			for range units {
				last = p.turn(100, 100, 1)
			}
			if last != wait {
				t.Errorf("unit %d waits for %s", units, last)
			}
			// Whoever comes later waits for all before him.
			if p.turn(100, 100, 30); units == 101 && p.turn(100, 100, 1) != 320*time.Millisecond {
				t.Error("a large frame does not count as many")
			}
			time.Sleep(time.Minute)
			if wait := p.turn(100, 100, 1); wait != 0 {
				t.Errorf("after a pause the first waits for %s", wait)
			}
		})
	}
}

// Paces of addresses are forgotten once there are 1,024, if nothing was read for a minute, both at
// the edge. One that is used stays.
func TestPacesAreForgotten(t *testing.T) {
	address := func(n int) netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), 32)
	}
	const last = time.Minute + time.Second // a turn takes a second here
	for _, c := range []struct {
		many  int
		after time.Duration
		left  int
	}{{1023, last + 1, 1024}, {1024, last - 1, 1025}, {1024, last, 1025}, {1024, last + 1, 2}} {
		synctest.Test(t, func(t *testing.T) {
			var p paces
			for n := range c.many {
				p.of(address(n)).turn(1, 1, 1)
			}
			time.Sleep(c.after)
			used := p.of(address(7))
			used.turn(1, 1, 1)
			if p.of(address(5000)); len(p.from) != c.left || p.of(address(7)) != used {
				t.Errorf("%d addresses, %s after the last turn: %d are remembered", c.many, c.after, len(p.from))
			}
			if p.of(netip.Prefix{}) != nil {
				t.Error("this machine has a pace")
			}
		})
	}
}
