package control

import (
	"errors"
	"io"
	"time"
)

// What calls may take at once. They come from this user and from root alone, so these bounds are
// against mistakes: a script that never ends its calls must not end the agent. A console is trusted
// less: it has a room of its own, in which it can be in nobody's way but its own.
const (
	callsMost   = 64        // more are refused
	consoleMost = 8         // of a console
	smallCall   = 256 << 10 // bytes of a call beyond which it is large; one of these is held at a time
)

// room is the room for calls. Each holds a place, and the large one holds large. Callers beyond
// that are told so, as many at once as there are places, and the others hang up on.
type room struct {
	places, refusals chan struct{}
	large            chan struct{} // nil: no call may be large
}

// newRoom returns the room for so many calls at once; large says whether one of them may be large.
func newRoom(calls int, large bool) *room {
	r := &room{places: make(chan struct{}, calls), refusals: make(chan struct{}, calls)}
	if large {
		r.large = make(chan struct{}, 1)
	}
	return r
}

// take takes a place, and reports false if there is none.
func (r *room) take() bool {
	select {
	case r.places <- struct{}{}:
		return true
	default:
		return false
	}
}

func (r *room) leave() { <-r.places }

// errLarge means that a large call waited in vain for another one to end, or that none is taken.
var errLarge = errors.New("no room for a large call")

// callReader reads a call. Once it is large it waits for its turn.
type callReader struct {
	from io.Reader
	room *room
	wait time.Duration
	read int
	held bool // it is large, and has its turn
}

func (c *callReader) Read(b []byte) (int, error) {
	if c.read >= smallCall && c.room.large == nil {
		return 0, errLarge
	}
	if c.read >= smallCall && !c.held {
		turn := time.NewTimer(c.wait)
		defer turn.Stop()
		select {
		case c.room.large <- struct{}{}:
			c.held = true
		case <-turn.C:
			return 0, errLarge
		}
	}
	if !c.held {
		b = b[:min(len(b), smallCall-c.read)]
	}
	n, err := c.from.Read(b)
	c.read += n
	return n, err
}

// end returns the turn, when the call has been answered.
func (c *callReader) end() {
	if c.held {
		<-c.room.large
	}
}
