package ledger

import (
	"bytes"
	"slices"
)

// pending is what a batch is going to write. As a source it shows the store as it will be after the
// commit: a step sees what earlier steps of the batch wrote, though the store has nothing of it
// yet.
type pending struct {
	under  source
	edits  []edit
	layers map[bucket]*layer // what edits do to a bucket
}

// layer is what a batch does to one bucket. It hides pairs of the store, and shows the last edit of
// each key instead.
type layer struct {
	last    map[string]int // by key: a put or delete in pending.edits
	dropped bool           // the bucket was dropped: all that lies under is hidden
}

func (p *pending) add(e edit) {
	at := p.layers[e.bucket]
	if at == nil {
		at = &layer{last: map[string]int{}}
		if p.layers == nil {
			p.layers = map[bucket]*layer{}
		}
		p.layers[e.bucket] = at
	}
	if e.act == actDrop {
		at.dropped = true
		clear(at.last)
	} else {
		at.last[string(e.key)] = len(p.edits)
	}
	p.edits = append(p.edits, e)
}

func (p *pending) get(b bucket, key []byte) (value []byte, found bool, err error) {
	if at := p.layers[b]; at != nil {
		if i, ok := at.last[string(key)]; ok {
			return p.edits[i].value, p.edits[i].act == actPut, nil
		}
		if at.dropped {
			return nil, false, nil
		}
	}
	return p.under.get(b, key)
}

func (p *pending) list(b bucket, from []byte, most int) ([]pair, error) {
	at := p.layers[b]
	if at == nil {
		return p.under.list(b, from, most)
	}
	merged, err := at.shows(p.under, b, from, most)
	if err != nil {
		return nil, err
	}
	for key, i := range at.last {
		if e := p.edits[i]; e.act == actPut && key >= string(from) {
			merged = append(merged, pair{e.key, e.value})
		}
	}
	slices.SortFunc(merged, func(a, b pair) int { return bytes.Compare(a.key, b.key) })
	return merged[:min(most, len(merged))], nil
}

// shows returns pairs of the store that the layer does not hide: at least most of them if there are
// as many.
func (at *layer) shows(under source, b bucket, from []byte, most int) (list []pair, err error) {
	if at.dropped {
		return nil, nil
	}
	all, err := under.list(b, from, most+len(at.last)) // no more than that many are hidden
	if err != nil {
		return nil, err
	}
	for _, p := range all {
		if _, hidden := at.last[string(p.key)]; !hidden {
			list = append(list, p)
		}
	}
	return list, nil
}
