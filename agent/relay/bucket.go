package relay

import "time"

// bucket lets a number of frames a second through, and as many at once after a pause. The zero
// value has seen no frames. A frame may count as several.
type bucket struct {
	used float64 // frames, leaking at the rate
	at   time.Time
}

// spend reports whether one more frame of this cost is within the rate and, if it is, counts it.
func (b *bucket) spend(now time.Time, rate int, cost float64) bool {
	b.leak(now, rate)
	if b.used+cost > float64(rate) {
		return false
	}
	b.used += cost
	return true
}

func (b *bucket) leak(now time.Time, rate int) {
	if passed := now.Sub(b.at).Seconds(); passed > 0 {
		b.used = max(0, b.used-passed*float64(rate))
		b.at = now
	}
}
