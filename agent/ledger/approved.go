package ledger

import (
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"io"
)

// MostApproved is how large a policy may be that takes an approver's yes: so many bytes, and a
// quarter of them once they are compressed.
const MostApproved = 1 << 20

// ErrNotReplaced is the error for a policy that was approved in the place of another one than that
// which counts now.
var ErrNotReplaced = errors.New("another policy was approved meanwhile")

// approved is the text of the policy that was approved last. That there is one means that a policy
// takes an approver's yes, whatever the settings say.
//
// A program that is older than the note does not know it, and takes the policy's file.
type approved struct{ text []byte }

// encodeApproved returns the note. Without a text nothing counts as approved.
func encodeApproved(text []byte) ([]byte, error) {
	var packed bytes.Buffer
	if len(text) > 0 {
		z, _ := flate.NewWriter(&packed, flate.BestCompression) // the level is one
		_, _ = z.Write(text)                                    // into memory
		_ = z.Close()
	}
	if len(text) > MostApproved || packed.Len() > MostApproved/4 {
		return nil, fmt.Errorf("the policy has %d bytes, and one that takes an approver's yes may have %d, or %d "+
			"compressed", len(text), MostApproved, MostApproved/4)
	}
	var w writer
	w.byte(1)
	w.bytes(packed.Bytes())
	return w.b, nil
}

// approvedPolicy reads the note; nil if there is none.
func (r lookup) approvedPolicy() (*approved, error) {
	plain, err := r.value(bucketMeta, metaPolicy)
	if err != nil || plain == nil {
		return nil, err
	}
	v := reader{b: plain}
	v.version(1)
	packed := v.bytes()
	if v.end() != nil {
		return nil, damaged(bucketMeta, metaPolicy)
	}
	if len(packed) == 0 {
		return &approved{}, nil
	}
	text, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), MostApproved+1))
	if err != nil || len(text) == 0 || len(text) > MostApproved {
		return nil, damaged(bucketMeta, metaPolicy)
	}
	return &approved{text}, nil
}

// ApprovedPolicy returns the text of the policy that was approved last, which the caller leaves as
// it is. It reports false if a policy takes no approver's yes. The text is empty if it was lost:
// then none is approved.
func (l *Ledger) ApprovedPolicy() (text []byte, required bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.state.approved == nil {
		return nil, false
	}
	return l.state.approved.text, true
}

// ApprovePolicy writes which policy is approved, together with a record of the trail, and returns
// when both are on disk. From then on a policy takes an approver's yes. was is the text that it
// replaces, nil for none; the error is [ErrNotReplaced] if another one counts. The caller has
// checked who approves.
func (l *Ledger) ApprovePolicy(ctx context.Context, was, text []byte, e Entry) error {
	note, err := encodeApproved(text)
	if err != nil {
		return err
	}
	return l.submitContext(ctx, &op{apply: func(b *batch) error {
		a, err := b.approvedPolicy()
		switch {
		case err != nil:
			return err
		case (a == nil) != (was == nil), a != nil && !bytes.Equal(a.text, was):
			return ErrNotReplaced
		}
		b.put(bucketMeta, metaPolicy, note)
		b.append(e)
		b.after = append(b.after, func(st *state) { st.approved = &approved{bytes.Clone(text)} })
		return nil
	}})
}

// EndApproval lets a policy come into force without an approver's yes, at the operator's word. It
// records that, and returns when it is on disk.
func (l *Ledger) EndApproval(ctx context.Context, e Entry) error {
	return l.submitContext(ctx, &op{apply: func(b *batch) error {
		b.delete(bucketMeta, metaPolicy)
		b.append(e)
		b.after = append(b.after, func(st *state) { st.approved = nil })
		return nil
	}})
}
