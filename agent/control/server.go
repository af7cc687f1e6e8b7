package control

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
)

// callTimeout bounds the reading of a call and the writing of its answer: a caller that connects
// and says nothing must not hold a connection for ever. Handlers have their own deadlines.
const callTimeout = 10 * time.Second

// Server answers calls. All fields are set before Run, and none changes afterwards.
type Server struct {
	Handlers map[string]Handler
	Logger   *slog.Logger
	// Console is the user that may call besides this one and root; nil: nobody. With one, the
	// socket is one of [ListenConsole], 8 calls are answered at once, and none beyond 256 KiB is
	// read.
	Console *uint32

	warned sometimes
}

// sometimes is for what strangers can cause without end, and the log need not hold each time.
type sometimes struct {
	mu    sync.Mutex
	last  time.Time
	since int
}

// now reports whether a minute is over since it last did, and how often it did not meanwhile.
func (s *sometimes) now() (yes bool, before int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at := time.Now(); s.last.IsZero() || at.Sub(s.last) >= time.Minute {
		before, s.since, s.last = s.since, 0, at
		return true, before
	}
	s.since++
	return false, 0
}

// Listen opens the socket at path. It replaces a socket file at which nobody listens, as a killed
// agent leaves it. A socket file with a listener is an error that names the listener's user, and so
// is a file that is no socket, and a folder that others can write: they could take our place.
func Listen(path string) (*net.UnixListener, error) { return listen(path, 0o600) }

// ListenConsole opens a socket as [Listen] does, for a [Server] that serves another user, too.
// Everybody on the machine may connect, as far as the folder lets them, and the server serves those
// of whom the kernel says that they may call. Where the kernel does not say, it is an error.
func ListenConsole(path string) (*net.UnixListener, error) {
	if !knowsPeers {
		return nil, fmt.Errorf("socket %q: %w, so there can be no console here", path, errNoPeer)
	}
	return listen(path, 0o666)
}

func listen(path string, mode fs.FileMode) (*net.UnixListener, error) {
	if err := checkFolder(path, nil); err != nil {
		return nil, err
	}
	if conn, err := net.Dial("unix", path); err == nil {
		defer conn.Close()
		if err := checkListener(conn.(*net.UnixConn), path, nil); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("control socket %q: another agent listens there already", path)
	} else if info, statErr := os.Lstat(path); statErr == nil {
		if info.Mode()&fs.ModeSocket == 0 {
			return nil, fmt.Errorf("control socket %q: there is a file of that name that is no socket; move it away "+
				"or set another path (control)", path)
		}
		os.Remove(path)
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	// Until the mode is set others may connect, as far as the umask lets them. The server asks for
	// their user and refuses them.
	if err := os.Chmod(path, mode); err != nil {
		listener.Close()
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return listener, nil
}

// Run serves calls on the listener until ctx ends. Then it closes the listener, and returns when
// the last call has been answered.
func (s *Server) Run(ctx context.Context, listener *net.UnixListener) error {
	var calls sync.WaitGroup
	room := newRoom(callsMost, true)
	if s.Console != nil {
		room = newRoom(consoleMost, false)
	}
	defer calls.Wait()
	stop := context.AfterFunc(ctx, func() { listener.Close() })
	defer stop()
	for {
		conn, err := listener.AcceptUnix()
		if ctx.Err() != nil {
			if err == nil {
				conn.Close()
			}
			return nil
		}
		if err != nil {
			listener.Close()
			return fmt.Errorf("control socket: %w", err)
		}
		calls.Go(func() { s.serve(ctx, conn, room) })
	}
}

func (s *Server) serve(ctx context.Context, conn *net.UnixConn, room *room) {
	defer conn.Close()
	user, err := peerOf(conn)
	known := err == nil
	if err := mayCall(user, err, os.Geteuid(), s.others()); err != nil {
		if yes, before := s.warned.now(); yes {
			s.Logger.Warn("control call refused", "err", err, "more_since_the_last_time", before)
		}
		return
	}
	if known {
		ctx = context.WithValue(ctx, caller{}, user)
	}
	if !room.take() {
		s.refuse(conn, room)
		return
	}
	defer room.leave()
	conn.SetReadDeadline(time.Now().Add(callTimeout))
	// A stop ends the reading of a call, and not the call that was read: its answer is still sent.
	stop := context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Now()) })
	defer stop()
	reader := &callReader{from: conn, room: room, wait: callTimeout}
	defer reader.end()
	c, err := readCall(reader)
	if err != nil {
		// The error may quote parameters, and those may be secrets.
		s.Logger.Warn("control call unreadable", "err", "not a call")
		return
	}
	result := s.answer(ctx, c)
	conn.SetWriteDeadline(time.Now().Add(callTimeout))
	if err := json.MarshalWrite(conn, result); err != nil {
		s.Logger.Warn("control answer not delivered", "method", c.Method, "err", err)
	}
}

// others returns who may call besides this user and root.
func (s *Server) others() []uint32 {
	if s.Console == nil {
		return nil
	}
	return []uint32{*s.Console}
}

// refuse answers a caller that there is no room, unless too many others are being answered so.
func (s *Server) refuse(conn *net.UnixConn, room *room) {
	s.Logger.Warn("control call refused", "err", "too many calls at once")
	select {
	case room.refusals <- struct{}{}:
	default:
		return
	}
	defer func() { <-room.refusals }()
	// Read first: a caller that is still writing when the connection ends would not see why.
	conn.SetDeadline(time.Now().Add(callTimeout))
	_, _ = readCall(io.LimitReader(conn, smallCall))
	_ = json.MarshalWrite(conn, answer{Error: fmt.Sprintf("the agent is at work on %d other calls: look for a "+
		"script that calls it without end, then try again", cap(room.places))})
}

func (s *Server) answer(ctx context.Context, c call) answer {
	handler, ok := s.Handlers[c.Method]
	if !ok {
		return answer{Error: fmt.Sprintf("the running agent does not know %q; is it of another version than this "+
			"command?", c.Method)}
	}
	result, err := handler(ctx, c.Params)
	if err != nil {
		return answer{Error: err.Error()}
	}
	text, err := Encode(result)
	if err != nil {
		return answer{Error: "the answer cannot be written as JSON"}
	}
	return answer{Result: text}
}
