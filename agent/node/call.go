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

	"pksa/agent/outage"
)

// maxAnswer is the largest answer in bytes that is read, unless the query sets another limit.
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

// callKind is whether the node received the request of a failed call.
type callKind uint8

const (
	kindUnknown   callKind = iota // it may have
	kindUnreached                 // it has not: no connection was made
	kindAnswered                  // it has, and answered with an error of its own
)

// callError is a call that gave no result.
type callError struct {
	kind  callKind
	why   outage.Reason
	text  string
	rest  time.Duration // for which the node asks to be left alone; 0: none
	reply *rpcError     // of kindAnswered

	status int // of HTTP; 0: it was 200, or there was no answer
}

// Error returns what happened, in words that hold no secrets.
func (e *callError) Error() string { return e.text }

// nonsense returns the error of an answer that has not the form that it should have.
func nonsense(format string, values ...any) *callError {
	return &callError{why: outage.Nonsense, text: fmt.Sprintf(format, values...)}
}

// answeredError returns the error of a call that a node answered with an error of its own. It
// counts against the node only if the node says that it cannot answer now.
func answeredError(reply *rpcError) *callError {
	return &callError{kind: kindAnswered, why: outage.Busy, text: clip(reply.Message), reply: reply}
}

// notSent returns the error of a call that prepared a request as an error of that request: it was
// not sent. Without it a failed check of the chain would count as doubt.
func notSent(err error) error {
	return &callError{kind: kindUnreached, why: outage.Of(err), text: err.Error()}
}

// appendRequest appends a JSON-RPC request to dst. params go in byte for byte (tx §5.3).
func appendRequest(dst []byte, method string, params []byte, id uint64) []byte {
	dst = append(dst, `{"jsonrpc":"2.0","method":"`...)
	dst = append(dst, method...)
	dst = append(dst, `","params":`...)
	dst = append(dst, params...)
	dst = append(dst, `,"id":`...)
	dst = strconv.AppendUint(dst, id, 10)
	return append(dst, '}')
}

// ask makes one exchange with a node that serves our chain, and checks the chain before if that is
// not known. A transaction must not reach a node of another chain, and an answer of one means
// nothing.
func (c *Client) ask(ctx context.Context, n *endpoint, q query) (jsontext.Value, error) {
	if err := n.checkChain(ctx, c, staleChainCheck); err != nil {
		return nil, err
	}
	return c.call(ctx, n, q)
}

// call makes one exchange and records in the node's health how it went. The error is a *callError.
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

// recordHealth records how a call went. An error by which the node answered the question counts as
// an answer.
func (c *Client) recordHealth(ctx context.Context, n *endpoint, err *callError, took time.Duration) {
	switch {
	case err == nil || err.kind == kindAnswered && !busy(err.reply):
		if n.answered(took) {
			c.log.Info("node works again", "node", n.url)
		}
	case ctx.Err() != nil: // the caller gave up, which is no fault of the node
	default:
		if n.failed(err, err.rest) {
			c.log.Warn("node fails", "node", n.url, "reason", err.why, "err", err)
		}
	}
}

// malformed records that an answer turned out to be nonsense after the call, and returns the error.
func (c *Client) malformed(n *endpoint, text string) error {
	err := nonsense("%s", text)
	if n.failed(err, 0) {
		c.log.Warn("node fails", "node", n.url, "reason", err.why, "err", err)
	}
	return err
}

func asCallError(err error) *callError {
	var already *callError
	if errors.As(err, &already) {
		return already
	}
	failure := &callError{why: outage.Of(err), text: clip(err.Error())}
	// Only an error from dialling shows that nothing was sent. Everything later leaves doubt, TLS
	// included: an alert may have come before the request or after it.
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		failure.kind = kindUnreached
	}
	return failure
}

func (c *Client) exchange(ctx context.Context, n *endpoint, q query) (jsontext.Value, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, n.url, bytes.NewReader(q.body))
	if err != nil {
		return nil, &callError{kind: kindUnreached, why: outage.Other, text: "request cannot be made"}
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", c.options.UserAgent)
	// The transport without a client: it follows no redirect and keeps no cookie.
	response, err := n.transport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.ContentLength > q.limit {
		return nil, nonsense("answer of %d bytes is too long", response.ContentLength)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, q.limit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("answer cut off: %w", asAnswered(err))
	case int64(len(body)) > q.limit:
		return nil, nonsense("answer of more than %d bytes is too long", q.limit)
	case response.StatusCode != http.StatusOK:
		return nil, statusError(response, body)
	}
	return readAnswer(body, q.id)
}

// asAnswered returns the text of an error without its type: an error while reading the answer must
// not be taken for one of dialling, which would say that nothing was sent.
func asAnswered(err error) error { return outage.As(outage.Of(err), errors.New(clip(err.Error()))) }

// statusError returns the error of an answer whose status is not 200. A front end may pass the
// error of a node on with status 500 (tx §5.4); a result with such a status is ignored.
func statusError(response *http.Response, body []byte) *callError {
	var e envelope
	if unmarshal(body, &e) == nil {
		if reply := e.reply(); reply != nil && reply.data.Name != "" {
			return answeredError(reply)
		}
	}
	failure := &callError{why: outage.OfStatus(response.StatusCode), status: response.StatusCode,
		text: fmt.Sprintf("HTTP status %d", response.StatusCode)}
	// A node may ask for a rest, but not talk itself out of use for hours.
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && seconds > 0 {
		failure.rest = min(time.Duration(min(seconds, 3600))*time.Second, 5*time.Minute)
	} else if response.StatusCode == http.StatusTooManyRequests {
		failure.rest = blockTime
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

// reply returns the error in the answer, nil if there is none that has the form of an error.
func (e *envelope) reply() *rpcError {
	var reply rpcError
	if absent(e.Error) || unmarshal(e.Error, &reply) != nil {
		return nil
	}
	// Front ends put other things here: then there are no data.
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

// unmarshal reads JSON, strictly but for UTF-8: names are taken as they are spelled, and may not
// repeat; but nodes cut texts in the middle of a character.
func unmarshal(text []byte, to any) error {
	return json.Unmarshal(text, to, jsontext.AllowInvalidUTF8(true))
}

// readAnswer returns the result in the answer to the request of that id. The error is a *callError.
func readAnswer(body []byte, id uint64) (jsontext.Value, error) {
	var e envelope
	if err := unmarshal(body, &e); err != nil {
		return nil, nonsense("answer is not JSON-RPC")
	}
	hasError := !absent(e.Error)
	ours := string(e.ID) == strconv.FormatUint(id, 10)
	switch {
	// The error to a request that the node did not understand has no id.
	case hasError && absent(e.Result) && (ours || absent(e.ID)):
		reply := e.reply()
		if reply == nil {
			return nil, nonsense("answer is an error without form")
		}
		return nil, answeredError(reply)
	case len(e.Result) > 0 && !hasError && ours:
		return e.Result, nil
	}
	return nil, nonsense("answer is to another request, or to none")
}
