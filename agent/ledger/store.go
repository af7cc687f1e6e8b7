package ledger

import (
	"bytes"
	"encoding/binary"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// The buckets. What is written with every request is keyed by number, or by an end in time and a
// number.
var (
	bucketMeta     = []byte("meta")     // name → fact
	bucketSlots    = []byte("slots")    // slot name
	bucketSessions = []byte("sessions") // session id
	bucketKeys     = []byte("authkeys") // MAC of the auth_key
	// bucket for each owner: digest; those not gathered yet are in the audit records
	bucketDigests  = []byte("digests")
	bucketRequests = []byte("requests") // end in ms, number
	bucketCharges  = []byte("charges")  // end in ms, number
	bucketAudit    = []byte("audit")    // number

	allBuckets = [][]byte{bucketMeta, bucketSlots, bucketSessions, bucketKeys, bucketDigests, bucketRequests,
		bucketCharges, bucketAudit}
)

// The facts in the meta bucket. The id alone is in clear, so that a foreign ledger can be told from
// a damaged one.
var (
	metaID       = []byte("id")
	metaProof    = []byte("proof")      // sealed id: the key fits
	metaGathered = []byte("checkpoint") // number of the last record that is gathered
	// number of the first record that the keeping of the trail has left; none: all are kept
	metaKept  = []byte("kept")
	metaFloor = []byte("floor") // no nonce at or below this counts; set when a restored ledger is accepted
)

// damaged names the value that reads wrong. Keys are numbers, times, names and digests; none is
// secret.
func damaged(bucket, key []byte) error {
	if number, err := numberOf(key); err == nil && bytes.Equal(bucket, bucketAudit) {
		return fmt.Errorf("%w: audit record %d was altered, or stands in the place of another; %s", ErrDamaged, number,
			restoreHint)
	}
	return fmt.Errorf("%w: %s %x; %s", ErrDamaged, bucket, key, restoreHint)
}

// put seals a value and writes it.
func (v *vault) put(tx *bolt.Tx, bucket, key, plain []byte) error {
	b := tx.Bucket(bucket)
	b.FillPercent = 0.9 // most keys come in order
	return b.Put(key, v.seal(bucket, key, plain))
}

// get opens a value; nil without an error if there is none.
func (v *vault) get(tx *bolt.Tx, bucket, key []byte) ([]byte, error) {
	sealed := tx.Bucket(bucket).Get(key)
	if sealed == nil {
		return nil, nil
	}
	return v.open(bucket, key, sealed)
}

// each opens every value of a bucket in the order of keys.
func (v *vault) each(tx *bolt.Tx, bucket []byte, fn func(key, plain []byte) error) error {
	return tx.Bucket(bucket).ForEach(func(key, sealed []byte) error {
		plain, err := v.open(bucket, key, sealed)
		if err != nil {
			return err
		}
		if fn(key, plain) != nil {
			return damaged(bucket, key)
		}
		return nil
	})
}

func numberKey(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func numberOf(key []byte) (uint64, error) {
	if len(key) != 8 {
		return 0, errCodec
	}
	return binary.BigEndian.Uint64(key), nil
}

// endKey is the key of what is dropped after an instant.
func endKey(ms int64, number uint64) []byte {
	return binary.BigEndian.AppendUint64(numberKey(uint64(max(ms, 0))), number)
}

func endOf(key []byte) (ms int64, number uint64, err error) {
	if len(key) != 16 {
		return 0, 0, errCodec
	}
	return int64(binary.BigEndian.Uint64(key)), binary.BigEndian.Uint64(key[8:]), nil
}

// owner is the name of a digest bucket: a session's id, or the generation of a slot's secret.
type owner string

func sessionOwner(id SessionID) owner { return owner("s" + string(numberKey(uint64(id)))) }
func slotOwner(s Slot) owner          { return owner("a" + string(numberKey(s.generation))) }

// digestName binds a digest's value to its owner.
func digestName(o owner) []byte { return append([]byte("digests/"), o...) }
