package agent_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pksa/agent"
	"pksa/agent/ledger"
)

// notes adds events to the trail: one in a thousand is carol's.
func (w *world) notes(n int) (rare []uint64) {
	w.t.Helper()
	head, _ := w.ledger.Head()
	for i := range n {
		e := ledger.Entry{Type: ledger.RecordEvent, Outcome: "test", Account: "alice",
			Content: []byte(fmt.Sprintf(`{"n":%d}`, i))}
		if i%1000 == 500 {
			e.Account = "carol"
			rare = append(rare, head+uint64(i)+1)
		}
		if err := w.ledger.Note(e); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := w.ledger.Flush(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	return rare
}

// pages reads all that fits.
func (w *world) pages(q agent.AuditPageQuery) (numbers []uint64, pages int) {
	w.t.Helper()
	m := agent.Admin{Ledger: w.ledger, Keys: w.keys}
	for pages = 1; pages < 100; pages++ {
		page, err := m.AuditPage(w.t.Context(), q)
		if err != nil {
			w.t.Fatal(err)
		}
		var some []uint64
		for _, r := range page.Records {
			some = append(some, r.Number)
		}
		if q.Last {
			numbers, q.To = append(some, numbers...), page.Next
		} else {
			numbers, q.From = append(numbers, some...), page.Next
		}
		if page.End {
			return numbers, pages
		}
	}
	w.t.Fatal("the pages have no end")
	return nil, 0
}

// A long trail is read in parts, either way, and a filter that fits little finds all of it.
func TestAuditPages(t *testing.T) {
	within(t, worldOptions{}, func(t *testing.T, w *world) {
		start := w.ledger.Now()
		rare := w.notes(21_000)
		time.Sleep(time.Hour)
		later := w.ledger.Now()
		end, _ := w.ledger.Head()
		rare = append(rare, w.notes(1_000)...)
		for _, last := range []bool{false, true} {
			q := agent.AuditPageQuery{AuditFilter: agent.AuditFilter{Account: "carol"}, Last: last}
			numbers, pages := w.pages(q)
			if !slices.Equal(numbers, rare) || pages < 2 {
				t.Errorf("last %v: %v in %d pages, want %v", last, numbers, pages, rare)
			}
			q.Limit = 3
			if numbers, _ = w.pages(q); !slices.Equal(numbers, rare) {
				t.Errorf("last %v, three a page: %v", last, numbers)
			}
			q.From, q.To = rare[3], rare[7]
			if numbers, _ = w.pages(q); !slices.Equal(numbers, rare[3:8]) {
				t.Errorf("last %v, from %d to %d: %v", last, q.From, q.To, numbers)
			}
			q = agent.AuditPageQuery{AuditFilter: agent.AuditFilter{Since: later}, Last: last}
			if numbers, _ = w.pages(q); len(numbers) != 1000 || numbers[0] != end+1 {
				t.Errorf("last %v, since: %d records, from %d", last, len(numbers), numbers[0])
			}
			q = agent.AuditPageQuery{AuditFilter: agent.AuditFilter{Account: "carol", Until: later.Add(-time.Minute)},
				Last: last}
			if numbers, _ = w.pages(q); !slices.Equal(numbers, rare[:21]) {
				t.Errorf("last %v, until: %v", last, numbers)
			}
			q = agent.AuditPageQuery{AuditFilter: agent.AuditFilter{Until: start.Add(-time.Hour)}, Last: last}
			if numbers, _ = w.pages(q); len(numbers) != 0 {
				t.Errorf("last %v, before the beginning: %v", last, numbers)
			}
		}
	})
}

// An answer fits the control socket however long the records are.
func TestAuditPagesOfLongRecords(t *testing.T) {
	within(t, worldOptions{}, func(t *testing.T, w *world) {
		long := fmt.Appendf(nil, `{"text":"%01000000d"}`, 1)
		for range 12 {
			if err := w.ledger.Note(ledger.Entry{Type: ledger.RecordEvent, Outcome: "long",
				Content: long}); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.ledger.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, last := range []bool{false, true} {
			if numbers, pages := w.pages(agent.AuditPageQuery{AuditFilter: agent.AuditFilter{Result: "long"},
				Last: last}); len(numbers) != 12 || pages < 3 {
				t.Errorf("last %v: %v in %d pages", last, numbers, pages)
			}
		}
	})
}
