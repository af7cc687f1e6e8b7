package agent

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"pksa/agent/audit"
	"pksa/agent/ledger"
	"pksa/agent/policy"
	"pksa/agent/refund"
	"pksa/protocol/hive"
	"pksa/protocol/sorts"
)

// storedCharges is the charges of one request as the ledger keeps them.
type storedCharges struct {
	At time.Time `json:"at"`
	// From is set if these are the sums of what was charged after it and up to At.
	From    time.Time       `json:"from,omitzero"`
	Charges []policy.Charge `json:"charges"`
	// Tx is the transaction that was to be broadcast for them, with its expiration. Charges of what
	// is handed out have none: it can still be sent. Neither have those of before this member.
	Tx        string    `json:"tx,omitempty"`
	TxExpires time.Time `json:"tx_expires,omitzero"`
	// LostUntil is set if what was charged was lost: until then nothing is left of any limit whose
	// window holds At.
	LostUntil time.Time `json:"lost_until,omitzero"`
	// Exact is the transaction that they paid for if the app ExactApp made it, with its expiration:
	// until then the app pays nothing more for it. It may have been handed out, so these charges
	// are never given back, and windows leave it no earlier than as if it were charged at its
	// expiration: until then it can be carried out. An older program passes over the three.
	Exact        string    `json:"exact,omitempty"`
	ExactApp     string    `json:"exact_app,omitempty"`
	ExactExpires time.Time `json:"exact_expires,omitzero"`
}

// LostCharge returns what counts in the place of a charge that the ledger has lost: what the record
// of the request says, or else all that any limit has.
func LostCharge(lost ledger.LostCharge) (ledger.Charge, error) {
	s, until := storedCharges{At: lost.At}, lost.Until
	if until.IsZero() {
		until = lost.At.Add(policy.LongestWindow)
	}
	whole := false
	if r := lost.Record; r != nil {
		var err error
		// Without the transaction, as in recordedCharges.
		s.Charges, s.ExactExpires, whole, err = costOf(r.Content)
		whole = whole && err == nil && len(s.Charges) > 0
	}
	if !whole {
		s.LostUntil = until
	}
	data, err := json.Marshal(s)
	return ledger.Charge{Data: data, Expires: until}, err
}

// costOf returns what the record of an admitted request says that it was charged, and when its
// transaction expires if the app made it. It reports whether that is all: a record says so much and
// no more, see [audit.Content.Encode].
func costOf(record []byte) (cost []policy.Charge, expires time.Time, whole bool, err error) {
	var content audit.Content
	if err := json.Unmarshal(record, &content); err != nil {
		return nil, expires, false, err
	}
	// The request itself may have been cut for good: what it cost is put back before.
	if err := content.Unpack(); err != nil && !errors.Is(err, audit.ErrCut) {
		return content.Cost, content.Expires, false, nil
	}
	return content.Cost, content.Expires, content.Cut == nil || content.Cut.Costs == 0, nil
}

// counts returns the instant as of which windows leave the charges.
func (s storedCharges) counts() time.Time {
	if s.ExactExpires.After(s.At) {
		return s.ExactExpires
	}
	return s.At
}

// decodeCharges reads stored charges.
func decodeCharges(c ledger.Charge) (s storedCharges) {
	// A start reads those of a month: the usual decoder would take seconds.
	if s, ok := readCharges(c.Data); ok {
		return s
	}
	if err := json.Unmarshal(c.Data, &s); err != nil {
		// The ledger authenticates what it returns, so this is a bug of ours. To judge without
		// these charges would spend a budget twice; the panic refuses the request instead.
		panic("stored charge does not decode: " + err.Error())
	}
	return s
}

// readCharges reads stored charges that stand exactly as encode writes them, with texts of ASCII.
// It returns false for all others: the usual decoder reads those, and these as well.
func readCharges(data []byte) (s storedCharges, ok bool) {
	r := chargeReader{rest: data}
	r.want(`{"at":`)
	s.At = r.time()
	if r.has(`,"from":`) {
		s.From = r.time()
	}
	r.want(`,"charges":[{`)
	s.Charges = make([]policy.Charge, 0, bytes.Count(r.rest, []byte(`"amount":`)))
	for more := !r.bad; more; more = !r.bad && r.has(`,{`) {
		s.Charges = append(s.Charges, r.charge())
	}
	r.want(`]`)
	if r.has(`,"tx":`) {
		s.Tx = r.text()
	}
	if r.has(`,"tx_expires":`) {
		s.TxExpires = r.time()
	}
	if r.has(`,"lost_until":`) {
		s.LostUntil = r.time()
	}
	r.want(`}`)
	return s, !r.bad && len(r.rest) == 0
}

// chargeReader reads what encode wrote, from the front. bad is set once something else came.
type chargeReader struct {
	rest []byte
	bad  bool
}

func (r *chargeReader) has(text string) bool {
	if len(r.rest) < len(text) || string(r.rest[:len(text)]) != text {
		return false
	}
	r.rest = r.rest[len(text):]
	return true
}

func (r *chargeReader) want(text string) { r.bad = !r.has(text) || r.bad }

// charge reads a charge after its brace.
func (r *chargeReader) charge() (c policy.Charge) {
	r.want(`"limit":`)
	c.Limit = r.text()
	if r.has(`,"split":`) {
		c.Split = r.text()
	}
	r.want(`,"unit":`)
	c.Unit = r.text()
	r.want(`,"amount":`)
	c.Amount = r.text()
	if r.has(`,"opened_by":`) {
		c.OpenedBy = r.text()
	}
	r.want(`}`)
	return c
}

// quoted reads what stands in quotes.
func (r *chargeReader) quoted() (text []byte) {
	r.want(`"`)
	end := bytes.IndexByte(r.rest, '"')
	if r.bad || end < 0 {
		r.bad = true
		return nil
	}
	text, r.rest = r.rest[:end], r.rest[end+1:]
	return text
}

func (r *chargeReader) text() string {
	raw := r.quoted()
	// Between the parts of a split stands a sign that JSON writes like this.
	if bytes.IndexByte(raw, '\\') >= 0 {
		raw = bytes.ReplaceAll(raw, []byte(`\u0026`), []byte("&"))
	}
	for _, b := range raw {
		r.bad = r.bad || b < ' ' || b > '~' || b == '\\'
	}
	return string(raw)
}

func (r *chargeReader) time() (t time.Time) {
	r.bad = t.UnmarshalText(r.quoted()) != nil || r.bad
	return t
}

// transaction returns the transaction that the charges paid for, and reports whether it is known.
func (s storedCharges) transaction() (hive.TxID, bool) {
	if s.Tx == "" {
		return hive.TxID{}, false
	}
	id, err := hive.ParseTxID(s.Tx)
	return id, err == nil
}

const (
	// sumEvery is how often old charges are added up, and sumPause the pause after each commit of
	// that: requests come first.
	sumEvery = time.Hour
	sumPause = 250 * time.Millisecond
	// sumBytes is the size of the largest sum: a value that is larger than 32 KiB in the ledger
	// could not be mended.
	sumBytes = 24 << 10
)

// sumCharges adds up the charges of which nobody will ask any more whose they were, until ctx ends.
func (a *Agent) sumCharges(ctx context.Context) {
	sum := func() {
		if err := a.ledger.SumCharges(ctx, sumUp, sumPause); err != nil && ctx.Err() == nil {
			a.log.Warn("old charges not added up; this is tried again within an hour", "err", err)
		}
	}
	select {
	case <-a.begun: // the clock is believed, and what an earlier process left is taken up
	case <-ctx.Done():
		return
	}
	sum() // a home of an older program may have very many
	every(ctx, sumEvery, sum)
}

// slice is what may become one sum: charges of a slice of time that expire in one of the same
// length. All in ms.
type slice struct{ begin, end, expires int64 }

// member is what becomes part of a sum.
type member struct {
	held    int // which of those that are held
	number  uint64
	charges []policy.Charge
	expires time.Time
}

// sumUp adds up what no window and no edit of the policy can tell from its sum, and of which
// nothing can be given back any more. It is a [ledger.Summing].
func sumUp(v ledger.View, held []ledger.Held) (sums []ledger.Sum, young uint64) {
	bySlice := map[slice][]member{}
	for i, h := range held {
		at, m := slice{}, member{held: i, number: h.Number}
		for j, c := range h.Charges {
			s := decodeCharges(c)
			if v.Now.Sub(s.At) < refund.SummedAfter && (young == 0 || h.Number < young) {
				young = h.Number
			}
			part := s.slice(v, c.Expires)
			if j > 0 && part != at {
				part = slice{}
			}
			if at = part; at == (slice{}) {
				break
			}
			m.charges = append(m.charges, s.Charges...)
			if c.Expires.After(m.expires) {
				m.expires = c.Expires
			}
		}
		if at != (slice{}) {
			bySlice[at] = append(bySlice[at], m)
		}
	}
	for at, members := range bySlice {
		sums = at.sums(sums, members)
	}
	return sums, young
}

// slice returns in which slice charges may be added up now, the zero value if they may not be.
func (s storedCharges) slice(v ledger.View, expires time.Time) slice {
	begin, end := policy.Slice(s.counts(), v.Now)
	if !s.LostUntil.IsZero() || s.ExactExpires.After(v.Now) || v.Now.Sub(s.At) < refund.SummedAfter ||
		!expires.After(v.Now) || !begin.Before(end) {
		return slice{}
	}
	if id, ok := s.transaction(); ok {
		// As long as there is a fate, the charges can be given back, or are shown with it.
		if _, known := v.Fate(id); known || v.Now.Sub(s.TxExpires) < refund.SummedAfter-time.Hour {
			return slice{}
		}
	}
	grain := end.UnixMilli() - begin.UnixMilli()
	return slice{begin.UnixMilli(), end.UnixMilli(), (expires.UnixMilli() + grain - 1) / grain}
}

// sums appends sums of these members, where two or more become one. Where their sum would be too
// large, either half of them has its own.
func (at slice) sums(sums []ledger.Sum, members []member) []ledger.Sum {
	if len(members) < 2 {
		return sums
	}
	// In the order of time: who opened a counter last, counts.
	sorts.By(members, func(a, b member) int { return cmp.Compare(a.number, b.number) })
	var sum ledger.Sum
	var parts policy.Sums
	for _, m := range members {
		parts.Add(m.charges)
		sum.Of = append(sum.Of, m.held)
		if m.expires.After(sum.Charge.Expires) {
			sum.Charge.Expires = m.expires
		}
	}
	stored := storedCharges{At: time.UnixMilli(at.end).UTC(), From: time.UnixMilli(at.begin).UTC(),
		Charges: parts.Charges()}
	if sum.Charge.Data = stored.encode(); len(sum.Charge.Data) > sumBytes {
		half := len(members) / 2
		return at.sums(at.sums(sums, members[:half]), members[half:])
	}
	return append(sums, sum)
}

// encode writes charges as they are stored.
func (s storedCharges) encode() []byte {
	data, err := json.Marshal(s)
	if err != nil {
		panic("charges cannot be written: " + err.Error()) // unreachable: all are texts and times
	}
	return data
}

// TurnBack leads the ledger back to the right time, after it was written under a clock far ahead.
// It frees no budget: charges of the future count from now on, and those that were dropped because
// the clock was ahead of their end are read from the trail. kept is how long charges count at most;
// by is what confirmed the time.
func (m Admin) TurnBack(ctx context.Context, now time.Time, kept time.Duration, by string) (ledger.TurnedBack,
	error) {
	recorded := m.recordedCharges(now, kept)
	return m.Ledger.TurnBack(ctx, ledger.TurnBack{
		Now:     now,
		Charges: func(held []ledger.Charge) ([]ledger.Charge, error) { return mergeCharges(held, recorded, now) },
		Audit: func(done ledger.TurnedBack) []byte {
			return encodeRecord(map[string]any{"act": "ledger clock", "was": done.Was, "confirmed_by": by,
				"sessions_ended": len(done.Ended)})
		},
	})
}

// mergeCharges returns the charges that the ledger holds, with those of the trail that it lacks. No
// charge is of the future any more.
func mergeCharges(held []ledger.Charge, recorded iter.Seq2[recordedCharge, error], now time.Time) ([]ledger.Charge,
	error) {
	counts := map[[32]byte]int{} // of held ones that the trail has not named yet
	var summed heldSums
	all := make([]ledger.Charge, 0, len(held))
	for _, c := range held {
		s := decodeCharges(c)
		if late := s.At.Sub(now); late > 0 {
			s.At, c.Expires = now, c.Expires.Add(-late)
			if !s.LostUntil.IsZero() {
				s.LostUntil = s.LostUntil.Add(-late)
			}
			if !s.From.Before(now) {
				s.From = now.Add(-time.Millisecond) // what is in it counts from now on, too
			}
			c.Data = s.encode()
		}
		if s.From.IsZero() {
			counts[s.sum()]++
		} else {
			summed.add(s)
		}
		all = append(all, c)
	}
	lacks := missing{now: now, bySlice: map[slice]*missed{}}
	for c, err := range recorded {
		if err != nil {
			return nil, fmt.Errorf("reading the audit trail: %w", err)
		}
		switch sum := c.sum(); {
		case counts[sum] > 0:
			counts[sum]--
		case c.released, c.LostUntil.IsZero() && summed.take(c.storedCharges, now):
		default:
			lacks.add(c)
		}
	}
	return append(all, lacks.charges()...), nil
}

// missing is what the ledger lacks of the trail. Under a wrong clock it may have dropped the
// charges of a month: those of each slice of time are added up at once, as [sumUp] does, and those
// of one instant, too.
type missing struct {
	now     time.Time
	bySlice map[slice]*missed
	lost    []recordedCharge // of which nobody knows the amounts
}

// missed is what is missing of a slice.
type missed struct {
	one     recordedCharge // if it is only one
	number  int
	expires time.Time
	sums    policy.Sums
}

func (m *missing) add(c recordedCharge) {
	if !c.LostUntil.IsZero() {
		m.lost = append(m.lost, c)
		return
	}
	begin, end := policy.Slice(c.counts(), m.now)
	if !begin.Before(end) {
		end = time.UnixMilli(c.counts().UnixMilli()).UTC()
		if end.Before(c.counts()) {
			end = end.Add(time.Millisecond)
		}
		begin = end.Add(-time.Millisecond)
	}
	grain := end.UnixMilli() - begin.UnixMilli()
	at := slice{begin.UnixMilli(), end.UnixMilli(), (c.expires.UnixMilli() + grain - 1) / grain}
	of := m.bySlice[at]
	if of == nil {
		of = &missed{one: c}
		m.bySlice[at] = of
	}
	of.number++
	if c.expires.After(of.expires) {
		of.expires = c.expires
	}
	of.sums.Add(c.Charges)
}

// charges returns all that is missing, in the order of time.
func (m *missing) charges() (all []ledger.Charge) {
	for _, c := range m.lost {
		all = append(all, ledger.Charge{Data: c.encode(), Expires: c.expires})
	}
	order := slices.SortedFunc(maps.Keys(m.bySlice), func(a, b slice) int {
		return cmp.Or(cmp.Compare(a.end, b.end), cmp.Compare(a.begin, b.begin), cmp.Compare(a.expires, b.expires))
	})
	for _, at := range order {
		of := m.bySlice[at]
		if of.number == 1 {
			all = append(all, ledger.Charge{Data: of.one.encode(), Expires: of.expires})
			continue
		}
		parts := at.inParts(nil, of.sums.Charges())
		for n, data := range parts {
			// Those of one end would be one value of the ledger, and a large one could not be
			// mended.
			all = append(all, ledger.Charge{Data: data, Expires: of.expires.Add(time.Duration(n) * time.Millisecond)})
		}
	}
	return all
}

// inParts appends the sums of a slice as they are stored, each no longer than sumBytes.
func (at slice) inParts(parts [][]byte, charges []policy.Charge) [][]byte {
	stored := storedCharges{At: time.UnixMilli(at.end).UTC(), From: time.UnixMilli(at.begin).UTC(), Charges: charges}
	data := stored.encode()
	if half := len(charges) / 2; len(data) > sumBytes && half > 0 {
		return at.inParts(at.inParts(parts, charges[:half]), charges[half:])
	}
	return append(parts, data)
}

// heldSums are the sums that the ledger holds, without what the trail has named of them so far.
type heldSums struct {
	bySlice map[[2]int64]*policy.Sums // by begin and end, ms
	lengths map[int64]bool            // of the slices
}

func (h *heldSums) add(s storedCharges) {
	if h.bySlice == nil {
		h.bySlice, h.lengths = map[[2]int64]*policy.Sums{}, map[int64]bool{}
	}
	at := [2]int64{s.From.UnixMilli(), s.At.UnixMilli()}
	if h.bySlice[at] == nil {
		h.bySlice[at] = new(policy.Sums)
	}
	h.bySlice[at].Add(s.Charges)
	h.lengths[at[1]-at[0]] = true
}

// take takes out what was charged at an instant. It reports whether a sum of that time had it.
func (h *heldSums) take(s storedCharges, now time.Time) bool {
	at := s.counts()
	if at.After(now) {
		at = now // the ledger is led back, and the sums of the future with it
	}
	for length := range h.lengths {
		end := at.UnixMilli() + length - 1
		end -= end % length // slices begin at whole multiples of their length
		if sums := h.bySlice[[2]int64{end - length, end}]; sums != nil && sums.Take(s.Charges) {
			return true
		}
	}
	return false
}

// sum returns what is the same for what was charged equally at the same time.
func (s storedCharges) sum() [32]byte {
	text, _ := json.Marshal(s.Charges) // texts and numbers
	return sha256.Sum256(fmt.Append(nil, s.At.UnixMilli(), " ", string(text)))
}

// recordedCharge is a charge by the word of the trail.
type recordedCharge struct {
	storedCharges
	expires  time.Time
	released bool // it was given back, and does not count
}

// recordedCharges reads from the trail what was charged and may still count, in its order. Times
// that the ledger was led back from are taken back as they were then. The trail is read twice: only
// what comes later says what was given back, and from when times went back.
func (m Admin) recordedCharges(now time.Time, kept time.Duration) iter.Seq2[recordedCharge, error] {
	return func(yield func(recordedCharge, error) bool) {
		released, turns := map[uint64]bool{}, m.Ledger.Turns()
		backTo := make([]time.Time, len(turns)) // of each, the earliest time of it and those after it
		for r, err := range m.Ledger.Scan(1) {
			if err != nil {
				yield(recordedCharge{}, err)
				return
			}
			if i, is := slices.BinarySearch(turns, r.Number); is {
				backTo[i] = r.Time
			}
			switch r.Outcome {
			case refund.RecordRelease:
				released[r.Ref] = true
			case refund.RecordOnChain:
				delete(released, r.Ref) // it counts again
			}
		}
		earliest := now
		for i := len(turns) - 1; i >= 0; i-- {
			// A turn of which the trail has lost the record leads nothing back.
			if !backTo[i].IsZero() && backTo[i].Before(earliest) {
				earliest = backTo[i]
			}
			backTo[i] = earliest
		}
		for r, err := range m.Ledger.Scan(1) {
			if err != nil {
				yield(recordedCharge{}, err)
				return
			}
			// Of the future or not, it may be later than what follows.
			if r.Verdict != ledger.Admitted || r.Type != ledger.RecordJudged && r.Type != ledger.RecordDecided ||
				r.Time.Add(kept+mostLong).Before(now) {
				continue
			}
			cost, until, whole, err := costOf(r.Content)
			if err != nil {
				yield(recordedCharge{}, fmt.Errorf("record %d: %w", r.Number, err))
				return
			}
			if len(cost) == 0 && whole {
				continue
			}
			// Without the transaction: its expiration is not in the trail, and without that nobody
			// can prove that it never reached the chain. Such a charge is never given back.
			c := recordedCharge{storedCharges: storedCharges{At: r.Time, Charges: cost, ExactExpires: until},
				released: released[cmp.Or(r.Ref, r.Number)]}
			to := now
			if i, is := slices.BinarySearch(turns, r.Number); is || i < len(turns) {
				to = backTo[i]
			}
			if c.At.After(to) {
				c.At = to
			}
			c.expires = c.counts().Add(kept)
			if !whole {
				c.LostUntil = c.expires
			}
			if c.expires.After(now) && !yield(c, nil) {
				return
			}
		}
	}
}
