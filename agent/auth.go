package agent

import (
	"context"
	"time"

	"pksa/agent/ledger"
	"pksa/agent/policy"
	"pksa/protocol"
)

// defaultSession is the length of a session for which neither rule nor person sets another.
const defaultSession = 24 * time.Hour

// serveAuth takes an auth_req from its decoded payload on: a new session, or the confirmation of
// one, with or without a challenge inside. A live session keeps its end: it is never extended (HAS
// §9.1). An application that asks for a signed challenge gets no session without one (HAS §5.2).
func (a *Agent) serveAuth(ctx context.Context, r *run, data protocol.AuthReqData) {
	p := proposal{run: r, request: r.authRequest(data)}
	if c := data.Challenge; c != nil {
		p.refusal = a.firewall(c.Challenge)
		if c.Decrypt {
			// A right of its own, which no rule of auth gives. A signature is not what was asked
			// for.
			p.refusal = &refusal{code: policy.CodeUnsupported, reason: policy.MemoInAuth}
		}
	}
	if r.session == nil {
		p.newSession = &ledger.NewSession{
			Account: string(r.msg.Account), App: r.app, AuthKey: ledger.Secret(r.authKey.Reveal()),
			Origin: ledger.Service, Relay: r.relay, Claim: data.App.Name,
		}
		if r.pairing != nil {
			p.newSession.Origin, p.length = ledger.Paired, r.pairing.session
		}
		if r.remnant != nil {
			p.newSession.Origin = r.remnant.Origin
		}
		// What an app's own secret makes keeps no relay that no person wanted for it.
		p.newSession.AddedRelay = p.newSession.Origin == ledger.Paired && !a.configured(r.relay)
	}
	if busy := a.tooFast(r); busy != nil {
		p.refusal = busy
	}
	granted, ok := a.admit(ctx, &p)
	if r.pairing != nil {
		a.pairings.finish(r.pairing, pairOutcome(r, granted, ok))
	}
	if !ok {
		return
	}
	a.answerAuth(ctx, granted, data)
}

// authRequest returns an auth_req as the policy sees it.
func (r *run) authRequest(data protocol.AuthReqData) *policy.Request {
	q := &policy.Request{
		Kind: policy.Auth, Account: r.msg.Account, App: r.app,
		// A session that the operator made or pasted by hand needs no allow rule; deny rules hold
		// all the same. One that has ended needs the rule that lets it be renewed.
		ManualSession: r.pairing != nil || (r.session != nil && r.session.Origin != ledger.Service),
	}
	if c := data.Challenge; c != nil {
		q.AuthChallenge = &policy.AuthChallenge{Role: c.KeyType, Text: c.Challenge}
	}
	return q
}

func (a *Agent) answerAuth(ctx context.Context, g granted, data protocol.AuthReqData) {
	r := g.run
	if r.session == nil {
		a.noteHeld(ctx, g.session)
	}
	answer := protocol.AuthAckData{Expire: g.session.Expires.UnixMilli(), Token: g.session.Token}
	answer.Exact, answer.Shared = data.App.Exact, data.App.Shared
	outcome := "session"
	if c := data.Challenge; c != nil {
		signed, _, err := a.prove(g, c.KeyType, c.Challenge, false)
		if err != nil {
			a.finish(ctx, g, ending{outcome: "failed", reason: err.Error(),
				answer: r.doubt(protocol.TextInternal), failed: true}) // the session is made
			return
		}
		answer.Challenge = &signed
		outcome = "session and challenge"
	}
	a.acknowledge(ctx, g, outcome, answer)
}
