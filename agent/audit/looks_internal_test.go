package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"pksa/agent/ledger"
	"pksa/agent/policy"
	"pksa/protocol/hive"
)

// While the trail is read for one console's question, another one is refused, not kept waiting.
func TestOneLookAtATime(t *testing.T) {
	var l Looks
	_, end, err := l.begin(t.Context(), Trail{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Explain(t.Context(), Trail{}, nil, hive.Mainnet, 7); !errors.Is(err, errLooking) {
		t.Errorf("explain: %v", err)
	}
	if _, err := l.Suggest(t.Context(), Trail{}, nil, hive.Mainnet); !errors.Is(err, errLooking) {
		t.Errorf("suggest: %v", err)
	}
	end()
	if _, end, err = l.begin(t.Context(), Trail{}); err != nil {
		t.Fatal(err)
	}
	end()
}

// What was charged before a request is counted up to a size: all of it would take as much as the
// wallet's own counters. Only the limits that are asked about count.
func TestBookOfALook(t *testing.T) {
	const each = 512 + 32 // a counter with one sum
	source := func(charges int) Source {
		return func(_ Query, use func(*Record) error) error {
			for i := range charges {
				content, err := json.Marshal(Content{Cost: []policy.Charge{
					{Limit: "votes", Split: fmt.Sprintf(".to=a%d", i), Unit: "count", Amount: "1"},
					{Limit: "another", Split: fmt.Sprintf(".to=a%d", i), Unit: "count", Amount: "1"},
				}})
				if err != nil {
					return err
				}
				if err := use(&Record{Number: uint64(i + 1), Type: recordTypes[ledger.RecordJudged],
					Verdict: "admitted", Content: content}); err != nil {
					return err
				}
			}
			return nil
		}
	}
	for n, want := range map[int]error{9: nil, 10: nil, 11: errManyCharges} {
		past, err := bookBefore(source(n), &Request{Number: 100}, map[string]time.Duration{"votes": time.Hour},
			hive.Mainnet, 10*each)
		if !errors.Is(err, want) {
			t.Errorf("%d counters: %v", n, err)
		}
		if err == nil && (len(past.Book.Splits("votes")) != n || len(past.Book.Splits("another")) > 0) {
			t.Errorf("%d counters: %d and %d", n, len(past.Book.Splits("votes")), len(past.Book.Splits("another")))
		}
	}
}
