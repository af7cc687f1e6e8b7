package ledger

import (
	"fmt"
	"strconv"
	"strings"
)

// The formats that this program writes, and the newest that it reads. A program that writes what
// this one cannot read raises the number, and writes it before anything else in the new form.
const (
	// ledgerFormat is the format of the store's buckets. The meta bucket has it in clear, as a
	// decimal number; a ledger without it has format 1. An older ledger gets the new number in the
	// first commit that writes anything: whoever only reads one leaves it to older programs.
	//
	//	1  values are sealed under one key
	//	2  values are sealed under keys by number, those of before without one, and segments in
	//	   chunks
	//	3  the file of a wallet at work has a journal, which older programs do not look for
	//	4  values that speak of one request are packed before they are sealed, and records in
	//	   segments
	ledgerFormat = 4
	// segmentFormat is the newest format of a segment, and segmentWhole the oldest, which is the
	// first byte of such a segment when it is opened. See segmentform.go.
	segmentFormat = 3
	segmentWhole  = 1
	// markFormat ends the first line of a mark, at most.
	//
	//	1  the ledger is in the file at its path
	//	2  it is in another store, which the mark names
	markFormat = 2
)

// NewerError reports that something was written by a newer program and cannot be read by this one.
// Nothing was changed.
type NewerError struct {
	What   string // "this ledger", "the ledger's mark", "audit segment 000003"
	Format uint64 // of what was found
	Reads  uint64 // the newest format that this program reads
}

// Error returns one sentence with what was found and what the operator does about it.
func (e *NewerError) Error() string {
	return fmt.Sprintf("%s was written by a newer pksa (format %d; this program reads up to %d): use the newer program",
		e.What, e.Format, e.Reads)
}

var formatText = strconv.AppendUint(nil, ledgerFormat, 10)

// checkFormat returns the format of the ledger, and a NewerError for a newer one. It is the first
// check: this program knows nothing else about such a ledger.
func (r lookup) checkFormat() (uint64, error) {
	text, found, err := r.in.get(bucketMeta, metaFormat)
	if err != nil {
		return 0, err
	}
	if !found {
		return 1, nil
	}
	format, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil || format == 0 {
		return 0, damaged(bucketMeta, metaFormat)
	}
	if format > ledgerFormat {
		return 0, &NewerError{What: "this ledger", Format: format, Reads: ledgerFormat}
	}
	return format, nil
}

// raiseFormat writes the format of today with the batch, if the ledger has an older one.
func (b *batch) raiseFormat() {
	if b.l.state.format == ledgerFormat {
		return
	}
	b.pending.add(edit{actPut, bucketMeta, metaFormat, formatText})
	b.after = append(b.after, func(st *state) { st.format = ledgerFormat })
}

const markTitle = "pksa ledger mark "

// checkMarkFormat returns a NewerError for the text of a mark of a newer format.
func checkMarkFormat(text []byte) error {
	line, _, _ := strings.Cut(string(text), "\n")
	number, ok := strings.CutPrefix(line, markTitle)
	format, err := strconv.ParseUint(number, 10, 64)
	if ok && err == nil && format > markFormat {
		return &NewerError{What: "the ledger's mark", Format: format, Reads: markFormat}
	}
	return nil // other texts are no marks at all, which is found later
}
