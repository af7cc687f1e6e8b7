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
	h := sha256.New()
	for _, part := range []string{"pksa pairing 1", p.Account, p.Relay, p.App, string(p.Key)} {
		_, _ = h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part))))
		_, _ = h.Write([]byte(part))
	}
	_, _ = h.Write(binary.BigEndian.AppendUint64(nil, uint64(p.Length)))
	return [32]byte(h.Sum(nil))
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
	d.mu.Lock()
	defer d.mu.Unlock()
	q, ok := d.open.take(a.Challenge, Pair, time.Now())
	switch {
	case !ok:
		return nil, d.refused(ctx, Pair, 0, "", errUsed)
	case q.Digest != p.Digest():
		return nil, d.refused(ctx, Pair, 0, "", errors.New("the signature is for another pairing"))
	}
	if err := a.kept(); err != nil {
		return nil, d.refused(ctx, Pair, 0, "", err)
	}
	by, site, err := d.verify(ctx, q, a)
	if err != nil {
		return nil, d.refused(ctx, Pair, 0, by.Name, err)
	}
	return newProof(by, site, q, a.parts()), nil
}
