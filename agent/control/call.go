package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"pksa/keystore/access"
	"pksa/protocol/plain"
)

// Socket is where an agent listens, and who may be that agent.
type Socket struct {
	Path string
	// Home is the home folder of the wallet. Root looks after wallets of other users: for root, the
	// owner of this folder may listen, too. Empty, nobody may but this user and root.
	Home string
	// Agent is the user whose agent may listen, too: a console that runs as a user of its own asks
	// the wallet of another one. Nil, nobody may but those that Home says.
	Agent *uint32
	// Anywhere asks also in a folder that others can write. It is for calls whose parameters hold
	// no secret and whose answer decides nothing, where the kernel says who listens.
	Anywhere bool
}

// Call asks the agent that listens at path, as [Socket.Call] does for a wallet of this user.
func Call(ctx context.Context, path, method string, params, result any) error {
	return Socket{Path: path}.Call(ctx, method, params, result)
}

// Call asks the agent and reads the result into result, which may be nil. It returns [ErrNoAgent]
// if nobody listens, and an [*Error] if the agent refused.
//
// Nothing is sent before it is known who listens: parameters may hold what opens the keystore. Only
// this user, root, and for root the owner of the home folder may. A socket in a folder that others
// can write is refused, whoever listens: they can put their own in its place.
//
// An agent that has not answered when the context's time is over is [ErrNoAnswer].
func (s Socket) Call(ctx context.Context, method string, params, result any) error {
	keepers := s.keepers()
	open := checkFolder(s.Path, keepers)
	if open != nil && !s.Anywhere {
		return open
	}
	begun := time.Now()
	silent := func() error {
		return fmt.Errorf("%w for %s: its process may be stopped, or its disk does not answer", ErrNoAnswer,
			time.Since(begun).Round(time.Second))
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", s.Path)
	if err != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return silent() // more calls wait than the kernel holds
		}
		// Not every system says of a socket that is missing that it does not exist: look.
		if _, missing := os.Lstat(s.Path); errors.Is(missing, fs.ErrNotExist) || nobodyListens(err) {
			return ErrNoAgent
		}
		return fmt.Errorf("control socket: %w", err)
	}
	defer conn.Close()
	if err := checkListener(conn.(*net.UnixConn), s.Path, keepers); err != nil {
		return err
	}
	if _, unknown := peerOf(conn.(*net.UnixConn)); open != nil && unknown != nil {
		return open
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Now()) })
	defer stop()
	text, err := Encode(params)
	if err != nil {
		return fmt.Errorf("control call %s: %v", method, err)
	}
	err = json.MarshalWrite(conn, call{method, text})
	var a answer
	if err == nil {
		a, err = readAnswer(conn)
	}
	switch {
	case err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return silent()
	case err != nil:
		return fmt.Errorf("control call %s: the agent did not answer: %w", method, err)
	}
	if a.Error != "" {
		return &Error{shown(a.Error)}
	}
	if err := a.readInto(result); err != nil {
		return fmt.Errorf("control call %s: unexpected answer: %v", method, err)
	}
	return nil
}

// keepers returns who may listen besides this user and root.
func (s Socket) keepers() []uint32 {
	var keepers []uint32
	if s.Agent != nil {
		keepers = append(keepers, *s.Agent)
	}
	if s.Home != "" {
		keepers = append(keepers, access.Administered(s.Home)...)
	}
	return keepers
}

// checkFolder refuses a socket in a folder that others can write. If one of them listens there, the
// error names that one.
func checkFolder(path string, keepers []uint32) error {
	err := access.Folder(filepath.Dir(path), keepers...)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil // without the folder nobody listens
	}
	err = fmt.Errorf("control socket %q: %w; the setting control says where the socket is", path, err)
	if conn, dial := net.Dial("unix", path); dial == nil {
		defer conn.Close()
		if stranger := checkListener(conn.(*net.UnixConn), path, keepers); stranger != nil {
			err = fmt.Errorf("%w\n%w", stranger, err)
		}
	}
	return err
}

// maxText bounds the text of a refusal, in bytes.
const maxText = 64 << 10

// shown returns the text of a refusal as it may be printed: line by line, and each rune visible.
func shown(text string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && !plain.Visible(r) {
			return '\ufffd'
		}
		return r
	}, plain.Cut(text, maxText))
}
