package approve

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"
)

// Pairing is what a person says yes to who pairs an application by its link. Whoever knows the key
// of the link asks as the app, for the account, at the relay, until the session ends.
type Pairing struct {
	Account string        `json:"account"`
	Relay   string        `json:"relay"`
	App     string        `json:"app"`
	Length  time.Duration `json:"length"`     // of the session, in nanoseconds
	Key     Bytes         `json:"key_sha256"` // the hash of the link's key
}

// Digest returns a SHA-256 over all of it. Each part stands behind its length.
func (p Pairing) Digest() [32]byte {
	return digestOf("pksa pairing 1", p.Account, p.Relay, p.App, string(p.Key),
		string(binary.BigEndian.AppendUint64(nil, uint64(p.Length))))
}

func (p Pairing) question() Question {
	return Question{Purpose: Pair, Name: p.App, Digest: p.Digest(), Yes: true}
}

// PairBegin begins a yes to a pairing.
func (d *Desk) PairBegin(ctx context.Context, p Pairing) (SignAsk, error) {
	return d.ask(ctx, p.question(), time.Now().Add(patience), nil)
}

// PairFinish checks a yes to a pairing, and returns its proof. Whoever calls pairs.
func (d *Desk) PairFinish(ctx context.Context, p Pairing, a Assertion) (*Proof, error) {
	return d.finish(ctx, p.question(), a, "pairing")
}

// PolicyChange is what a person says yes to who approves a policy: by their hashes, the one that
// comes into force, and the one that it replaces.
type PolicyChange struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// Digest returns a SHA-256 over both.
func (c PolicyChange) Digest() [32]byte { return digestOf("pksa policy change 1", c.From, c.To) }

func (c PolicyChange) question() Question {
	return Question{Purpose: Policy, Digest: c.Digest(), Yes: true}
}

// PolicyBegin begins a yes to another policy.
func (d *Desk) PolicyBegin(ctx context.Context, c PolicyChange) (SignAsk, error) {
	return d.ask(ctx, c.question(), time.Now().Add(patience), nil)
}

// PolicyFinish checks a yes to another policy, and returns its proof. Whoever calls brings the
// policy into force.
func (d *Desk) PolicyFinish(ctx context.Context, c PolicyChange, a Assertion) (*Proof, error) {
	return d.finish(ctx, c.question(), a, "policy")
}

// finish checks a yes to what is asked, and returns its proof.
func (d *Desk) finish(ctx context.Context, asked Question, a Assertion, what string) (*Proof, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	q, ok := d.open.take(a.Challenge, asked.Purpose, time.Now())
	switch {
	case !ok:
		return nil, d.refused(ctx, asked.Purpose, 0, "", errUsed)
	case q.Digest != asked.Digest:
		return nil, d.refused(ctx, asked.Purpose, 0, "", errors.New("the signature is for another "+what))
	}
	if err := a.kept(); err != nil {
		return nil, d.refused(ctx, asked.Purpose, 0, "", err)
	}
	by, site, err := d.verify(ctx, q, a)
	if err != nil {
		return nil, d.refused(ctx, asked.Purpose, 0, by.Name, err)
	}
	return newProof(by, site, q, a.parts()), nil
}

// digestOf returns a SHA-256 over texts, each behind its length.
func digestOf(texts ...string) [32]byte {
	h := sha256.New()
	for _, text := range texts {
		_, _ = h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(text))))
		_, _ = h.Write([]byte(text))
	}
	return [32]byte(h.Sum(nil))
}
