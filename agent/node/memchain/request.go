package memchain

import (
	"bytes"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Request is a JSON-RPC request as a node reads it.
type Request struct {
	Method string         `json:"method"` // API and method, "condenser_api.get_accounts"
	Params jsontext.Value `json:"params"`
	ID     jsontext.Value `json:"id"`

	failure *Failure // of reading it
}

// ReadRequest reads the body of a request. One that cannot be read gets an error as its answer.
func ReadRequest(body []byte) *Request {
	var r Request
	text, failure := readAsNode(body)
	if r.failure = failure; failure == nil {
		if err := json.Unmarshal(text, &r); err != nil || r.Method == "" {
			r.failure = &Failure{outer: -32700, bare: true, message: "parse error"}
		}
	}
	if len(r.ID) == 0 {
		r.ID = jsontext.Value("null")
	}
	if r.Method == "call" {
		r.flatten()
	}
	return &r
}

// flatten turns the old form, method "call" and params [api, method, params], into the new one.
func (r *Request) flatten() {
	var parts []jsontext.Value
	var api, method string
	if json.Unmarshal(r.Params, &parts) == nil && len(parts) == 3 &&
		json.Unmarshal(parts[0], &api) == nil && json.Unmarshal(parts[1], &method) == nil {
		r.Method, r.Params = api+"."+method, parts[2]
	}
}

// Reply returns the body of the answer. It calls answer for the result, unless the request could
// not be read.
func (r *Request) Reply(answer func(method string, params jsontext.Value) ([]byte, *Failure)) []byte {
	var result []byte
	failure := r.failure
	if failure == nil {
		result, failure = answer(r.Method, r.Params)
	}
	body := []byte(`{"jsonrpc":"2.0",`)
	if failure != nil {
		body = failure.AppendJSON(append(body, `"error":`...))
	} else {
		body = append(append(body, `"result":`...), result...)
	}
	body = append(append(body, `,"id":`...), r.ID...)
	return append(body, '}')
}

// readAsNode does to a request what the node's JSON reader does (tx §5.3): of escapes it knows \"
// \\ \n \r \t and drops the backslash of any other, and it refuses 100 open braces and brackets,
// those inside of texts included. The result can be read by others.
func readAsNode(body []byte) ([]byte, *Failure) {
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
