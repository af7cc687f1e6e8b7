package ledger

import "time"

// The shapes of stored values: how each is written and read.

func (r *Record) encode() []byte {
	w := writer{b: make([]byte, 0, 256+len(r.Content))}
	w.byte(1)
	w.byte(byte(r.Type))
	w.time(r.Time)
	w.uint(r.Ref)
	w.byte(byte(r.Verdict))
	w.text(r.Outcome)
	w.text(r.Account)
	w.text(r.Kind)
	w.text(r.App)
	w.uint(uint64(r.Session))
	w.requestKey(r.Key)
	w.uint(uint64(r.Nonce))
	w.optional(r.Digest[:])
	w.byte(byte(r.Spent))
	w.optional(r.TxID[:])
	w.bytes(r.Content)
	return w.b
}

// decodeRecord reads a record. Its content lies where the bytes do.
func decodeRecord(number uint64, b []byte, n names) (Record, error) {
	r := reader{b: b, names: n}
	r.version(1)
	v := Record{Number: number, Type: RecordType(r.byte()), Time: r.time(), Ref: r.uint()}
	v.Verdict = Verdict(r.byte())
	v.Outcome = r.name()
	v.Account = r.name()
	v.Kind = r.name()
	v.App = r.name()
	v.Session = SessionID(r.uint())
	v.Key = r.requestKey()
	v.Nonce = r.int64()
	r.optional(v.Digest[:])
	v.Spent = Spending(r.byte())
	r.optional(v.TxID[:])
	if v.Content = r.take(r.uint()); len(v.Content) == 0 {
		v.Content = nil
	}
	r.bad = r.bad || v.Verdict > Admitted || v.Spent > SpentSlotDigest
	return v, r.end()
}

func (s *Slot) encode() []byte {
	var w writer
	w.byte(1)
	w.text(string(s.Secret))
	w.time(s.Created)
	w.time(s.Rotated)
	w.bool(s.NoncesOnly)
	w.uint(s.generation)
	return w.b
}

func decodeSlot(name string, b []byte) (Slot, error) {
	r := reader{b: b}
	r.version(1)
	s := Slot{Name: name, Secret: Secret(r.text()), Created: r.time(), Rotated: r.time(), NoncesOnly: r.bool()}
	s.generation = r.uint()
	return s, r.end()
}

func (s *Session) encode() []byte {
	var w writer
	w.byte(1)
	w.text(s.Account)
	w.text(s.App)
	w.text(string(s.AuthKey))
	w.text(string(s.Token))
	w.byte(byte(s.Origin))
	w.text(s.Relay)
	w.time(s.Created)
	w.time(s.Expires)
	w.time(s.LastUsed)
	w.uint(uint64(s.LastNonce))
	w.bool(s.Nonceless)
	w.bool(s.NoncesOnly)
	w.uint(uint64(s.Digests))
	w.uint(s.asOf)
	return w.b
}

func decodeSession(id SessionID, b []byte) (*Session, error) {
	r := reader{b: b}
	r.version(1)
	s := &Session{ID: id, Account: r.text(), App: r.text(), AuthKey: Secret(r.text()), Token: Secret(r.text())}
	s.Origin = Origin(r.byte())
	s.Relay = r.text()
	s.Created = r.time()
	s.Expires = r.time()
	s.LastUsed = r.time()
	s.LastNonce = r.int64()
	s.Nonceless = r.bool()
	s.NoncesOnly = r.bool()
	s.Digests = int(r.int64())
	s.asOf = r.uint()
	return s, r.end()
}

// authKey is what is known of an auth_key. Its key is the MAC of the auth_key. It is the live
// session that has the auth_key or, if Session is zero, the tombstone of the last one.
type authKey struct {
	Account   string
	App       string
	Session   SessionID
	Ended     time.Time
	LastNonce int64
	Revoked   bool // ended by the operator
	Nonceless bool // took requests without nonce
}

func (k *authKey) encode() []byte {
	var w writer
	w.byte(1)
	w.text(k.Account)
	w.text(k.App)
	w.uint(uint64(k.Session))
	w.time(k.Ended)
	w.uint(uint64(k.LastNonce))
	w.bool(k.Revoked)
	w.bool(k.Nonceless)
	return w.b
}

func decodeAuthKey(b []byte) (authKey, error) {
	r := reader{b: b}
	r.version(1)
	k := authKey{Account: r.text(), App: r.text(), Session: SessionID(r.uint()), Ended: r.time()}
	k.LastNonce = r.int64()
	k.Revoked = r.bool()
	k.Nonceless = r.bool()
	return k, r.end()
}

// request is a judged or rejected request, kept until its answer is of no more use.
type request struct {
	Key      RequestKey
	Digest   [32]byte // of the ciphertext
	Account  string
	Kind     string
	App      string
	Session  SessionID
	Verdict  Verdict
	Answered bool // Answer holds
	Final    bool // the outcome is known
	Answer   []byte

	// Until the outcome is known.
	TxID      [20]byte
	TxBytes   []byte
	TxExpires time.Time
}

func (q *request) encode() []byte {
	w := writer{b: make([]byte, 0, 256+len(q.Answer)+len(q.TxBytes))}
	w.byte(1)
	w.requestKey(q.Key)
	w.fixed(q.Digest[:])
	w.text(q.Account)
	w.text(q.Kind)
	w.text(q.App)
	w.uint(uint64(q.Session))
	w.byte(byte(q.Verdict))
	w.bool(q.Answered)
	w.bool(q.Final)
	w.nilable(q.Answer)
	w.optional(q.TxID[:])
	w.bytes(q.TxBytes)
	w.time(q.TxExpires)
	return w.b
}

func decodeRequest(b []byte) (request, error) {
	r := reader{b: b}
	r.version(1)
	q := request{Key: r.requestKey()}
	copy(q.Digest[:], r.take(32))
	q.Account = r.text()
	q.Kind = r.text()
	q.App = r.text()
	q.Session = SessionID(r.uint())
	q.Verdict = Verdict(r.byte())
	q.Answered = r.bool()
	q.Final = r.bool()
	q.Answer = r.nilable()
	r.optional(q.TxID[:])
	q.TxBytes = r.bytes()
	q.TxExpires = r.time()
	r.bad = r.bad || q.Verdict > Admitted
	return q, r.end()
}

// change is what a record of the trail changes: the request as it is from then on, and what was
// charged. It stands beside the bytes of the record until it is gathered, and does not repeat what
// those say.
type change struct {
	end     int64 // of the request's answer, ms
	request request
	charges []Charge
}

func (c *change) encode() []byte {
	q := &c.request
	w := writer{b: make([]byte, 0, 64+len(q.Answer)+len(q.TxBytes))}
	w.byte(1)
	w.uint(uint64(max(c.end, 0)))
	w.bool(q.Answered)
	w.bool(q.Final)
	w.nilable(q.Answer)
	w.bytes(q.TxBytes)
	w.time(q.TxExpires)
	w.bytes(encodeCharges(c.charges))
	return w.b
}

func decodeChange(rec *Record, b []byte) (c change, err error) {
	r := reader{b: b}
	r.version(1)
	c.end = r.int64()
	c.request = request{
		Key: rec.Key, Digest: rec.Digest, Account: rec.Account, Kind: rec.Kind, App: rec.App, Session: rec.Session,
		Verdict: rec.Verdict, TxID: rec.TxID, Answered: r.bool(), Final: r.bool(),
	}
	c.request.Answer = r.nilable()
	c.request.TxBytes = r.bytes()
	c.request.TxExpires = r.time()
	charges := r.take(r.uint())
	if err := r.end(); err != nil {
		return c, err
	}
	c.charges, err = decodeCharges(charges)
	return c, err
}

func encodeCharges(charges []Charge) []byte {
	var w writer
	w.byte(1)
	w.uint(uint64(len(charges)))
	for _, c := range charges {
		w.time(c.Expires)
		w.bytes(c.Data)
	}
	return w.b
}

func decodeCharges(b []byte) ([]Charge, error) {
	r := reader{b: b}
	r.version(1)
	n := r.uint()
	r.bad = r.bad || n > uint64(len(r.b)) // each takes two bytes at least: no room is made on a liar's word
	var charges []Charge
	for range n {
		if r.bad {
			break
		}
		charges = append(charges, Charge{Expires: r.time(), Data: r.bytes()})
	}
	return charges, r.end()
}
