package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
)

// maxAccountNote is the most that a note of an account may take, in bytes.
const maxAccountNote = 256 << 10

// accountNoteKey returns the key of the fact that holds what was last seen of an account on the
// chain. Programs of before it pass over it, and guard nothing.
func accountNoteKey(account string) []byte { return slices.Concat(accountNotePrefix, []byte(account)) }

var accountNotePrefix = []byte("account note ")

// AccountNotes returns the notes of those of the accounts that have one. What is in them only the
// caller knows.
func (l *Ledger) AccountNotes(ctx context.Context, accounts []string) (map[string][]byte, error) {
	notes := map[string][]byte{}
	err := l.submitContext(ctx, &op{apply: func(b *batch) error {
		for _, name := range accounts {
			note, err := b.value(bucketMeta, accountNoteKey(name))
			switch {
			case errors.Is(err, ErrDamaged):
				// It is as if the account was never seen. The start of the ledger does not read
				// notes.
				b.o.Logger.Warn("what was seen of an account cannot be read and is seen anew", "account", name)
			case err != nil:
				return err
			case note != nil:
				notes[name] = note
			}
		}
		return nil
	}})
	return notes, err
}

// NoteAccounts writes notes of accounts, together with records of the trail. It returns when all of
// it is on disk.
func (l *Ledger) NoteAccounts(ctx context.Context, notes map[string][]byte, records ...Entry) error {
	for name, note := range notes {
		if len(note) > maxAccountNote {
			return fmt.Errorf("the note of account %s has %d bytes, and %d are the most", name, len(note),
				maxAccountNote)
		}
	}
	return l.submitContext(ctx, &op{apply: func(b *batch) error {
		for name, note := range notes {
			b.put(bucketMeta, accountNoteKey(name), note)
		}
		for _, e := range records {
			b.append(e)
		}
		return nil
	}})
}

// KeepAccountNotes drops the notes of all accounts but those that keep names. It returns when that
// is on disk, and writes nothing if there is nothing to drop.
func (l *Ledger) KeepAccountNotes(ctx context.Context, keep func(account string) bool) error {
	return l.submitContext(ctx, &op{apply: func(b *batch) error {
		var drop [][]byte
		for p, err := range scan(b.in, bucketMeta, accountNotePrefix) {
			if err != nil {
				return err
			}
			name, ok := bytes.CutPrefix(p.key, accountNotePrefix)
			if !ok {
				break
			}
			if !keep(string(name)) {
				drop = append(drop, slices.Clone(p.key))
			}
		}
		for _, key := range drop {
			b.delete(bucketMeta, key)
		}
		return nil
	}})
}
