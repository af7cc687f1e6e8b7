package link

import (
	"slices"
	"time"
)

const (
	// mostShares bounds the apps of an account that have a share each. Others have one together.
	mostShares = 64
	// shareKept is for how many times as long as a bucket takes to fill a share is kept that nobody
	// uses. An app that comes later finds its share full, so apps that leave and come back in turns
	// must not have more by it than those that stay.
	shareKept = 10
)

// shared is a token bucket of which each app that uses it has an equal share: with three apps, a
// third of its rate and of its burst. What others use does not empty an app's share; what nobody
// uses is there for all. The zero value is full at its first use.
//
// Each token that is spent counts in the bucket of all and in its app's share. The former may fall
// below zero by a burst: an app that was quiet finds its share in an empty bucket, too, and what
// all have above their shares waits the longer.
type shared struct {
	bucket
	shares []share // of the apps that have used it lately
}

// share is the part of one app, or, under the empty name, of all that have none of their own.
type share struct {
	app string
	bucket
	used time.Time
}

// spendFor removes a token for a request of an app if its share or the whole bucket holds one, and
// reports whether it did.
func (s *shared) spendFor(now time.Time, r Rate, app string) bool {
	own := s.note(now, r, app) && len(s.shares) > 1 // one that is alone has the bucket of all
	s.fill(now, r)
	if !own && s.tokens <= 0 {
		return false
	}
	s.tokens = max(s.tokens-1, -r.Burst)
	return true
}

// note removes a token from the share of an app alone, for one that was removed from the bucket of
// all before, and reports whether the share held it.
func (s *shared) note(now time.Time, r Rate, app string) bool {
	part := s.part(r)
	kept := shareKept * r.Burst / r.PerSecond // seconds
	for i := range s.shares {
		s.shares[i].fill(now, part)
	}
	s.shares = slices.DeleteFunc(s.shares, func(of share) bool { return now.Sub(of.used).Seconds() > kept })
	at := s.find(app)
	part = s.part(r)
	for i := range s.shares {
		s.shares[i].cut(part)
	}
	s.shares[at].used = now
	return s.shares[at].spend(now, part, 1)
}

// part returns the rate of one share.
func (s *shared) part(r Rate) Rate {
	n := float64(max(1, len(s.shares)))
	return Rate{PerSecond: r.PerSecond / n, Burst: max(1, r.Burst/n)}
}

// find returns the place of the share that an app uses, which is new if there is none.
func (s *shared) find(app string) int {
	named := 0
	for i, of := range s.shares {
		switch of.app {
		case app:
			return i
		case "":
		default:
			named++
		}
	}
	if app != "" && named >= mostShares {
		return s.find("")
	}
	s.shares = append(s.shares, share{app: app})
	return len(s.shares) - 1
}
