package ledger

import "iter"

// store is where the values and segments of a ledger lie. The ledger judges and seals; a store
// keeps bytes under names and understands none of them. An open store belongs to one ledger.
//
// # Writing
//
// The ledger calls open and then secure before its first commit. When commit returns nil, all its
// edits are durable. When commit returns an error, the store holds all of them or none, and the
// ledger does not know which. So after an error the ledger believes nothing that it read before. It
// calls open and secure again and reads everything, and a store refuses each commit until then. A
// store that another process may take over refuses a commit by itself once that has happened: the
// commit is what decides, not a look before it.
//
// Each call of writeSegment, removeSegment and retireSegment stands alone. After an error the
// segment is as it was before, or as it was to be, never in between; the ledger calls again.
//
// # Reading
//
// Every call of get, getMany, list, segments and readSegment sees one state: what one commit left,
// with all commits before it. Two calls may see the states of two commits. The last state of a
// store that was just opened may be a commit that a crash or an error cut off on its way to the
// disk, and may be gone after the next power cut; secure ends that. After an error the ledger knows
// nothing about what it wanted to read, and may call again.
//
// # Who calls what
//
// get, getMany, list, segments and readSegment are called from any goroutine at any time, also
// while another method runs. All other methods are called by one goroutine at a time: by the one
// that opens the ledger, later by the committing goroutine. Only writeSegment may run while that
// one calls commit; its content comes from getMany.
//
// A store keeps no slice that it was given once the call has returned. What it returns belongs to
// the caller.
type store interface {
	source
	// getMany returns for each name what get does, in the order of the names: for one at least, if
	// there are any, and for no other once the values have listBytes. A store that is not on this
	// machine takes as long for one name as for hundreds.
	getMany(names []name) ([]got, error)

	// create makes a store that holds first and nothing else. It moves segments aside that an
	// earlier store left in its place. As the last step but one, when all else is durable, it calls
	// ready; if that returns an error, there is no store. ErrExists: there is one already.
	create(first []edit, ready func() error) error
	// open takes the store for this ledger and forgets what was open before. After an error the
	// ledger calls close. ErrMissing: there is none. ErrLocked: somebody else has it. ErrDamaged:
	// it cannot be read.
	open() error
	// secure makes durable what reads see. Until it has returned nil, the ledger acts upon nothing
	// that it has read. After a *noRoomError the store shows what it showed before, and secure may
	// be called again.
	secure() error
	// commit makes all edits in their order, or none of them.
	commit(edits []edit) error
	// identity names the store, from create or open on, so that no two stores of one ledger have
	// the same. It is empty for a store in the file at the ledger's path.
	identity() string
	// overtaken returns what is closed when somebody else was found to have opened the store since;
	// nil: nobody can do that unnoticed. It stays closed, and the store does not open again.
	overtaken() <-chan struct{}
	// leads reports whether nobody else can have opened the store by now, by the clock of this
	// process alone. What is right never depends on that.
	leads() bool
	// retire takes an open store out of use, durably, and closes it: open finds none then, create
	// makes another one, and what is in it stays for a person to look at, as far as it can. heir
	// says for whom: letters and digits.
	retire(heir string) error
	// retiredFor reports whether a store that is not open was retired for an heir, and none was
	// created since.
	retiredFor(heir string) (bool, error)
	// close gives the store up, so that somebody else can open it. It may be called again.
	close() error

	// writeSegment keeps the content of a segment, which comes in parts, in place of an older one
	// of this name. When it returns nil, the segment is durable. An error among the parts is
	// returned, and the segment is as it was.
	writeSegment(id segmentID, content iter.Seq2[[]byte, error]) error
	// readSegment returns a part of a segment: not more than most bytes from one on, and fewer only
	// at its end. fs.ErrNotExist: there is no such segment.
	readSegment(id segmentID, from, most int64) ([]byte, error)
	// segments returns all segments in the order of their first records, then of their last.
	segments() ([]segmentInfo, error)
	// removeSegment removes a segment, if there is one. After a crash it may be there again.
	removeSegment(id segmentID) error
	// retireSegment takes a segment, if there is one, out of the list for good, and leaves its
	// content for a person to look at.
	retireSegment(id segmentID) error
}

// source is what can be read by key.
type source interface {
	// get returns the value of a key, and whether there is one. A value may be empty.
	get(b bucket, key []byte) (value []byte, found bool, err error)
	// list returns the pairs of a bucket whose keys are at or above from, in the order of the keys
	// as bytes: not more than most, and no other once their values have listBytes. If more is set,
	// there may be others behind the last of them; a list that is not the last has a pair at least.
	list(b bucket, from []byte, most int) (pairs []pair, more bool, err error)
}

// listBytes is after how many bytes of values a list ends, and what getMany returns. It bounds
// memory where values are large.
const listBytes = 1 << 20

// name is where a value is: its bucket and key.
type name struct {
	bucket bucket
	key    []byte
}

// got is what was read of a name.
type got struct {
	value []byte
	found bool
}

// bucket is the name of a set of keys. Its form is "NAME" or "NAME/MORE", where NAME is one of
// allBuckets and MORE is any bytes. A bucket exists while it has keys; nobody makes one.
type bucket string

// pair is a key and its value.
type pair struct{ key, value []byte }

// edit is one step of a commit. The zero value is not valid.
type edit struct {
	act    act
	bucket bucket
	key    []byte // not empty; without meaning for actDrop
	value  []byte // for actPut; may be empty
}

// act is what an edit does.
type act uint8

const (
	actPut    act = iota + 1 // gives a key a value
	actDelete                // removes a key, if there is one
	actDrop                  // removes all keys of a bucket
)
