package agent_test

import (
	"encoding/json"
	"slices"
	"sync"
	"testing"
	"time"

	"pksa/agent/relay/relaytest"
	"pksa/protocol"
)

// puppet plays the relay towards the agent with frames that no honest relay sends. It stands on the
// wire of the wallet: what it is told to say goes to the agent, and the agent's answers end here.
type puppet struct {
	mu      sync.Mutex
	wallet  *relaytest.Wire
	answers []protocol.Message
}

// fault is what the world's relay is started with.
func (p *puppet) fault(w *relaytest.Wire, f relaytest.Frame) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f.To == relaytest.ToRelay && f.Cmd == "register_req" {
		p.wallet = w
	}
	if w == p.wallet && f.To == relaytest.ToRelay && f.UUID != "" {
		if m, err := protocol.DecodeForRelay(f.Body); err == nil {
			p.answers = append(p.answers, m)
			return
		}
	}
	w.Pass(f)
}

// say delivers a frame to the agent.
func (p *puppet) say(frame []byte) {
	p.mu.Lock()
	w := p.wallet
	p.mu.Unlock()
	w.Pass(relaytest.Frame{To: relaytest.ToClient, Body: frame})
}

// ask delivers a request and returns what the agent answers to it within some seconds, or nil.
func (p *puppet) ask(request map[string]any) protocol.Message {
	return p.askFor(request, 20*time.Second)
}

// askFor is ask with another patience.
func (p *puppet) askFor(request map[string]any, patience time.Duration) protocol.Message {
	frame, err := json.Marshal(request)
	if err != nil {
		panic(err)
	}
	return p.askFrameFor(frame, patience)
}

func (p *puppet) askFrame(frame []byte) protocol.Message { return p.askFrameFor(frame, 20*time.Second) }

func (p *puppet) askFrameFor(frame []byte, patience time.Duration) protocol.Message {
	before := p.count()
	p.say(frame)
	for range patience / (100 * time.Millisecond) {
		time.Sleep(100 * time.Millisecond) // of virtual time: everything else has come to rest before it ends
		if p.count() > before {
			break
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.answers) == before {
		return nil
	}
	return p.answers[len(p.answers)-1]
}

// heard gives the answers so far.
func (p *puppet) heard() []protocol.Message {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.answers)
}

func (p *puppet) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.answers)
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

// errorText opens the sealed error of an answer.
func errorText(m protocol.Message, authKey string) string {
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
