package relay

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"pksa/protocol"
	"pksa/protocol/hive"
)

// inUse returns the bytes of the heap that are in use.
func inUse() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// What the relay counts of requests is what they take: as many small ones as there are, each for
// another account, without an answer and with one.
func TestBytesAreThoseOfMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("measures memory")
	}
	const many = 20_000
	st, s := newStore(), &socket{asked: make(map[*request]struct{})}
	before, expire := inUse(), time.Now().Add(time.Minute)
	for n := range many {
		r := &request{id: protocol.UUID(newUUID()), kind: protocol.Sign, expire: expire, message: make([]byte, 200),
			account: hive.AccountName(fmt.Sprintf("account-%08d", n))}
		st.add(r)
		st.bind(r, s)
	}
	check := func(what string) {
		t.Helper()
		if took := inUse() - before; took > st.bytes || took < st.bytes/2 {
			t.Errorf("%s take %d bytes each, and count as %d", what, took/many, st.bytes/many)
		}
	}
	check("requests without an answer")
	for _, r := range st.requests {
		st.settle(r, make([]byte, 100), s)
		st.answerSent(r)
	}
	// Tables of a map do not shrink, but serve the next.
	st.accounts = make(map[hive.AccountName]*account)
	check("requests with an answer")
	for _, r := range st.requests {
		st.remove(r)
	}
	if st.bytes != 0 || s.held != 0 || st.done.Len() != 0 {
		t.Errorf("%d bytes are left, of the connection %d", st.bytes, s.held)
	}
}
