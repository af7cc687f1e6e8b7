package agent

import (
	"context"
	"errors"

	"pksa/agent/policy"
	"pksa/protocol"
	"pksa/protocol/hive"
	"pksa/protocol/secret"
)

var errNoMemo = errors.New("challenge_req_data: challenge: decrypt asked for what is no encrypted memo")

// serveChallenge takes a challenge_req from its decoded payload on: a text to sign, or a memo to
// decrypt, which is a right of its own.
func (a *Agent) serveChallenge(ctx context.Context, r *run, data protocol.ChallengeReqData) {
	p := proposal{
		run: r,
		request: &policy.Request{Kind: policy.Challenge, Account: r.msg.Account, App: r.app, Role: data.KeyType,
			Text: data.Challenge},
		nonce: data.Nonce,
	}
	if p.refusal = a.tooFast(r); p.refusal != nil {
		a.admit(ctx, &p)
		return
	}
	if data.Decrypt {
		p.request.Kind, p.request.Text = policy.Decrypt, ""
		if !hive.IsEncryptedMemo(data.Challenge) {
			a.rejectMistake(ctx, r, errNoMemo)
			return
		}
	} else {
		p.refusal = a.firewall(data.Challenge)
	}
	granted, ok := a.admit(ctx, &p)
	if !ok {
		return
	}
	a.answerChallenge(ctx, granted, data)
}

// firewall refuses texts that could be something else than a login text, whatever the policy says
// (HAS §13.4).
func (a *Agent) firewall(text string) *refusal {
	if err := protocol.CheckChallenge(text, a.network.ChainID[:]); err != nil {
		return &refusal{code: policy.CodeFirewall, reason: err.Error()}
	}
	return nil
}

func (a *Agent) answerChallenge(ctx context.Context, g granted, data protocol.ChallengeReqData) {
	r := g.run
	answer, outcome, err := a.prove(g, g.role, data.Challenge, data.Decrypt)
	if err != nil {
		text := protocol.TextInternal
		if data.Decrypt {
			// The memo is not for this key, or was altered: the request's fault, not ours.
			text = protocol.TextInvalid
		}
		a.finish(ctx, g, ending{outcome: "failed", reason: err.Error(), answer: r.nack(text), failed: true})
		return
	}
	a.acknowledge(ctx, g, outcome, answer)
}

// prove signs a text, or decrypts a memo, with the account's key of a role, and returns the
// outcome's name.
func (a *Agent) prove(g granted, role hive.Role, text string, decrypt bool) (protocol.ChallengeAckData, string, error) {
	keys, err := a.reach(g, role)
	if err != nil {
		return protocol.ChallengeAckData{}, "", err
	}
	key := keys[0]
	answer := protocol.ChallengeAckData{PubKey: key.Public()}
	if decrypt {
		clear, err := key.DecodeMemo(text)
		answer.Challenge = secret.Text(clear)
		return answer, "decrypted", err
	}
	signature, err := key.SignCanonical(hive.HashText(text))
	// On disk: the ruling, no outcome. The signature is lost; the next start answers with an error.
	crashpoint("proved")
	answer.Challenge = secret.Text(signature.String())
	return answer, "signed", err
}
