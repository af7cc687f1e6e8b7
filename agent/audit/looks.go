package audit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"pksa/agent/difftext"
	"pksa/agent/policy"
	"pksa/protocol/hive"
)

// Looks judges requests of the trail again for a console, which shall not keep the agent busy: one
// at a time, for some seconds, over the newest records, and a draft of rules once a minute. The
// zero value is ready; its methods may be called concurrently.
type Looks struct {
	mu      sync.Mutex // held while the trail is read
	drafted Suggested
	at      time.Time // when that was made
}

const (
	lookTime    = 8 * time.Second
	lookRecords = 20_000 // that a draft is made of
	draftEvery  = time.Minute

	// What is judged in one piece, in memory and in time: nothing ends that.
	draftRequests = 2000
	draftBytes    = 4 << 20
	bookBytes     = 8 << 20 // of what was charged before a request
)

var errLooking = errors.New("the trail is being read for somebody else; try again in some seconds")

var errLong = fmt.Errorf("that takes longer than %s; the command line on the wallet's machine takes its time", lookTime)

// begin returns what reads the trail, and ends that.
func (l *Looks) begin(ctx context.Context, t Trail) (Source, func(), error) {
	if !l.mu.TryLock() {
		return nil, nil, errLooking
	}
	ctx, cancel := context.WithTimeoutCause(ctx, lookTime, errLong)
	return t.Source(ctx), func() { cancel(); l.mu.Unlock() }, nil
}

// compareRequests is how many requests a comparison tries for a console.
const compareRequests = 4000

// Compare compares two policies, the one in force first, and returns in words what changes.
func (l *Looks) Compare(ctx context.Context, was, now policy.Draft, n *hive.Network) (string, error) {
	if !l.mu.TryLock() {
		return "", errLooking
	}
	defer l.mu.Unlock()
	ctx, cancel := context.WithTimeoutCause(ctx, lookTime, errLong)
	defer cancel()
	at := time.Now()
	d, problems, err := policy.Compare(ctx, was, now, policy.DiffOptions{Now: at, Network: n, Most: compareRequests})
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case err != nil:
		return "", err
	case d == nil:
		return "", errors.New(problems.String())
	}
	var b strings.Builder
	difftext.Write(&b, d, at)
	return b.String(), nil
}

// Explain explains a request by the number of its record.
func (l *Looks) Explain(ctx context.Context, t Trail, p *policy.Policy, n *hive.Network, number uint64) (Explained,
	error) {
	if number == 0 {
		return Explained{}, errors.New("records begin with number 1") // all of the trail, to a query
	}
	read, end, err := l.begin(ctx, t)
	if err != nil {
		return Explained{}, err
	}
	defer end()
	var found *Request
	err = EachRequest(read, Query{From: number, To: number}, n, func(one *Request) error {
		found = one
		return nil
	})
	switch {
	case err != nil:
		return Explained{}, err
	case found == nil:
		return Explained{}, fmt.Errorf("record %d is not a request that was judged", number)
	}
	e, err := explain(read, found, p, n, bookBytes)
	if errors.Is(err, errManyCharges) {
		err = fmt.Errorf("%w; the command line on the wallet's machine does", err)
	}
	return e, err
}

// Suggest makes a draft of the newest records, or returns the one that is younger than a minute.
func (l *Looks) Suggest(ctx context.Context, t Trail, p *policy.Policy, n *hive.Network) (Suggested, error) {
	read, end, err := l.begin(ctx, t)
	if err != nil {
		return Suggested{}, err
	}
	defer end()
	if now := time.Now(); l.at.IsZero() || now.Sub(l.at) >= draftEvery {
		q := Query{}
		if head, _ := t.Ledger.Head(); head > lookRecords {
			q.From = head - lookRecords + 1
		}
		drafted, err := suggest(read, q, p, n, policy.Headroom,
			&policy.SeenLately{Most: draftRequests, MostBytes: draftBytes})
		if err != nil {
			return Suggested{}, err
		}
		l.drafted, l.at = drafted, now
	}
	return l.drafted, nil
}

// Source returns the trail as it is when it is first read, for what judges it again.
func (t Trail) Source(ctx context.Context) Source {
	head := uint64(0)
	return func(q Query, use func(*Record) error) error {
		if head == 0 {
			if head, _ = t.Ledger.Head(); head == 0 {
				return nil
			}
		}
		if q.To == 0 || q.To > head {
			q.To = head
		}
		for {
			page, err := t.Page(ctx, q)
			if err != nil {
				return err
			}
			for i := range page.Records {
				if err := use(&page.Records[i]); err != nil {
					return err
				}
			}
			if page.End {
				return nil
			}
			q.From = page.Next
		}
	}
}
