package audit

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sort"
	"time"

	"pksa/agent/ledger"
)

const (
	maxPageContent = 4 << 20 // bytes of content in one answer: it must fit a frame of the control socket
	maxPageRecords = 1000
	maxPageScan    = 20_000 // records looked at for one page: a filter may match none of millions
	pageWindow     = 1024   // records read at a time on the way back, at most
)

// Filter picks records. Empty members pick all.
type Filter struct {
	Account string `json:"account,omitempty"`
	App     string `json:"app,omitempty"`
	// auth, sign, challenge, decrypt; or a type of record: admin, event, …
	Kind string `json:"kind,omitempty"`
	// answered, refused, ignored, failed, admitted, pending; or an outcome
	Result  string    `json:"result,omitempty"`
	Since   time.Time `json:"since,omitzero"`
	Until   time.Time `json:"until,omitzero"`
	Request uint64    `json:"request,omitempty"` // this record, and those that tell what became of it

	TxID    string           `json:"transaction,omitempty"` // its id, or the beginning of it
	Session ledger.SessionID `json:"session,omitempty"`
	Rule    string           `json:"rule,omitempty"` // the name of a rule or of a limit that the decision names
	Code    string           `json:"code,omitempty"` // of a refusal
	Text    string           `json:"text,omitempty"` // part of any text of the record, in any case
	UUID    string           `json:"uuid,omitempty"` // of the request, in any case

	// What one operation of the request has. Of a request that was cut when it was recorded, the
	// operations that the record keeps are looked at.
	Operation    string `json:"operation,omitempty"`    // its name
	Counterparty string `json:"counterparty,omitempty"` // an account that it names beside that of the request
	Amount       string `json:"amount,omitempty"`       // for [ParseAmounts]
}

// Query asks for a part of the trail.
type Query struct {
	Filter
	From  uint64 `json:"from,omitempty"`  // the first number; zero: the oldest
	To    uint64 `json:"to,omitempty"`    // the last number; zero: the newest
	Last  bool   `json:"last,omitempty"`  // the newest that fit, not the oldest
	Limit int    `json:"limit,omitempty"` // at most so many; zero: 1,000

	// Stories asks for requests with the decision and the outcome that followed, whatever the
	// filter says of these records. What it says of results, codes and texts holds for a request if
	// it holds for one of its records. Open and Waiting are what the page before says. Last must
	// not be set.
	Stories bool     `json:"stories,omitempty"`
	Open    []uint64 `json:"open,omitempty"`
	Waiting []uint64 `json:"waiting,omitempty"`

	// Lost are the records that were given up, among those that a query by number asks for.
	Lost []Lost `json:"lost,omitempty"`
}

// Page is a part of the trail, in its order.
type Page struct {
	Records []Record `json:"records"`
	// Next is where the next page goes on: its From, or its To if the newest were asked for.
	Next uint64 `json:"next"`
	End  bool   `json:"end"`  // nothing more fits at present
	Head uint64 `json:"head"` // the newest record of all

	// Of stories: the requests of this page and of those before whose outcome has not come. Open
	// are those that fit, Waiting those that may fit because of it. A record may stand on two
	// pages.
	Open    []uint64 `json:"open,omitempty"`
	Waiting []uint64 `json:"waiting,omitempty"`

	// Lost are the records that were given up, among those that a query by number asks for.
	Lost []Lost `json:"lost,omitempty"`
}

// Promises returns the members that no answer of the agent lacks.
func (Page) Promises() []string { return []string{"records", "next", "end", "head"} }

// Page reads a part of the audit trail. A page may hold no record and still not be the end.
func (t Trail) Page(ctx context.Context, q Query) (Page, error) {
	// What was answered a moment ago belongs to the page. If it cannot be committed, for a full
	// disk, the rest is read all the same: that is when people look at the trail.
	_ = t.Ledger.Flush(ctx)
	head, _ := t.Ledger.Head()
	m, err := q.matcher()
	if err != nil {
		return Page{}, err
	}
	p := pager{ctx: ctx, ledger: t.Ledger, q: q, match: m, page: Page{Records: []Record{}, Head: head}}
	if q.Stories {
		p.stories = newStories(&q)
	}
	if p.q.Limit <= 0 || p.q.Limit > maxPageRecords {
		p.q.Limit = maxPageRecords
	}
	if p.q.To == 0 || p.q.To > head {
		p.q.To = head
	}
	err = p.skip()
	switch {
	case err != nil:
	case q.Last:
		err = p.back()
	default:
		err = p.forth()
	}
	if err == nil && p.stories != nil {
		err = p.drain()
	}
	if q.From > 0 && q.From == q.To {
		p.page.Lost = t.lostAt(q.From)
	}
	return p.page, err
}

// lostAt returns the records that were given up together with one, none if that was not.
func (t Trail) lostAt(number uint64) (lost []Lost) {
	for _, h := range t.Ledger.Holes() {
		if h.From <= number && number <= h.To {
			lost = append(lost, Lost{h.From, h.To, h.At})
		}
	}
	return lost
}

type pager struct {
	ctx     context.Context
	ledger  *ledger.Ledger
	q       Query
	match   *matcher
	stories *stories // nil: each record stands for itself

	page Page
	size int
	seen int
	step uint64 // records that are read at a time on the way back
}

func (p *pager) full() bool {
	return len(p.page.Records) >= p.q.Limit || p.size > maxPageContent ||
		p.stories != nil && p.stories.size > maxPageContent
}

// add adds a record to the page, if it is asked for.
func (p *pager) add(r *ledger.Record) {
	if summed(r) && p.q.From != p.q.To {
		return // the sum has it; thousands of them would hide everything else
	}
	if p.match.fits(r) {
		p.emit(r)
	}
}

// emit puts a record on the page, with a copy of its content.
func (p *pager) emit(r *ledger.Record) {
	out := recordOf(r)
	out.Content = bytes.Clone(out.Content)
	p.page.Records = append(p.page.Records, out)
	p.size += len(r.Content)
}

// skip moves the query to the first record of the time that it asks for.
func (p *pager) skip() error {
	if p.q.Since.IsZero() || p.q.To == 0 {
		return nil
	}
	// Between two records at which the ledger was led back, times do not go back.
	from := max(p.q.From, 1)
	for _, turn := range append(slices.Clone(p.ledger.Turns()), p.q.To+1) {
		if turn <= from {
			continue
		}
		if p.reached(from) {
			break
		}
		found, err := p.search(from, min(turn, p.q.To+1))
		if err != nil {
			return err
		}
		if from = found; found < turn {
			break
		}
	}
	p.q.From = from
	return nil
}

// reached reports whether the first record from a number on is of the time that is asked for, as on
// every page but the first.
func (p *pager) reached(from uint64) bool {
	for r, err := range p.ledger.Audit(from) {
		return err == nil && !r.Time.Before(p.q.Since)
	}
	return false
}

// search returns the number of the first record from one number on and before another one that is
// of the time that is asked for, the other number if there is none.
func (p *pager) search(from, before uint64) (uint64, error) {
	var failed error
	// Numbers may be missing, so the record found for a number is the next that exists.
	n := sort.Search(int(before-min(from, before)), func(i int) bool {
		for r, err := range p.ledger.Audit(from + uint64(i)) {
			failed = errors.Join(failed, err)
			return err != nil || r.Number >= before || !r.Time.Before(p.q.Since)
		}
		return true
	})
	return from + uint64(n), failed
}

// forth reads from the oldest record on.
func (p *pager) forth() error {
	p.page.Next = max(p.q.From, 1)
	if p.page.Next > p.q.To {
		p.page.End = true
		return nil
	}
	for r, err := range p.ledger.Scan(p.page.Next) {
		if err = errors.Join(err, context.Cause(p.ctx)); err != nil {
			return err
		}
		if r.Number > p.q.To || p.late(r) {
			p.page.End = true
			return nil
		}
		if p.stories == nil {
			p.add(r)
		} else if err := p.follow(r); err != nil {
			return err
		}
		p.page.Next = r.Number + 1
		if p.seen++; p.full() || p.seen >= maxPageScan {
			return nil
		}
	}
	p.page.End = true
	return nil
}

// late reports whether neither a record nor any after it is of the time that is asked for.
func (p *pager) late(r *ledger.Record) bool {
	if p.q.Until.IsZero() || !r.Time.After(p.q.Until) || p.stories != nil && !p.stories.over() {
		return false
	}
	turns := p.ledger.Turns()
	return len(turns) == 0 || r.Number >= turns[len(turns)-1]
}

// back reads from the newest record on, a window at a time: the trail itself can only be read
// forward.
func (p *pager) back() error {
	low := max(p.q.From, 1)
	p.step = 1 // a window into an old segment may read a large file whole, so it grows as it has to
	for p.page.Next = p.q.To; !p.full() && p.seen < maxPageScan && !p.page.End; {
		to := p.page.Next
		if p.page.End = to < low; p.page.End {
			break
		}
		from := max(low, to-min(to, p.step)+1)
		p.seen += int(to - from + 1)
		window, err := p.window(from, to)
		if err != nil {
			return err
		}
		p.take(window)
		if len(window) == 0 { // numbers were skipped, or retention has come so far
			p.page.Next, p.page.End = from-1, p.nothingBefore(from)
		}
	}
	p.page.End = p.page.End || p.page.Next < low
	slices.Reverse(p.page.Records)
	return nil
}

// take picks records from a window, the newest first, as many as fit.
func (p *pager) take(window []ledger.Record) {
	for i := range slices.Backward(window) {
		if p.full() {
			return
		}
		p.add(&window[i])
		p.page.Next = window[i].Number - 1
	}
}

// window reads the records with numbers from … to. Of long ones it holds what two pages may have,
// the newest; then less is read the next time, as much as there was room for.
func (p *pager) window(from, to uint64) (list []ledger.Record, err error) {
	size, short := 0, false
	for r, err := range p.ledger.Audit(from) {
		if err = errors.Join(err, context.Cause(p.ctx)); err != nil {
			return nil, err
		}
		if r.Number > to {
			break
		}
		list = append(list, r)
		for size += len(r.Content); size > 2*maxPageContent && len(list) > 1; short = true {
			size -= len(list[0].Content)
			list[0] = ledger.Record{} // the rest of the list would hold it
			list = list[1:]
		}
	}
	if short {
		p.step = uint64(len(list))
	} else {
		p.step = min(2*p.step, pageWindow)
	}
	return list, nil
}

// nothingBefore reports whether no record with a lower number is kept.
func (p *pager) nothingBefore(number uint64) bool {
	for r, err := range p.ledger.Audit(1) {
		return err != nil || r.Number >= number
	}
	return true
}
