package agent

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"iter"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"pksa/agent/audit"
	"pksa/agent/ledger"
	"pksa/agent/policy"
	"pksa/protocol/hive"
)

// fakeTrail is a trail in segments of 64 records, of which each has an id. It counts what is read.
type fakeTrail struct {
	head  uint64
	newer uint64 // so many are of the last minutes
	since time.Time
	bad   uint64       // this record cannot be read, so what follows it in its segment cannot either
	hole  *ledger.Hole // these are lost

	reads, records int
}

func (f *fakeTrail) Holes() []ledger.Hole {
	if f.hole == nil {
		return nil
	}
	return []ledger.Hole{*f.hole}
}

func (f *fakeTrail) Skim(from uint64) iter.Seq2[*ledger.Record, error] {
	f.reads++
	return func(yield func(*ledger.Record, error) bool) {
		for n := max(from/64*64, 1); n <= f.head; n++ {
			r := &ledger.Record{Number: n, Time: f.since.Add(-time.Millisecond), TxID: f.idOf(n)}
			if n > f.head-f.newer {
				r.Time = f.since
			}
			switch {
			case n == f.bad:
				yield(nil, errors.New("cannot be read"))
				return
			case n < from, f.hole != nil && n >= f.hole.From && n <= f.hole.To:
				continue
			}
			if f.records++; !yield(r, nil) {
				return
			}
		}
	}
}

func (f *fakeTrail) idOf(n uint64) hive.TxID {
	return hive.TxID{byte(n), byte(n >> 8), byte(n >> 16), 1}
}

// The ids of the last minutes are known, or it is known that they are not, wherever a record is
// lost or cannot be read. Few records beside those of that time are read.
func TestIDsOfTheLastMinutes(t *testing.T) {
	t.Parallel()
	const head = 100_000
	for _, tt := range []struct {
		name       string
		head       uint64
		newer, bad uint64
		hole       *ledger.Hole
		ok         bool
	}{
		{"nothing before", 0, 0, 0, nil, true},
		{"none", head, 0, 0, nil, true},
		{"one", head, 1, 0, nil, true},
		{"twenty", head, 20, 0, nil, true},
		{"one less than are read beside", head, fewRecords - 1, 0, nil, true},
		{"as many as are read beside", head, fewRecords, 0, nil, true},
		{"one more than are read beside", head, fewRecords + 1, 0, nil, true},
		{"many", head, 77_777, 0, nil, true},
		{"all", head, head, 0, nil, true},
		{"the last is bad", head, 20, head, nil, false},
		{"a new one is bad", head, 20_000, head - 10_000, nil, false},
		{"the oldest of the new is bad", head, 20_000, head - 20_000 + 1, nil, false},
		{"the newest of the old is bad", head, 20_000, head - 20_000, nil, false},
		{"an old one is bad, in the segment of the new", head, 20_000, (head-20_000)/64*64 + 1, nil, false},
		{"an old one is bad, in the segment before", head, 20_000, (head-20_000)/64*64 - 1, nil, true},
		{"an old one is bad", head, 3, head / 2, nil, true},
		{"the first of all is bad", head, head, 1, nil, false},
		{"lost among the new", head, 20_000, 0, &ledger.Hole{From: head - 300, To: head - 200}, false},
		{"the last is lost", head, 20_000, 0, &ledger.Hole{From: head, To: head}, false},
		{"the oldest of the new is lost", head, 20_000, 0,
			&ledger.Hole{From: head - 20_000 + 1, To: head - 20_000 + 1}, false},
		{"lost long ago", head, 20_000, 0, &ledger.Hole{From: 10, To: head / 2}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &fakeTrail{head: tt.head, newer: tt.newer, since: time.Unix(1_700_000_000, 0), bad: tt.bad,
				hole: tt.hole}
			known := map[hive.TxID]bool{}
			ok := idsBefore(f, tt.head+1, f.since, func(r *ledger.Record) { known[r.TxID] = true })
			if ok != tt.ok {
				t.Fatalf("all is known: %t", ok)
			}
			for n := tt.head - tt.newer + 1; ok && n <= tt.head; n++ {
				if !known[f.idOf(n)] {
					t.Fatalf("the id of record %d is not known", n)
				}
			}
			if f.reads > 40 || f.records > int(tt.newer)+fewRecords+f.reads {
				t.Errorf("%d records are read, in %d turns", f.records, f.reads)
			}
		})
	}
}

var startRecords = flag.Int("startrecords", 0, "how many records of the last minutes the ledger has that is started")

// TestStartAfterManyRequests: with -startrecords 1800000, which 3,000 requests a second make in
// five minutes, their ids are known within two seconds.
func TestStartAfterManyRequests(t *testing.T) {
	t.Parallel()
	ctx, p := context.Background(), newPayments(t)
	t.Cleanup(func() { _ = p.l.Close() })
	p.pay(1, 1)
	e := ledger.Entry{Type: ledger.RecordEvent, Outcome: "test", Account: "alice", Content: make([]byte, 400)}
	for i := range max(*startRecords, 5000) {
		p.must(p.l.Note(e))
		if i%4096 == 0 {
			p.must(p.l.Flush(ctx))
		}
	}
	p.pay(2, 1)
	p.must(p.l.Close())
	p.open()
	number, err := p.l.Append(ctx, ledger.Entry{Type: ledger.RecordStart, Outcome: "start"})
	p.must(err)
	took := time.Duration(math.MaxInt64)
	var a *Agent
	for range 3 { // the fastest counts: the machine has other work, too
		a = &Agent{ledger: p.l, log: slog.New(slog.DiscardHandler)}
		begin := time.Now()
		a.rememberIDs(number)
		took = min(took, time.Since(begin))
	}
	for _, m := range p.made {
		if a.recent.take(m.tx, p.now, p.now) {
			t.Errorf("the id of record %d is not known", m.number)
		}
	}
	if a.recent.waits(time.Now()) {
		t.Error("no transaction is made, though all is known")
	}
	if *startRecords > 0 {
		t.Logf("the ids in %d records are known after %v", *startRecords, took.Round(time.Millisecond))
	}
	if *startRecords > 0 && took > 2*time.Second {
		t.Errorf("the ids are known after %v", took)
	}
}

// Of the ids of transactions that may be on their way so many are kept. With more, nothing is made
// until some have expired; and where one of an earlier process has no room, none for its time.
func TestRecentIDsAreBounded(t *testing.T) {
	t.Parallel()
	const most = 100_000
	now := time.Unix(1_700_000_000, 0)
	expires := now.Add(time.Minute)
	var ids recentIDs
	idOf := func(n int) hive.TxID { return hive.TxID{byte(n), byte(n >> 8), byte(n >> 16), 1} }
	for n := range most + 2 {
		if ok := ids.take(idOf(n), expires, now); ok != (n < most) {
			t.Fatalf("the id after %d others is taken: %t", n, ok)
		}
	}
	ids.remember(idOf(1), "", expires, now)
	if ids.waits(now) {
		t.Error("an id that is known keeps others from being made")
	}
	ids.remember(idOf(most), "", expires, now)
	if last := expires.Add(maxSkew); !ids.waits(last.Add(-1)) || ids.waits(last) {
		t.Error("an id of an earlier process without room keeps no other from being made")
	}
	if ids.take(idOf(most), expires, expires.Add(maxSkew)) {
		t.Error("an id is forgotten while its transaction could be on its way")
	}
	if !ids.take(idOf(most), expires, expires.Add(maxSkew+time.Second)) {
		t.Error("there is no room, though all have expired")
	}
}

// A record says whether an app made the transaction, also one of which only the beginning is kept,
// and whatever the application writes into it.
func TestMakerBy(t *testing.T) {
	t.Parallel()
	quoted, _ := json.Marshal(`"transaction_by":"application"`)
	op := fmt.Sprintf(`["custom_json",{"id":"x","json":%s,"y":"`, quoted)
	for _, maker := range []string{"", "application"} {
		for _, size := range []int{1, audit.MaxContent} {
			for _, whole := range []bool{true, false} {
				w := policy.Written{Request: "sign", App: "app", TransactionBy: maker,
					Operations: []json.RawMessage{json.RawMessage(op + strings.Repeat("z", size) + `"}]`)}}
				content := audit.Content{}.Encode(audit.NewDraft(w, whole), 0, whole)
				got := makerBy(&ledger.Record{App: "app", Content: content})
				if (got == "app") != (maker != "") {
					t.Errorf("by %q, %d bytes, whole %t: %q", maker, size, whole, got)
				}
			}
		}
	}
}

// Of them each app has a share by what it makes itself, which others feel nothing of.
func TestRecentIDsOfOneApp(t *testing.T) {
	t.Parallel()
	const most = 10_000
	now := time.Unix(1_700_000_000, 0)
	var ids recentIDs
	idOf := func(n int) hive.TxID { return hive.TxID{byte(n), byte(n >> 8), byte(n >> 16), 1} }
	for n := range most + 2 {
		if full := ids.full("app", now); full != (n >= most) {
			t.Fatalf("full after %d: %t", n, full)
		}
		if n < most/2 {
			ids.remember(idOf(n), "app", now, now) // of an earlier process
		} else if n < most {
			ids.takeExact(idOf(n), "app", now)
			ids.takeExact(idOf(n), "app", now) // the same again is none
		}
	}
	if ids.full("another", now) || !ids.take(idOf(most), now, now) || ids.take(idOf(1), now, now) {
		t.Error("what one app makes is in the way of others, or one of ours gets the id of it")
	}
	if ids.full("app", now.Add(maxSkew)) != true || ids.full("app", now.Add(maxSkew+time.Second)) {
		t.Error("it is not full as long as they could be on their way")
	}
	if len(ids.exact) != 0 || len(ids.ids) != 0 {
		t.Errorf("%d ids and %d apps are left", len(ids.ids), len(ids.exact))
	}
}
