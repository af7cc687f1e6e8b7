// Package control is the unix socket by which the command line talks to a running agent.
//
// The agent makes a [Server] with one [Handler] a method and calls [Server.Run]; a command uses
// [Call]. One connection carries one call: a JSON object with method and parameters, then one with
// the result or an error. Frames are limited to [MaxFrame] bytes.
//
// Who may call: the socket has mode 0600, and the server asks the kernel for the caller's user and
// serves nobody but its own user and root, whatever the mode of the file became later. Parameters
// may hold secrets; nothing of them is logged.
package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"
)

// MaxFrame is the largest call or answer, in bytes. A bulk import of keys is the largest that is
// sent; lists of thousands of sessions fit.
const MaxFrame = 16 << 20

// callTimeout bounds the reading of a call: a caller that connects and says nothing must not hold a
// connection for ever. Handlers have their own deadlines.
const callTimeout = 10 * time.Second

// spans makes lengths of time whole nanoseconds on both sides: the JSON package has no form of its
// own for them.
var spans = jsonv1.FormatDurationAsNano(true)

// ErrNoAgent means that nobody listens at the socket: no agent runs with this home folder.
var ErrNoAgent = errors.New("no agent is running")

// Error is what a handler said no with, as the caller sees it. Its text is for people.
type Error struct{ Text string }

func (e *Error) Error() string { return e.Text }

// Handler answers one method. Params is the JSON that the caller gave, perhaps null. The result is
// written as JSON; the text of an error is shown to the caller. Handlers run concurrently; ctx ends
// when the server stops.
type Handler func(ctx context.Context, params []byte) (any, error)

// Decode reads the parameters of a call strictly: unknown members are errors. No parameters leave
// into as it is.
func Decode(params []byte, into any) error {
	if len(params) == 0 || string(params) == "null" {
		return nil
	}
	if err := json.Unmarshal(params, into, json.RejectUnknownMembers(true), spans); err != nil {
		return fmt.Errorf("parameters: %v", err)
	}
	return nil
}

type call struct {
	Method string         `json:"method"`
	Params jsontext.Value `json:"params,omitzero"`
}

type answer struct {
	Result jsontext.Value `json:"result,omitzero"`
	Error  string         `json:"error,omitzero"`
}

// Server answers calls. Set all fields before Run; none may change afterwards.
type Server struct {
	Handlers map[string]Handler
	Logger   *slog.Logger
}

// Listen opens the socket at path. A socket file that nobody listens at any more, as a killed agent
// leaves it, is replaced; one with a listener is an error.
func Listen(path string) (*net.UnixListener, error) {
	if conn, err := net.Dial("unix", path); err == nil {
		conn.Close()
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
	if err := os.Chmod(path, 0o600); err != nil {
		listener.Close()
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return listener, nil
}

// Run serves calls on the listener until ctx ends, closes it, and returns when the last call has
// been answered.
func (s *Server) Run(ctx context.Context, listener *net.UnixListener) error {
	var calls sync.WaitGroup
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
		calls.Go(func() { s.serve(ctx, conn) })
	}
}

func (s *Server) serve(ctx context.Context, conn *net.UnixConn) {
	defer conn.Close()
	if err := checkPeer(conn); err != nil {
		s.Logger.Warn("control call refused", "err", err)
		return
	}
	conn.SetReadDeadline(time.Now().Add(callTimeout))
	stop := context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Now()) })
	defer stop()
	var c call
	dec := jsontext.NewDecoder(io.LimitReader(conn, MaxFrame))
	if err := json.UnmarshalDecode(dec, &c, json.RejectUnknownMembers(true)); err != nil {
		s.Logger.Warn("control call unreadable", "err", "not a call")
		return
	}
	result := s.answer(ctx, c)
	conn.SetWriteDeadline(time.Now().Add(callTimeout))
	if err := json.MarshalWrite(conn, result); err != nil {
		s.Logger.Warn("control answer not delivered", "method", c.Method, "err", err)
	}
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

// checkPeer asks the kernel who is at the other end.
func checkPeer(conn *net.UnixConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var cred *syscall.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}); err != nil {
		return err
	}
	if credErr != nil {
		return credErr
	}
	if cred.Uid != 0 && int(cred.Uid) != os.Geteuid() {
		return fmt.Errorf("caller has user id %d", cred.Uid)
	}
	return nil
}

// Call asks the agent that listens at path. It gives [ErrNoAgent] when nobody does, and an [*Error]
// when the agent said no. Result may be nil.
func Call(ctx context.Context, path, method string, params, result any) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return ErrNoAgent
	}
	if err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Now()) })
	defer stop()
	text, err := Encode(params)
	if err != nil {
		return fmt.Errorf("control call %s: %v", method, err)
	}
	if err := json.MarshalWrite(conn, call{method, text}); err != nil {
		return fmt.Errorf("control call %s: %w", method, err)
	}
	var a answer
	dec := jsontext.NewDecoder(io.LimitReader(conn, MaxFrame))
	if err := json.UnmarshalDecode(dec, &a); err != nil {
		return fmt.Errorf("control call %s: the agent did not answer: %w", method, err)
	}
	if a.Error != "" {
		return &Error{a.Error}
	}
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(a.Result, result, spans); err != nil {
		return fmt.Errorf("control call %s: unexpected answer: %v", method, err)
	}
	return nil
}
