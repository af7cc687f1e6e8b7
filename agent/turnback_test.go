package agent_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent"
	"pksa/agent/audit"
	"pksa/agent/ledger"
)

// A wrong clock far ahead let charges expire, and their records leave the ledger's memory. When the
// ledger is led back, they count as if it had never been there: no budget is freed.
func TestTurnBackFreesNoBudget(t *testing.T) {
	const far = 400 * 24 * time.Hour
	const policy = allowAll + "limits:\n  - {name: few, apps: any, requests: 2 per 1h}\n"
	synctest.Test(t, func(t *testing.T) {
		script := &scriptedClient{}
		w := newWorld(t, worldOptions{policy: policy, fault: script.fault})
		if _, err := w.ledger.AddSession(t.Context(), ledger.NewSession{Account: "alice", App: "app",
			AuthKey: authKey, Origin: ledger.Hand, Expires: w.ledger.Now().Add(2 * far)}, nil); err != nil {
			t.Fatal(err)
		}
		vote := func(n int) string {
			return answerKind(script.ask(request("sign_req", uuid(n), authKey, votePayload("p", nowNonce()+int64(n)))))
		}
		w.start()
		if got := vote(1); got != "ack" {
			t.Fatalf("within the limit: %s", got)
		}
		w.end()
		if err := w.ledger.Close(); err != nil {
			t.Fatal(err)
		}

		begin := time.Now()
		w.writeFuture(far)
		if w.openLedger(); time.Until(w.ledger.Now()) < far/2 {
			t.Fatal("the ledger is not in the future")
		}
		w.run()
		w.eventually("registration", func() bool { return w.agent.Status().Links[0].Registered == 1 })
		if got := vote(2); got != "nack" {
			t.Errorf("before it was led back: %s", got)
		}
		if said := strings.Join(w.agent.Ready(), "\n"); !strings.Contains(said, "`pksa ledger clock`") {
			t.Errorf("status does not name the command: %s", said)
		}
		w.end()
		admin := agent.Admin{Ledger: w.ledger, Keys: w.keys}
		if _, err := admin.TurnBack(t.Context(), time.Now(), 31*24*time.Hour, "the test"); err != nil {
			t.Fatal(err)
		}
		led := w.events("ledger led back")
		if len(led) != 1 || !strings.Contains(string(led[0].Content), `"confirmed_by":"the test"`) {
			t.Errorf("recorded: %+v", led)
		}
		w.start()
		if got := vote(3) + vote(4); got != "acknack" {
			t.Errorf("with one of two left: %s", got)
		}
		page, err := w.trail().Page(t.Context(), audit.Query{Filter: audit.Filter{Since: begin, Kind: "sign",
			Until: time.Now()}})
		if err != nil || len(page.Records) == 0 || page.Records[0].Time.After(time.Now()) {
			t.Errorf("the trail since then: %+v, %v", page.Records, err)
		}
		time.Sleep(time.Hour - time.Since(begin) + time.Minute) // until the first counts no more
		if got := vote(5) + vote(6); got != "acknack" {
			t.Errorf("an hour after the first: %s", got)
		}
		w.close()
	})
}

// writeFuture opens the ledger under a clock that is far ahead, and lets it gather, sweep and
// close.
func (w *world) writeFuture(far time.Duration) {
	w.t.Helper()
	o := w.ledgerOptions()
	o.Now = func() time.Time { return time.Now().Round(0).Add(far) }
	l, err := ledger.Open(w.config.Ledger, o)
	if err != nil {
		w.t.Fatal(err)
	}
	for range 4200 { // more than a segment: what is gathered drops what has expired
		if err := l.Note(ledger.Entry{Type: ledger.RecordEvent, Outcome: "of the future"}); err != nil {
			w.t.Fatal(err)
		}
	}
	time.Sleep(2 * time.Minute) // a sweep
	if err := l.Flush(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		w.t.Fatal(err)
	}
}
