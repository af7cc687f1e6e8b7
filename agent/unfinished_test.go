package agent_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"pksa/agent"
	"pksa/agent/client"
	"pksa/agent/ledger"
	"pksa/agent/node/nodetest"
	"pksa/protocol"
	"pksa/protocol/hive"
	"pksa/protocol/seal"
)

// Equal requests before and after a restart are transactions of their own, although they are built
// in the same second on the same block: else one transaction would answer two requests.
func TestEqualOperationsDifferAfterRestart(t *testing.T) {
	within(t, worldOptions{}, func(t *testing.T, w *world) {
		seen := map[hive.TxID]bool{}
		ask := func(c *client.Client, s *client.Session) {
			for range 5 {
				signed, err := c.Sign(t.Context(), s, vote("same"))
				if err != nil {
					t.Fatal(err)
				}
				if seen[signed.ID] {
					t.Errorf("%s answers two requests", signed.ID)
				}
				seen[signed.ID] = true
			}
		}
		c := w.dial()
		s := w.login(c)
		ask(c, s)
		began := time.Now()
		w.end()
		if err := w.ledger.Close(); err != nil {
			t.Fatal(err)
		}
		w.openLedger()
		w.start()
		if lost := time.Since(began); lost > 2*time.Second {
			t.Fatalf("the restart took %s: too long to show anything", lost)
		}
		ask(c, s)
		if n := len(w.chain.Transactions()); n != 10 {
			t.Errorf("10 requests are %d transactions", n)
		}
	})
}

// A stop while the chain is silent leaves the request unfinished; the next start finds out what
// became of the transaction, never sends again, and answers who asks once more.
func TestUnfinishedAfterRestart(t *testing.T) {
	withScript(t, "", func(t *testing.T, w *world, script *scriptedClient) {
		w.config.StopTimeout = time.Second
		w.node.FailAlways(broadcastMethod, nodetest.Fault{Reset: true}) // it arrives, and no answer comes back
		w.node.FailAlways("transaction_status_api.find_transaction", nodetest.Fault{Refuse: true})
		w.node.FailAlways("condenser_api.get_transaction", nodetest.Fault{Refuse: true})
		q := request("sign_req", uuid(1), authKey, votePayload("p", nowNonce()))
		if m := script.askFor(q, 5*time.Second); m != nil {
			t.Fatalf("answered already: %s", answerKind(m))
		}
		w.end()
		if n := len(w.chain.Transactions()); n != 1 {
			t.Fatalf("%d transactions before the restart", n)
		}
		sent := len(w.node.Broadcasts())
		if err := w.ledger.Close(); err != nil {
			t.Fatal(err)
		}
		w.openLedger()
		if left, err := w.ledger.Unfinished(); err != nil || len(left) != 1 {
			t.Fatalf("unfinished: %v, %v", left, err)
		}
		w.start()
		w.eventually("it counts as uncertain", func() bool { return w.agent.Uncertain() == 1 })
		for _, method := range silentMethods {
			w.node.FailAlways(method, nodetest.Fault{})
		}
		w.eventuallyWithin(10*time.Minute, "the outcome", func() bool { return w.agent.Uncertain() == 0 })
		if got := answerKind(script.ask(q)); got != "ack" {
			t.Errorf("asked again after the restart: %s", got)
		}
		if n := len(w.node.Broadcasts()); n != sent {
			t.Errorf("%d broadcasts after the restart", n-sent)
		}
	})
}

// A request that was refused when the process died, before the outcome was written, is answered as
// the refusal would have been: what a rule says to ignore is not answered then either.
func TestRefusedAndCutOff(t *testing.T) {
	cases := []struct{ record, want, text string }{
		{`{"result":"ignored","code":"denied"}`, "nothing", ""},
		{`{"result":"refused","code":"denied"}`, "nack", protocol.TextRefused},
		{`{"result":"refused","code":"nonce"}`, "nack", protocol.TextNonce},
		{`{"result":"refused","code":"unsupported"}`, "nack", protocol.TextNotSupported},
		{`{"result":"failed","code":"unavailable"}`, "nack", protocol.TextInternal},
		{`nonsense`, "nothing", ""},
	}
	withScript(t, "", func(t *testing.T, w *world, script *scriptedClient) {
		relay, session := w.agent.Status().Links[0].Relay, w.ledger.Sessions()[0].ID
		requests := make([]map[string]any, len(cases))
		for i, c := range cases {
			requests[i] = request("challenge_req", uuid(1+i), authKey,
				fmt.Sprintf(`{"key_type":"posting","challenge":"hi","nonce":%d}`, nowNonce()))
			sealed, err := seal.Parse(requests[i]["data"].(string))
			if err != nil {
				t.Fatal(err)
			}
			key := ledger.RequestKey{Relay: relay, UUID: uuid(1 + i)}
			if _, err := w.ledger.Begin(ledger.Arrival{Key: key, Digest: sealed.Digest(),
				Expires: w.ledger.Now().Add(60e9)}); err != nil {
				t.Fatal(err)
			}
			_, err = w.ledger.Admit(t.Context(), ledger.Admission{Key: key, Account: "alice", Kind: "challenge",
				Session: session}, func(ledger.View) ledger.Ruling {
				return ledger.Ruling{Verdict: ledger.Denied, Record: []byte(c.record)}
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		w.end()
		if err := w.ledger.Close(); err != nil {
			t.Fatal(err)
		}
		w.openLedger()
		w.start()
		for i, c := range cases {
			if m := script.ask(requests[i]); answerKind(m) != c.want || errorText(m, authKey) != c.text {
				t.Errorf("%s: %s %q, want %s %q", c.record, answerKind(m), errorText(m, authKey), c.want, c.text)
			}
		}
	})
}

// mendLosing stops the agent, destroys the record of the last admitted transaction, goes on without
// it, and starts again.
func (w *world) mendLosing() {
	w.t.Helper()
	w.end()
	var number uint64
	for r, err := range w.ledger.Audit(1) {
		if err != nil {
			w.t.Fatal(err)
		}
		if r.Type == ledger.RecordJudged && r.TxID != [20]byte{} {
			number = r.Number
		}
	}
	if err := w.ledger.Close(); err != nil {
		w.t.Fatal(err)
	}
	db, err := bolt.Open(w.config.Ledger, 0o600, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		b, key := tx.Bucket([]byte("audit")), binary.BigEndian.AppendUint64(nil, number)
		return b.Put(key, bytes.Repeat([]byte{7}, len(b.Get(key))))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		w.t.Fatal(err)
	}
	done, err := ledger.Mend(w.t.Context(), w.config.Ledger, w.ledgerOptions(), ledger.Mending{
		Lose:   func([]ledger.Loss) (bool, error) { return true, nil },
		Charge: agent.LostCharge,
	})
	if err != nil || len(done.Lost) != 1 {
		w.t.Fatalf("mended %+v, %v", done, err)
	}
	w.openLedger()
	w.start()
}

// A record of the last minutes is lost, and with it the id of a transaction that may be on its way:
// none is made before that has expired. Then the wallet works on.
func TestLostIDsAreWaitedOut(t *testing.T) {
	withScript(t, "", func(t *testing.T, w *world, script *scriptedClient) {
		n := 0
		vote := func() string {
			n++
			return answerKind(script.ask(request("sign_req", uuid(n), authKey, votePayload("same", nowNonce()))))
		}
		if got := vote(); got != "ack" {
			t.Fatalf("a vote: %s", got)
		}
		w.mendLosing()
		time.Sleep(time.Second)
		if got := vote(); got != "nack" {
			t.Errorf("just after: %s", got)
		}
		if sent := len(w.chain.Transactions()); sent != 1 {
			t.Errorf("%d transactions", sent)
		}
		time.Sleep(5 * time.Minute)
		if got := vote(); got != "ack" {
			t.Errorf("later: %s", got)
		}
	})
}

// What a lost record was charged to a limit nobody knows: nothing is left of it, until its window
// has passed.
func TestLostChargesUseUpLimits(t *testing.T) {
	withScript(t, fmt.Sprintf(twoVotes, "5 per 1h"), func(t *testing.T, w *world, script *scriptedClient) {
		n := 0
		vote := func() string {
			n++
			return answerKind(script.ask(request("sign_req", uuid(n), authKey, votePayload("p", nowNonce()))))
		}
		if got := vote(); got != "ack" {
			t.Fatalf("a vote: %s", got)
		}
		w.mendLosing()
		time.Sleep(30 * time.Minute)
		if got := vote(); got != "nack" {
			t.Errorf("within the window: %s", got)
		}
		if room := w.agent.Status().Policy.Room; len(room) != 1 || !room[0].Lost || room[0].Used != room[0].Most {
			t.Errorf("room: %+v", room)
		}
		time.Sleep(31 * time.Minute)
		if got := vote(); got != "ack" {
			t.Errorf("after the window: %s", got)
		}
	})
}
