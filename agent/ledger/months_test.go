package ledger_test

import (
	"crypto/sha256"
	"testing"
	"time"

	"pksa/agent/ledger"
)

// A recorded request is known by its ciphertext and its nonce, wherever and whenever it comes
// again: by another relay, half a year later, after a restart, long after its recorded answer was
// dropped.
func TestReplayAfterMonthsByAnotherRelay(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	n := r.newSession("alice", "mybot", "k1")
	n.Expires = r.clock.now().Add(360 * 24 * time.Hour)
	s, err := r.l.AddSession(ctx, n, nil)
	must(t, err)
	nonce := r.nowMS()
	for _, said := range []ledger.Replay{r.try(s, "with nonce", nonce), r.try(s, "without", 0)} {
		if said != ledger.Fresh {
			t.Fatalf("first time: %v", said)
		}
	}
	for range 26 {
		r.clock.add(7 * 24 * time.Hour)
		r.reopen()
	}
	for _, c := range []struct {
		text  string
		nonce int64
		want  ledger.Replay
	}{{"with nonce", nonce, ledger.NonceLow}, {"without", 0, ledger.DigestSeen}} {
		key := ledger.RequestKey{Relay: "another relay", UUID: "uuid of " + c.text}
		b, err := r.l.Begin(ledger.Arrival{Key: key, Digest: sha256.Sum256([]byte(c.text)),
			Expires: r.clock.now().Add(time.Minute)})
		must(t, err)
		if b.State != ledger.New {
			t.Fatalf("%s: %v", c.text, b.State)
		}
		var said ledger.Replay
		_, err = r.l.Admit(ctx, ledger.Admission{Key: key, Account: "alice", Kind: "sign", Session: s.ID,
			Nonce: c.nonce}, func(v ledger.View) ledger.Ruling {
			said = v.Replay
			return allowFresh(v)
		})
		must(t, err)
		if said != c.want {
			t.Errorf("%s: %v, want %v", c.text, said, c.want)
		}
	}
}
