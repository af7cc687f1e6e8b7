package nodetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"pksa/protocol/hive"
)

// maxRequest is what a node reads of a request.
const maxRequest = 2 << 20

// Node is a Hive API node that shows a [Chain]. It is an http.Handler. Its methods may be called
// concurrently.
type Node struct {
	Name  string // its host
	chain *Chain

	mu      sync.Mutex
	queued  map[string][]Fault // by method, "" for any; used up one by one
	always  map[string]Fault
	without map[string]bool // APIs that it does not offer
	chainID [32]byte
	behind  uint32
	ahead   time.Duration
	lonely  bool
	own     map[hive.TxID]*entry // what it took itself
	calls   map[string]int
	bodies  [][]byte // broadcast requests as they came, lost ones included
}

// NewNode adds a node with that name; its address is https://NAME/ through [Transport].
func (c *Chain) NewNode(name string) *Node {
	return &Node{
		Name: name, chain: c, chainID: c.options.Network.ChainID,
		queued: map[string][]Fault{}, always: map[string]Fault{}, without: map[string]bool{},
		own: map[hive.TxID]*entry{}, calls: map[string]int{},
	}
}

// URL is the address of the node through [Transport].
func (n *Node) URL() string { return "https://" + n.Name + "/" }

// Fail makes the next calls of a method ("" for any) fail, one after another.
func (n *Node) Fail(method string, faults ...Fault) {
	n.set(func() { n.queued[method] = append(n.queued[method], faults...) })
}

// FailAlways makes all calls of a method ("" for any) fail, after those of [Node.Fail]; the zero
// fault ends that.
func (n *Node) FailAlways(method string, f Fault) { n.set(func() { n.always[method] = f }) }

// SetChainID makes the node serve another chain.
func (n *Node) SetChainID(id [32]byte) { n.set(func() { n.chainID = id }) }

// SetBehind makes the node lag so many blocks behind the chain. What it takes it passes on at once,
// and the chain drops it silently if it does not fit.
func (n *Node) SetBehind(blocks int) { n.set(func() { n.behind = uint32(blocks) }) }

// SetAhead makes the node lie about time: its head and its irreversible blocks are d ahead, and it
// takes what expired by that time for expired. Negative d lie about the past.
func (n *Node) SetAhead(d time.Duration) { n.set(func() { n.ahead = d }) }

// SetLonely cuts the node off from others: what it takes it keeps for itself and never shows to the
// chain.
func (n *Node) SetLonely(lonely bool) { n.set(func() { n.lonely = lonely }) }

// Without takes APIs away, "transaction_status_api" for example.
func (n *Node) Without(apis ...string) {
	n.set(func() {
		for _, api := range apis {
			n.without[api] = true
		}
	})
}

func (n *Node) set(change func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	change()
}

// Calls is how often a method was called, whatever became of it.
func (n *Node) Calls(method string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.calls[method]
}

// Broadcasts are the broadcast requests that were sent to the node, byte for byte, lost ones
// included.
func (n *Node) Broadcasts() [][]byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([][]byte(nil), n.bodies...)
}

// request is a JSON-RPC request.
type request struct {
	Method string         `json:"method"`
	Params jsontext.Value `json:"params"`
	ID     jsontext.Value `json:"id"`

	raw []byte
}

// answer is what goes back over HTTP.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// Errors of a connection that breaks.
var (
	errRefused = errors.New("connection refused")
	errReset   = errors.New("connection reset by peer")
)

// serve answers one request body. The error is one of the connection, or that of ctx.
func (n *Node) serve(ctx context.Context, body []byte) (answer, error) {
	var r request
	text, apiErr := readAsNode(body)
	if apiErr == nil {
		if err := json.Unmarshal(text, &r); err != nil || r.Method == "" {
			apiErr = &apiError{outer: -32700, bare: true, message: "parse error"}
		}
	}
	if r.Method == "call" {
		r.flatten()
	}
	r.raw = body
	f := n.take(&r)
	switch {
	case f.Refuse:
		return answer{}, errRefused
	case f.Late > 0:
		time.AfterFunc(f.Late, func() { n.process(&r, apiErr) })
	}
	result := answer{status: http.StatusOK, header: f.Header}
	if f.delivers() {
		result.body = n.process(&r, apiErr)
	}
	if err := f.wait(ctx); err != nil {
		return answer{}, err
	}
	if f.replaced() {
		result.body = bytes.ReplaceAll(f.Body, []byte("$id"), r.id())
		if f.Status != 0 {
			result.status = f.Status
		}
	}
	return result, nil
}

// wait is the part of a fault that takes time. Its error is what the client meets.
func (f Fault) wait(ctx context.Context) error {
	switch {
	case f.Hang || f.Lose && !f.Reset && !f.replaced():
		<-ctx.Done()
		return context.Cause(ctx)
	case f.Reset:
		return errReset
	case f.Slow > 0:
		timer := time.NewTimer(f.Slow)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// take returns the fault for this call, and counts.
func (n *Node) take(r *request) Fault {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.calls[r.Method]++
	if isBroadcast(r.Method) {
		n.bodies = append(n.bodies, r.raw)
	}
	for _, method := range []string{r.Method, ""} {
		if queue := n.queued[method]; len(queue) > 0 {
			n.queued[method] = queue[1:]
			return queue[0]
		}
	}
	if f, ok := n.always[r.Method]; ok {
		return f
	}
	return n.always[""]
}

func isBroadcast(method string) bool {
	return method == "condenser_api.broadcast_transaction" || method == "network_broadcast_api.broadcast_transaction"
}

func (r *request) id() []byte {
	if len(r.ID) == 0 {
		return []byte("null")
	}
	return r.ID
}

// flatten turns the old form, method "call" and params [api, method, params], into the new one.
func (r *request) flatten() {
	var parts []jsontext.Value
	var api, method string
	if json.Unmarshal(r.Params, &parts) == nil && len(parts) == 3 &&
		json.Unmarshal(parts[0], &api) == nil && json.Unmarshal(parts[1], &method) == nil {
		r.Method, r.Params = api+"."+method, parts[2]
	}
}

// process gives the answer without any fault.
func (n *Node) process(r *request, err *apiError) []byte {
	var result []byte
	if err == nil {
		result, err = n.call(r)
	}
	body := []byte(`{"jsonrpc":"2.0",`)
	if err != nil {
		body = err.append(append(body, `"error":`...))
	} else {
		body = append(append(body, `"result":`...), result...)
	}
	body = append(append(body, `,"id":`...), r.id()...)
	return append(body, '}')
}

// readAsNode does to a request what the node's JSON reader does (tx §5.3): of escapes it knows \"
// \\ \n \r \t and drops the backslash of any other, and it refuses 100 open braces and brackets,
// those inside of texts included. The result can be read by others.
func readAsNode(body []byte) ([]byte, *apiError) {
	out := make([]byte, 0, len(body))
	open := 0
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case '{', '[':
			if open++; open >= 100 {
				return nil, asserted("", "object graph too deep")
			}
		case '}', ']':
			open--
		case '\\':
			i++
			if i < len(body) && bytes.IndexByte([]byte(`"\nrt`), body[i]) >= 0 {
				out = append(out, '\\')
			}
			if i == len(body) {
				return out, nil
			}
		}
		out = append(out, body[i])
	}
	return out, nil
}

// ServeHTTP answers a JSON-RPC request sent by POST.
func (n *Node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil || r.Method != http.MethodPost {
		http.Error(w, "POST a JSON-RPC request", http.StatusBadRequest)
		return
	}
	a, err := n.serve(r.Context(), body)
	if err != nil {
		panic(http.ErrAbortHandler) // breaks the connection without an answer
	}
	for name, values := range a.header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
	w.Write(a.body)
}
