package status

import (
	"net"
	"net/http"
	"slices"
	"sync"
)

// connectionsMost is how many connections are open at once.
const connectionsMost = 64

// connections bounds how many connections a server has. Whoever reaches the port may connect, and
// must not keep a monitor out: beyond the bound, the connection leaves that has waited longest for
// a request, the new one at last.
type connections struct {
	mu      sync.Mutex
	all     map[net.Conn]struct{}
	waiting []net.Conn // those without a request, the longest waiting first
}

// note notes the state of a connection, and closes the one that has to leave.
func (c *connections) note(conn net.Conn, state http.ConnState) {
	if leaves := c.leaving(conn, state); leaves != nil {
		leaves.Close()
	}
}

// leaving notes the state of a connection and returns one that has to leave, or nil.
func (c *connections) leaving(conn net.Conn, state http.ConnState) net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = slices.DeleteFunc(c.waiting, func(w net.Conn) bool { return w == conn })
	switch state {
	case http.StateClosed, http.StateHijacked:
		delete(c.all, conn)
		return nil
	case http.StateNew:
		c.all[conn] = struct{}{}
	case http.StateIdle:
	default:
		return nil
	}
	if _, known := c.all[conn]; known {
		c.waiting = append(c.waiting, conn)
	}
	if len(c.all) <= connectionsMost || len(c.waiting) == 0 {
		return nil
	}
	oldest := c.waiting[0]
	c.waiting = c.waiting[1:]
	delete(c.all, oldest)
	return oldest
}
