package ledger

import (
	"bytes"
	"slices"

	"pksa/protocol/sorts"
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

func (p *pending) list(b bucket, from []byte, most int) (pairs []pair, more bool, err error) {
	at := p.layers[b]
	if at == nil {
		return p.under.list(b, from, most)
	}
	for {
		pairs, next, err := p.merged(at, b, from, most)
		if err != nil {
			return nil, false, err
		}
		if len(pairs) > 0 || next == nil {
			return pairs[:min(most, len(pairs))], next != nil || len(pairs) > most, nil
		}
		from = next // what the store has up to there, the layer hides
	}
}

// merged returns pairs as they will be, in order, up to where the store was read, and the next key
// that there can be after that; nil if there is none.
func (p *pending) merged(at *layer, b bucket, from []byte, most int) (list []pair, next []byte, err error) {
	if !at.dropped {
		under, more, err := p.under.list(b, from, most)
		if err != nil {
			return nil, nil, err
		}
		for _, u := range under {
			if _, hidden := at.last[string(u.key)]; !hidden {
				list = append(list, u)
			}
		}
		if more {
			next = keyAfter(under[len(under)-1].key)
		}
	}
	for key, i := range at.last {
		if e := p.edits[i]; e.act == actPut && key >= string(from) && (next == nil || key < string(next)) {
			list = append(list, pair{e.key, e.value})
		}
	}
	sorts.By(list, func(a, b pair) int { return bytes.Compare(a.key, b.key) })
	return list, next, nil
}

// keyAfter returns the next key that there can be.
func keyAfter(key []byte) []byte { return slices.Concat(key, []byte{0}) }
