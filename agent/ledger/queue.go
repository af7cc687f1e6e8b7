package ledger

import "sync"

// Bounds that this package chose: how many steps one commit has, and so how long the first of them
// waits.
const (
	batchOps    = 512 // most steps
	aloneOps    = 64  // most admissions while one app alone is at work
	togetherOps = 8   // most admissions while several are; more only if each has one
	// alongFor is how many commits of one app are short after one in which another app had a part:
	// that may come back while the next one is written.
	alongFor = 64
)

// keptMost is how many bytes the steps have at most that report what has happened, until a commit
// succeeds: while the disk is full they stay. With more, no request is taken up.
const keptMost = 8 << 20

// stepBytes is what a step takes beside its texts.
const stepBytes = 512

// op is one step of a commit.
type op struct {
	// apply adds the step to the batch. It computes first and writes last: an error that it returns
	// refuses this step alone, so nothing may have been written by then. What goes wrong while
	// writing goes to the batch.
	apply func(*batch) error
	// needs returns the names of values that apply is going to read, so far as that is known before
	// any step of the batch; nil: nothing is known.
	needs func(*batch) []name
	// keep is set if the step reports what has happened already. Such a step is applied again after
	// a commit that did not succeed, so apply must find out whether the store has it.
	keep bool
	size int        // bytes that it holds, if keep is set; see keptMost
	done chan error // has room for one; nil if nobody waits
	app  string     // whose turn it takes; empty for the ledger's own steps
	err  error
}

// queue holds the steps that wait for the next commit: those of the ledger itself, such as outcomes
// and what the operator does, and the admissions of each app. Within each of these they keep their
// order. Between them they do not: one app with many requests must not keep those of others
// waiting.
type queue struct {
	mu     sync.Mutex
	own    []*op
	apps   map[string][]*op
	turns  []string // of apps that have steps, in the order of their turns
	lone   string   // the app that was alone in the last commit with admissions; empty: there were several
	along  int      // so many commits are short, whoever waits
	kept   int      // bytes of the ledger's own steps that are not committed yet
	eager  int      // how many steps somebody waits for
	closed bool
	wake   chan struct{} // holds one
}

func (q *queue) put(o *op) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return ErrClosed
	}
	switch ops := q.apps[o.app]; {
	case o.app == "":
		q.own = append(q.own, o)
		q.kept += o.size
	default:
		if len(ops) == 0 {
			q.turns = append(q.turns, o.app)
		}
		if q.apps == nil {
			q.apps = map[string][]*op{}
		}
		q.apps[o.app] = append(ops, o)
	}
	if o.done != nil {
		q.eager++
	}
	q.signal()
	return nil
}

// putBack puts steps of the ledger itself at the head again, also when the queue is closed.
func (q *queue) putBack(ops []*op) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.own = append(ops, q.own...)
}

// full reports whether so much waits for the disk that no request may be taken up.
func (q *queue) full() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.kept > keptMost
}

// committed forgets what steps held.
func (q *queue) committed(ops []*op) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, o := range ops {
		q.kept -= o.size
	}
}

// waiting returns how many steps somebody waits for.
func (q *queue) waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.eager
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.signal()
}

// take removes the steps of the next commit from the queue, and reports whether others are left.
// While nobody waits for any of them and they are few, it removes none unless all is set. After a
// commit that did not succeed, again is set: then it removes all of the ledger's own.
func (q *queue) take(all, again bool) (ops []*op, left, closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	// Few: a commit of many must not keep those waiting who come while it is written.
	if q.eager == 0 && !all && !q.closed && len(q.own) < batchOps/2 {
		return nil, len(q.own)+len(q.turns) > 0, false
	}
	admissions := q.admissions()
	// Each admission has an outcome, and some have two: the ledger's own steps must not fall
	// behind.
	least := aloneOps
	if q.along > 0 {
		least = 2 * togetherOps
	}
	n := min(len(q.own), batchOps-len(admissions), max(2*len(admissions), least))
	if again {
		// Those that are put back after each attempt stand at the head. Whoever waits behind them
		// must hear of the failure, too.
		n = len(q.own)
	}
	ops = append(append(make([]*op, 0, n+len(admissions)), q.own[:n]...), admissions...)
	q.own = q.own[n:]
	for _, o := range ops {
		if o.done != nil {
			q.eager--
		}
	}
	if left = len(q.own)+len(q.turns) > 0; left {
		q.signal()
	}
	return ops, left, q.closed
}

// admissions removes those of the next commit. A commit takes as long as it has steps, and whoever
// comes while it is written waits for its end, so one app must not fill it: each app that waits has
// a turn, and those with more to do have further ones while the commit is short.
func (q *queue) admissions() (ops []*op) {
	q.company()
	most := aloneOps
	if q.along > 0 {
		most = max(togetherOps, len(q.turns))
	}
	most = min(most, batchOps-min(len(q.own), batchOps/2)) // the ledger's own have half a commit for certain
	for len(ops) < most && len(q.turns) > 0 {
		ops = append(ops, q.nextTurn())
	}
	return ops
}

// company notes whether several apps are at work: they wait now, or did a few commits before.
func (q *queue) company() {
	switch {
	case len(q.turns) == 0:
	case len(q.turns) > 1:
		q.lone, q.along = "", alongFor
	case q.turns[0] != q.lone:
		if q.lone != "" {
			q.along = alongFor
		}
		q.lone = q.turns[0]
	case q.along > 0:
		q.along--
	}
}

// nextTurn removes the first step of the app whose turn it is. The next one is another app's turn.
func (q *queue) nextTurn() *op {
	app := q.turns[0]
	q.turns = q.turns[1:]
	o, rest := q.apps[app][0], q.apps[app][1:]
	if len(rest) == 0 {
		delete(q.apps, app)
		return o
	}
	q.apps[app] = rest
	q.turns = append(q.turns, app)
	return o
}
