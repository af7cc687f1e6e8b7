package relay

import "time"

// bucket lets a number of frames a second through, and as many at once after a pause. The zero
// value has seen no frames.
type bucket struct {
	used float64 // frames, leaking at the rate
	at   time.Time
}

// spend reports whether one more frame is within the rate and, if it is, counts it.
func (b *bucket) spend(now time.Time, rate int) bool {
	b.leak(now, rate)
	if b.used+1 > float64(rate) {
		return false
	}
	b.used++
	return true
}

func (b *bucket) leak(now time.Time, rate int) {
	if passed := now.Sub(b.at).Seconds(); passed > 0 {
		b.used = max(0, b.used-passed*float64(rate))
		b.at = now
	}
}
