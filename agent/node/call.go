package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// maxAnswer is the size of an answer from which on it is not read, where the question sets no
// other.
const maxAnswer = 1 << 20

// query is one question. Zero limits take the defaults.
type query struct {
	method  string
	params  []byte // JSON
	body    []byte // the whole request, if it was written before, with id
	id      uint64
	limit   int64
	timeout time.Duration
}

// callKind tells what a failed call says about whether the node received the request.
type callKind uint8

const (
	kindUnknown   callKind = iota // it may have
	kindUnreached                 // it has not: no connection was made
	kindAnswered                  // it has, and answered with an error of its own
)

// callError is a call that gave no result.
type callError struct {
	kind  callKind
	text  string
	rest  time.Duration // asked for by the node
	reply *rpcError     // of kindAnswered
}

// Error says what happened.
func (e *callError) Error() string { return e.text }

// notSent turns an error of a preparatory call into one that says that the request itself was not
// sent.
func notSent(err error) error {
	return &callError{kind: kindUnreached, text: err.Error()}
}

// appendRequest writes a JSON-RPC request. params are put in as they are (tx §5.3).
func appendRequest(dst []byte, method string, params []byte, id uint64) []byte {
	dst = append(dst, `{"jsonrpc":"2.0","method":"`...)
	dst = append(dst, method...)
	dst = append(dst, `","params":`...)
	dst = append(dst, params...)
	dst = append(dst, `,"id":`...)
	dst = strconv.AppendUint(dst, id, 10)
	return append(dst, '}')
}

// ask is call at a node that serves our chain, which is checked before if it is not known.
func (c *Client) ask(ctx context.Context, n *endpoint, q query) (jsontext.Value, error) {
	if err := n.checkChain(ctx, c, staleChainCheck); err != nil {
		return nil, err
	}
	return c.call(ctx, n, q)
}

// call makes one exchange and notes in the node's health how it went. The error is a *callError.
func (c *Client) call(ctx context.Context, n *endpoint, q query) (jsontext.Value, error) {
	if q.body == nil {
		q.id = c.nextID.Add(1)
		q.body = appendRequest(nil, q.method, q.params, q.id)
	}
	if q.timeout == 0 {
		q.timeout = c.options.ReadTimeout
	}
	if q.limit == 0 {
		q.limit = maxAnswer
	}
	start := time.Now()
	call, cancel := context.WithTimeout(ctx, q.timeout)
	defer cancel()
	result, err := c.exchange(call, n, q)
	var failure *callError
	if err != nil {
		failure = asCallError(err)
	}
	c.recordHealth(ctx, n, failure, time.Since(start))
	if failure != nil {
		return nil, failure
	}
	return result, nil
}

// recordHealth keeps the node's health. An error that the node gave on the merits of the question
// is an answer.
func (c *Client) recordHealth(ctx context.Context, n *endpoint, err *callError, took time.Duration) {
	switch {
	case err == nil || err.kind == kindAnswered && !busy(err.reply):
		if n.answered(took) {
			c.log.Info("node works again", "node", n.url)
		}
	case ctx.Err() != nil: // the caller gave up: no fault of the node
	default:
		if n.failed(err, err.rest) {
			c.log.Warn("node fails", "node", n.url, "err", err)
		}
	}
}

// malformed is for answers that turn out to be nonsense only after the call.
func (c *Client) malformed(n *endpoint, text string) error {
	err := &callError{text: text}
	if n.failed(err, 0) {
		c.log.Warn("node fails", "node", n.url, "err", err)
	}
	return err
}

func asCallError(err error) *callError {
	var already *callError
	if errors.As(err, &already) {
		return already
	}
	failure := &callError{text: clip(err.Error())}
	// Only an error from dialling says that nothing was sent. Everything later is doubt, TLS
	// included: whether an alert came before or after the request is not for us to guess.
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		failure.kind = kindUnreached
	}
	return failure
}

func (c *Client) exchange(ctx context.Context, n *endpoint, q query) (jsontext.Value, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, n.url, bytes.NewReader(q.body))
	if err != nil {
		return nil, &callError{kind: kindUnreached, text: "request cannot be made"}
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", c.options.UserAgent)
	// The bare transport: a redirect is an answer like any other useless one, and cookies are not
	// kept.
	response, err := n.transport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.ContentLength > q.limit {
		return nil, &callError{text: fmt.Sprintf("answer of %d bytes is too long", response.ContentLength)}
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, q.limit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("answer cut off: %w", asAnswered(err))
	case int64(len(body)) > q.limit:
		return nil, &callError{text: fmt.Sprintf("answer of more than %d bytes is too long", q.limit)}
	case response.StatusCode != http.StatusOK:
		return nil, statusError(response, body)
	}
	return readAnswer(body, q.id)
}

// asAnswered keeps an error while reading the answer from passing for one of dialling.
func asAnswered(err error) error { return errors.New(clip(err.Error())) }

// statusError reads an answer that is not 200. A front end may pass a node's error on with 500 (tx
// §5.4); a result is not looked for.
func statusError(response *http.Response, body []byte) *callError {
	var e envelope
	if unmarshal(body, &e) == nil {
		if reply := e.reply(); reply != nil && reply.data.Name != "" {
			return &callError{kind: kindAnswered, text: clip(reply.Message), reply: reply}
		}
	}
	failure := &callError{text: fmt.Sprintf("HTTP status %d", response.StatusCode)}
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && seconds > 0 {
		failure.rest = min(time.Duration(min(seconds, 3600))*time.Second, 5*time.Minute)
	}
	return failure
}

// envelope is a JSON-RPC answer.
type envelope struct {
	ID     jsontext.Value `json:"id"`
	Result jsontext.Value `json:"result"`
	Error  jsontext.Value `json:"error"`
}

func absent(v jsontext.Value) bool { return len(v) == 0 || v.Kind() == jsontext.KindNull }

// reply is the error in the answer, if there is one that has the form of an error.
func (e *envelope) reply() *rpcError {
	var reply rpcError
	if absent(e.Error) || unmarshal(e.Error, &reply) != nil {
		return nil
	}
	// Front ends put other things here; then there is none.
	if unmarshal(reply.Data, &reply.data) != nil {
		reply.data = errorData{}
	}
	return &reply
}

// rpcError is the error of an answer (tx §5.4).
type rpcError struct {
	Code    int64          `json:"code"`
	Message string         `json:"message"`
	Data    jsontext.Value `json:"data"`

	data errorData
}

type errorData struct {
	Code    int64        `json:"code"`
	Name    string       `json:"name"`
	Message string       `json:"message"`
	Stack   []stackFrame `json:"stack"`
}

type stackFrame struct {
	Format string         `json:"format"`
	Data   jsontext.Value `json:"data"`
}

// unmarshal is strict about names and repetitions and not about UTF-8: the node cuts texts at
// bytes.
func unmarshal(text []byte, to any) error {
	return json.Unmarshal(text, to, jsontext.AllowInvalidUTF8(true))
}

// readAnswer returns the result in the answer to the request of that id. The error is a *callError.
func readAnswer(body []byte, id uint64) (jsontext.Value, error) {
	var e envelope
	if err := unmarshal(body, &e); err != nil {
		return nil, &callError{text: "answer is not JSON-RPC"}
	}
	hasError := !absent(e.Error)
	ours := string(e.ID) == strconv.FormatUint(id, 10)
	switch {
	case hasError && absent(e.Result) && (ours || absent(e.ID)): // a request that was not understood has no id
		reply := e.reply()
		if reply == nil {
			return nil, &callError{text: "answer is an error without form"}
		}
		return nil, &callError{kind: kindAnswered, text: clip(reply.Message), reply: reply}
	case len(e.Result) > 0 && !hasError && ours:
		return e.Result, nil
	}
	return nil, &callError{text: "answer is to another request, or to none"}
}
