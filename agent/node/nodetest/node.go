package nodetest

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"pksa/agent/node/memchain"
	"pksa/protocol/hive"
)

// Node is a Hive API node that shows a [Chain]. It is an http.Handler. Its methods may be called
// concurrently.
type Node struct {
	Name  string // its host
	chain *Chain

	mu     sync.Mutex         // taken after the chain, where both are needed
	queued map[string][]Fault // by method, "" for any; used up one by one
	always map[string]Fault
	mood
	own    map[hive.TxID]*memchain.Entry // what it took itself
	calls  map[string]int
	bodies [][]byte // broadcast requests as they came, lost ones included
}

// NewNode adds a node with that name; its address is https://NAME/ through [Transport].
func (c *Chain) NewNode(name string) *Node {
	return &Node{
		Name: name, chain: c, queued: map[string][]Fault{}, always: map[string]Fault{},
		mood: mood{without: map[string]bool{}}, own: map[hive.TxID]*memchain.Entry{}, calls: map[string]int{},
	}
}

// URL returns the address of the node through [Transport].
func (n *Node) URL() string { return "https://" + n.Name + "/" }

// Fail makes the next calls of a method ("" for any) fail, one after another.
func (n *Node) Fail(method string, faults ...Fault) {
	n.set(func() { n.queued[method] = append(n.queued[method], faults...) })
}

// FailAlways makes all calls of a method ("" for any) fail, after those of [Node.Fail]; the zero
// fault ends that.
func (n *Node) FailAlways(method string, f Fault) { n.set(func() { n.always[method] = f }) }

// SetChainID makes the node serve another chain.
func (n *Node) SetChainID(id [32]byte) { n.set(func() { n.otherChain = &id }) }

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

// Calls returns how often a method was called, whatever became of it.
func (n *Node) Calls(method string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.calls[method]
}

// Broadcasts returns the broadcast requests that were sent to the node, byte for byte, lost ones
// included.
func (n *Node) Broadcasts() [][]byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([][]byte(nil), n.bodies...)
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
	errReset   = error(syscall.ECONNRESET)
)

// serve answers one request body. The error is one of the connection, or that of ctx.
func (n *Node) serve(ctx context.Context, body []byte) (answer, error) {
	r := memchain.ReadRequest(body)
	f := n.take(r.Method, body)
	switch {
	case f.Refuse:
		return answer{}, errRefused
	case f.Late > 0:
		time.AfterFunc(f.Late, func() { n.reply(r) })
	}
	result := answer{status: http.StatusOK, header: f.Header}
	if f.delivers() {
		result.body = n.reply(r)
	}
	if err := f.wait(ctx); err != nil {
		return answer{}, err
	}
	if f.replaced() {
		result.body = bytes.ReplaceAll(f.Body, []byte("$id"), r.ID)
		if f.Status != 0 {
			result.status = f.Status
		}
	}
	return result, nil
}

// reply returns the answer without any fault of the call.
func (n *Node) reply(r *memchain.Request) []byte {
	return r.Reply(func(method string, params jsontext.Value) ([]byte, *memchain.Failure) {
		truth, release := n.chain.State(n.Name)
		defer release()
		n.mu.Lock()
		defer n.mu.Unlock()
		return n.answerLocked(truth, method, params)
	})
}

// wait does the part of a fault that takes time. Its error is what the client meets.
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
func (n *Node) take(method string, body []byte) Fault {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.calls[method]++
	if isBroadcast(method) {
		n.bodies = append(n.bodies, body)
	}
	for _, method := range []string{method, ""} {
		if queue := n.queued[method]; len(queue) > 0 {
			n.queued[method] = queue[1:]
			return queue[0]
		}
	}
	if f, ok := n.always[method]; ok {
		return f
	}
	return n.always[""]
}

func isBroadcast(method string) bool {
	return method == "condenser_api.broadcast_transaction" || method == "network_broadcast_api.broadcast_transaction"
}

func apiOf(method string) string {
	api, _, _ := strings.Cut(method, ".")
	return api
}

// ServeHTTP answers a JSON-RPC request sent by POST.
func (n *Node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, ok := memchain.ReadBody(w, r)
	if !ok {
		return
	}
	a, err := n.serve(r.Context(), body)
	if err != nil {
		panic(http.ErrAbortHandler) // breaks the connection without an answer
	}
	for name, values := range a.header {
		w.Header()[name] = values
	}
	memchain.WriteReply(w, a.status, a.body)
}

// Listen serves the node on a free port of loopback until ctx ends, and returns its address. wait
// returns when everything that it started has returned.
func (n *Node) Listen(ctx context.Context) (url string, wait func(), err error) {
	return memchain.Listen(ctx, n)
}
