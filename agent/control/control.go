// Package control is the unix socket by which the command line talks to a running agent.
//
// The agent makes a [Server] with one [Handler] for each method and calls [Server.Run]; a command
// uses [Call]. One connection carries one call: a JSON object with the method and its parameters,
// then one with the result or an error. Each of the two is at most [MaxFrame] bytes. An agent
// answers 64 calls at once and refuses more; of calls beyond 256 KiB it reads one after the other.
//
// # Who may call, and who may answer
//
// The socket has mode 0600, and the server asks the kernel for the caller's user. It serves its own
// user and root, and nobody else, whatever the mode of the socket became later. Linux, macOS and
// FreeBSD answer that question. Windows does not: there the access rights of the socket's folder
// are the only protection, and every account that has rights in the home folder may call.
//
// A caller asks the same question before it sends anything: see [Socket.Call]. Both ends refuse a
// folder that others can write, by the rule of [pksa/keystore/access].
//
// Parameters may hold secrets: nothing of them is logged.
package control

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"
)

// MaxFrame is the largest call or answer, in bytes. A bulk import of keys is the largest that is
// sent; lists of thousands of sessions fit.
const MaxFrame = 16 << 20

// ErrNoAgent means that nobody listens at the socket: no agent runs with this home folder.
var ErrNoAgent = errors.New("no agent is running")

// ErrNoAnswer means that an agent listens at the socket, and has not answered within the time that
// the caller gave it.
var ErrNoAnswer = errors.New("an agent runs, and has not answered")

// Error is what a handler refused a call with, as the caller sees it. Its text is for people.
type Error struct{ Text string }

// Error returns the text.
func (e *Error) Error() string { return e.Text }

// Handler answers one method. params is the JSON that the caller sent, nil if it sent none. The
// result is written as JSON, and the text of an error is shown to the caller. Handlers run
// concurrently; ctx ends when the server stops.
type Handler func(ctx context.Context, params []byte) (any, error)

// spans writes and reads lengths of time as whole nanoseconds, because the JSON package has no form
// of its own for them.
var spans = jsonv1.FormatDurationAsNano(true)

// Decode reads the parameters of a call. A member that into does not have is an error. Parameters
// that were not sent, or are null, leave into as it is.
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

// readCall reads one call. A call of an unknown form is an error: it may be of another version,
// whose members mean something that this one would pass over.
func readCall(r io.Reader) (c call, err error) {
	dec := jsontext.NewDecoder(io.LimitReader(r, MaxFrame))
	err = json.UnmarshalDecode(dec, &c, json.RejectUnknownMembers(true))
	return c, err
}

// readAnswer reads one answer. It passes over members that it does not know, so that a command can
// still show what a later agent answers.
func readAnswer(r io.Reader) (a answer, err error) {
	dec := jsontext.NewDecoder(io.LimitReader(r, MaxFrame))
	err = json.UnmarshalDecode(dec, &a)
	return a, err
}
