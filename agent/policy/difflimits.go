package policy

import (
	"fmt"
	"math/big"
	"slices"
	"time"
)

// mostCounted is how many requests are counted of each limit that changed.
const mostCounted = 10

// remember keeps a request that both policies allow, perhaps with the yes of a person, if a limit
// that changed counts it.
func (s *search) remember(q *Request, at time.Time, was, now *Decision) {
	if !s.limitChanged || was.Verdict == Deny || now.Verdict == Deny {
		return
	}
	if was.Verdict == Allow && now.Verdict == Allow {
		s.keep(&passed{plain: q, request: q, at: at}, was, now)
	}
	asks := func(st LimitState) bool { return st.Ask }
	if was.Verdict == Ask || now.Verdict == Ask || slices.ContainsFunc(was.Limits, asks) ||
		slices.ContainsFunc(now.Limits, asks) {
		approved := *q
		approved.Approved = true
		was, now := s.old.Decide(&approved, nil, at), s.now.Decide(&approved, nil, at)
		if was.Verdict == Allow && now.Verdict == Allow {
			s.keep(&passed{plain: q, request: &approved, at: at}, &was, &now)
		}
	}
}

func (s *search) keep(c *passed, was, now *Decision) {
	for _, from := range s.all {
		if from.same {
			return
		}
		l := from.limit
		if l == nil || len(s.counted[l.name]) >= mostCounted {
			continue
		}
		counts := func(c Charge) bool { return c.Limit == l.name }
		i, k := slices.IndexFunc(was.Charges, counts), slices.IndexFunc(now.Charges, counts)
		if i < 0 && k < 0 {
			continue
		}
		c.sign = fmt.Sprint(chargeOf(was, i), chargeOf(now, k), c.plain.App, c.plain.Account, c.request.Approved)
		if !slices.ContainsFunc(s.counted[l.name], func(known *passed) bool { return known.sign == c.sign }) {
			s.counted[l.name] = append(s.counted[l.name], c)
		}
	}
}

func chargeOf(d *Decision, i int) string {
	if i < 0 {
		return ""
	}
	c := d.Charges[i]
	return c.Split + " " + c.Unit + " " + c.Amount
}

// charge looks for room that differs. Of each limit that changed, one request is counted until its
// room is used up, with the policies' own counters; then the next one, of its kind or another, is
// judged at once and when a window is over.
func (s *search) charge() error {
	for _, name := range sortedKeys(s.counted) {
		spans := s.spans(name)
		for _, first := range s.counted[name] {
			last, fits := s.untilFull(first)
			for _, next := range s.counted[name] {
				for _, n := range fits {
					for _, after := range spans {
						if err := s.ctx.Err(); err != nil {
							return err
						}
						if n < last || after > 0 || next != first {
							s.next(first, next, n, after)
						}
					}
				}
			}
		}
	}
	return nil
}

func sortedKeys(m map[string][]*passed) (names []string) {
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// spans returns after how long something may have left a window of a limit.
func (s *search) spans(name string) []time.Duration {
	all := []time.Duration{0}
	for _, from := range s.all {
		if from.limit == nil || from.limit.name != name {
			continue
		}
		for _, q := range from.limit.quotas {
			if q.window > 0 {
				// What is charged leaves a window a thousandth of it late at most.
				all = append(all, (q.window + q.window/500 + time.Minute).Truncate(time.Minute))
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// untilFull counts a request until one of the policies does not allow it any more. It notes a
// difference there. It returns how many the policies both allow, and smaller numbers to try.
func (s *search) untilFull(c *passed) (last int64, fits []int64) {
	was, now := s.old.Decide(c.request, nil, c.at), s.now.Decide(c.request, nil, c.at)
	fits = []int64{1}
	for _, d := range []*Decision{&was, &now} {
		for _, st := range d.Limits {
			cost, ok1 := new(big.Rat).SetString(st.Cost)
			most, ok2 := new(big.Rat).SetString(st.Most)
			if !ok1 || !ok2 || cost.Sign() <= 0 || st.Window == 0 {
				continue
			}
			n := new(big.Rat).Quo(most, cost)
			whole := new(big.Int).Quo(n.Num(), n.Denom())
			if whole.IsInt64() && whole.Int64() > 0 {
				fits = append(fits, whole.Int64())
			}
		}
	}
	slices.Sort(fits)
	fits = slices.Compact(fits)
	for i, n := range fits {
		s.next(c, c, n, 0)
		was := s.old.Decide(c.request, s.old.after(c, n), c.at)
		now := s.now.Decide(c.request, s.now.after(c, n), c.at)
		if was.Verdict != Allow || now.Verdict != Allow {
			return n, fits[:i+1]
		}
	}
	return fits[len(fits)-1], fits
}

// next judges a request after another one was allowed n times, and notes a difference.
func (s *search) next(first, then *passed, n int64, after time.Duration) {
	at := first.at.Add(after)
	was := s.old.Decide(then.plain, s.old.after(first, n), at)
	now := s.now.Decide(then.plain, s.now.after(first, n), at)
	if s.tried++; was.same(&now) {
		return
	}
	// What differs without anything before is no matter of the room.
	a, b := s.old.Decide(then.plain, nil, at), s.now.Decide(then.plain, nil, at)
	if a.same(&b) || turn(&a, &b) != turn(&was, &now) {
		s.note(&Difference{Request: then.plain, Time: at, Before: first.request, Times: n, After: after, was: was,
			now: now}, turn(&was, &now), nil)
	}
}

// after returns counters in which a request was charged n times.
func (p *Policy) after(c *passed, n int64) *Book {
	d := p.Decide(c.request, nil, c.at)
	charges := slices.Clone(d.Charges)
	for i := range charges {
		if sum, ok := new(big.Rat).SetString(charges[i].Amount); ok {
			charges[i].Amount = ratText(sum.Mul(sum, new(big.Rat).SetInt64(n)))
		}
	}
	book := new(Book)
	book.Add(c.at, charges)
	return book
}
