package agent

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"pksa/agent/ledger"
	"pksa/agent/policy"
)

// asks is the requests that wait for a person. The agent has one table: the goroutine of each
// request adds it, waits and removes it; the control socket lists and answers. What waits is on
// disk as pending, with its nonce used up and nothing charged: a restart answers it with a no. The
// zero value is ready.
type asks struct {
	mu      sync.Mutex
	waiting map[uint64]*asked
}

type asked struct {
	info PendingRequest
	yes  chan bool // buffered: the first answer counts
}

// PendingRequest is a request that waits for a person.
type PendingRequest struct {
	Number     uint64    `json:"number"` // of its audit record; `approve` and `deny` name it so
	Since      time.Time `json:"since"`
	Until      time.Time `json:"until"` // then it is denied
	Kind       string    `json:"kind"`
	Account    string    `json:"account"`
	App        string    `json:"app"`
	KeyType    string    `json:"key_type,omitempty"`
	Keys       []string  `json:"keys,omitempty"`       // roles of the keys that sign, if there are several
	Effects    []string  `json:"effects"`              // what it would do, in words
	Operations []string  `json:"operations,omitempty"` // each as JSON, decoded from what would be signed
	Text       string    `json:"text,omitempty"`
	Reason     string    `json:"reason"`
}

// add makes a request wait.
func (a *asks) add(info PendingRequest) *asked {
	w := &asked{info: info, yes: make(chan bool, 1)}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.waiting == nil {
		a.waiting = map[uint64]*asked{}
	}
	a.waiting[info.Number] = w
	return w
}

func (a *asks) remove(number uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.waiting, number)
}

// list returns what waits, the most urgent first.
func (a *asks) list() []PendingRequest {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := make([]PendingRequest, 0, len(a.waiting))
	for _, w := range a.waiting {
		all = append(all, w.info)
	}
	slices.SortFunc(all, func(x, y PendingRequest) int {
		return cmp.Or(x.Until.Compare(y.Until), cmp.Compare(x.Number, y.Number))
	})
	return all
}

// answer hands the operator's answer to a request that waits.
func (a *asks) answer(number uint64, yes bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	w, ok := a.waiting[number]
	if !ok {
		return fmt.Errorf("no request %d waits; see `pksa pending`", number)
	}
	select {
	case w.yes <- yes:
		return nil
	default:
		return fmt.Errorf("request %d has its answer already", number)
	}
}

// canAsk reports whether there is a way to ask a person.
func (a *Agent) canAsk() bool { return a.config.Ask == "pending" }

// ask waits for a person's answer to a request that was committed as pending, and then judges it
// again by the policy that is then in force. The wait ends in time for an answer, when the
// transaction could no longer be sent, and when the agent stops.
func (a *Agent) ask(ctx context.Context, p *proposal, number uint64, j judged) (granted, bool) {
	// A margin is left in which a yes can still be carried out and answered: the application
	// listens until the request expires, the chain until the transaction does.
	until := p.run.expires().Add(-answerMargin)
	if t := j.decision.Timeout; t > 0 {
		until = earlier(until, time.Now().Add(t))
	}
	if p.tx != nil {
		until = earlier(until, p.tx.tx.Expiration.Time().Add(-answerMargin))
	}
	info := PendingRequest{Number: number, Since: time.Now(), Until: until, Reason: j.decision.Reason}
	a.describe(p, &info)
	w := a.asks.add(info)
	defer a.asks.remove(number)
	a.log.Info("a person is asked; `pksa pending` shows it", append(p.run.attrs(), "number", number, "until", until)...)
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	p.refusal = &refusal{code: policy.CodeTimeout, reason: "nobody answered in time: " + j.decision.Reason}
	select {
	case yes := <-w.yes:
		p.refusal = &refusal{code: policy.CodeRefused, reason: "a person said no: " + j.decision.Reason}
		if yes {
			p.refusal, p.request.Approved = nil, true
		}
	case <-timer.C:
	case <-a.quit: // the stop does not wait for people; the request is denied and answered at once
	case <-ctx.Done():
	}
	return a.afterAsking(ctx, p, number)
}

// afterAsking judges a request again, or records the no. A yes takes the place of "ask" and of
// nothing else: what the policy denies by now stays denied, and limits count as for every request.
func (a *Agent) afterAsking(ctx context.Context, p *proposal, number uint64) (granted, bool) {
	var j judged
	result, err := a.ledger.Decide(ctx, number, func(v ledger.View) ledger.Ruling {
		var ruling ledger.Ruling
		j, ruling = a.judge(p, v)
		return ruling
	})
	if err != nil {
		a.notAdmitted(ctx, p.run, err)
		return granted{}, false
	}
	return a.ruled(ctx, p, result, j)
}

// describe fills in what the person is shown of a request.
func (a *Agent) describe(p *proposal, info *PendingRequest) {
	q := p.request
	info.Kind, info.Account, info.App = q.Kind.String(), string(p.run.msg.Account), p.run.app
	info.KeyType, info.Text = roleName(q.Role), q.Text
	info.Effects, _ = effects(q, p.newSession != nil, len(q.Ops)) // all: somebody is to say yes to it
	if c := q.AuthChallenge; c != nil {
		info.Text, info.KeyType = c.Text, roleName(c.Role)
	}
	info.Keys = severalKeys(q)
	for _, op := range q.Ops {
		info.Operations = append(info.Operations, string(a.network.AppendOperation(nil, op)))
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
