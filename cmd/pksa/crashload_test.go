package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"pksa/agent/client"
	"pksa/protocol"
	"pksa/protocol/hive"
)

// load are applications that ask without rest, and remember what they were told.
type load struct {
	world *killWorld

	mu       sync.Mutex
	outcomes map[string]int
	heard    map[string]heard         // by the mark of the request, which its operation carries
	grants   map[string]*client.Grant // by auth_key
	proofs   map[string]*client.Proof // by text
}

// heard is what an application heard about a request for a transaction.
type heard struct {
	outcome string
	id      hive.TxID // of an accepted or an uncertain one
}

func newLoad(w *killWorld) *load {
	return &load{world: w, outcomes: map[string]int{}, heard: map[string]heard{}, grants: map[string]*client.Grant{},
		proofs: map[string]*client.Proof{}}
}

// run starts the applications. They end what they have begun after stop is closed.
func (l *load) run(working *sync.WaitGroup, stop <-chan struct{}) {
	for _, a := range []struct {
		app     string
		workers int
		pause   time.Duration
		act     func(*client.Client, *client.Session, string)
	}{
		{"voter", 3, 40 * time.Millisecond, l.vote},
		{"twin", 4, 4 * time.Second, l.twin}, // in step: four equal requests in a second
		{"payer", 3, 200 * time.Millisecond, l.pay},
		{"prover", 2, 50 * time.Millisecond, l.prove},
		{"login", 1, time.Second, l.login},
	} {
		c := l.world.dial(a.app)
		session := client.NewSession("alice", "")
		var begin sync.Once
		for n := range a.workers {
			working.Go(func() {
				begin.Do(func() { l.begin(c, session, a.app, stop) })
				l.work(a.pause, stop, func(i int) { a.act(c, session, fmt.Sprintf("%s-%d-%d", a.app, n, i)) })
			})
		}
	}
}

// begin logs in, however often the wallet dies meanwhile.
func (l *load) begin(c *client.Client, s *client.Session, app string, stop <-chan struct{}) {
	for {
		grant, err := c.Authenticate(context.Background(), client.Auth{Account: "alice", Session: s,
			Secret: l.world.secrets[app]})
		if l.granted(grant, err) {
			return
		}
		select {
		case <-stop:
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// work acts at a pace. A request that waits for the wallet's next life keeps nothing waiting but
// its worker's place: twenty of them do at most.
func (l *load) work(pause time.Duration, stop <-chan struct{}, act func(int)) {
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	places := make(chan struct{}, 20)
	var waiting sync.WaitGroup
	defer waiting.Wait()
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		case <-ticker.C:
		}
		select {
		case places <- struct{}{}:
		default:
			continue // too many wait already
		}
		waiting.Go(func() {
			defer func() { <-places }()
			act(i)
		})
	}
}

func (l *load) vote(c *client.Client, s *client.Session, mark string) {
	l.sign(c, s, mark, hive.Posting, client.Operation{Name: "vote", Fields: map[string]any{
		"voter": "alice", "author": "bob", "permlink": mark, "weight": 100}})
}

// twin asks for the same vote again and again: each is a request of its own, and needs a
// transaction of its own.
func (l *load) twin(c *client.Client, s *client.Session, mark string) {
	l.sign(c, s, mark, hive.Posting, client.Operation{Name: "vote", Fields: map[string]any{
		"voter": "alice", "author": "bob", "permlink": "twin", "weight": 1}})
}

func (l *load) pay(c *client.Client, s *client.Session, mark string) {
	l.sign(c, s, mark, hive.Active, client.Operation{Name: "transfer", Fields: map[string]any{
		"from": "alice", "to": "bob", "amount": "1.000 HBD", "memo": mark}})
}

func (l *load) sign(c *client.Client, s *client.Session, mark string, role hive.Role, op client.Operation) {
	signed, err := c.Sign(context.Background(), s, client.SignRequest{Role: role, Operations: []client.Operation{op}})
	t := heard{outcome: outcomeOf(err)}
	var failed *client.FailedError
	if err == nil {
		t.id = signed.ID
	} else if errors.As(err, &failed) {
		t.id, _ = failed.TransactionID()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.heard[mark] = t
	l.outcomes["sign: "+t.outcome]++
}

// prove asks for a signed text, and sometimes for one that the policy does not allow.
func (l *load) prove(c *client.Client, s *client.Session, mark string) {
	text := "prove " + mark
	if len(mark)%3 == 0 {
		text = "something else"
	}
	proof, err := c.Challenge(context.Background(), s, client.Challenge{Role: hive.Posting, Text: text})
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		l.proofs[text] = proof
	}
	l.outcomes["challenge: "+outcomeOf(err)]++
}

// login begins a new session with a proof inside.
func (l *load) login(c *client.Client, _ *client.Session, mark string) {
	grant, err := c.Authenticate(context.Background(), client.Auth{
		Account: "alice", Session: client.NewSession("alice", ""), Secret: l.world.secrets["login"],
		Challenge: &client.Challenge{Role: hive.Posting, Text: "prove " + mark},
	})
	l.granted(grant, err)
}

func (l *load) granted(grant *client.Grant, err error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.outcomes["auth: "+outcomeOf(err)]++
	if err == nil {
		l.grants[grant.Session.AuthKey()] = grant
	}
	return err == nil
}

// The outcomes of a request as the applications count them.
const (
	outcomeOK        = "ok"
	outcomeRefused   = "refused"
	outcomeUncertain = "uncertain"
	outcomeNothing   = "nothing heard"
)

func outcomeOf(err error) string {
	var failed *client.FailedError
	switch {
	case err == nil:
		return outcomeOK
	case errors.Is(err, client.ErrRefused):
		return outcomeRefused
	case errors.As(err, &failed):
		if _, ok := failed.TransactionID(); ok {
			return outcomeUncertain
		}
		return failed.Text
	case errors.Is(err, client.ErrExpired), errors.Is(err, client.ErrLost):
		return outcomeNothing
	}
	return err.Error()
}

// nothing says whether an outcome promises that nothing was broadcast.
func (t heard) nothing() bool {
	switch t.outcome {
	case outcomeRefused, protocol.TextBroadcastCredits, protocol.TextBroadcastBalance, protocol.TextBroadcastAuthority,
		protocol.TextBroadcastExpired, protocol.TextBroadcastRejected, protocol.TextBroadcastNoNode,
		protocol.TextInternal, protocol.TextNonce,
		protocol.TextBusy, protocol.TextInvalid:
		return true
	}
	return false
}
