package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"pksa/agent/ledger"
	"pksa/protocol"
	"pksa/protocol/hive"
)

// A pairing link and the auth_req that it belongs to may come in either order (HAS §1), so
// whichever is first waits here for the other: a link for pairingWait, a request until it expires.
const (
	pairingWait    = 10 * time.Minute
	heldPerAccount = 100
)

// pairings holds links without their request and auth_reqs that nothing opened. All methods may be
// called concurrently. Nothing of it survives a restart: a relay delivers its pending requests
// again, and a person can paste a link again.
type pairings struct {
	mu    sync.Mutex
	links map[pairKey]*pairing
	held  map[hive.AccountName][]heldRequest // oldest first
}

type pairKey struct {
	account hive.AccountName
	uuid    string // lower case
}

// pairing is a link that waits for its auth_req. The session key in it is a secret, so it is behind a
// function, see hidden.
type pairing struct {
	link    func() protocol.Link
	app     string
	session time.Duration
	until   time.Time
	done    chan pairResult // buffered: whoever waits may have gone
}

type pairResult struct {
	session *ledger.Session
	err     error
}

type heldRequest struct {
	delivered
	until time.Time
}

// offer makes a link wait and gives the request that it opens if that is here already.
func (p *pairings) offer(pr *pairing, now time.Time) (delivered, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.links == nil {
		p.links = map[pairKey]*pairing{}
	}
	for key, old := range p.links {
		if now.After(old.until) {
			delete(p.links, key)
		}
	}
	link := pr.link()
	p.links[pairKey{link.Account, link.UUID.Key()}] = pr
	for i, h := range p.held[link.Account] {
		if h.msg.UUID.Key() == link.UUID.Key() {
			p.held[link.Account] = slices.Delete(p.held[link.Account], i, i+1)
			return h.delivered, true
		}
	}
	return delivered{}, false
}

// waiting gives the link that waits for a request, and leaves it waiting: a damaged copy of the
// request must not use it up.
func (p *pairings) waiting(account hive.AccountName, uuid protocol.UUID, now time.Time) (*pairing, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pr, ok := p.links[pairKey{account, uuid.Key()}]
	return pr, ok && now.Before(pr.until)
}

// finish ends the wait of a link.
func (p *pairings) finish(pr *pairing, result pairResult) {
	link := pr.link()
	p.mu.Lock()
	delete(p.links, pairKey{link.Account, link.UUID.Key()})
	p.mu.Unlock()
	select {
	case pr.done <- result:
	default:
	}
}

// hold keeps an auth_req that nothing opens yet. It gives back the requests that it put out, whose
// runs the caller ends: expired ones, and the oldest of an account that has too many.
func (p *pairings) hold(d delivered, until, now time.Time) []heldRequest {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held == nil {
		p.held = map[hive.AccountName][]heldRequest{}
	}
	kept := p.held[d.msg.Account]
	var out []heldRequest
	live := make([]heldRequest, 0, len(kept)+1)
	for _, h := range kept {
		if now.Before(h.until) {
			live = append(live, h)
		} else {
			out = append(out, h)
		}
	}
	if len(live) >= heldPerAccount {
		out = append(out, live[0])
		live = live[1:]
	}
	p.held[d.msg.Account] = append(live, heldRequest{d, until})
	return out
}

// Pair takes a pairing link for an app slot and waits until the session is made, the request is
// refused, or ctx ends. Session is the session's length, zero for the default.
func (a *Agent) Pair(ctx context.Context, app string, link protocol.Link, session time.Duration) (*ledger.Session, error) {
	if err := a.checkPair(app, link, session); err != nil {
		return nil, err
	}
	if session == 0 {
		session = defaultSession
	}
	now := time.Now()
	pr := &pairing{link: func() protocol.Link { return link }, app: app, session: session, until: now.Add(pairingWait), done: make(chan pairResult, 1)}
	if d, here := a.pairings.offer(pr, now); here {
		a.start(func(ctx context.Context) { a.resume(ctx, d) })
	}
	select {
	case result := <-pr.done:
		return result.session, result.err
	case <-ctx.Done():
		a.pairings.finish(pr, pairResult{})
		return nil, errors.New("the request of this link did not arrive; make a new link in the application and pair again")
	}
}

func (a *Agent) checkPair(app string, link protocol.Link, session time.Duration) error {
	if err := checkSession(a.ledger, a.keys(), app, link.Account, session); err != nil {
		return err
	}
	if _, ok := a.linkAt(link.Host); !ok {
		return fmt.Errorf("the link is for relay %s, which is not among the relays of this wallet; add it to relays in config.yaml and start again", link.Host)
	}
	return nil
}

// pairOutcome is what the person hears who pasted the link.
func pairOutcome(r *run, g granted, ok bool) pairResult {
	if !ok {
		return pairResult{err: fmt.Errorf("the request of this link was refused: %s", r.refused)}
	}
	return pairResult{session: g.session}
}
