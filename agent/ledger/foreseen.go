package ledger

// foreseen is a store of which values were read before they are asked for: many at once, where they
// would be read one by one. It belongs to one goroutine, and the store must not change meanwhile.
type foreseen struct {
	store
	ahead map[nameKey]got
}

// nameKey is a name that can be compared.
type nameKey struct {
	bucket bucket
	key    string
}

// readAhead reads at once what will be asked for, in place of what was read so before. What does
// not come with it is read when it is asked for.
func (f *foreseen) readAhead(names []name) error {
	clear(f.ahead)
	if len(names) == 0 {
		return nil
	}
	all, err := f.getMany(names)
	if err != nil {
		return err
	}
	if f.ahead == nil {
		f.ahead = make(map[nameKey]got, len(all))
	}
	for i, r := range all {
		f.ahead[nameKey{names[i].bucket, string(names[i].key)}] = r
	}
	return nil
}

func (f *foreseen) get(b bucket, key []byte) (value []byte, found bool, err error) {
	if r, ok := f.ahead[nameKey{b, string(key)}]; ok {
		return r.value, r.found, nil
	}
	return f.store.get(b, key)
}
