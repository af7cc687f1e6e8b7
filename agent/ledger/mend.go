package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
)

// mendMost is the size of the largest value that is mended. Larger ones are rare, and take minutes.
const mendMost = 32 << 10

// Mend restores values that were altered in one byte, as failing memory and disks do it: for each
// byte it tries every other value, until the seal of the ledger fits again. What it restores is
// what was written, or the seal would not fit; nothing is guessed and nothing is lost. It records
// that, in the commit that writes what it restored, and returns what that is, in words.
//
// ErrDamaged: a value is altered in more than a byte, or the file itself reads wrong. Then nothing
// was changed. A ledger in which all values are good is not changed either. content is called with
// the list and returns the content of the audit record.
func Mend(ctx context.Context, path string, o Options, content func(mended []string) []byte) ([]string, error) {
	full, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	fixes, mended, err := findFixes(ctx, full.newStore(path), full.vault())
	if err != nil || len(fixes) == 0 {
		return nil, err
	}
	o.newStore = func(path string) store { return &mendedStore{store: full.newStore(path), fixes: fixes} }
	l, err := Open(path, o)
	if err != nil {
		return nil, err
	}
	_, err = l.Append(ctx, Entry{Type: RecordAdmin, Outcome: "damaged values restored", Content: content(mended)})
	if err := errors.Join(err, l.Close()); err != nil {
		return nil, err
	}
	return mended, nil
}

// findFixes looks at every value and returns those that were altered, as they were.
func findFixes(ctx context.Context, s store, v *vault) (fixes []edit, mended []string, err error) {
	if err := s.open(); err != nil {
		return nil, nil, errors.Join(err, s.close())
	}
	defer func() { err = errors.Join(err, s.close()) }()
	r := lookup{v, s}
	if err := r.checkFormat(); err != nil {
		return nil, nil, err
	}
	for _, b := range allBuckets {
		for p, err := range scan(s, b, nil) {
			if err != nil {
				return nil, nil, err
			}
			if b == bucketMeta && (bytes.Equal(p.key, metaID) || bytes.Equal(p.key, metaFormat)) {
				continue // in clear
			}
			if _, err := v.open(b, p.key, p.value); err == nil {
				continue
			}
			if b == bucketMeta && bytes.Equal(p.key, metaProof) {
				return nil, nil, fmt.Errorf("%w: the id fits, the key does not", ErrOther)
			}
			whole, ok := v.restore(ctx, b, p.key, p.value)
			if ctx.Err() != nil {
				return nil, nil, context.Cause(ctx)
			}
			if !ok {
				return nil, nil, fmt.Errorf("it cannot be mended: %w", damaged(b, p.key))
			}
			fixes = append(fixes, edit{actPut, b, p.key, whole})
			mended = append(mended, nameOf(b, p.key))
		}
	}
	return fixes, mended, nil
}

func nameOf(b bucket, key []byte) string {
	if number, err := numberOf(key); err == nil && b == bucketAudit {
		return fmt.Sprintf("audit record %d", number)
	}
	return fmt.Sprintf("%s %x", b, key)
}

// restore returns a value of which one byte was altered as it was sealed.
func (v *vault) restore(ctx context.Context, b bucket, key, sealed []byte) ([]byte, bool) {
	if len(sealed) > mendMost {
		return nil, false
	}
	whole := bytes.Clone(sealed)
	for i := range whole {
		if ctx.Err() != nil {
			return nil, false
		}
		for change := 1; change < 256; change++ {
			whole[i] = sealed[i] ^ byte(change)
			if _, err := v.open(b, key, whole); err == nil {
				return whole, true
			}
		}
		whole[i] = sealed[i]
	}
	return nil, false
}

// mendedStore shows values as they were before they were altered, and writes them with its first
// commit.
type mendedStore struct {
	store
	fixes   []edit
	written bool
}

func (m *mendedStore) get(b bucket, key []byte) ([]byte, bool, error) {
	value, found, err := m.store.get(b, key)
	return m.fixed(b, key, value), found, err
}

func (m *mendedStore) list(b bucket, from []byte, most int) ([]pair, error) {
	pairs, err := m.store.list(b, from, most)
	for i, p := range pairs {
		pairs[i].value = m.fixed(b, p.key, p.value)
	}
	return pairs, err
}

func (m *mendedStore) fixed(b bucket, key, value []byte) []byte {
	if m.written {
		return value
	}
	for _, e := range m.fixes {
		if e.bucket == b && bytes.Equal(e.key, key) {
			return bytes.Clone(e.value)
		}
	}
	return value
}

// commit writes what was restored before the edits: they may remove some of it. After an error,
// nobody knows whether the store has it, and the next commit writes it once more.
func (m *mendedStore) commit(edits []edit) error {
	if m.written {
		return m.store.commit(edits)
	}
	err := m.store.commit(append(append([]edit{}, m.fixes...), edits...))
	m.written = err == nil
	return err
}
