package ledger

import "iter"

// scanChunk is how many pairs scan reads at a time, with [listBytes] the bound of its memory.
const scanChunk = 256

// scan returns the pairs of a bucket in the order of their keys, from one key on. It may miss what
// is written meanwhile. An error ends it.
func scan(in source, b bucket, from []byte) iter.Seq2[pair, error] {
	return func(yield func(pair, error) bool) {
		for {
			list, more, err := in.list(b, from, scanChunk)
			if err != nil {
				yield(pair{}, err)
				return
			}
			for _, p := range list {
				if !yield(p, nil) {
					return
				}
			}
			if !more {
				return
			}
			from = keyAfter(list[len(list)-1].key)
		}
	}
}

// lookup reads sealed values and opens them, from a store or from a batch over the store.
type lookup struct {
	vault *vault
	in    source
}

// value opens a value. It returns nil without an error if there is none.
func (r lookup) value(b bucket, key []byte) ([]byte, error) {
	sealed, found, err := r.in.get(b, key)
	if err != nil || !found {
		return nil, err
	}
	return r.vault.open(b, key, sealed)
}

// each opens every value of a bucket in the order of the keys. A value that fn returns an error for
// is damaged.
func (r lookup) each(b bucket, fn func(key, plain []byte) error) error {
	for p, err := range scan(r.in, b, nil) {
		if err != nil {
			return err
		}
		plain, err := r.vault.open(b, p.key, p.value)
		if err != nil {
			return err
		}
		if fn(p.key, plain) != nil {
			return damaged(b, p.key)
		}
	}
	return nil
}

// metaNumber reads a fact that is a number. It returns zero if the fact is not there.
func (r lookup) metaNumber(name []byte) (int64, error) {
	plain, err := r.value(bucketMeta, name)
	if err != nil || plain == nil {
		return 0, err
	}
	v := reader{b: plain}
	number := v.int64()
	if v.end() != nil {
		return 0, damaged(bucketMeta, name)
	}
	return number, nil
}

func encodeNumber(n uint64) []byte {
	var w writer
	w.uint(n)
	return w.b
}

// records reads records of the trail that are in the store, from a number on: some of them, and not
// more than most. If it returns none, there are none.
func (r lookup) records(from uint64, most int) (list []stored, err error) {
	pairs, _, err := r.in.list(bucketAudit, numberKey(from), most)
	if err != nil {
		return nil, err
	}
	for _, p := range pairs {
		s, err := r.vault.openRecord(p.key, p.value)
		if err != nil {
			return list, err
		}
		list = append(list, s)
	}
	return list, nil
}

// recordAt reads one record. It returns false if the record is not in the store.
func (r lookup) recordAt(number uint64) (stored, bool, error) {
	key := numberKey(number)
	sealed, found, err := r.in.get(bucketAudit, key)
	if err != nil || !found {
		return stored{}, false, err
	}
	s, err := r.vault.openRecord(key, sealed)
	return s, err == nil, err
}

// oldestRecord returns the number of the oldest record in the store, zero if there is none.
func (r lookup) oldestRecord() (uint64, error) {
	list, _, err := r.in.list(bucketAudit, nil, 1)
	if err != nil || len(list) == 0 {
		return 0, err
	}
	number, err := numberOf(list[0].key)
	if err != nil {
		return 0, damaged(bucketAudit, list[0].key)
	}
	return number, nil
}

// findRequest reads a request from the record that holds it or, if that is zero, from where it was
// gathered.
func (r lookup) findRequest(record uint64, end int64, number uint64) (request, bool, error) {
	if record != 0 {
		return r.requestIn(record)
	}
	key := endKey(end, number)
	plain, err := r.value(bucketRequests, key)
	if err != nil || plain == nil {
		return request{}, false, err
	}
	q, err := decodeRequest(plain)
	if err != nil {
		return request{}, false, damaged(bucketRequests, key)
	}
	return q, true, nil
}

// requestIn reads a request from the record that holds it.
func (r lookup) requestIn(record uint64) (request, bool, error) {
	key := numberKey(record)
	sealed, found, err := r.in.get(bucketAudit, key)
	if err != nil || !found {
		return request{}, false, err
	}
	s, err := r.vault.openStored(key, sealed)
	if err != nil {
		return request{}, false, err
	}
	if s.extra == nil {
		return request{}, false, damaged(bucketAudit, key)
	}
	return s.extra.request, true, nil
}
