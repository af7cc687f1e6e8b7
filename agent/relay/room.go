package relay

import (
	"cmp"
	"time"

	"pksa/protocol/hive"
	"pksa/protocol/sorts"
)

// Where requests or connections are bounded, whoever has most makes room for who has less. So
// strangers can fill a bound, but not keep it: the unanswered requests of those who send most leave
// first, the oldest ones before the others, and connections that say nothing.

const (
	// maxAnswered bounds the accounts that a connection is remembered to have had an answer of.
	// Reaching it forgets them.
	maxAnswered = 100
	// mostDisplaced is how many requests one other may displace: small ones make room for a large
	// one. If that is not enough, it is refused.
	mostDisplaced = 64
	// strangersPerSecond is how many requests a wallet is sent in a second, and at once, of
	// connections that its account has never answered. Wallets read what they are sent at a rate,
	// and hang up on a relay that sends more: pksa at 500 a second. Strangers must not bring that
	// about, nor take the time of those that are served.
	strangersPerSecond = 300
	// Of a request beyond smallRequest each bytesOfFrame count as one more, as they do where pksa
	// reads them.
	smallRequest = 1 << 10
	bytesOfFrame = 16 << 10
	// silentAfter is how long a connection may be without a frame, a registration and an unanswered
	// request before it makes room for another one.
	silentAfter = time.Minute
	// walletSilentAfter is the same for a connection that serves accounts, which has nothing to say
	// while nobody asks. Its pings count, too: pksa sends one every 30 seconds.
	walletSilentAfter = 10 * time.Minute
)

// strangersCost returns as how many requests of a stranger one of so many bytes counts.
func strangersCost(size int) float64 {
	return 1 + float64(max(0, size-smallRequest))/bytesOfFrame
}

// receiversLocked returns the wallets of the account that one more request of this connection, of
// so many bytes, is sent to, and counts it for each. ok is false if wallets are connected, and none
// of them may be sent it. Where none is connected, the request may wait for one.
func (s *socket) receiversLocked(name hive.AccountName, size int, now time.Time) (wallets []*socket, ok bool) {
	a := s.relay.store.accounts[name]
	if a == nil || len(a.wallets) == 0 {
		return nil, true
	}
	known := s.wasAnswered(name)
	for wallet := range a.wallets {
		// Each by its own bucket: a wallet of several accounts is sent the requests of all of them.
		if known || wallet.strange.spend(now, strangersPerSecond, strangersCost(size)) {
			wallets = append(wallets, wallet)
		}
	}
	return wallets, len(wallets) > 0
}

// deliverWaitingLocked sends a wallet that has registered an account what waits for it: first the
// requests of those that were answered before, then the strangers' as far as its bucket goes, those
// of whoever has fewest before others. A stranger's request beyond that is dropped, unless a wallet
// was sent it before, and may answer it still: kept for later, they would come all at once.
func (s *socket) deliverWaitingLocked(a *account, now time.Time) {
	type waiting struct {
		request *request
		weight  int // what its connection has waiting; 0 if that is no stranger
	}
	all := make([]waiting, 0, a.pending.Len())
	for e := a.pending.Front(); e != nil; e = e.Next() {
		w := waiting{request: e.Value.(*request)}
		if app := w.request.app; app == nil || !app.wasAnswered(a.name) {
			w.weight = a.askers[app]
		}
		all = append(all, w)
	}
	sorts.Stable(all, func(one, other waiting) int { return cmp.Compare(one.weight, other.weight) })
	for _, w := range all {
		switch {
		case w.weight == 0 || s.strange.spend(now, strangersPerSecond, strangersCost(len(w.request.message))):
			s.deliverLocked(w.request)
		case !w.request.sent:
			s.relay.store.remove(w.request)
			s.relay.counters.Displaced++
		}
	}
}

// deliverLocked queues a request for a wallet.
func (s *socket) deliverLocked(q *request) {
	q.sent = true
	s.push(item{request: q})
}

// makeRoomLocked reports whether one more request, with a message of so many bytes, is within all
// limits, if need be in place of others. Those whose answer was sent leave before others.
func (s *socket) makeRoomLocked(name hive.AccountName, message int) bool {
	l, store := s.relay.options.Limits, s.relay.store
	size := bytesOf(message)
	if s.pending >= l.AppPending || size > l.Bytes {
		return false
	}
	for range mostDisplaced {
		var victim *request
		full := store.bytes+size > l.Bytes || len(store.requests) >= l.Requests
		switch a := store.accounts[name]; {
		case a != nil && a.pending.Len() >= l.AccountPending:
			victim = s.victimOfAccount(a)
		case full && store.oldestDone() != nil:
			store.remove(store.oldestDone())
			continue
		case store.bytes+size > l.Bytes:
			victim = s.victimOfAll(s.held+size, store.looseLen, &store.mostHeld,
				func(other *socket) int { return other.held })
		case len(store.requests) >= l.Requests:
			victim = s.victimOfAll(s.pending+1, store.loose, &store.mostPending,
				func(other *socket) int { return other.pending })
		default:
			return true
		}
		if victim == nil {
			return false
		}
		store.remove(victim)
		s.relay.counters.Displaced++
	}
	return false
}

// victimOfAccount returns the request that makes room for one more of this connection: the oldest
// of the connection that has most for the account, and never had an answer of its wallet. It must
// have more than this connection would have, unless the wallet has answered this one before. It
// returns nil if there is none.
func (s *socket) victimOfAccount(a *account) *request {
	var heaviest *socket
	most := a.askers[s] + 1
	if s.wasAnswered(a.name) {
		most = 0
	}
	found := false
	for other, n := range a.askers {
		if n > most && (other == nil || other != s && !other.wasAnswered(a.name)) {
			heaviest, most, found = other, n, true
		}
	}
	if !found {
		return nil
	}
	for e := a.pending.Front(); e != nil; e = e.Next() {
		if r := e.Value.(*request); r.app == heaviest {
			return r
		}
	}
	return nil
}

// victimOfAll returns the oldest unanswered request of the connection that weighs most, if that is
// more than mine; nil if there is none. Requests whose connection has ended weigh as one. No
// connection weighs more than atMost, which is made exact when all are looked at: where all have
// about as much, and each asks for more, nobody looks at all of them for each request.
func (s *socket) victimOfAll(mine, loose int, atMost *int, weigh func(*socket) int) *request {
	var heaviest *socket
	most := mine
	if *atMost > mine {
		*atMost = 0
		for other := range s.relay.open {
			n := weigh(other)
			*atMost = max(*atMost, n)
			if n > most && other != s {
				heaviest, most = other, n
			}
		}
	}
	if loose > most {
		for e := s.relay.store.order.Front(); e != nil; e = e.Next() {
			if r := e.Value.(*request); r.app == nil && r.waiting != nil {
				return r
			}
		}
	}
	if heaviest == nil {
		return nil
	}
	var oldest *request
	for r := range heaviest.asked {
		if r.waiting != nil && (oldest == nil || r.number < oldest.number) {
			oldest = r
		}
	}
	return oldest
}

// wasAnswered reports whether the account's wallet has answered a request of this connection.
func (s *socket) wasAnswered(name hive.AccountName) bool {
	_, ok := s.answered[name]
	return ok
}

func (s *socket) noteAnsweredLocked(name hive.AccountName) {
	if !s.wasAnswered(name) && len(s.answered) >= maxAnswered {
		clear(s.answered)
	}
	s.answered[name] = struct{}{}
}

// noStrangerLocked notes that the connection takes no place of strangers, or none any more.
func (s *socket) noStrangerLocked() {
	if s.stranger {
		s.stranger = false
		s.relay.strangers--
	}
}

// mayEnterLocked reports whether one more connection has a place, if need be that of a silent one.
func (r *Relay) mayEnterLocked(now time.Time) bool {
	return !r.fullLocked() || r.silentLocked(now) != nil
}

// fullLocked reports whether all places are taken that a new connection could have. It is a
// stranger's, whoever comes.
func (r *Relay) fullLocked() bool {
	return len(r.open) >= r.options.Limits.Connections || r.strangers >= r.options.Limits.Strangers
}

// silentLocked returns the connection that makes room for a new one: the one that has been silent
// for longest, nil if none has been for long enough. One that waits for an answer is not silent.
// One that serves accounts leaves only if there is no other. Where strangers have taken all of
// their places, one of them leaves.
func (r *Relay) silentLocked(now time.Time) *socket {
	var silent, wallet *socket
	since, walletSince := now.Add(-silentAfter).UnixNano(), now.Add(-walletSilentAfter).UnixNano()
	ofStrangers := r.strangers >= r.options.Limits.Strangers
	for s := range r.open {
		if s.pending > 0 || ofStrangers && !s.stranger {
			continue
		}
		last := s.lastFrame.Load()
		if len(s.accounts) == 0 {
			if last <= since {
				silent, since = s, last
			}
			continue
		}
		if last = max(last, s.lastPing.Load()); last <= walletSince {
			wallet, walletSince = s, last
		}
	}
	if silent == nil {
		return wallet
	}
	return silent
}

// takePlaceLocked reports whether there is a place for one more connection. If there is none, a
// silent one leaves.
func (r *Relay) takePlaceLocked(now time.Time) bool {
	if !r.fullLocked() {
		return true
	}
	silent := r.silentLocked(now)
	if silent == nil {
		return false
	}
	r.forgetLocked(silent)
	r.counters.Silent++
	silent.drop(errSilent)
	return true
}
