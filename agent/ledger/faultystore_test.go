package ledger

import (
	"errors"
	"iter"
)

// errInjected is the error of an operation that was made to fail.
var errInjected = errors.New("injected")

// errNotReopened is the error of a commit on a store that nobody opened again after a failure.
var errNotReopened = errors.New("commit on a store whose last commit failed")

// around runs one operation of a store, or does not, and returns what the ledger is told.
type around func(op string, do func() error) error

// faultyStore lets around decide what becomes of each operation of a store. It also checks that the
// ledger keeps its part of the contract.
type faultyStore struct {
	under  store
	around around
	failed bool // a commit failed, and open or secure has not succeeded since
	opened bool // open has succeeded since
}

func (s *faultyStore) create(first []edit, ready func() error) error {
	return s.around("create", func() error { return s.under.create(first, ready) })
}

func (s *faultyStore) open() error {
	s.opened = false
	err := s.around("open", s.under.open)
	s.opened = err == nil
	return err
}

func (s *faultyStore) secure() error {
	err := s.around("secure", s.under.secure)
	s.failed = s.failed && !(err == nil && s.opened)
	return err
}

func (s *faultyStore) identity() string { return s.under.identity() }

func (s *faultyStore) overtaken() <-chan struct{} { return s.under.overtaken() }

func (s *faultyStore) leads() bool { return s.under.leads() }

func (s *faultyStore) retire(heir string) error {
	return s.around("retire", func() error { return s.under.retire(heir) })
}

func (s *faultyStore) retiredFor(heir string) (yes bool, err error) {
	err = s.around("retiredFor", func() (err error) { yes, err = s.under.retiredFor(heir); return err })
	return yes && err == nil, err
}

func (s *faultyStore) close() error { return s.around("close", s.under.close) }

func (s *faultyStore) commit(edits []edit) error {
	if s.failed {
		return errNotReopened
	}
	err := s.around("commit", func() error { return s.under.commit(edits) })
	s.failed = err != nil
	return err
}

func (s *faultyStore) get(b bucket, key []byte) (value []byte, found bool, err error) {
	err = s.around("get", func() (err error) { value, found, err = s.under.get(b, key); return err })
	if err != nil {
		return nil, false, err
	}
	return value, found, nil
}

func (s *faultyStore) getMany(names []name) (all []got, err error) {
	err = s.around("getMany", func() (err error) { all, err = s.under.getMany(names); return err })
	if err != nil {
		return nil, err
	}
	return all, nil
}

func (s *faultyStore) list(b bucket, from []byte, most int) (pairs []pair, more bool, err error) {
	err = s.around("list", func() (err error) { pairs, more, err = s.under.list(b, from, most); return err })
	if err != nil {
		return nil, false, err
	}
	return pairs, more, nil
}

func (s *faultyStore) writeSegment(id segmentID, content iter.Seq2[[]byte, error]) error {
	return s.around("writeSegment", func() error { return s.under.writeSegment(id, content) })
}

func (s *faultyStore) readSegment(id segmentID, from, most int64) (content []byte, err error) {
	err = s.around("readSegment", func() (err error) { content, err = s.under.readSegment(id, from, most); return err })
	if err != nil {
		return nil, err
	}
	return content, nil
}

func (s *faultyStore) segments() (list []segmentInfo, err error) {
	err = s.around("segments", func() (err error) { list, err = s.under.segments(); return err })
	if err != nil {
		return nil, err
	}
	return list, nil
}

func (s *faultyStore) removeSegment(id segmentID) error {
	return s.around("removeSegment", func() error { return s.under.removeSegment(id) })
}

func (s *faultyStore) retireSegment(id segmentID) error {
	return s.around("retireSegment", func() error { return s.under.retireSegment(id) })
}
