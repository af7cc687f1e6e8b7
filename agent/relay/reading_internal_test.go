package relay

import (
	"context"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// piece is what one frame takes of a room.
type piece struct {
	from  string // empty: this machine
	bytes int
	own   bool
}

// room is a room at work, with the pieces that were given and the connections that ended, in order.
type room struct {
	*readingRoom
	frames []*incoming
	given  []int
	ended  []int
	cancel []context.CancelFunc
}

// taking lets frames take pieces, one after the other.
func taking(t *testing.T, most, frame int, pieces ...piece) *room {
	r := &room{readingRoom: newReadingRoom(most, frame)}
	r.free = 0
	t.Cleanup(func() {
		for i := range r.frames {
			r.leaves(i)
		}
	})
	for _, p := range pieces {
		r.takes(t, p)
	}
	return r
}

func (r *room) takes(t *testing.T, p piece) {
	n := len(r.frames)
	f := &incoming{own: func() bool { return p.own }, drop: func(error) { r.ended = append(r.ended, n) }}
	if p.from != "" {
		f.from = netip.MustParsePrefix(p.from + "/32")
	}
	r.frames = append(r.frames, f)
	r.more(t, n, p.bytes)
}

// more lets a frame take another piece.
func (r *room) more(t *testing.T, n, bytes int) {
	ctx, cancel := context.WithCancel(t.Context())
	r.cancel = append(r.cancel, cancel)
	go func() {
		if r.take(ctx, r.frames[n], bytes) == nil {
			r.mu.Lock()
			r.given = append(r.given, n)
			r.mu.Unlock()
		}
	}()
	synctest.Wait()
}

// now returns what was given and what ended.
func (r *room) now() (given, ended []int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.given), slices.Clone(r.ended)
}

// leaves ends a frame, as its connection does.
func (r *room) leaves(n int) {
	r.cancel[n]()
	synctest.Wait()
	r.leave(r.frames[n])
	synctest.Wait()
}

// A room and a share of it, at the edge. One frame may take more than there is, and the next waits.
func TestReadingRoomAtTheEdge(t *testing.T) {
	const here, there = "", "192.0.2.1"
	for name, c := range map[string]struct {
		pieces []piece
		given  int // at once
	}{
		"n-1 of all": {[]piece{{here, 200, false}, {here, 199, false}, {here, 1, false}, {here, 1, false},
			{here, 1, false}}, 4},
		"n of all":   {[]piece{{here, 200, false}, {here, 200, false}, {here, 1, false}, {here, 1, false}}, 3},
		"n+1 of all": {[]piece{{here, 200, false}, {here, 201, false}, {here, 1, false}}, 2},
		"n-1 of a share": {[]piece{{there, 50, false}, {there, 49, false}, {there, 1, false}, {there, 1, false},
			{there, 1, false}}, 4},
		"n of a share": {[]piece{{there, 50, false}, {there, 50, false}, {there, 1, false},
			{there, 1, false}}, 3},
		"n+1 of a share":       {[]piece{{there, 50, false}, {there, 51, false}, {there, 1, false}}, 2},
		"another address":      {[]piece{{there, 50, false}, {there, 51, false}, {"192.0.2.2", 100, false}}, 3},
		"the wallet's own one": {[]piece{{here, 400, false}, {here, 1, false}, {here, 500, true}, {here, 1, false}}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := taking(t, 400, 50, c.pieces...)
				if given, ended := r.now(); len(given) != c.given || len(ended) != 0 {
					t.Errorf("at once %v were given, want %d; %v ended", given, c.given, ended)
				}
			})
		})
	}
}

// While a frame waits, what has not gone on for a second ends: of the address that holds most, what
// has had its room for longest. No more end than have to.
func TestFramesThatDoNotEndLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := taking(t, 400, 50, piece{"192.0.2.1", 60, false}, piece{from: "", bytes: 270, own: true})
		for range 3 {
			time.Sleep(time.Millisecond)
			r.takes(t, piece{"192.0.2.2", 30, false})
		}
		// The last of these took more than there is, and now somebody waits.
		r.takes(t, piece{"192.0.2.3", 20, false})
		time.Sleep(patience - 3*time.Millisecond - 1)
		synctest.Wait()
		if given, ended := r.now(); len(ended) != 0 || len(given) != 5 {
			t.Fatalf("before a second has passed: %v ended, %v were given", ended, given)
		}
		time.Sleep(4 * time.Millisecond)
		synctest.Wait()
		if _, ended := r.now(); !slices.Equal(ended, []int{0}) {
			t.Fatalf("%v ended", ended)
		}
		r.leaves(0)
		if given, _ := r.now(); !slices.Contains(given, 5) {
			t.Error("who waited was not given what was left")
		}
		// With one who waits again it is the turn of those that are left.
		r.takes(t, piece{"192.0.2.3", 40, false})
		if _, ended := r.now(); !slices.Equal(ended, []int{0, 2}) {
			t.Errorf("%v ended", ended)
		}
		r.leaves(2)
		time.Sleep(time.Minute)
		synctest.Wait()
		if _, ended := r.now(); len(ended) != 2 {
			t.Errorf("nobody waits any more, and %v ended", ended)
		}
	})
}

// Of those that have not gone on, the address that holds most loses first, though another one has
// had its room for longer.
func TestWhoHoldsMostLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := taking(t, 400, 50, piece{"", 300, true}, piece{"192.0.2.1", 30, false})
		time.Sleep(time.Millisecond)
		r.takes(t, piece{"192.0.2.2", 40, false})
		time.Sleep(time.Millisecond)
		r.takes(t, piece{"192.0.2.2", 31, false})
		time.Sleep(patience)
		r.takes(t, piece{"192.0.2.3", 1, false})
		if _, ended := r.now(); !slices.Equal(ended, []int{2}) {
			t.Errorf("%v ended", ended)
		}
	})
}

// An address of which one frame took more than its share has the share for the others, at the edge.
func TestShareBesideTheLargeOne(t *testing.T) {
	for bytes, given := range map[int]bool{48: true, 49: true, 50: false} {
		synctest.Test(t, func(t *testing.T) {
			r := taking(t, 400, 50, piece{"192.0.2.1", 50, false}, piece{"192.0.2.1", 51, false})
			r.leaves(0)
			r.takes(t, piece{"192.0.2.1", bytes, false})
			if got, _ := r.now(); slices.Contains(got, 2) != given {
				t.Errorf("%d bytes: %v were given", bytes, got)
			}
		})
	}
}

// Who holds least is served first, however many wait before him.
func TestWhoHoldsLeastIsServedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := taking(t, 400, 50, piece{"192.0.2.1", 90, false}, piece{"", 300, false}, piece{"", 20, false})
		for range 5 {
			r.takes(t, piece{"192.0.2.1", 10, false})
		}
		r.takes(t, piece{"192.0.2.9", 10, false})
		r.leaves(2)
		if given, _ := r.now(); !slices.Contains(given, 8) {
			t.Errorf("given: %v", given)
		}
	})
}

// Frames that all wait for each other end all the same: one of them may take more than there is.
func TestFramesDoNotWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := taking(t, 400, 50)
		for range 4 {
			r.takes(t, piece{"192.0.2.1", 25, false})
		}
		began := time.Now()
		for n := range 4 {
			r.more(t, n, 25)
		}
		for n := range 4 {
			if given, _ := r.now(); !slices.Contains(given[4:], n) {
				t.Errorf("frame %d was not given the rest: %v", n, given)
			}
			r.leaves(n)
		}
		if _, ended := r.now(); len(ended) != 0 || time.Since(began) > 0 {
			t.Errorf("after %s %v ended", time.Since(began), ended)
		}
		if r.held != 0 || len(r.from) != 0 || len(r.waiting) != 0 || r.over != nil {
			t.Errorf("something is left: %+v", r.readingRoom)
		}
	})
}

// A frame that waits and whose connection ends leaves its turn to the next.
func TestWaitingFrameLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := taking(t, 400, 50, piece{"", 390, false}, piece{"", 20, false}, piece{"", 50, false}, piece{"", 5, false})
		if given, _ := r.now(); len(given) != 2 {
			t.Fatalf("%v were given", given)
		}
		r.leaves(2)
		r.leaves(1)
		if given, _ := r.now(); !slices.Equal(given, []int{0, 1, 3}) {
			t.Errorf("%v were given", given)
		}
	})
}
