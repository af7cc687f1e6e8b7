package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"time"

	"github.com/go-json-experiment/json"
)

// Call asks the agent that listens at path and reads the result into result, which may be nil. It
// returns [ErrNoAgent] if nobody listens, and an [*Error] if the agent refused.
func Call(ctx context.Context, path, method string, params, result any) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		// Not every system says of a socket that is missing that it does not exist: look.
		if _, missing := os.Lstat(path); errors.Is(missing, fs.ErrNotExist) || nobodyListens(err) {
			return ErrNoAgent
		}
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
	a, err := readAnswer(conn)
	if err != nil {
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
