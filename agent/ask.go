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

// asks are the requests that wait for a person. All methods may be called concurrently; the zero
// value is ready. What waits is on disk as pending, with its nonce used up and nothing charged: a
// restart answers it with a no.
type asks struct {
	mu      sync.Mutex
	waiting map[uint64]*asked
}

type asked struct {
	info Asked
	yes  chan bool // buffered: the first word counts
}

// Asked is a request that waits for a person.
type Asked struct {
	Number     uint64    `json:"number"` // of its audit record; `approve` and `deny` name it so
	Since      time.Time `json:"since"`
	Until      time.Time `json:"until"` // then it is denied
	Kind       string    `json:"kind"`
	Account    string    `json:"account"`
	App        string    `json:"app"`
	KeyType    string    `json:"key_type,omitempty"`
	Effects    []string  `json:"effects"`              // what it would do, in words
	Operations []string  `json:"operations,omitempty"` // each as JSON, decoded from what would be signed
	Text       string    `json:"text,omitempty"`
	Reason     string    `json:"reason"`
}

// add makes a request wait.
func (a *asks) add(info Asked) *asked {
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

// list gives what waits, the most urgent first.
func (a *asks) list() []Asked {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := make([]Asked, 0, len(a.waiting))
	for _, w := range a.waiting {
		all = append(all, w.info)
	}
	slices.SortFunc(all, func(x, y Asked) int {
		return cmp.Or(x.Until.Compare(y.Until), cmp.Compare(x.Number, y.Number))
	})
	return all
}

// answer gives a person's word on a request.
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

// canAsk says whether there is a way to ask a person.
func (a *Agent) canAsk() bool { return a.config.Ask == "pending" }

// mayAsk says whether a person may have to be asked about a request: its transaction must live
// longer then. The decision itself is made later, with the counters of that moment; should it be to
// ask after all, the person has as long as the transaction lives.
func (a *Agent) mayAsk(q *policy.Request) bool {
	if !a.canAsk() {
		return false
	}
	ask := false
	a.budget.peek(func(c policy.Counters) {
		ask = a.policy.Load().policy.Decide(q, c, time.Now()).Verdict == policy.Ask
	})
	return ask
}

// ask waits for a person's word on a request that was committed as pending, and then judges it
// again by the policy that is then in force. The wait ends in time for an answer, when the
// transaction could no longer be sent, and when the agent stops.
func (a *Agent) ask(ctx context.Context, r *run, p *proposal, number uint64, j judged) (granted, bool) {
	until := r.expires().Add(-answerMargin)
	if t := j.decision.Timeout; t > 0 {
		until = earlier(until, time.Now().Add(t))
	}
	if p.tx != nil {
		until = earlier(until, p.tx.tx.Expiration.Time().Add(-answerMargin))
	}
	w := a.asks.add(a.askedInfo(r, p, number, until, j.decision.Reason))
	defer a.asks.remove(number)
	a.log.Info("a person is asked; `pksa pending` shows it", append(r.attrs(), "number", number, "until", until)...)
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	refused := &refusal{policy.CodeTimeout, "nobody answered in time: " + j.decision.Reason}
	select {
	case yes := <-w.yes:
		refused = &refusal{policy.CodeRefused, "a person said no: " + j.decision.Reason}
		if yes {
			refused = nil
		}
	case <-timer.C:
	case <-a.quit:
	case <-ctx.Done():
	}
	return a.afterAsking(ctx, r, p, number, refused)
}

// afterAsking judges a request again, a yes standing for "ask" only, or records the no.
func (a *Agent) afterAsking(ctx context.Context, r *run, p *proposal, number uint64, no *refusal) (granted, bool) {
	p.refusal, p.request.Approved = no, no == nil
	var j judged
	result, err := a.ledger.Decide(ctx, number, func(v ledger.View) ledger.Ruling {
		var ruling ledger.Ruling
		j, ruling = a.judge(r, p, v)
		return ruling
	})
	if err != nil {
		a.notAdmitted(ctx, r, err)
		return granted{}, false
	}
	return a.ruled(ctx, r, p, result, j)
}

func (a *Agent) askedInfo(r *run, p *proposal, number uint64, until time.Time, reason string) Asked {
	info := Asked{
		Number: number, Since: time.Now(), Until: until, Kind: p.request.Kind.String(), Account: string(r.msg.Account),
		App: r.app, KeyType: roleName(p.request.Role), Text: p.request.Text, Reason: reason, Effects: effects(p.request,
			p.newSession != nil),
	}
	if c := p.request.AuthChallenge; c != nil {
		info.Text, info.KeyType = c.Text, roleName(c.Role)
	}
	for _, op := range p.request.Ops {
		info.Operations = append(info.Operations, string(a.network.AppendOperation(nil, op)))
	}
	return info
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// lifetimeOf is how long the transaction of this request shall live.
func (a *Agent) lifetimeOf(r *run, p *proposal) time.Duration {
	if a.mayAsk(p.request) {
		return time.Until(r.expires()) + lifetime
	}
	return lifetime
}
