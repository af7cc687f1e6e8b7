package main

import (
	"context"
	"errors"
	"fmt"

	"pksa/agent"
	"pksa/agent/audit"
	"pksa/agent/control"
)

// trail reads the audit trail: from the running agent or, if none is running, from the ledger.
type trail struct {
	*command
	follow bool // only from the agent: opening the ledger would keep one from starting
	store  *offline
	noted  string // what was noted last
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
			return page, err
		}
		err = control.Call(ctx, cfg.Control, agent.MethodAuditPage, q, &page)
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

// errStop ends the reading of records.
var errStop = errors.New("stop")

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
		return nil, hint(fmt.Errorf("record %d is not kept any more", number),
			adviceOldRecord)
	}
	r := page.Records[0]
	request := r.Request
	if request == 0 {
		if r.Type != "request" {
			return page.Records, nil
		}
		request = number
	}
	var records []audit.Record
	q := audit.Query{Filter: audit.Filter{Request: request}, From: request}
	err = t.each(ctx, &q, func(more []audit.Record) error {
		for _, r := range more {
			records = append(records, r)
			if r.Type == "outcome" && r.Outcome != "uncertain" {
				return errStop
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, errStop) {
		return nil, err
	}
	return records, nil
}
