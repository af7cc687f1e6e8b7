package relay

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"
)

// Frames that are being read must not fill the memory, nor hold up each other, however many begin
// and do not end. Each takes its buffer from a room that all frames share, piece by piece, and
// keeps it until it was worked on. One of ordinary size never waits for that.
const (
	// firstRead is the first buffer of a frame, which does not count, and ordinaryFrame the largest
	// that it has without a wait: a frame below it fits.
	firstRead     = 512
	ordinaryFrame = 2 << 10
	// sharesOfRoom is how many parts the room has, of which an address of another machine has one.
	sharesOfRoom = 4
	// patience is how long a frame may keep its room without using it up, while another one waits.
	// Who sends at 512 KiB a second never needs so long, whatever the size of his frame.
	patience = time.Second
)

// firstBuffers and ordinaryBuffers are those that no frame uses: thousands of small frames in a
// second would each leave theirs as garbage.
var firstBuffers, ordinaryBuffers sync.Pool

// takeBuffer returns an empty buffer of so many bytes.
func takeBuffer(size int) []byte {
	if pool := buffersOf(size); pool != nil {
		if b, ok := pool.Get().(*[]byte); ok {
			return (*b)[:0]
		}
	}
	return make([]byte, 0, size)
}

// giveBuffer takes a buffer back of which nobody holds a part any more.
func giveBuffer(b []byte) {
	if pool := buffersOf(cap(b)); pool != nil {
		pool.Put(&b)
	}
}

func buffersOf(size int) *sync.Pool {
	switch size {
	case firstRead:
		return &firstBuffers
	case ordinaryFrame:
		return &ordinaryBuffers
	}
	return nil
}

var errHeldRoom = errors.New("its frame did not end, and others wait for the room")

// readingRoom is the room of all frames that are being read. Who gets none waits, and is read no
// further. While somebody waits, frames that do not go on lose theirs, and their connections with
// it: those of the address that holds most first. Those of this machine are one address without a
// share of its own, for they may be of anybody behind a proxy.
//
// One frame of an address, and one of all, may take more than there is: frames that all have begun
// and all wait for each other would never end.
//
// Its methods may be called concurrently.
type readingRoom struct {
	most, share int // bytes of all, and of one address
	free        int // bytes that a frame never waits for

	mu      sync.Mutex
	held    int
	over    *incoming // the one that took more than all may have
	from    map[netip.Prefix]*holder
	waiting []*incoming // as they came
	timer   *time.Timer // runs look; nil if nothing is to be waited for
}

// holder is what the frames of an address hold.
type holder struct {
	held   int
	over   *incoming // the one that took more than the share
	frames map[*incoming]struct{}
}

// incoming is a frame that is read, or worked on. The zero value holds nothing.
type incoming struct {
	from netip.Prefix // of its connection; not valid for this machine
	own  func() bool  // it is of a wallet of this program, which never waits
	drop func(error)  // ends its connection

	// Guarded by the mu of the room.
	held  int
	since time.Time     // when it was last given some
	wants int           // what it waits for
	given chan struct{} // closed when it has that; nil while it does not wait
	ended bool          // its connection was told to end
}

func newReadingRoom(most, frame int) *readingRoom {
	// A frame of the largest size must fit into a share.
	return &readingRoom{most: max(most, 2*(frame+1)), share: max(most/sharesOfRoom, frame+1),
		free: ordinaryFrame, from: make(map[netip.Prefix]*holder)}
}

// take waits until the frame may hold so many bytes more.
func (r *readingRoom) take(ctx context.Context, f *incoming, bytes int) error {
	own := f.own()
	r.mu.Lock()
	f.wants = bytes
	if own || f.held+bytes <= r.free {
		r.giveLocked(f)
		r.mu.Unlock()
		return nil
	}
	f.given = make(chan struct{})
	given := f.given
	r.waiting = append(r.waiting, f)
	r.serveLocked(time.Now())
	r.mu.Unlock()
	select {
	case <-given:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// leave returns all that the frame holds to the room, and its turn if it waits.
func (r *readingRoom) leave(f *incoming) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f.given != nil {
		r.stopWaitingLocked(f)
	}
	if f.held == 0 {
		return
	}
	h := r.from[f.from]
	r.held -= f.held
	h.held -= f.held
	f.held = 0
	delete(h.frames, f)
	if h.over == f {
		h.over = nil
	}
	if r.over == f {
		r.over = nil
	}
	if len(h.frames) == 0 {
		delete(r.from, f.from)
	}
	r.serveLocked(time.Now())
}

// bytes returns what all frames hold.
func (r *readingRoom) bytes() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.held
}

func (r *readingRoom) stopWaitingLocked(f *incoming) {
	for i, other := range r.waiting {
		if other == f {
			r.waiting = append(r.waiting[:i], r.waiting[i+1:]...)
			break
		}
	}
	f.given = nil
}

func (r *readingRoom) giveLocked(f *incoming) {
	h := r.from[f.from]
	if h == nil {
		h = &holder{frames: make(map[*incoming]struct{})}
		r.from[f.from] = h
	}
	h.frames[f] = struct{}{}
	h.held += f.wants
	r.held += f.wants
	f.held += f.wants
	f.since, f.wants = time.Now(), 0
	if f.given != nil {
		close(f.given)
		r.stopWaitingLocked(f)
	}
}

// serveLocked hands out what there is to those that wait, and makes room for the rest of them.
func (r *readingRoom) serveLocked(now time.Time) {
	for {
		f := r.nextLocked()
		if f == nil {
			break
		}
		r.giveLocked(f)
	}
	if r.timer != nil {
		r.timer.Stop()
		r.timer = nil
	}
	if at := r.hurryLocked(now); !at.IsZero() {
		r.timer = time.AfterFunc(at.Sub(now), r.look)
	}
}

func (r *readingRoom) look() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.serveLocked(time.Now())
}

// nextLocked returns the frame that is next to be given what it waits for: of the address that
// holds least, and there the one that came first. It returns nil if there is none, or no room for
// it: nobody may overtake a large frame for ever.
func (r *readingRoom) nextLocked() (next *incoming) {
	least := 0
	for _, f := range r.waiting {
		if held := r.heldBy(f); (next == nil || held < least) && r.withinShareLocked(f) {
			next, least = f, held
		}
	}
	if next == nil {
		return nil
	}
	if r.held+next.wants > r.most {
		if r.over != nil && r.over != next {
			return nil
		}
		r.over = next
	}
	if h := r.from[next.from]; h != nil && next.from.IsValid() && h.held+next.wants > r.share {
		h.over = next
	}
	return next
}

func (r *readingRoom) heldBy(f *incoming) int {
	if h := r.from[f.from]; h != nil {
		return h.held
	}
	return 0
}

func (r *readingRoom) withinShareLocked(f *incoming) bool {
	h := r.from[f.from]
	return h == nil || !f.from.IsValid() || h.held+f.wants <= r.share || h.over == nil || h.over == f
}

// hurryLocked ends connections whose frames have not gone on, as far as those that wait need their
// room. It returns when to look again, zero if never.
func (r *readingRoom) hurryLocked(now time.Time) (again time.Time) {
	short, shortOf := 0, map[netip.Prefix]int{} // bytes that are wanted of all, and of a share
	for _, f := range r.waiting {
		if r.withinShareLocked(f) {
			short = max(short, r.held+f.wants-r.most)
		} else {
			shortOf[f.from] = max(shortOf[f.from], r.heldBy(f)+f.wants-r.share)
		}
	}
	for from, bytes := range shortOf {
		again = sooner(again, r.endLocked(now, bytes, func(f *incoming) bool { return f.from == from }))
	}
	if short > 0 {
		again = sooner(again, r.endLocked(now, short, func(*incoming) bool { return true }))
	}
	return again
}

// endLocked ends connections until those that end hold so many bytes. It returns when the next one
// may be ended, if these were too few; zero if there is none.
func (r *readingRoom) endLocked(now time.Time, bytes int, among func(*incoming) bool) (again time.Time) {
	for f := range r.heldLocked(among) {
		if f.ended {
			bytes -= f.held
		}
	}
	for bytes > 0 {
		var worst *incoming
		again = time.Time{}
		for f := range r.heldLocked(among) {
			switch stale := f.since.Add(patience); {
			case f.ended:
			case now.Before(stale):
				again = sooner(again, stale)
			case worst == nil || r.worseLocked(f, worst):
				worst = f
			}
		}
		if worst == nil {
			return again
		}
		worst.ended = true
		bytes -= worst.held
		worst.drop(errHeldRoom)
	}
	return time.Time{}
}

// heldLocked goes through the frames that hold something and may lose it.
func (r *readingRoom) heldLocked(among func(*incoming) bool) func(yield func(*incoming) bool) {
	return func(yield func(*incoming) bool) {
		for _, h := range r.from {
			for f := range h.frames {
				if among(f) && !f.own() && !yield(f) {
					return
				}
			}
		}
	}
}

// worseLocked reports whether one frame is to end before another: of the address that holds more;
// then one whose sender is waited for, before one that waits itself; then the one that has had its
// room for longer.
func (r *readingRoom) worseLocked(one, other *incoming) bool {
	if one.from != other.from {
		if held, less := r.heldBy(one), r.heldBy(other); held != less {
			return held > less
		}
	}
	if waits := one.given != nil; waits != (other.given != nil) {
		return !waits
	}
	return one.since.Before(other.since)
}

// sooner returns the earlier of two times, of which a zero one is never.
func sooner(one, other time.Time) time.Time {
	if one.IsZero() || !other.IsZero() && other.Before(one) {
		return other
	}
	return one
}
