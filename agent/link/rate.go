package link

import "time"

// Rate is the size of a token bucket.
type Rate struct {
	PerSecond float64 // tokens that are added each second
	Burst     float64 // tokens of a full bucket
}

// bucket is a token bucket. The zero value is full at its first use.
type bucket struct {
	tokens float64
	at     time.Time
}

// spend removes cost tokens if the bucket holds any, and reports whether it did. A bucket may fall
// below zero by one cost: a frame that costs more than a whole burst must be able to pass, and
// those after it then wait the longer.
func (b *bucket) spend(now time.Time, r Rate, cost float64) bool {
	b.fill(now, r)
	if b.tokens <= 0 {
		return false
	}
	b.tokens -= cost
	return true
}

// wait returns the time until spend succeeds.
func (b *bucket) wait(now time.Time, r Rate) time.Duration {
	b.fill(now, r)
	if b.tokens > 0 {
		return 0
	}
	return time.Duration(-b.tokens/r.PerSecond*float64(time.Second)) + time.Microsecond
}

// credit adds one token, even to a full bucket: it pays for the relay's answer to a frame of ours.
func (b *bucket) credit(now time.Time, r Rate) {
	b.fill(now, r)
	b.tokens++
}

// putBack adds tokens that were spent for nothing.
func (b *bucket) putBack(now time.Time, r Rate, tokens float64) {
	b.fill(now, r)
	b.tokens = min(r.Burst, b.tokens+tokens)
}

// cut takes away what a bucket of another size does not hold.
func (b *bucket) cut(r Rate) { b.tokens = min(b.tokens, r.Burst) }

func (b *bucket) fill(now time.Time, r Rate) {
	if b.at.IsZero() {
		b.tokens, b.at = r.Burst, now
		return
	}
	elapsed := now.Sub(b.at).Seconds()
	b.at = now
	if elapsed > 0 && b.tokens < r.Burst {
		b.tokens = min(r.Burst, b.tokens+elapsed*r.PerSecond)
	}
}

func (r Rate) usable() bool { return r.PerSecond > 0 && r.Burst >= 1 }
