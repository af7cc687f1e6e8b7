package link

import (
	"testing"
	"testing/synctest"
	"time"
)

// Twenty lines about a relay's faults are logged at once, and then one a second.
func TestLinesAboutFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(Link)
		lines := func(n int) (logged int) {
			for range n {
				if l.mayLogFault() {
					logged++
				}
			}
			return logged
		}
		time.Sleep(time.Minute)
		for _, n := range []int{19, 20, 21} {
			if got := lines(n); got != min(n, 20) {
				t.Errorf("%d faults at once: %d lines", n, got)
			}
			time.Sleep(time.Minute)
		}
		lines(20)
		for range 3 {
			time.Sleep(time.Second)
			if got := lines(3); got != 1 {
				t.Errorf("a second later: %d lines", got)
			}
		}
	})
}
