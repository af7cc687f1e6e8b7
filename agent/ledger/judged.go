package ledger

import (
	"cmp"
	"slices"
)

// maxJudged is how many requests with a nonce a session remembers: as many as an application has on
// their way at once, and some more.
const maxJudged = 64

// judged is what a session remembers of the requests with a nonce that were judged in it. A nonce
// that is not above the last one may be of a request that was carried out and comes again, or of
// one that was overtaken. Only of the second kind may it be said that nothing was done, so the
// ledger must be able to tell them apart. The list is never changed.
type judged struct {
	// covers is the nonce above which the list is whole: every request with a higher one that was
	// ever judged in the session is on it. Of those at or below, nobody knows.
	covers int64
	list   []judgedRequest // the lowest nonce first
}

type judgedRequest struct {
	nonce  int64
	digest [judgedDigest]byte
}

// judgedDigest is how many bytes of a digest are remembered. Two requests that share them could
// only be met with silence.
const judgedDigest = 16

// has reports whether a request is on the list.
func (j judged) has(digest [32]byte) bool {
	return slices.ContainsFunc(j.list, func(q judgedRequest) bool { return q.digest == [judgedDigest]byte(digest[:]) })
}

// with returns the memory with one more request. The lowest nonce leaves a full list: of the
// highest ones an application is the most likely to hear.
func (j judged) with(nonce int64, digest [32]byte) judged {
	if nonce <= j.covers || j.has(digest) {
		return j
	}
	q := judgedRequest{nonce, [judgedDigest]byte(digest[:])}
	at, _ := slices.BinarySearchFunc(j.list, nonce,
		func(q judgedRequest, n int64) int { return cmp.Compare(q.nonce, n) })
	j.list = slices.Insert(slices.Clone(j.list), at, q)
	if len(j.list) > maxJudged {
		j.covers, j.list = j.list[0].nonce, j.list[1:]
	}
	return j
}

// judgedKey returns the key of the fact that holds what a session remembers. It does not stand in
// the session's own value, which programs of before it would call damaged; they pass over facts
// that they do not know.
func judgedKey(id SessionID) []byte { return slices.Concat(judgedPrefix, numberKey(uint64(id))) }

var judgedPrefix = []byte("judged ")

// putSession writes a session, and what it remembers.
func (b *batch) putSession(s *Session) {
	b.put(bucketSessions, numberKey(uint64(s.ID)), s.encode())
	if len(s.judged.list) > 0 {
		b.put(bucketMeta, judgedKey(s.ID), s.encodeJudged())
	}
}

// encodeJudged returns what the session remembers, with the number of the last record that it
// reflects. Where that is not the number in the session's value, a program that does not know the
// fact has written the session since.
func (s *Session) encodeJudged() []byte {
	w := writer{b: make([]byte, 0, 32+len(s.judged.list)*(judgedDigest+8))}
	w.byte(1)
	w.uint(s.asOf)
	w.judged(s.judged)
	return w.b
}

func (w *writer) judged(j judged) {
	w.uint(uint64(j.covers))
	w.uint(uint64(len(j.list)))
	for _, q := range j.list {
		w.uint(uint64(q.nonce))
		w.fixed(q.digest[:])
	}
}

func (r *reader) judged() (j judged) {
	j.covers = r.int64()
	n := r.uint()
	r.bad = r.bad || n > maxJudged
	for i := uint64(0); i < n && !r.bad; i++ {
		q := judgedRequest{nonce: r.int64()}
		copy(q.digest[:], r.take(judgedDigest))
		r.bad = r.bad || q.nonce < j.covers || i > 0 && q.nonce < j.list[i-1].nonce
		j.list = append(j.list, q)
	}
	return j
}

func decodeJudged(b []byte) (asOf uint64, j judged, err error) {
	r := reader{b: b}
	r.version(1)
	asOf, j = r.uint(), r.judged()
	return asOf, j, r.end()
}

// judged reads what a session remembers. Without the fact it knows of no request before its last
// nonce: they were judged by a program that kept nothing of them, or there were none.
func (r lookup) judged(s *Session) error {
	s.judged = judged{covers: s.LastNonce}
	plain, err := r.value(bucketMeta, judgedKey(s.ID))
	if err != nil || plain == nil {
		return err
	}
	asOf, j, err := decodeJudged(plain)
	if err != nil {
		return damaged(bucketMeta, judgedKey(s.ID))
	}
	if asOf == s.asOf {
		s.judged = j
	}
	return nil
}
