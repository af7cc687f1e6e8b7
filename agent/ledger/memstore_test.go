package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"
)

// memDisk is what outlives a memStore, as a disk outlives a process.
type memDisk struct {
	mu       sync.Mutex
	made     bool
	heir     string
	holder   *memStore
	buckets  map[bucket]map[string][]byte
	segments map[segmentID]memSegment
	retired  map[segmentID][]byte
}

type memSegment struct {
	content []byte
	written time.Time
}

func newMemDisk() *memDisk {
	return &memDisk{segments: map[segmentID]memSegment{}, retired: map[segmentID][]byte{}}
}

// powerCut ends whoever holds the disk.
func (d *memDisk) powerCut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.holder = nil
}

// memStore is a store in memory.
type memStore struct {
	disk    *memDisk
	secured bool
}

func (s *memStore) create(first []edit, ready func() error) error {
	d := s.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.made {
		return ErrExists
	}
	clear(d.segments)
	buckets, err := edited(nil, first)
	if err != nil {
		return err
	}
	if err := ready(); err != nil {
		return err
	}
	d.buckets, d.made, d.heir = buckets, true, ""
	return nil
}

func (s *memStore) open() error {
	d := s.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case !d.made:
		return ErrMissing
	case d.holder != nil && d.holder != s:
		return ErrLocked
	}
	d.holder, s.secured = s, false
	return nil
}

func (s *memStore) secure() error { return s.held(func() error { s.secured = true; return nil }) }

func (s *memStore) identity() string { return "memory" }

func (s *memStore) overtaken() <-chan struct{} { return nil }

func (s *memStore) leads() bool { return true }

func (s *memStore) retire(heir string) error {
	return s.held(func() error { s.disk.made, s.disk.holder, s.disk.heir = false, nil, heir; return nil })
}

func (s *memStore) retiredFor(heir string) (bool, error) {
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	return !s.disk.made && s.disk.heir == heir, nil
}

func (s *memStore) close() error {
	_ = s.held(func() error { s.disk.holder = nil; return nil })
	return nil
}

// held runs fn if the store is open.
func (s *memStore) held(fn func() error) error {
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	if s.disk.holder != s {
		return ErrUnavailable
	}
	return fn()
}

func (s *memStore) commit(edits []edit) error {
	return s.held(func() error {
		if !s.secured {
			return ErrUnavailable
		}
		buckets, err := edited(s.disk.buckets, edits)
		if err != nil {
			s.secured = false
			return err
		}
		s.disk.buckets = buckets
		return nil
	})
}

// edited returns what edits make of buckets, which stay as they are.
func edited(buckets map[bucket]map[string][]byte, edits []edit) (map[bucket]map[string][]byte, error) {
	fresh := map[bucket]map[string][]byte{}
	maps.Copy(fresh, buckets)
	own := map[bucket]bool{}
	for _, e := range edits {
		if len(e.key) == 0 && e.act != actDrop {
			return nil, errors.New("edit without a key")
		}
		if !own[e.bucket] {
			fresh[e.bucket], own[e.bucket] = maps.Clone(fresh[e.bucket]), true
		}
		switch {
		case e.act == actDrop:
			delete(fresh, e.bucket)
			own[e.bucket] = false
		case e.act == actDelete:
			delete(fresh[e.bucket], string(e.key))
		case e.act == actPut:
			if fresh[e.bucket] == nil {
				fresh[e.bucket] = map[string][]byte{}
			}
			fresh[e.bucket][string(e.key)] = append([]byte{}, e.value...)
		default:
			return nil, fmt.Errorf("edit with act %d", e.act)
		}
	}
	return fresh, nil
}

func (s *memStore) get(b bucket, key []byte) (value []byte, found bool, err error) {
	err = s.held(func() error {
		value, found = s.disk.buckets[b][string(key)]
		value = append([]byte{}, value...)
		return nil
	})
	return value, found, err
}

func (s *memStore) getMany(names []name) (all []got, err error) {
	err = s.held(func() error {
		size := 0
		for _, n := range names {
			if size >= listBytes {
				return nil
			}
			value, found := s.disk.buckets[n.bucket][string(n.key)]
			all = append(all, got{append([]byte{}, value...), found})
			size += len(value)
		}
		return nil
	})
	return all, err
}

func (s *memStore) list(b bucket, from []byte, most int) (pairs []pair, more bool, err error) {
	err = s.held(func() error {
		size := 0
		for _, key := range slices.Sorted(maps.Keys(s.disk.buckets[b])) {
			if key < string(from) {
				continue
			}
			if more = len(pairs) >= most || size >= listBytes; more {
				return nil
			}
			value := bytes.Clone(s.disk.buckets[b][key])
			pairs = append(pairs, pair{[]byte(key), value})
			size += len(value)
		}
		return nil
	})
	return pairs, more, err
}

func (s *memStore) writeSegment(id segmentID, parts iter.Seq2[[]byte, error]) error {
	var content []byte
	for part, err := range parts {
		if err != nil {
			return err
		}
		content = append(content, part...)
	}
	return s.held(func() error {
		s.disk.segments[id] = memSegment{content, time.Now()}
		return nil
	})
}

func (s *memStore) readSegment(id segmentID, from, most int64) (content []byte, err error) {
	err = s.held(func() error {
		found, ok := s.disk.segments[id]
		if !ok {
			return fs.ErrNotExist
		}
		part := found.content[min(from, int64(len(found.content))):]
		content = bytes.Clone(part[:min(most, int64(len(part)))])
		return nil
	})
	return content, err
}

func (s *memStore) segments() (list []segmentInfo, err error) {
	err = s.held(func() error {
		for id, found := range s.disk.segments {
			list = append(list, segmentInfo{id, int64(len(found.content)), found.written})
		}
		return nil
	})
	sortSegments(list)
	return list, err
}

func (s *memStore) removeSegment(id segmentID) error {
	return s.held(func() error { delete(s.disk.segments, id); return nil })
}

func (s *memStore) retireSegment(id segmentID) error {
	return s.held(func() error {
		if found, ok := s.disk.segments[id]; ok {
			s.disk.retired[id] = found.content
			delete(s.disk.segments, id)
		}
		return nil
	})
}
