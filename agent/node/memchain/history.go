package memchain

import (
	"slices"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"pksa/protocol/hive"
)

// accountHistory lists the operations that an account authorised, which is less than the histories
// of real nodes hold, and is all that is looked for there. As theirs do, it gives what matches the
// filter among the operations from start down, the lowest number first.
func (s State) accountHistory(raw jsontext.Value) ([]byte, *Failure) {
	var p []jsontext.Value
	var name hive.AccountName
	var start, limit, filter int64
	if json.Unmarshal(raw, &p) != nil || len(p) < 4 || json.Unmarshal(p[0], &name) != nil ||
		json.Unmarshal(p[1], &start) != nil || json.Unmarshal(p[2], &limit) != nil ||
		json.Unmarshal(p[3], &filter) != nil {
		return nil, invalidParameters()
	}
	all := s.history(name)
	if start < 0 {
		start = int64(len(all)) - 1
	} else if start < limit-1 {
		return nil, asserted("start >= limit-1",
			"start must be greater than or equal to limit-1 (start is 0-based index)")
	}
	var found [][]byte // the newest first
	for i := min(start, int64(len(all))-1); i >= 0 && int64(len(found)) < limit; i-- {
		if filter&(1<<all[i].op.Definition().ID) == 0 {
			continue
		}
		dst := append(strconv.AppendInt([]byte{'['}, i, 10), `,{"trx_id":"`...)
		dst = append(append(dst, all[i].in.ID.String()...), `","block":`...)
		dst = append(strconv.AppendUint(dst, uint64(all[i].in.Block), 10), `,"virtual_op":false,"op":`...)
		dst = append(s.chain.options.Network.AppendOperation(dst, all[i].op), "}]"...)
		found = append(found, dst)
	}
	// Looked up from the newest down, because the limit counts from there; told the oldest first.
	dst := []byte{'['}
	for i := len(found) - 1; i >= 0; i-- {
		if dst = append(dst, found[i]...); i > 0 {
			dst = append(dst, ',')
		}
	}
	return append(dst, ']'), nil
}

type historic struct {
	op hive.Operation
	in *Entry
}

func (s State) history(name hive.AccountName) (all []historic) {
	for _, b := range s.chain.blocks {
		for _, e := range b.entries {
			if !s.sees(e) {
				continue
			}
			for _, op := range e.Transaction.Operations {
				if r := op.Required(); slices.Contains(r.Posting, name) || slices.Contains(r.Active, name) {
					all = append(all, historic{op, e})
				}
			}
		}
	}
	return all
}
