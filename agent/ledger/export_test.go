package ledger

import (
	"bytes"
	"context"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"

	"pksa/keystore/durable"
)

// Around lets fn decide what becomes of each operation of the ledger's store, by the name of the
// operation: it calls do or not, and returns what the ledger is told.
func (o Options) Around(fn func(op string, do func() error) error) Options {
	under := o.newStore
	if under == nil {
		disk := durable.System()
		under = func(path string) store { return newBoltStore(path, disk, max(o.segment, 1)) }
	}
	o.newStore = func(path string) store { return &faultyStore{under: under(path), around: fn} }
	return o
}

// WithJournal keeps the ledger in a file that has a journal from its first commit on, so small that
// it is full after a few.
func (o Options) WithJournal() Options {
	o.newStore = func(path string) store { return newJournalStore(path, 4*framePage) }
	return o
}

// Careless has the ledger's store lose the last value that is written to a bucket in each commit;
// or alter each segment; or write one more.
func (o Options) Careless(what string) Options {
	under := o.newStore
	o.newStore = func(path string) store { return &carelessStore{under(path), what} }
	return o
}

type carelessStore struct {
	store
	what string
}

func (s *carelessStore) commit(edits []edit) error {
	edits = slices.Clone(edits)
	for i, e := range slices.Backward(edits) {
		if strings.HasPrefix(string(e.bucket), s.what) && !bytes.Equal(e.key, metaFormat) {
			edits = slices.Delete(edits, i, i+1)
			break
		}
	}
	if s.what == "more" {
		edits = append(edits, edit{actPut, bucketSlots, []byte("zz"), nil})
	}
	return s.store.commit(edits)
}

func (s *carelessStore) writeSegment(id segmentID, content iter.Seq2[[]byte, error]) error {
	return s.store.writeSegment(id, func(yield func([]byte, error) bool) {
		for part, err := range content {
			if s.what == "segment" && len(part) > 0 {
				part[len(part)-1] ^= 1
			}
			if !yield(part, err) {
				return
			}
		}
	})
}

// MemDisk is what outlives a ledger in memory.
type MemDisk = memDisk

// NewMemDisk returns an empty disk.
func NewMemDisk() *MemDisk { return newMemDisk() }

// PowerCut ends whoever holds the disk.
func (d *memDisk) PowerCut() { d.powerCut() }

// Count returns how many values a bucket has on the disk.
func (d *memDisk) Count(name string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.buckets[bucket(name)])
}

// InMemory keeps the ledger on a disk in memory, but for its mark.
func (o Options) InMemory(d *MemDisk) Options {
	o.newStore = func(string) store { return &memStore{disk: d} }
	return o
}

// OnDisk writes marks and segments with these system calls.
func (o Options) OnDisk(d durable.Disk) Options { o.disk = d; return o }

// bolt returns the ledger's bbolt file.
func (l *Ledger) bolt() *bolt.DB {
	under := l.store
	if f, ok := under.(*faultyStore); ok {
		under = f.under
	}
	return under.(*boltStore).db
}

// SealNumber is the number of the key for what is written with a record.
func (o Options) SealNumber(record uint64) (epoch, period uint64) {
	o, _ = o.withDefaults()
	n := o.vault().numberAt(record)
	return n.epoch, n.period
}

// Seal and Opened are what a vault does with a value of the meta bucket.
func (o Options) Seal(record uint64, key string, plain []byte) []byte {
	o, _ = o.withDefaults()
	return o.vault().seal(record, bucketMeta, []byte(key), plain)
}

// Opened opens values with one vault.
func (o Options) Opened(key string, values ...[]byte) (plain [][]byte, err error) {
	o, _ = o.withDefaults()
	v := o.vault()
	for _, sealed := range values {
		p, err := v.open(bucketMeta, []byte(key), sealed)
		if err != nil {
			return nil, err
		}
		plain = append(plain, p)
	}
	return plain, nil
}

// RecodeSealNumber reads the number of a sealed value and writes it again, with what follows.
func RecodeSealNumber(sealed []byte) (again []byte, ok bool) {
	form, n, rest, ok := cutSealNumber(sealed)
	var w writer
	w.sealNumber(form, n)
	return append(w.b, rest...), ok
}

// PeriodIn is the period of a sealed value that names its key.
func PeriodIn(sealed []byte) (period uint64, ok bool) {
	_, n, _, ok := cutSealNumber(sealed)
	return n.period, ok
}

// TestingOldForm seals everything in the file of a closed ledger as programs of format 1 did. Each
// nonce begins as a value that names its key does.
func TestingOldForm(path string, o Options) error {
	o, err := o.withDefaults()
	if err != nil {
		return err
	}
	v := o.vault()
	count := uint64(0)
	reseal := func(b bucket, key, sealed []byte) ([]byte, error) {
		plain, err := v.open(b, key, sealed)
		if err != nil {
			return nil, err
		}
		count++
		nonce := binary.BigEndian.AppendUint64([]byte{sealedForm, 0, 0, 0}, count)
		return o.AEAD.Seal(nonce, nonce, plain, v.place(b, key).b), nil
	}
	files := segmentFiles{folder: filepath.Join(filepath.Dir(path), segmentFolder), disk: o.disk, grid: o.segment}
	all, err := files.segments()
	if err != nil {
		return err
	}
	for _, info := range all {
		if err := oldSegment(v, &files, info.segmentID, reseal); err != nil {
			return err
		}
	}
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bolt.Tx) error {
		return tx.ForEach(func(name []byte, in *bolt.Bucket) error {
			if !slices.Contains(allBuckets, bucket(name)) {
				return nil // it is the store's own
			}
			return oldForm(in, bucket(name), reseal)
		})
	})
	return errors.Join(err, db.Close())
}

// oldSegment writes a segment as programs of format 1 did, in place of the file of today.
func oldSegment(v *vault, files *segmentFiles, id segmentID,
	reseal func(bucket, []byte, []byte) ([]byte, error)) error {
	list, err := collect(v.readSegment(&boltStore{segmentFiles: *files}, id, nil))
	if err != nil {
		return err
	}
	whole := gridSegment((id.first-1)/files.grid, files.grid)
	if whole.first != id.first || whole.last != id.last {
		return fmt.Errorf("segment %s is not on the grid", id.name())
	}
	key := numberKey(whole.index())
	sealed, err := reseal(bucketSegment, key, v.seal(0, bucketSegment, key, encodeSegment(list)))
	return errors.Join(err, os.WriteFile(files.pathOf(whole), sealed, 0o600), os.Remove(files.pathOf(id)))
}

func oldForm(in *bolt.Bucket, b bucket, reseal func(bucket, []byte, []byte) ([]byte, error)) error {
	values := map[string][]byte{}
	err := in.ForEach(func(key, sealed []byte) error {
		if sealed == nil {
			return oldForm(in.Bucket(key), b+"/"+bucket(key), reseal)
		}
		values[string(key)] = bytes.Clone(sealed)
		return nil
	})
	for key, sealed := range values {
		switch {
		case err != nil:
		case b == bucketMeta && key == string(metaFormat):
			err = in.Delete([]byte(key))
		case b == bucketMeta && key == string(metaID):
		default:
			if sealed, err = reseal(b, []byte(key), sealed); err == nil {
				err = in.Put([]byte(key), sealed)
			}
		}
	}
	return err
}

// WithPeriod sets how many records share a key.
func (o Options) WithPeriod(n uint64) Options { o.period = n; return o }

// WithSegment sets the number of records in a segment.
func (o Options) WithSegment(n uint64) Options { o.segment = n; return o }

// Beside lets requests be committed while a segment is written, as a wallet does; or lets them wait
// for it, so that operations have an order.
func (o Options) Beside(on bool) Options { o.inTurn = !on; return o }

// Gathering lets a commit gather few changes beside those for its records.
func (o Options) Gathering(few int) Options { o.gatherFew, o.dropFew = few, few; return o }

// Gathered is the number of the last record that is gathered.
func (l *Ledger) Gathered() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.state.gathered
}

// WithSegmentBytes sets the bytes of a segment.
func (o Options) WithSegmentBytes(n uint64) Options { o.segmentBytes = n; return o }

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

// TestingDropBucket removes a bucket from the file of a closed ledger.
func TestingDropBucket(path, bucket string) error {
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		return err
	}
	return errors.Join(db.Update(func(tx *bolt.Tx) error { return tx.DeleteBucket([]byte(bucket)) }), db.Close())
}

// SealedSegment is a segment file of format 1 with this content.
func (o Options) SealedSegment(index uint64, plain []byte) []byte {
	o, _ = o.withDefaults()
	return o.vault().seal((index+1)*o.segment, bucketSegment, numberKey(index), plain)
}

// RecodeMark reads a mark of the ledger with these options and writes it again.
func RecodeMark(o Options, text []byte) ([]byte, error) {
	at, where, err := o.vault().parseMark(text)
	return o.vault().markOf(at, where), err
}

// SampleMark is a mark of the ledger with these options.
func SampleMark(o Options) []byte { return o.vault().markText(chainEnd{number: 7, mac: [32]byte{1}}) }

// RecodeStored reads a record of the trail with what it changes, and writes it again.
func RecodeStored(b []byte) ([]byte, error) {
	s, err := parseStored(7, b)
	if err != nil {
		return nil, err
	}
	return s.encodeStored(), nil
}

// SampleStored is a record of the trail with what it changes.
func SampleStored() []byte {
	s := stored{Record: Record{Number: 7, Account: "a"}, extra: &change{end: 5, charges: []Charge{{}}}}
	s.body = s.encode()
	return s.encodeStored()
}

// TestingAlloc is how many bytes of pages all commits have written so far.
func (l *Ledger) TestingAlloc() int64 {
	s := l.bolt().Stats()
	return s.TxStats.GetPageAlloc()
}

// RecordBytes and ParseRecord are the record's form in the file.
func RecordBytes(r Record) []byte                    { return r.encode() }
func ParseRecord(n uint64, b []byte) (Record, error) { return decodeRecord(n, b, nil) }

// TestingStep makes it so that the wall clock stepped, after the ledger was opened, as far as the
// monotonic clock did not.
func (l *Ledger) TestingStep(by time.Duration) {
	l.clock.mu.Lock()
	defer l.clock.mu.Unlock()
	l.clock.wall = l.clock.wall.Add(-by)
}

// TestingSize is how large the file is.
func (l *Ledger) TestingSize() (size int64) {
	_ = l.bolt().View(func(tx *bolt.Tx) error { size = tx.Size(); return nil })
	return size
}

// NumberKey is a record's key.
var NumberKey = numberKey

// Turn waits until every earlier ticket of the lane has passed.
func (t *Ticket) Turn() { <-t.turn }

// WithThinMost lets one rotation drop or hand on so many tombstones at most.
func (o Options) WithThinMost(n int) Options { o.thinMost = n; return o }

// WithExpireMost lets one commit end so many expired sessions at most.
func (o Options) WithExpireMost(n int) Options { o.expireMost = n; return o }

// WithSumMost lets one commit add up so many values at most.
func (o Options) WithSumMost(n int) Options { o.sumMost = n; return o }

// TestingCount returns how many values a bucket has.
func (l *Ledger) TestingCount(name string) (n int) {
	for _, err := range scan(l.store, bucket(name), nil) {
		if err != nil {
			return -1
		}
		n++
	}
	return n
}

// TestingSegments returns the numbers of the first and the last record of each segment.
func (l *Ledger) TestingSegments() (list [][2]uint64) {
	all, err := l.store.segments()
	if err != nil {
		return nil
	}
	for _, s := range all {
		list = append(list, [2]uint64{s.first, s.last})
	}
	return list
}

// TestingSweep sweeps now.
func (l *Ledger) TestingSweep(ctx context.Context) error {
	return l.submitContext(ctx, &op{apply: (*batch).sweep})
}

// TestingKnown returns how many requests are known.
func (l *Ledger) TestingKnown() int { return l.knownRequests() }

// SweepMost is how many requests one commit drops at most.
const SweepMost = sweepMost

// SampleValues is one value of each other kind in the file.
func SampleValues() [][]byte {
	return [][]byte{
		(&Slot{Secret: "s", generation: 3}).encode(),
		(&Session{Account: "a", App: "b", AuthKey: "c", Origin: Hand, LastNonce: 4, Nonceless: true}).encode(),
		(&authKey{Account: "a", LastNonce: 300}).encode(),
		(&request{Account: "a", Answer: []byte{}, TxID: [20]byte{1}}).encode(),
		encodeCharges([]Charge{{Data: []byte("x")}, {}}),
		(&change{end: 5, charges: []Charge{{}}}).encode(),
		Fate{Number: 3, App: "a", State: Absent, Record: 4}.encode(),
		(&remnant{Remnant: Remnant{Account: "a", AuthKey: "k", LastNonce: 5, Known: true},
			digests: [][32]byte{{1}, {2}}, judged: judged{3, []judgedRequest{{nonce: 4}, {nonce: 5}}}}).encode(),
		encodeHoles([]Hole{{From: 3, To: 7, after: [32]byte{1}}, {From: 9, To: 8}}),
		(&Session{asOf: 7, judged: judged{3, []judgedRequest{{4, [judgedDigest]byte{1}}, {5, [judgedDigest]byte{2}}}}}).
			encodeJudged(),
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
	case 6:
		v, err := decodeFate(fateKey([20]byte{1}), b)
		return v.encode(), err
	case 9:
		asOf, v, err := decodeJudged(b)
		return (&Session{asOf: asOf, judged: v}).encodeJudged(), err
	case 7:
		v, err := decodeRemnant(1, b)
		return v.encode(), err
	case 8:
		v, err := decodeHoles(b)
		return encodeHoles(v), err
	}
	return nil, errCodec
}

// SampleSegment is a segment of two records.
func SampleSegment() []byte {
	one, two := stored{Record: Record{Number: 1, Account: "a"}}, stored{Record: Record{Number: 2}}
	one.body, two.body = one.encode(), two.encode()
	return encodeSegment([]stored{one, two})
}

// RecodeSegment reads an opened segment of format 1 and writes it again.
func RecodeSegment(b []byte) ([]byte, error) {
	v := clearVault()
	s := &memStore{disk: newMemDisk()}
	id := gridSegment(0, 4096)
	s.disk.holder = s
	s.disk.segments[id] = memSegment{content: v.seal(0, bucketSegment, numberKey(0), b)}
	list, err := collect(v.readSegment(s, id, nil))
	return encodeSegment(list), err
}

// encodeSegment writes a segment in format 1, as programs of before did.
func encodeSegment(list []stored) []byte {
	var w writer
	w.byte(segmentWhole)
	for i, s := range list {
		if i == 0 {
			w.fixed(s.prev[:])
		}
		w.uint(s.Number)
		w.bytes(s.body)
	}
	return w.b
}

// collect returns all that a sequence has before its error, and the error.
func collect[T any](seq iter.Seq2[T, error]) (list []T, err error) {
	for v, err := range seq {
		if err != nil {
			return list, err
		}
		list = append(list, v)
	}
	return list, nil
}

// clearVault is a vault whose values are not hidden: a fuzzer finds its way in them.
func clearVault() *vault {
	clearly := func(uint64, uint64) cipher.AEAD { return clearAEAD{} }
	mac := func(data ...[]byte) []byte {
		h := sha256.Sum256(bytes.Join(data, []byte{0}))
		return h[:]
	}
	return &vault{old: clearAEAD{}, sealers: sealers{derive: clearly}, period: periodRecords, mac: mac}
}

// clearAEAD is no AEAD: what it seals is the text in clear, and a checksum of the additional data.
type clearAEAD struct{}

func (clearAEAD) NonceSize() int { return nonceSize }
func (clearAEAD) Overhead() int  { return 16 }

func (clearAEAD) Seal(dst, _, plain, additional []byte) []byte {
	sum := sha256.Sum256(additional)
	return append(append(dst, plain...), sum[:16]...)
}

func (clearAEAD) Open(dst, _, sealed, additional []byte) ([]byte, error) {
	sum := sha256.Sum256(additional)
	plain, ok := bytes.CutSuffix(sealed, sum[:16])
	if !ok {
		return nil, errCodec
	}
	return append(dst, plain...), nil
}

// CheckPages looks at the pages of a file.
func CheckPages(b []byte) error { return checkPages(bytes.NewReader(b)) }

// DigestOwners is how many sessions and slots have gathered digests.
func (l *Ledger) DigestOwners() (n int) {
	_ = l.bolt().View(func(tx *bolt.Tx) error {
		return tx.Bucket([]byte(bucketDigests)).ForEachBucket(func([]byte) error { n++; return nil })
	})
	return n
}

// GatheredDigests is how many digests all sessions and slots have gathered.
func (l *Ledger) GatheredDigests() (n int) {
	_ = l.bolt().View(func(tx *bolt.Tx) error {
		all := tx.Bucket([]byte(bucketDigests))
		return all.ForEachBucket(func(name []byte) error { n += all.Bucket(name).Stats().KeyN; return nil })
	})
	return n
}

// GiveSecret writes a slot's secret without comparing it with others, as older programs did.
func (l *Ledger) GiveSecret(name string, secret Secret) error {
	_, err := l.writeSlot(context.Background(), func(b *batch) (Slot, error) {
		s, _ := b.slot(name)
		s.Secret = secret
		return s, nil
	})
	return err
}

// RecordMAC computes the MAC of a record.
func (o Options) RecordMAC(prev []byte, number uint64, body []byte) [32]byte {
	return o.vault().chain([32]byte(prev), number, body, 0).mac
}

// Awaited returns how many steps wait for their commit that somebody waits for.
func (l *Ledger) Awaited() int {
	l.queue.mu.Lock()
	defer l.queue.mu.Unlock()
	return l.queue.eager
}
