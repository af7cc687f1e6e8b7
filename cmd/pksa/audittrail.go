package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"pksa/agent"
	"pksa/agent/audit"
	"pksa/agent/control"
	"pksa/protocol/plain"
)

// trail reads the audit trail: from the running agent or, if none is running, from the ledger.
type trail struct {
	*command
	follow bool // only from the agent: opening the ledger would keep one from starting
	store  *offline
	noted  string // what was noted last
	// outcome says that the result was asked for by the flag --outcome.
	outcome bool
}

func (c *command) openTrail(follow bool) *trail { return &trail{command: c, follow: follow} }

func (t *trail) close() error {
	if t.store == nil {
		return nil
	}
	return t.store.close()
}

func (t *trail) note(text string) {
	if t.noted != text {
		t.noted = text
		fmt.Fprintf(t.err, "pksa: %s\n", text)
	}
}

func (t *trail) page(ctx context.Context, q audit.Query) (page audit.Page, err error) {
	if t.store == nil {
		cfg, err := t.settings()
		if err != nil {
			return page, t.callAllTheSame(ctx, err, agent.MethodAuditPage, q, &page)
		}
		err = socket(cfg).Call(ctx, agent.MethodAuditPage, q, &page)
		switch {
		case !errors.Is(err, control.ErrNoAgent):
			return page, err
		case t.follow:
			return page, hint(err, adviceFollow)
		}
		if t.store, err = t.offline(ctx, cfg); err != nil {
			return page, err
		}
	}
	return t.store.admin().Trail().Page(ctx, q)
}

// newest returns the last records that fit, and the number of the newest of all.
func (t *trail) newest(ctx context.Context, q audit.Query, last int) ([]audit.Record, uint64, error) {
	q.Last = true
	records, head := []audit.Record{}, uint64(0) // a list in JSON, too
	for first := true; first || len(records) < last; first = false {
		q.Limit = max(1, last-len(records))
		page, err := t.page(ctx, q)
		if err != nil {
			return nil, 0, err
		}
		if first {
			head = page.Head
		}
		records = append(page.Records, records...)
		if q.To = page.Next; page.End || q.To == 0 {
			break
		}
	}
	return records[max(0, len(records)-last):], head, nil
}

// entries returns the last entries that fit, each with all its records, and the number of the
// newest record of all.
func (t *trail) entries(ctx context.Context, q audit.Query, last int) ([]entry, uint64, error) {
	q.Last = true
	var found []entry // the newest first
	head := uint64(0)
	at := map[uint64]int{}
	for first := true; first || len(found) < last; first = false {
		q.Limit = max(1, 2*last) // a request and its outcome
		page, err := t.page(ctx, q)
		if err != nil {
			return nil, 0, err
		}
		if first {
			head = page.Head
		}
		for _, r := range slices.Backward(page.Records) {
			number := cmp.Or(requestOf(r), r.Number)
			if i, ok := at[number]; ok {
				found[i].records = append([]audit.Record{r}, found[i].records...)
				continue
			}
			at[number] = len(found)
			found = append(found, entry{number, []audit.Record{r}})
		}
		if q.To = page.Next; page.End || q.To == 0 {
			break
		}
	}
	joinEvents(found, at)
	found = found[:min(last, len(found))]
	slices.Reverse(found)
	for i := range found {
		if err := t.complete(ctx, q, &found[i]); err != nil {
			return nil, 0, err
		}
	}
	return found, head, nil
}

// joinEvents adds events to the requests that they are about. They keep lines of their own.
func joinEvents(found []entry, at map[uint64]int) {
	for _, e := range found {
		r := e.records[0]
		if requestOf(r) != 0 {
			continue
		}
		for _, number := range append(contentOf(r).Requests, r.Request) {
			if i, ok := at[number]; ok && number != 0 && number != e.number {
				found[i].records = append(found[i].records, r)
			}
		}
	}
}

// complete adds to an entry the records of its request that the filter did not pick, or that lie
// before those that were read.
func (t *trail) complete(ctx context.Context, q audit.Query, e *entry) error {
	if requestOf(e.records[0]) == 0 {
		return nil
	}
	// Without a filter, what comes after the request was read with it.
	if e.records[0].Type == "request" && q.Filter == (audit.Filter{Since: q.Since}) {
		return nil
	}
	records, err := t.story(ctx, e.records[0].Number)
	if err == nil {
		e.records = records
	}
	return err
}

// each calls use with all records that fit, page by page. It moves the beginning of q behind the
// last.
func (t *trail) each(ctx context.Context, q *audit.Query, use func([]audit.Record) error) error {
	for {
		page, err := t.page(ctx, *q)
		if err != nil {
			return err
		}
		q.From = page.Next
		if err := use(page.Records); err != nil || page.End {
			return err
		}
	}
}

// export calls use with all records that fit and exist now.
func (t *trail) export(ctx context.Context, q audit.Query, use func([]audit.Record) error) error {
	if q.To == 0 {
		page, err := t.page(ctx, audit.Query{Last: true, Limit: 1})
		if err != nil || page.Head == 0 {
			return err
		}
		q.To = page.Head
	}
	return t.each(ctx, &q, use)
}

// source returns the trail as it is when it is first read, for the tools that judge it again.
func (t *trail) source(ctx context.Context) audit.Source {
	head := uint64(0)
	return func(q audit.Query, use func(*audit.Record) error) error {
		if head == 0 {
			page, err := t.page(ctx, audit.Query{Last: true, Limit: 1})
			if err != nil || page.Head == 0 {
				return err
			}
			head = page.Head
		}
		if q.To == 0 || q.To > head {
			q.To = head
		}
		return t.each(ctx, &q, func(page []audit.Record) error {
			for i := range page {
				if err := use(&page[i]); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// storyRecords is how many records after a request are looked at for all that is noted of it.
const storyRecords = 2000

// errStop ends the reading of records.
var errStop = errors.New("stop")

// storyOf returns a record with all that belongs to it, by the number of the record or by the id of
// a transaction.
func (t *trail) storyOf(ctx context.Context, name string) ([]audit.Record, error) {
	number, err := strconv.ParseUint(name, 10, 64)
	if err == nil && number != 0 && len(name) < 40 {
		return t.story(ctx, number)
	}
	id := strings.ToLower(name)
	if len(id) < 8 || !isTxID(id) {
		return nil, errUsage{fmt.Errorf("%s is no number of a record and no id of a transaction; `pksa audit tail` "+
			"shows "+
			"the numbers", plain.Quote(name, 80))}
	}
	records, _, err := t.newest(ctx, audit.Query{Filter: audit.Filter{TxID: id}}, 1)
	if err != nil {
		return nil, err
	}
	if len(records) == 0 {
		return nil, hint(fmt.Errorf("no record has a transaction %s", id), adviceNoTransaction)
	}
	return t.story(ctx, records[0].Number)
}

// story returns a record with all that belongs to it: of a request the decision and the outcome.
func (t *trail) story(ctx context.Context, number uint64) ([]audit.Record, error) {
	page, err := t.page(ctx, audit.Query{From: number, To: number, Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(page.Records) == 0 {
		if page.Head < number {
			return nil, hint(fmt.Errorf("there is no record %d", number), adviceNoRecord)
		}
		if len(page.Lost) > 0 {
			return nil, hint(fmt.Errorf("record %d is lost: it was damaged, and on %s the operator went on without it",
				number, when(page.Lost[0].At)), adviceLostRecord)
		}
		return nil, hint(fmt.Errorf("record %d is not kept any more", number),
			adviceOldRecord)
	}
	r := page.Records[0]
	request := r.Request
	switch {
	case r.Type == "request":
		request = number
	case request == 0, r.Type == "ledger accepted": // its number is that of the last record before
		return page.Records, nil
	}
	var records []audit.Record
	q := audit.Query{Filter: audit.Filter{Request: request}, From: request}
	// Nearly every outcome comes soon, and so does what is noted of it. Only without one the whole
	// trail is looked through.
	q.To = request + storyRecords
	for {
		err := t.each(ctx, &q, func(more []audit.Record) error {
			for _, r := range more {
				// What is said after the outcome are notes, not another outcome.
				if requestOf(r) == 0 || len(records) == 0 || !(entry{request, records}).final() {
					records = append(records, r)
				}
			}
			if q.To == 0 && len(records) > 0 && (entry{request, records}).final() {
				return errStop
			}
			return nil
		})
		switch {
		case errors.Is(err, errStop):
			return records, nil
		case err != nil || q.To == 0 || len(records) > 0 && (entry{request, records}).final():
			return records, err
		}
		q.To = 0
	}
}
