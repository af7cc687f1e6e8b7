package agent_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pksa/agent"
	"pksa/agent/audit"
	"pksa/agent/ledger"
)

// Denied requests above a rate have a short record that holds what they used up, and sums for all
// of them. The edge is at 60 in a minute.
func TestManyDenialsBecomeSums(t *testing.T) {
	const all = 200
	asking(t, loginOnly, func(t *testing.T, w *world, script *scriptedClient) {
		before, _ := w.ledger.Head()
		nonce := nowNonce()
		for i := range all {
			m := script.askFor(request("sign_req", uuid(i), authKey, opPayload("posting", ballots(1), nonce+int64(i))),
				time.Second)
			if got := answerKind(m); got != "nack" {
				t.Fatalf("request %d: %s", i, got)
			}
		}
		var single, short int
		for r, err := range w.ledger.Audit(before + 1) {
			switch {
			case err != nil:
				t.Fatal(err)
			case r.Type == ledger.RecordRejected:
				short++
				if len(r.Content) > 100 || r.Nonce == 0 || r.Spent != ledger.SpentNonce {
					t.Errorf("record %d: nonce %d, spent %d: %s", r.Number, r.Nonce, r.Spent, r.Content)
				}
			case r.Type == ledger.RecordJudged:
				single++
			}
		}
		if single != 60 || short != all-60 {
			t.Errorf("%d records of one request, %d short ones", single, short)
		}
		time.Sleep(2 * time.Minute)
		trail := w.requests()
		summed := 0
		for _, r := range trail {
			summed += r.Summed
		}
		if len(trail) != 60+1 || summed != all-60 {
			t.Errorf("read: %d requests, %d in sums", len(trail), summed)
		}
		sums := w.events(audit.EventDenials)
		if len(sums) != 2 {
			t.Fatalf("%d sums", len(sums))
		}
		d, _ := sums[1].Denials()
		if d.Requests != all-60 || len(d.Counts) != 1 || d.Counts[0].Code != "uncovered" ||
			d.Counts[0].Requests != all-60 ||
			d.Last <= d.First || sums[1].App != "app" || sums[1].Account != "alice" {
			t.Errorf("sum: %+v", d)
		}
		page, err := w.trail().Page(t.Context(), audit.Query{Filter: audit.Filter{Code: "uncovered"}, From: d.Last})
		if err != nil || len(page.Records) != 1 {
			t.Errorf("by its code: %+v, %v", page, err)
		}
		page, err = w.trail().Page(t.Context(), audit.Query{From: d.First, To: d.First})
		if err != nil || len(page.Records) != 1 || page.Records[0].Outcome != audit.Summed {
			t.Errorf("by its number: %+v, %v", page, err)
		}
		// The next minute begins with records of one request.
		script.askFor(request("sign_req", uuid(all), authKey, opPayload("posting", ballots(1), nowNonce())),
			time.Second)
		if got := w.requests(); len(got) != len(trail)+1 || got[len(got)-1].Request == nil {
			t.Errorf("after a minute: %d requests, then %d", len(trail), len(got))
		}
	})
}

// What a request with a short record used up is used up for good: no copy of it is carried out
// after a start with a laxer policy. The same delivery gets its answer again.
func TestSummedDenialIsNeverCarriedOut(t *testing.T) {
	for name, nonceless := range map[string]bool{"nonce": false, "digest": true} {
		t.Run(name, func(t *testing.T) { summedIsSpent(t, nonceless) })
	}
}

// summedIsSpent has a request summed, with a nonce or without one, and brings it again.
func summedIsSpent(t *testing.T, nonceless bool) {
	const lax = "version: 1\nallow: [{name: all, request: sign, apps: any, operations: [vote], broadcast: any}]\n"
	asking(t, loginOnly, func(t *testing.T, w *world, script *scriptedClient) {
		nonce := nowNonce()
		var last map[string]any
		for i := range 70 {
			payload := opPayload("posting", ballots(1), nonce+int64(i))
			if nonceless && i == 69 {
				payload = strings.Replace(payload, fmt.Sprintf(`,"nonce":%d`, nonce+int64(i)), "", 1)
			}
			last = request("sign_req", uuid(i), authKey, payload)
			script.askFor(last, time.Second)
		}
		w.end()
		if sums := w.events(audit.EventDenials); len(sums) != 2 {
			t.Errorf("%d sums at the stop", len(sums))
		}
		w.reopenLedger(time.Second)
		w.write("policy.yaml", lax)
		w.start()
		if got := answerKind(script.askFor(last, time.Second)); got != "nack" {
			t.Errorf("the same delivery: %s", got)
		}
		for i := range 3 {
			if got := answerKind(script.askFor(with(last, "uuid", uuid(100+i)), time.Second)); got == "ack" {
				t.Errorf("a copy: %s", got)
			}
		}
		if n := len(w.chain.Transactions()); n != 0 {
			t.Errorf("%d transactions", n)
		}
		m := script.askFor(request("sign_req", uuid(200), authKey, opPayload("posting", ballots(1), nowNonce())),
			50*time.Second)
		if got := answerKind(m); got != "ack" {
			t.Errorf("a new request: %s", got)
		}
	})
}

// Mistakes and requests of ended sessions count as denied ones do.
func TestMistakesBecomeSums(t *testing.T) {
	for _, c := range []struct {
		name, op, code string
		begin          func(*testing.T, *world)
	}{
		{"mistake", "7", "invalid", func(*testing.T, *world) {}},
		{"ended", ballots(1), "ended", func(t *testing.T, w *world) { revoke(t, w, agent.RevokeParams{All: true}) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			asking(t, loginOnly, func(t *testing.T, w *world, script *scriptedClient) {
				c.begin(t, w)
				nonce := nowNonce()
				for i := range 62 {
					payload := opPayload("posting", c.op, nonce+int64(i))
					if m := script.askFor(request("sign_req", uuid(i), authKey, payload),
						time.Second); answerKind(m) != "nack" {
						t.Fatalf("request %d: %+v", i, m)
					}
				}
				w.end()
				sums := w.events(audit.EventDenials)
				if len(sums) != 2 {
					t.Fatalf("%d sums", len(sums))
				}
				if d, _ := sums[1].Denials(); d.Requests != 2 || string(d.Counts[0].Code) != c.code {
					t.Errorf("sum: %+v", d)
				}
				w.start()
			})
		})
	}
}
