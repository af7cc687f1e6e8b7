package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
)

const (
	// maxApproverNote is the most that a note of an approver may take, in bytes.
	maxApproverNote = 16 << 10
	// MostApprovers is how many approvers there may be.
	MostApprovers = 16
)

// ErrNoApprover is the error for an approver that there is not, or not any more.
var ErrNoApprover = errors.New("no such approver")

// approverKey returns the key of the fact that holds what is known of somebody who may approve.
// Programs of before it pass over it, and let nobody approve by it. It has no value in the state
// that a start reads.
func approverKey(name string) []byte { return slices.Concat(approverPrefix, []byte(name)) }

var approverPrefix = []byte("approver ")

// Approvers returns the notes of all approvers by name. What is in them only the caller knows. One
// that cannot be read is missing.
func (l *Ledger) Approvers(ctx context.Context) (notes map[string][]byte, err error) {
	err = l.submitContext(ctx, &op{apply: func(b *batch) (err error) {
		notes, err = b.approverNotes()
		return err
	}})
	return notes, err
}

// Approvers returns what [Ledger.Approvers] does, as the commit finds it.
func (v View) Approvers() (notes map[string][]byte, err error) { return v.b.approverNotes() }

func (b *batch) approverNotes() (map[string][]byte, error) {
	names, err := b.approvers()
	if err != nil {
		return nil, err
	}
	notes := map[string][]byte{}
	for _, name := range names {
		switch note, err := b.value(bucketMeta, approverKey(name)); {
		case errors.Is(err, ErrDamaged):
			b.o.Logger.Error("what is known of an approver cannot be read, so nothing of theirs counts",
				"name", name)
		case err != nil:
			return nil, err
		default:
			notes[name] = note
		}
	}
	return notes, nil
}

// approvers returns the names of all approvers.
func (b *batch) approvers() (names []string, err error) {
	for p, err := range scan(b.in, bucketMeta, approverPrefix) {
		if err != nil {
			return nil, err
		}
		name, ok := bytes.CutPrefix(p.key, approverPrefix)
		if !ok {
			break
		}
		names = append(names, string(name))
	}
	return names, nil
}

// PutApprover writes the note of an approver, together with a record of the trail. It returns when
// both are on disk. If there has to be one of that name (again), and there is none any more, the
// error is [ErrNoApprover]: somebody who was removed does not come back by being used.
func (l *Ledger) PutApprover(ctx context.Context, name string, note []byte, again bool, e Entry) error {
	if len(note) > maxApproverNote {
		return fmt.Errorf("the note of approver %s has %d bytes, and %d are the most", name, len(note), maxApproverNote)
	}
	return l.submitContext(ctx, &op{apply: func(b *batch) error {
		names, err := b.approvers()
		switch {
		case err != nil:
			return err
		case again && !slices.Contains(names, name):
			return ErrNoApprover
		case !again && slices.Contains(names, name):
			return fmt.Errorf("there is an approver %s already: remove them first", name)
		case !again && len(names) >= MostApprovers:
			return fmt.Errorf("there are %d approvers, and more may not be", MostApprovers)
		}
		b.put(bucketMeta, approverKey(name), note)
		b.append(e)
		return nil
	}})
}

// RemoveApprover removes an approver, together with a record of the trail. It returns when that is
// on disk. [ErrNoApprover] if there is none.
func (l *Ledger) RemoveApprover(ctx context.Context, name string, e Entry) error {
	return l.submitContext(ctx, &op{apply: func(b *batch) error {
		names, err := b.approvers()
		if err != nil {
			return err
		}
		if !slices.Contains(names, name) {
			return ErrNoApprover
		}
		b.delete(bucketMeta, approverKey(name))
		b.append(e)
		return nil
	}})
}

// dropApprovers removes all approvers: which of them were removed since a copy was made, the copy
// does not know.
func (b *batch) dropApprovers() (dropped []string, err error) {
	names, err := b.approvers()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		b.delete(bucketMeta, approverKey(name))
	}
	return names, nil
}
