package ledger

import (
	"bytes"
	"time"

	bolt "go.etcd.io/bbolt"
)

// TestingCommit puts a function around every commit from now on; it must be set before the first
// call.
func (l *Ledger) TestingCommit(fn func(commit func() error) error) { l.testCommit = fn }

// WithSegment sets the number of records in a segment.
func (o Options) WithSegment(n uint64) Options { o.segment = n; return o }

// TestingRewrite changes a bucket in the file of a closed ledger.
func TestingRewrite(path, bucket string, fn func(*bolt.Bucket) error) error {
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		return err
	}
	if err := db.Update(func(tx *bolt.Tx) error { return fn(tx.Bucket([]byte(bucket))) }); err != nil {
		return err
	}
	return db.Close()
}

// TestingAlloc is how many bytes of pages all commits have written so far.
func (l *Ledger) TestingAlloc() int64 {
	l.fileMu.RLock()
	defer l.fileMu.RUnlock()
	s := l.db.Stats()
	return s.TxStats.GetPageAlloc()
}

// RecordBytes and ParseRecord are the record's form in the file.
func RecordBytes(r Record) []byte                    { return r.encode() }
func ParseRecord(n uint64, b []byte) (Record, error) { return decodeRecord(n, b) }

// TestingStep makes it so that the wall clock stepped, after the ledger was opened, as far as the
// monotonic clock did not.
func (l *Ledger) TestingStep(by time.Duration) {
	l.clock.mu.Lock()
	defer l.clock.mu.Unlock()
	l.clock.wall = l.clock.wall.Add(-by)
}

// TestingSize is how large the file is.
func (l *Ledger) TestingSize() (size int64) {
	_ = l.view(func(tx *bolt.Tx) error { size = tx.Size(); return nil })
	return size
}

// NumberKey is a record's key.
var NumberKey = numberKey

// Turn waits until every earlier ticket of the lane has passed.
func (t *Ticket) Turn() { <-t.turn }

// SampleValues is one value of each other kind in the file.
func SampleValues() [][]byte {
	return [][]byte{
		(&Slot{Secret: "s", generation: 3}).encode(),
		(&Session{Account: "a", App: "b", AuthKey: "c", Origin: Hand, LastNonce: 4, Nonceless: true}).encode(),
		(&authKey{Account: "a", LastNonce: 300}).encode(),
		(&request{Account: "a", Answer: []byte{}, TxID: [20]byte{1}}).encode(),
		encodeCharges([]Charge{{Data: []byte("x")}, {}}),
		(&change{end: 5, charges: []Charge{{}}}).encode(),
	}
}

// RecodeValue reads a value and writes it again.
func RecodeValue(which int, b []byte) ([]byte, error) {
	switch which {
	case 0:
		v, err := decodeSlot("", b)
		return v.encode(), err
	case 1:
		v, err := decodeSession(0, b)
		return v.encode(), err
	case 2:
		v, err := decodeAuthKey(b)
		return v.encode(), err
	case 3:
		v, err := decodeRequest(b)
		return v.encode(), err
	case 4:
		v, err := decodeCharges(b)
		return encodeCharges(v), err
	case 5:
		v, err := decodeChange(&Record{}, b)
		return v.encode(), err
	}
	return nil, errCodec
}

// SampleSegment is a segment of two records.
func SampleSegment() []byte {
	return encodeSegment([]stored{{Record: Record{Number: 1, Account: "a"}}, {Record: Record{Number: 2}}})
}

// RecodeSegment reads a segment and writes it again.
func RecodeSegment(b []byte) ([]byte, error) {
	v := vault{mac: func(...[]byte) []byte { return make([]byte, 32) }}
	list, err := v.parseSegment(b)
	return encodeSegment(list), err
}

// CheckPages looks at the pages of a file.
func CheckPages(b []byte) error { return checkPages(bytes.NewReader(b)) }

// DigestOwners is how many sessions and slots have gathered digests.
func (l *Ledger) DigestOwners() (n int) {
	_ = l.view(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketDigests).ForEachBucket(func([]byte) error { n++; return nil })
	})
	return n
}
