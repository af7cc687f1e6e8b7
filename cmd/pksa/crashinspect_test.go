package main

import (
	"context"
	"slices"
	"testing"
	"time"

	"pksa/agent/ledger"
	"pksa/agent/node/nodetest"
	"pksa/keystore"
	"pksa/protocol/hive"
)

// resolve waits until the wallet has found out what became of every transaction. Its ledger cannot
// be asked while it runs, so it is stopped for that, in order, and started again.
func (w *killWorld) resolve() {
	const longest = 3 * time.Minute // a transaction lives 40 s, and the nodes are soon sure
	again := time.NewTicker(3 * time.Second)
	defer again.Stop()
	for began := time.Now(); ; <-again.C {
		w.interrupt()
		var left []ledger.Unfinished
		w.withLedger(func(l *ledger.Ledger, _ *keystore.Store) {
			var err error
			if left, err = l.Unfinished(); err != nil {
				w.t.Fatal(err)
			}
		})
		w.start("")
		w.await("another start", ready)
		if len(left) == 0 {
			return
		}
		if u := left[0]; time.Since(began) > longest {
			w.t.Fatalf("%d requests have no outcome: number %d, %s, transaction %x until %s", len(left), u.Number,
				u.Kind, u.TxID, u.TxExpires)
		}
	}
}

// books is what the ledger says, for comparing.
type books struct {
	admitted map[hive.TxID]ledger.Record
	outcomes map[uint64][]string // by request
	spent    []time.Time         // admissions of the payer
	nonces   map[ledger.SessionID][]int64
}

// onChain counts the transactions on the chain by their ids, which are computed here.
func (w *killWorld) onChain() map[hive.TxID]int {
	counts := map[hive.TxID]int{}
	for _, tx := range w.chain.Transactions() {
		bytes, err := hive.Mainnet.Serialize(tx.Transaction.Transaction)
		if err != nil {
			w.t.Fatal(err)
		}
		counts[hive.TransactionID(bytes)]++
	}
	return counts
}

// inspect holds ledger, relay, chain and what the applications heard against each other.
func inspect(t *testing.T, w *killWorld, l *load, budget int) {
	onChain := w.onChain()
	w.withLedger(func(led *ledger.Ledger, _ *keystore.Store) {
		verified, err := led.Verify(context.Background())
		if err != nil {
			t.Errorf("audit trail: %v", err)
		}
		t.Logf("audit records %d to %d, %d transactions on the chain", verified.From, verified.To,
			len(w.chain.Transactions()))
		b := readBooks(t, led)
		inspectNonces(t, b)
		inspectChain(t, onChain, b)
		inspectBudget(t, w, b, budget)
		inspectSessions(t, led, l)
	})
	inspectTold(t, w, onChain, l)
	for _, two := range w.seen.twofold() {
		t.Errorf("two answers to one request: %s", two)
	}
}

func readBooks(t *testing.T, led *ledger.Ledger) *books {
	b := &books{admitted: map[hive.TxID]ledger.Record{}, outcomes: map[uint64][]string{},
		nonces: map[ledger.SessionID][]int64{}}
	for r, err := range led.Audit(1) {
		if err != nil {
			t.Fatal(err)
		}
		switch r.Type {
		case ledger.RecordJudged:
			if r.Spent == ledger.SpentNonce {
				b.nonces[r.Session] = append(b.nonces[r.Session], r.Nonce)
			}
			if r.Verdict == ledger.Admitted {
				b.admit(t, r)
			}
		case ledger.RecordSettled:
			b.outcomes[r.Ref] = append(b.outcomes[r.Ref], r.Outcome)
		}
	}
	return b
}

func (b *books) admit(t *testing.T, r ledger.Record) {
	b.outcomes[r.Number] = nil
	if r.App == "payer" && r.Kind == "sign" {
		b.spent = append(b.spent, r.Time)
	}
	if id := hive.TxID(r.TxID); id != (hive.TxID{}) {
		if before, twice := b.admitted[id]; twice {
			t.Errorf("records %d and %d admit one transaction %s", before.Number, r.Number, id)
		}
		b.admitted[id] = r
	}
}

// inspectNonces: no nonce counts twice, and those of a session only grow.
func inspectNonces(t *testing.T, b *books) {
	total := 0
	for session, nonces := range b.nonces {
		total += len(nonces)
		for i := 1; i < len(nonces); i++ {
			if nonces[i] <= nonces[i-1] {
				t.Errorf("session %s: nonce %d after %d", session, nonces[i], nonces[i-1])
			}
		}
	}
	if total == 0 {
		t.Error("no nonces were used")
	}
}

// inspectChain: what is on the chain was admitted, once; and what was admitted has one outcome,
// which is true.
func inspectChain(t *testing.T, onChain map[hive.TxID]int, b *books) {
	for id, n := range onChain {
		if _, ok := b.admitted[id]; !ok {
			t.Errorf("%s is on the chain, and no record admits it", id)
		}
		if n != 1 {
			t.Errorf("%s is on the chain %d times", id, n)
		}
	}
	for id, r := range b.admitted {
		final := slices.DeleteFunc(slices.Clone(b.outcomes[r.Number]), func(o string) bool { return o == "uncertain" })
		if len(final) != 1 {
			t.Errorf("record %d has the outcomes %q", r.Number, b.outcomes[r.Number])
			continue
		}
		if on := onChain[id] == 1; on != (final[0] == "accepted") {
			t.Errorf("record %d says %q of %s; on the chain: %t", r.Number, final[0], id, on)
		}
	}
	for number, outcomes := range b.outcomes {
		if len(outcomes) == 0 {
			t.Errorf("record %d has no outcome", number)
		}
	}
}

// inspectBudget: neither the sum nor the pace is above what the policy says.
func inspectBudget(t *testing.T, w *killWorld, b *books, budget int) {
	paid := 0
	for _, tx := range w.chain.Transactions() {
		if tx.Transaction.Operations[0].Name() == "transfer" {
			paid++
		}
	}
	t.Logf("paid %d of %d HBD, charged %d", paid, budget, len(b.spent))
	if len(b.spent) > budget || paid > len(b.spent) || paid == 0 {
		t.Errorf("paid %d HBD, charged %d, allowed %d", paid, len(b.spent), budget)
	}
	for i := paceCount; i < len(b.spent); i++ {
		if d := b.spent[i].Sub(b.spent[i-paceCount]); d < paceWindow {
			t.Errorf("%d payments within %s", paceCount+1, d)
		}
	}
}

// inspectSessions: every session that an application was given is there.
func inspectSessions(t *testing.T, led *ledger.Ledger, l *load) {
	live := map[string]bool{}
	for _, s := range led.Sessions() {
		live[string(s.AuthKey)] = true
	}
	if len(l.grants) == 0 {
		t.Error("nobody got a session")
	}
	for key, grant := range l.grants {
		if !live[key] {
			t.Errorf("a session until %s is lost", grant.Expires)
		}
	}
	for text, proof := range l.proofs {
		if !proof.Signature.Verify(hive.HashText(text), nodetest.Key("alice", hive.Posting).Public()) {
			t.Errorf("the proof of %q is not by the posting key", text)
		}
	}
}

// inspectTold: what an application was told is so.
func inspectTold(t *testing.T, w *killWorld, onChain map[hive.TxID]int, l *load) {
	marks := map[string]int{} // votes and payments carry the mark of their request
	for _, tx := range w.chain.Transactions() {
		for _, field := range []string{"permlink", "memo"} {
			if mark, ok := tx.Transaction.Operations[0].Field(field); ok {
				marks[mark.(string)]++
			}
		}
	}
	ids := map[hive.TxID]string{}
	for mark, heard := range l.heard {
		switch {
		case heard.outcome == outcomeOK:
			if other, twice := ids[heard.id]; twice {
				t.Errorf("%s and %s were both told the transaction %s", mark, other, heard.id)
			}
			ids[heard.id] = mark
			if n := onChain[heard.id]; n != 1 {
				t.Errorf("%s was told accepted, and is on the chain %d times", mark, n)
			}
		case heard.nothing() && marks[mark] != 0:
			t.Errorf("%s was told %q, and is on the chain", mark, heard.outcome)
		}
		if marks[mark] > 1 {
			t.Errorf("%s is on the chain %d times", mark, marks[mark])
		}
	}
	if len(ids) == 0 {
		t.Error("nothing was accepted")
	}
}
