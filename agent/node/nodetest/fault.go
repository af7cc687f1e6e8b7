package nodetest

import (
	"fmt"
	"net/http"
	"time"

	"pksa/agent/node/memchain"
)

// Fault is what goes wrong in one call. The zero value is none.
type Fault struct {
	Name string // for the names of tests

	Refuse bool          // the connection is refused: the request never leaves
	Lose   bool          // the request is not processed
	Late   time.Duration // the request is processed only so much later, and not answered for that
	Slow   time.Duration // the answer waits for so long; the request is processed before
	Hang   bool          // there is no answer until the client gives up
	Reset  bool          // the connection breaks instead of an answer
	Status int           // HTTP status in place of 200; then Body is the answer, too
	Body   []byte        // answer in place of the true one
	Header http.Header   // additional
}

// delivers reports whether the node gets the request at once.
func (f Fault) delivers() bool { return !f.Refuse && !f.Lose && f.Late == 0 }

// replaced reports whether the true answer is not sent.
func (f Fault) replaced() bool { return f.Status != 0 || f.Body != nil }

// LateArrival makes the connection break while the network holds the request for d.
func LateArrival(d time.Duration) Fault {
	return Fault{Name: "late arrival", Late: d, Reset: true}
}

// Slow makes the answer take d.
func Slow(d time.Duration) Fault { return Fault{Name: "slow", Slow: d} }

// Status makes a front end answer with an HTTP status. With processed the node gets the request
// before.
func Status(code int, processed bool) Fault {
	name := fmt.Sprintf("status %d before", code)
	if processed {
		name = fmt.Sprintf("status %d after", code)
	}
	return Fault{Name: name, Lose: !processed, Status: code, Body: []byte("<html>" + http.StatusText(code) + "</html>")}
}

// Garbage makes the answer one that is no JSON-RPC. With processed the node gets the request
// before.
func Garbage(body string, processed bool) Fault {
	name := "garbage before"
	if processed {
		name = "garbage after"
	}
	return Fault{Name: name, Lose: !processed, Body: []byte(body)}
}

// FrontEnd makes a front end answer with an error of its own (tx §5.4). With processed the node
// gets the request before.
func FrontEnd(processed bool) Fault {
	f := Garbage(`{"jsonrpc":"2.0","error":{"code":-32700,"message":"Unable to communicate with `+
		`node","data":null},"id":null}`, processed)
	f.Name = "front end " + f.Name[len("garbage "):]
	f.Status = http.StatusInternalServerError
	return f
}

// Refusal makes the node refuse with a made-up assertion: the transaction is not processed. The
// sentence is quoted as it is.
func Refusal(name string, code int, sentence string) Fault {
	e := &memchain.Failure{Code: code, Name: name, Title: "made up", Format: sentence}
	body := append(e.AppendJSON([]byte(`{"jsonrpc":"2.0","error":`)), `,"id":$id}`...)
	return Fault{Name: "refuses: " + name, Lose: true, Body: body}
}

// The faults without parameters.
var (
	Refused     = Fault{Name: "connection refused", Refuse: true}
	ResetBefore = Fault{Name: "reset before", Lose: true, Reset: true}
	ResetAfter  = Fault{Name: "reset after", Reset: true}
	HangBefore  = Fault{Name: "hang before", Lose: true, Hang: true}
	HangAfter   = Fault{Name: "hang after", Hang: true}
	// FalseAccept says that the transaction was taken, and drops it.
	FalseAccept = Fault{Name: "false accept", Lose: true, Body: []byte(`{"jsonrpc":"2.0","result":{},"id":$id}`)}
	// Locked is the error of a node that is too busy.
	Locked = Fault{Name: "locked", Lose: true,
		Body: []byte(`{"jsonrpc":"2.0","error":{"code":-32003,"message":"Unable to acquire READ ` +
			`lock","data":{"code":4110000,"name":"chainbase_lock_exception","message":"chainbase ` +
			`lock","stack":[{"context":{},"format":"Unable to acquire ${t} lock","data":{"t":"READ"}}]}},"id":$id}`)}
)

// BroadcastFaults returns faults for every point of a broadcast, none included. To the client some
// of them look the same, although the transaction arrived in one and not in the other.
func BroadcastFaults() []Fault {
	return []Fault{
		{Name: "none"}, Refused, ResetBefore, ResetAfter, HangBefore, HangAfter,
		LateArrival(5 * time.Second), LateArrival(20 * time.Second), Slow(8 * time.Second), Slow(12 * time.Second),
		Status(http.StatusTooManyRequests, false), Status(http.StatusBadGateway, false),
		Status(http.StatusBadGateway, true),
		Garbage(`{"jsonrpc":"2.0"`, false), Garbage(`{"jsonrpc":"2.0"`, true),
		Garbage(`{"jsonrpc":"2.0","result":{},"id":0}`, true), Garbage(``, true), FrontEnd(false), FrontEnd(true),
		Locked,
		Refusal("assert_exception", 10, "no"), Refusal("transaction_tapos_exception", 4030200, ""),
	}
}
