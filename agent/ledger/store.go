package ledger

// store is where a ledger's values and segments lie. The ledger seals and judges; a store keeps
// bytes under names, and understands none of them. One ledger has the store for itself.
//
// # Writing
//
// The ledger calls open, and then secure, before the first commit. A commit that returns nil is
// durable. A commit that returns an error is in the store whole or not at all, and nobody knows
// which: from then on nothing that was read before it counts, and no commit succeeds until open and
// secure have succeeded once more. The ledger then reads everything again. What holds for a commit
// holds for writeSegment, removeSegment and retireSegment too, each by itself: after an error the
// segment is as before or as wanted, and the ledger looks.
//
// # Reading
//
// A read shows what one commit left, with all that came before it, and nothing of a commit that is
// not finished, or is not in the store. Two reads may show what two commits left. A failed read
// says nothing of the store: it may be tried again.
//
// # Who calls what
//
// get, list, segments and readSegment are called from any goroutine at any time, also while another
// method runs. All other methods are called by one goroutine at a time: the one that opens the
// ledger, then the committing one.
//
// A store keeps no slice that it was given once the call has returned, and what it returns belongs
// to the caller.
type store interface {
	source

	// create makes a store that holds first and nothing else. Segments that lie in its place from
	// an earlier store are moved out of the way. When all else is durable it calls ready, and the
	// store is there only if ready returned nil. ErrExists: one is there already.
	create(first []edit, ready func() error) error
	// open takes the store for this process and forgets what was open before. What reads show from
	// then on may be the end of a commit that a crash or an error cut off on its way to the disk.
	// ErrMissing: there is none. ErrLocked: somebody else has it. ErrDamaged: it cannot be read.
	open() error
	// secure makes durable what reads show. Until it has returned nil, nothing that was read may be
	// acted upon.
	secure() error
	// commit makes all edits, in their order, or none.
	commit(edits []edit) error
	// close gives the store up: the next open, by anybody, succeeds.
	close() error

	// writeSegment keeps the content of a segment, in place of what it had. It returns when the
	// segment is durable.
	writeSegment(index uint64, content []byte) error
	// readSegment returns the content of a segment; fs.ErrNotExist if there is none.
	readSegment(index uint64) ([]byte, error)
	// segments returns all segments, lowest index first.
	segments() ([]segmentInfo, error)
	// removeSegment removes a segment; that there is none is no error.
	removeSegment(index uint64) error
	// retireSegment takes a segment out of the list, durably, and leaves its content for a person
	// to look at. That there is none is no error.
	retireSegment(index uint64) error
}

// source is what can be read by key.
type source interface {
	// get returns the value of a key, and whether there is one. A value may be empty.
	get(b bucket, key []byte) (value []byte, found bool, err error)
	// list returns the pairs of a bucket in the order of their keys, as bytes: those from a key on,
	// and no more than most. If they are fewer, there are no others.
	list(b bucket, from []byte, most int) ([]pair, error)
}

// bucket names a set of keys. A store keeps any name of the forms "NAME" and "NAME/MORE", where
// NAME is one of allBuckets and MORE are any bytes. A bucket without keys is as good as none.
type bucket string

// pair is a key and its value.
type pair struct{ key, value []byte }

// edit is one step of a commit. The zero value is not valid.
type edit struct {
	act    act
	bucket bucket
	key    []byte // not empty; of no meaning with drop
	value  []byte // of put
}

// act is what an edit does.
type act uint8

const (
	actPut    act = iota + 1 // gives a key a value
	actDelete                // removes a key; that there is none is no error
	actDrop                  // removes a bucket with all its keys; that there is none is no error
)
