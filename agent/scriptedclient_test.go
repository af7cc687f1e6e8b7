package agent_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"pksa/agent/relay/relaytest"
	"pksa/protocol"
)

// scriptedClient plays the relay towards the agent with frames that no honest relay sends. It
// stands on the wire of the wallet: what it is told to say goes to the agent, and the agent's
// answers end here.
type scriptedClient struct {
	mu      sync.Mutex
	wallet  *relaytest.Wire
	answers []protocol.Message
}

// fault is what the world's relay is started with.
func (script *scriptedClient) fault(w *relaytest.Wire, f relaytest.Frame) {
	script.mu.Lock()
	defer script.mu.Unlock()
	if f.To == relaytest.ToRelay && f.Cmd == "register_req" {
		script.wallet = w
	}
	if w == script.wallet && f.To == relaytest.ToRelay && f.UUID != "" {
		if m, err := protocol.DecodeForRelay(f.Body); err == nil {
			script.answers = append(script.answers, m)
			return
		}
	}
	w.Pass(f)
}

// say delivers a frame to the agent.
func (script *scriptedClient) say(frame []byte) {
	script.mu.Lock()
	w := script.wallet
	script.mu.Unlock()
	w.Pass(relaytest.Frame{To: relaytest.ToClient, Body: frame})
}

// sayAll delivers requests one after the other, and waits for no answer.
func (script *scriptedClient) sayAll(requests ...map[string]any) {
	for _, q := range requests {
		frame, err := json.Marshal(q)
		if err != nil {
			panic(err)
		}
		script.say(frame)
	}
}

// ask delivers a request and returns what the agent answers to it within some seconds, or nil.
func (script *scriptedClient) ask(request map[string]any) protocol.Message {
	return script.askFor(request, 20*time.Second)
}

// askFor is ask with another patience.
func (script *scriptedClient) askFor(request map[string]any, patience time.Duration) protocol.Message {
	frame, err := json.Marshal(request)
	if err != nil {
		panic(err)
	}
	return script.askFrameFor(frame, patience)
}

func (script *scriptedClient) askFrame(frame []byte) protocol.Message {
	return script.askFrameFor(frame, 20*time.Second)
}

func (script *scriptedClient) askFrameFor(frame []byte, patience time.Duration) protocol.Message {
	before := script.count()
	script.say(frame)
	for range patience / (100 * time.Millisecond) {
		time.Sleep(100 * time.Millisecond) // of virtual time: everything else has come to rest before it ends
		if script.count() > before {
			break
		}
	}
	script.mu.Lock()
	defer script.mu.Unlock()
	if len(script.answers) == before {
		return nil
	}
	return script.answers[len(script.answers)-1]
}

// heard gives the answers so far.
func (script *scriptedClient) heard() []protocol.Message {
	script.mu.Lock()
	defer script.mu.Unlock()
	return slices.Clone(script.answers)
}

func (script *scriptedClient) count() int {
	script.mu.Lock()
	defer script.mu.Unlock()
	return len(script.answers)
}

// request makes a request with a payload sealed by an auth_key.
func request(cmd, uuid, authKey, payload string) map[string]any {
	return map[string]any{
		"cmd": cmd, "account": "alice", "data": relaytest.Seal(authKey, payload), "uuid": uuid,
		"expire": time.Now().Add(time.Minute).UnixMilli(),
	}
}

// answerKind names an answer: ack, nack, err, or nothing.
func answerKind(m protocol.Message) string {
	switch m.(type) {
	case protocol.Ack:
		return "ack"
	case protocol.Nack:
		return "nack"
	case protocol.Err:
		return "err"
	}
	return "nothing"
}

// errorText returns the reason of a nack, or opens the sealed error of an err. It returns "" if the
// sealed uuid of a nack is not that of the answer.
func errorText(m protocol.Message, authKey string) string {
	if n, ok := m.(protocol.Nack); ok {
		if uuid, err := relaytest.Open(authKey, n.Data); err != nil || uuid != string(n.UUID) {
			return ""
		}
		return n.Error
	}
	e, ok := m.(protocol.Err)
	if !ok {
		return ""
	}
	text, err := relaytest.Open(authKey, e.Error)
	if err != nil {
		return e.Error
	}
	return text
}

func opened(t *testing.T, data string) string {
	t.Helper()
	clear, err := relaytest.Open(authKey, data)
	if err != nil {
		t.Fatal(err)
	}
	return clear
}

const authKey = "03f63469-5a35-47cb-a6b4-e8c4d3144cf9"

// uuid makes a request's name of a number.
func uuid(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

// votePayload is a sign_req_data; a nonce of zero is left out.
func votePayload(permlink string, nonce int64) string {
	tail := ""
	if nonce != 0 {
		tail = fmt.Sprintf(`,"nonce":%d`, nonce)
	}
	return fmt.Sprintf(`{"key_type":"posting","ops":[["vote",{"voter":"alice","author":"bob","permlink":%q,`+
		`"weight":100}]],"broadcast":true%s}`, permlink, tail)
}

// withScript runs a test with an agent that has a hand-made session, and a relay that lies.
func withScript(t *testing.T, policy string, f func(*testing.T, *world, *scriptedClient)) {
	t.Helper()
	withScriptAndNodes(t, policy, 1, f)
}

// withScriptAndNodes does the same in a world of several Hive nodes.
func withScriptAndNodes(t *testing.T, policy string, nodes int, f func(*testing.T, *world, *scriptedClient)) {
	t.Helper()
	script := &scriptedClient{}
	within(t, worldOptions{policy: policy, nodes: nodes, fault: script.fault,
		prepare: func(w *world) { w.session(authKey) }}, func(t *testing.T, w *world) { f(t, w, script) })
}

func nowNonce() int64 { return time.Now().UnixMilli() }

func with(q map[string]any, member string, value any) map[string]any {
	out := map[string]any{}
	for k, v := range q {
		out[k] = v
	}
	out[member] = value
	return out
}

// inService makes an auth_req as an application of the slot "app" does.
func inService(id, payload string) map[string]any {
	return with(request("auth_req", id, authKey, payload), "auth_key", relaytest.Seal(secret, authKey))
}
