package relay

import (
	"container/list"
	"time"

	"pksa/protocol"
	"pksa/protocol/hive"
)

// request is one request from its arrival to its expiry. All but the first group is guarded by
// Relay.mu.
type request struct {
	id      protocol.UUID
	kind    protocol.Kind
	account hive.AccountName
	expire  time.Time

	app     *socket       // the connection that gets the answer; nil once it has ended
	message []byte        // the frame for wallets; nil once answered or expired
	answer  []byte        // the frame for the application; nil unless answered, and once expired
	sent    bool          // queued for a wallet at least once
	settled bool          // answered
	by      *socket       // the connection that answered
	waiting *list.Element // its place among the unanswered requests of the account; nil if it has none
	place   *list.Element // in store.order
	done    *list.Element // its place in store.done; nil if it has none
	number  uint64        // in the order in which requests came
}

// account is what the relay knows of one account. It exists while it has a wallet or an unanswered
// request.
type account struct {
	name    hive.AccountName
	wallets map[*socket]struct{} // nil until the first registers
	pending list.List            // of *request, oldest first
	askers  map[*socket]int      // how many of these are whose; nil has those whose connection has ended
}

// store holds requests and accounts. It has no lock of its own: Relay.mu guards it.
type store struct {
	requests map[protocol.UUID]*request
	accounts map[hive.AccountName]*account
	order    list.List // of *request, the next to expire first
	done     list.List // of *request whose answer was sent, oldest first
	bytes    int       // of messages and answers, and what requests cost beside
	came     uint64    // requests until now
	waiting  int       // requests without an answer
	loose    int       // those of them whose connection has ended
	looseLen int       // bytes that these hold
	// No connection has more unanswered requests than mostPending, and none holds more bytes than
	// mostHeld; it may be that none has as many any more.
	mostPending, mostHeld int
}

// What a request costs in memory beside its message and its answer, in bytes.
const (
	requestCost = 448 // until it expires
	waitingCost = 384 // without an answer: the name and the books of an account, which may be its own
)

// bytesOf returns what an unanswered request with a message of so many bytes holds.
func bytesOf(message int) int { return message + requestCost + waitingCost }

func newStore() *store {
	return &store{requests: make(map[protocol.UUID]*request), accounts: make(map[hive.AccountName]*account)}
}

// find returns the request with that uuid unless it has expired. Uuids are compared byte by byte:
// an answer that changes the case of one is for another request.
func (st *store) find(id protocol.UUID, now time.Time) *request {
	r := st.requests[id]
	if r == nil || !now.Before(r.expire) {
		return nil
	}
	return r
}

func (st *store) account(name hive.AccountName) *account {
	a := st.accounts[name]
	if a == nil {
		a = &account{name: name, askers: make(map[*socket]int)}
		st.accounts[name] = a
	}
	return a
}

// forgetIfIdle removes an account without wallet and without unanswered request: names of accounts
// must not fill the memory.
func (st *store) forgetIfIdle(a *account) {
	if len(a.wallets) == 0 && a.pending.Len() == 0 {
		delete(st.accounts, a.name)
	}
}

func (st *store) add(r *request) {
	r.waiting = st.account(r.account).pending.PushBack(r)
	st.requests[r.id] = r
	r.place = st.order.PushBack(r)
	st.came++
	r.number = st.came
	st.waiting++
	st.bytes += bytesOf(len(r.message))
	st.tally(r, 1)
}

// tally counts an unanswered request for the connection that asked, or takes it off with -1.
func (st *store) tally(r *request, n int) {
	a := st.accounts[r.account]
	if a.askers[r.app] += n; a.askers[r.app] == 0 {
		delete(a.askers, r.app)
	}
	if r.app == nil {
		st.loose += n
		st.looseLen += n * bytesOf(len(r.message))
		return
	}
	r.app.pending += n
	r.app.held += n * bytesOf(len(r.message))
	st.mostPending, st.mostHeld = max(st.mostPending, r.app.pending), max(st.mostHeld, r.app.held)
}

// bind makes app the connection that gets the answer, nil for none.
func (st *store) bind(r *request, app *socket) {
	if r.app != nil {
		delete(r.app.asked, r)
	}
	if r.waiting != nil {
		st.tally(r, -1)
	}
	r.app = app
	if r.waiting != nil {
		st.tally(r, 1)
	}
	if app != nil {
		app.asked[r] = struct{}{}
	}
}

// settle keeps the answer and drops the message: a wallet whose turn comes later is sent nothing.
func (st *store) settle(r *request, answer []byte, by *socket) {
	st.stopWaiting(r)
	r.settled = true
	r.answer, r.by = answer, by
	st.bytes += len(answer)
}

// answerSent notes that a connection was sent the answer. It is kept for another one that attaches,
// as long as there is room.
func (st *store) answerSent(r *request) {
	if r.answer != nil && r.done == nil {
		r.done = st.done.PushBack(r)
	}
}

// oldestDone returns the request that was answered first, of those whose answer was sent; nil if
// there is none.
func (st *store) oldestDone() *request {
	if e := st.done.Front(); e != nil {
		return e.Value.(*request)
	}
	return nil
}

func (st *store) stopWaiting(r *request) {
	if r.waiting == nil {
		return
	}
	st.tally(r, -1)
	a := st.accounts[r.account]
	a.pending.Remove(r.waiting)
	r.waiting = nil
	st.waiting--
	st.forgetIfIdle(a)
	st.bytes -= len(r.message) + waitingCost
	r.message = nil
}

// expire drops the requests that have expired at now. It returns how many of them had no answer,
// and when the next one expires, zero if none is left.
func (st *store) expire(now time.Time) (unanswered int, next time.Time) {
	for e := st.order.Front(); e != nil; e = st.order.Front() {
		r := e.Value.(*request)
		if now.Before(r.expire) {
			return unanswered, r.expire
		}
		if !r.settled {
			unanswered++
		}
		st.remove(r)
	}
	return unanswered, time.Time{}
}

// remove drops a request. Items in queues still point to it, so its bytes are let go here and not
// with it.
func (st *store) remove(r *request) {
	st.stopWaiting(r)
	st.bytes -= len(r.answer) + requestCost
	r.answer, r.by = nil, nil
	if r.done != nil {
		st.done.Remove(r.done)
		r.done = nil
	}
	st.bind(r, nil)
	st.order.Remove(r.place)
	delete(st.requests, r.id)
}
