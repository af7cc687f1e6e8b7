package audit_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/audit"
	"pksa/agent/ledger"
)

// filled is a ledger whose trail a test fills.
type filled struct {
	t      *testing.T
	ledger *ledger.Ledger
}

// bubble runs a test with an empty ledger, in virtual time. Its keys come from labels.
func bubble(t *testing.T, test func(*testing.T, *filled)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		o := ledgerOptions(t)
		path := filepath.Join(t.TempDir(), "ledger.db")
		if err := ledger.Create(path, o); err != nil {
			t.Fatal(err)
		}
		l, err := ledger.Open(path, o)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		test(t, &filled{t, l})
	})
}

// ledgerOptions are those of a ledger whose keys come from labels.
func ledgerOptions(t *testing.T) ledger.Options {
	t.Helper()
	block, err := aes.NewCipher([]byte("sixteen byte key"))
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	mac := func(data ...[]byte) []byte {
		h := hmac.New(sha256.New, []byte("ledger mac"))
		for _, d := range data {
			h.Write(d)
		}
		return h.Sum(nil)
	}
	return ledger.Options{ID: "id-of-the-ledger", AEAD: aead, MAC: mac, Logger: slog.New(slog.DiscardHandler),
		Sealer: func(uint64, uint64) cipher.AEAD { return aead }}
}

// notes adds events to the trail: one in a thousand is carol's.
func (f *filled) notes(n int) (rare []uint64) {
	f.t.Helper()
	head, _ := f.ledger.Head()
	for i := range n {
		e := ledger.Entry{Type: ledger.RecordEvent, Outcome: "test", Account: "alice",
			Content: []byte(fmt.Sprintf(`{"n":%d}`, i))}
		if i%1000 == 500 {
			e.Account = "carol"
			rare = append(rare, head+uint64(i)+1)
		}
		if err := f.ledger.Note(e); err != nil {
			f.t.Fatal(err)
		}
	}
	if err := f.ledger.Flush(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
	return rare
}

// pages reads all that fits.
func (f *filled) pages(q audit.Query) (numbers []uint64, pages int) {
	f.t.Helper()
	for pages = 1; pages < 100; pages++ {
		page, err := audit.Trail{Ledger: f.ledger}.Page(f.t.Context(), q)
		if err != nil {
			f.t.Fatal(err)
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
	f.t.Fatal("the pages have no end")
	return nil, 0
}

// A long trail is read in parts, either way, and a filter that fits little finds all of it.
func TestAuditPages(t *testing.T) {
	if testing.Short() {
		t.Skip("fills a trail")
	}
	bubble(t, func(t *testing.T, f *filled) {
		start := f.ledger.Now()
		rare := f.notes(21_000)
		time.Sleep(time.Hour)
		later := f.ledger.Now()
		end, _ := f.ledger.Head()
		rare = append(rare, f.notes(1_000)...)
		for _, last := range []bool{false, true} {
			q := audit.Query{Filter: audit.Filter{Account: "carol"}, Last: last}
			numbers, pages := f.pages(q)
			if !slices.Equal(numbers, rare) || pages < 2 {
				t.Errorf("last %v: %v in %d pages, want %v", last, numbers, pages, rare)
			}
			q.Limit = 3
			if numbers, _ = f.pages(q); !slices.Equal(numbers, rare) {
				t.Errorf("last %v, three a page: %v", last, numbers)
			}
			q.From, q.To = rare[3], rare[7]
			if numbers, _ = f.pages(q); !slices.Equal(numbers, rare[3:8]) {
				t.Errorf("last %v, from %d to %d: %v", last, q.From, q.To, numbers)
			}
			q = audit.Query{Filter: audit.Filter{Since: later}, Last: last}
			if numbers, _ = f.pages(q); len(numbers) != 1000 || numbers[0] != end+1 {
				t.Errorf("last %v, since: %d records, from %d", last, len(numbers), numbers[0])
			}
			q = audit.Query{Filter: audit.Filter{Account: "carol", Until: later.Add(-time.Minute)}, Last: last}
			if numbers, _ = f.pages(q); !slices.Equal(numbers, rare[:21]) {
				t.Errorf("last %v, until: %v", last, numbers)
			}
			q = audit.Query{Filter: audit.Filter{Until: start.Add(-time.Hour)}, Last: last}
			if numbers, _ = f.pages(q); len(numbers) != 0 {
				t.Errorf("last %v, before the beginning: %v", last, numbers)
			}
		}
	})
}

// An answer fits the control socket however long the records are.
func TestAuditPagesOfLongRecords(t *testing.T) {
	bubble(t, func(t *testing.T, f *filled) {
		long := fmt.Appendf(nil, `{"text":"%01000000d"}`, 1)
		for range 12 {
			if err := f.ledger.Note(ledger.Entry{Type: ledger.RecordEvent, Outcome: "long",
				Content: long}); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.ledger.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, last := range []bool{false, true} {
			if numbers, pages := f.pages(audit.Query{Filter: audit.Filter{Result: "long"},
				Last: last}); len(numbers) != 12 || pages < 3 {
				t.Errorf("last %v: %v in %d pages", last, numbers, pages)
			}
		}
		// What is read on the way back is not held as a whole.
		head, _ := f.ledger.Head()
		list, step, err := audit.Window(t.Context(), f.ledger, 1, head)
		if err != nil || len(list) != 8 || step != 8 || list[7].Number != head {
			t.Errorf("%d records of 1 MB are held, %d are read next, %v", len(list), step, err)
		}
		if list, step, err = audit.Window(t.Context(), f.ledger, 1, 3); err != nil || len(list) != 3 || step != 1024 {
			t.Errorf("%d short records are held, %d are read next, %v", len(list), step, err)
		}
	})
}

// The newest records are read in windows that grow from one record on: a page of few reads few,
// since the next one may stand in a large segment of an older program, which is read whole.
func TestAuditPageReadsNoMoreThanItNeeds(t *testing.T) {
	bubble(t, func(t *testing.T, f *filled) {
		f.notes(3000)
		head, _ := f.ledger.Head()
		for limit, most := range map[int]int{1: 1, 2: 3, 20: 31, 500: 511} {
			seen, err := audit.Seen(t.Context(), f.ledger, audit.Query{To: head, Limit: limit})
			if err != nil || seen > most {
				t.Errorf("the newest %d: %d records were read, want %d at most, %v", limit, seen, most, err)
			}
		}
	})
}
