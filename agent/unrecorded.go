package agent

import (
	"sync"
	"time"
)

// maxUnrecorded bounds the requests that are remembered as failed; 10,000 take about a megabyte.
const maxUnrecorded = 10_000

// unrecorded remembers requests whose applications were told "internal error" because nothing could
// be recorded. Their nonces are free, so the same request, brought again once the disk works, would
// be signed, and the application may have asked again meanwhile. They are remembered in memory,
// because there was nowhere else, for as long as their nonce could count. The agent has one; the
// goroutines of the links' handlers use it. The zero value is ready.
type unrecorded struct {
	mu    sync.Mutex
	until map[[32]byte]time.Time // by digest of the ciphertext
}

// add remembers a request for a span, and reports false if there is no room: then the application
// must not be told anything.
func (u *unrecorded) add(digest [32]byte, now time.Time, span time.Duration) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.until == nil {
		u.until = map[[32]byte]time.Time{}
	}
	if len(u.until) >= maxUnrecorded {
		for old, until := range u.until {
			if !now.Before(until) {
				delete(u.until, old)
			}
		}
	}
	if len(u.until) >= maxUnrecorded {
		return false
	}
	u.until[digest] = now.Add(span)
	return true
}

// has reports whether an application was told that the request failed.
func (u *unrecorded) has(digest [32]byte, now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	until, ok := u.until[digest]
	return ok && now.Before(until)
}
