package ledger

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"
)

// LargeFirst is the first record of a large home that can be read.
const LargeFirst = segmentRecords + 1

// mostInBucket is how many records an older program had in its bucket at most.
const mostInBucket = segmentRecords + batchOps

// FreeBytes is how much room there is in a folder.
func FreeBytes(folder string) int64 { return freeBytes(folder) }

// Rotated reports whether no full segment is left in the ledger's file.
func (l *Ledger) Rotated(ctx context.Context) (done bool) {
	err := l.submitContext(ctx, &op{apply: func(*batch) error {
		done = l.rotated == l.state.whole || l.stuck
		return nil
	}})
	return done || err != nil
}

// LargeHome makes of an empty ledger one with so many records of so many bytes, and returns the
// number of the last. Half of what can be in the bucket is there and gathered, the other half is
// not gathered; the rest is in segments. Before all of them lies a segment of format 1, of 4,096
// records, that is no segment at all and larger than a small machine's memory; it takes no room.
func LargeHome(path string, o Options, records, size int) (last uint64, err error) {
	if o, err = o.withDefaults(); err != nil {
		return 0, err
	}
	m := homeMaker{vault: o.vault(), store: newBoltStore(path, o.disk, o.segment), content: make([]byte, size)}
	for i := range m.content {
		m.content[i] = byte(i*i>>3 + i)
	}
	m.next, m.prev = LargeFirst, m.vault.chainStart().mac
	inBucket := min(records, mostInBucket)
	for left := records - inBucket; left > 0 && err == nil; left -= 12 {
		err = m.segment(min(left, 12))
	}
	if err == nil {
		err = m.bucket(path, inBucket)
	}
	whole := m.store.pathOf(gridSegment(0, o.segment))
	err = errors.Join(err, os.MkdirAll(filepath.Dir(whole), 0o700), os.WriteFile(whole, nil, 0o600),
		os.Truncate(whole, 2_600_000_000))
	return m.next - 1, err
}

type homeMaker struct {
	vault   *vault
	store   *boltStore
	content []byte
	next    uint64
	prev    [32]byte
}

func (m *homeMaker) record() stored {
	s := stored{Record: Record{Number: m.next, Type: RecordEvent, Time: time.UnixMilli(1_600_000_000_000).UTC(),
		Content: m.content}, prev: m.prev}
	s.body = s.encode()
	m.prev = m.vault.chain(s.prev, s.Number, s.body, millis(s.Time)).mac
	m.next++
	return s
}

func (m *homeMaker) segment(records int) error {
	id := segmentID{first: m.next, last: m.next + uint64(records) - 1}
	return m.store.writeSegment(id, m.vault.sealSegment(id, func(yield func(stored, error) bool) {
		for range records {
			if !yield(m.record(), nil) {
				return
			}
		}
	}))
}

// bucket writes records to the ledger's file, and that the first half of them is gathered.
func (m *homeMaker) bucket(path string, records int) error {
	db, err := bolt.Open(path, 0o600, &bolt.Options{NoSync: true, NoFreelistSync: true})
	if err != nil {
		return err
	}
	gathered := m.next + uint64(records)/2
	for left := records; left > 0 && err == nil; left -= 50 {
		err = db.Update(func(tx *bolt.Tx) error {
			for range min(left, 50) {
				s := m.record()
				key := numberKey(s.Number)
				sealed := m.vault.seal(s.Number, bucketAudit, key, s.encodeStored())
				if err := tx.Bucket([]byte(bucketAudit)).Put(key, sealed); err != nil {
					return err
				}
			}
			return tx.Bucket([]byte(bucketMeta)).Put(metaGathered,
				m.vault.seal(0, bucketMeta, metaGathered, encodeNumber(gathered)))
		})
	}
	return errors.Join(err, db.Close())
}
