package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"sort"
	"time"

	"pksa/agent/ledger"
	"pksa/protocol/hive"
)

// Signed returns the operations of these names in the requests that were admitted since an instant.
// It reads every record from then on, and decodes those only that may hold one.
func (t Trail) Signed(ctx context.Context, since time.Time, names []string, n *hive.Network) ([]hive.Operation,
	error) {
	var ops []hive.Operation
	for r, err := range t.Ledger.Audit(t.numberAt(since)) {
		switch {
		case err != nil:
			return nil, err
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case r.Verdict != ledger.Admitted || r.Kind != "sign" || !mayName(r.Content, names):
			continue
		}
		var content Content
		if json.Unmarshal(r.Content, &content) != nil {
			continue
		}
		q, err := content.request(n)
		if err != nil {
			continue // cut when it was recorded: what is not known explains nothing
		}
		for _, op := range q.Ops {
			if slices.Contains(names, op.Name()) {
				ops = append(ops, op)
			}
		}
	}
	return ops, nil
}

// mayName reports whether the content of a record can name one of the operations. Of a large
// request, a part is compressed.
func mayName(content []byte, names []string) bool {
	if bytes.Contains(content, []byte(`"cut"`)) {
		return true
	}
	return slices.ContainsFunc(names, func(name string) bool { return bytes.Contains(content, []byte(`"`+name)) })
}

// numberAt returns the number of a record that is not after an instant, if one is kept.
func (t Trail) numberAt(since time.Time) uint64 {
	head, _ := t.Ledger.Head()
	i := sort.Search(int(head), func(i int) bool {
		for r, err := range t.Ledger.Audit(uint64(i) + 1) {
			return err != nil || !r.Time.Before(since)
		}
		return true
	})
	return uint64(max(i, 1))
}
