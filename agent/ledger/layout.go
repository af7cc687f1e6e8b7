package ledger

import (
	"encoding/binary"
	"fmt"
)

// The buckets. What is written with every request is keyed by number, or by an end in time and a
// number.
const (
	bucketMeta     bucket = "meta"     // name → fact
	bucketSlots    bucket = "slots"    // slot name
	bucketSessions bucket = "sessions" // session id
	bucketKeys     bucket = "authkeys" // MAC of the auth_key
	bucketDigests  bucket = "digests"  // nothing itself; see digestBucket
	bucketRequests bucket = "requests" // end in ms, number
	bucketCharges  bucket = "charges"  // end in ms, number
	bucketAudit    bucket = "audit"    // number
)

// allBuckets are in every ledger, with or without keys.
var allBuckets = []bucket{
	bucketMeta, bucketSlots, bucketSessions, bucketKeys, bucketDigests, bucketRequests, bucketCharges, bucketAudit,
}

// bucketSegment is part of a segment's additional data; it is no bucket.
const bucketSegment bucket = "segment"

// The facts in the meta bucket. Format and id are in clear, so that a newer and a foreign ledger
// can be told from a damaged one.
var (
	metaFormat   = []byte("format") // see format.go
	metaID       = []byte("id")
	metaProof    = []byte("proof")      // sealed id: the key fits
	metaGathered = []byte("checkpoint") // number of the last record that is gathered
	metaKept     = []byte("kept")       // number of the first record that retention has left; none: all are kept
	metaYield    = []byte("yield")      // another copy of the wallet was met, and this one has yielded to it
	metaPause    = []byte("pause")      // the operator paused the wallet, and when
	metaPolicy   = []byte("policy")     // the policy that was approved last, which takes an approver's yes
	metaTurns    = []byte("turns")      // numbers of the records at which the ledger was led back
	metaCreated  = []byte("created")    // when the ledger was made; none in ledgers of before
	metaFloor    = []byte("floor")      // no nonce at or below this counts: which ones were used up was lost
	metaHoles    = []byte("holes")      // parts of the trail that the operator gave up, see Hole
)

// restoreHint is what a person does about a ledger that reads wrong.
const restoreHint = "put back a copy of the ledger and its mark, then run `pksa ledger accept`"

// damaged returns an error that names the value that reads wrong. Keys are numbers, times, names
// and digests; none is secret.
func damaged(b bucket, key []byte) error {
	if number, err := numberOf(key); err == nil && b == bucketAudit {
		return &ValueError{fmt.Sprintf("audit record %d was altered, or stands in the place of another", number)}
	}
	return &ValueError{fmt.Sprintf("%s %x", b, key)}
}

// numberKey returns the key of what is ordered by number.
func numberKey(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func numberOf(key []byte) (uint64, error) {
	if len(key) != 8 {
		return 0, errCodec
	}
	return binary.BigEndian.Uint64(key), nil
}

// endKey returns the key of what is dropped after an instant.
func endKey(ms int64, number uint64) []byte {
	return binary.BigEndian.AppendUint64(numberKey(uint64(max(ms, 0))), number)
}

func endOf(key []byte) (ms int64, number uint64, err error) {
	if len(key) != 16 {
		return 0, 0, errCodec
	}
	return int64(binary.BigEndian.Uint64(key)), binary.BigEndian.Uint64(key[8:]), nil
}

// owner is what digests belong to: a session's id, or the generation of a slot's secret.
type owner string

func sessionOwner(id SessionID) owner { return owner("s" + string(numberKey(uint64(id)))) }
func slotOwner(s Slot) owner          { return owner("a" + string(numberKey(s.generation))) }

func (o owner) isSlot() bool { return o[0] == 'a' }

// digestBucket returns the bucket of the digests of one owner, so that all of them can be dropped
// at once. Digests that are not gathered yet stand in the audit records.
func digestBucket(o owner) bucket { return bucketDigests + "/" + bucket(o) }
