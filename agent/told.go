package agent

import (
	"sync"
	"time"
)

// maxTold bounds the requests that are remembered as failed; 10,000 take about a megabyte.
const maxTold = 10_000

// toldFailed remembers requests whose applications heard "internal error" because nothing could be
// recorded. Their nonces are free, so the same request, brought again once the disk works, would be
// signed, and the application may have asked anew meanwhile. They are remembered in memory, because
// there was nowhere else, for as long as their nonce could count. The zero value is ready; all
// methods may be called concurrently.
type toldFailed struct {
	mu    sync.Mutex
	until map[[32]byte]time.Time // by digest of the ciphertext
}

// add remembers a request, or says that there is no room: then nothing must be told.
func (t *toldFailed) add(digest [32]byte, now time.Time, span time.Duration) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.until == nil {
		t.until = map[[32]byte]time.Time{}
	}
	if len(t.until) >= maxTold {
		for old, until := range t.until {
			if !now.Before(until) {
				delete(t.until, old)
			}
		}
	}
	if len(t.until) >= maxTold {
		return false
	}
	t.until[digest] = now.Add(span)
	return true
}

// has says whether a request was told to have failed.
func (t *toldFailed) has(digest [32]byte, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	until, ok := t.until[digest]
	return ok && now.Before(until)
}
