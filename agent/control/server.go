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
}

// Listen opens the socket at path. It replaces a socket file at which nobody listens, as a killed
// agent leaves it. A socket file with a listener is an error that names the listener's user, and so
// is a file that is no socket, and a folder that others can write: they could take our place.
func Listen(path string) (*net.UnixListener, error) {
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
	if err := os.Chmod(path, 0o600); err != nil {
		listener.Close()
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return listener, nil
}

// Run serves calls on the listener until ctx ends. Then it closes the listener, and returns when
// the last call has been answered.
func (s *Server) Run(ctx context.Context, listener *net.UnixListener) error {
	var calls sync.WaitGroup
	room := newRoom()
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
	if err := mayCall(user, err, os.Geteuid()); err != nil {
		s.Logger.Warn("control call refused", "err", err)
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
		"script that calls it without end, then try again", callsMost)})
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
