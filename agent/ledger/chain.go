package ledger

import "fmt"

// The audit trail is the ledger's log as well: a commit writes records at its end and little else.
// What a record changes stands beside it. Every few thousand records the changes are gathered into
// the buckets that are read by key; the records are the trail's alone from then on.

// stored is a record as it lies in the store: the MAC of the record before, its own bytes, and what
// it changes.
type stored struct {
	Record
	prev  [32]byte
	body  []byte   // the record as it is written; the chain covers it
	at    chainEnd // what the chain ends with after it
	extra *change  // nil if it changes no request
}

// chainEnd is the end of the chain: the last record's number, MAC and time in ms.
type chainEnd struct {
	number uint64
	mac    [32]byte
	time   int64
}

// chainStart returns what the first record is chained to.
func (v *vault) chainStart() chainEnd { return chainEnd{mac: v.hash("chain")} }

// chain returns the chain end that a record makes. The MAC covers the record and not what the
// record changes, which is dropped when it is gathered.
func (v *vault) chain(prev [32]byte, number uint64, body []byte, ms int64) chainEnd {
	return chainEnd{number: number, mac: v.hash("record", prev[:], numberKey(number), body), time: ms}
}

// record appends a record to the trail and returns its number. If extra is not nil, the record
// takes its request fields from it.
func (b *batch) record(r Record, extra *change) uint64 {
	r.Number, r.Time = b.next(), b.now
	if extra != nil {
		q := &extra.request
		r.Key, r.Digest, r.Account, r.Kind = q.Key, q.Digest, q.Account, q.Kind
		r.App, r.Session, r.Verdict, r.TxID = q.App, q.Session, q.Verdict, q.TxID
	}
	s := stored{Record: r, prev: b.last.mac, body: r.encode(), extra: extra}
	b.last = b.vault.chain(s.prev, r.Number, s.body, millis(b.now))
	b.lastSize = b.put(bucketAudit, numberKey(r.Number), s.encodeStored())
	b.since.add(b.lastSize)
	if extra != nil {
		b.note(r.requestNumber(), position{record: r.Number, end: extra.end})
		b.charge(r.requestNumber(), extra.charges)
	}
	return r.Number
}

// requestNumber returns the number of the request that a record is about.
func (r *Record) requestNumber() uint64 {
	if r.Ref != 0 {
		return r.Ref
	}
	return r.Number
}

// openRecord reads a record of the trail and computes the chain end that it makes. It does not look
// at the record before.
func (v *vault) openRecord(key, sealed []byte) (stored, error) {
	s, err := v.openStored(key, sealed)
	if err == nil {
		s.at = v.chain(s.prev, s.Number, s.body, millis(s.Time))
	}
	return s, err
}

// openStored reads a record of the trail and does not compute the chain end: a caller that wants
// the request only has no use for it.
func (v *vault) openStored(key, sealed []byte) (stored, error) {
	number, err := numberOf(key)
	if err != nil {
		return stored{}, damaged(bucketAudit, key)
	}
	plain, err := v.open(bucketAudit, key, sealed)
	if err != nil {
		return stored{}, err
	}
	s, err := parseStored(number, plain)
	if err != nil {
		return stored{}, damaged(bucketAudit, key)
	}
	return s, nil
}

func (s *stored) encodeStored() []byte {
	var more []byte
	if s.extra != nil {
		more = s.extra.encode()
	}
	w := writer{b: make([]byte, 0, 48+len(s.body)+len(more))}
	w.fixed(s.prev[:])
	w.bytes(s.body)
	w.fixed(more)
	return w.b
}

func parseStored(number uint64, plain []byte) (s stored, err error) {
	r := reader{b: plain}
	copy(s.prev[:], r.take(32))
	s.body = r.take(r.uint())
	if r.bad {
		return s, errCodec
	}
	if s.Record, err = decodeRecord(number, s.body, nil); err != nil {
		return s, err
	}
	if len(r.b) > 0 {
		extra, err := decodeChange(&s.Record, r.b)
		if err != nil {
			return s, err
		}
		s.extra = &extra
	}
	return s, nil
}

// follows returns nil if a record comes right after this chain end, or after a hole that does.
// Numbers are skipped when a restored ledger is accepted, at no other time.
func (s *stored) follows(last chainEnd, holes []Hole) error {
	if s.crosses(last, holes) {
		return nil
	}
	inTurn := s.Number == last.number+1 ||
		s.Type == RecordAccepted && s.Ref == last.number && s.Number > last.number
	switch {
	case !inTurn && s.Number == last.number+2:
		return &ValueError{fmt.Sprintf("audit record %d is missing", last.number+1)}
	case !inTurn && s.Number > last.number:
		return &ValueError{fmt.Sprintf("audit records %d to %d are missing", last.number+1, s.Number-1)}
	case !inTurn || s.prev != last.mac:
		return &ValueError{fmt.Sprintf("audit record %d is not the one that followed record %d", s.Number, last.number)}
	}
	return nil
}
