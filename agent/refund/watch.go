package refund

import (
	"context"
	"time"

	"pksa/agent/ledger"
	"pksa/agent/node"
	"pksa/protocol/hive"
	"pksa/protocol/sorts"
)

const (
	// lookEvery is the time between two looks at what is due.
	lookEvery = time.Minute
	// looksAtOnce is how many transactions are looked up each time: applications whose broadcasts
	// fail must not wear down the nodes.
	looksAtOnce = 16
	// provenAfter is how long after the expiration the chain is asked first: by then the last
	// irreversible block is past it.
	provenAfter = 2 * time.Minute
	// longestPause is the longest time between two looks at one transaction. It is the time between
	// looks at what was given back, too.
	longestPause = time.Hour
)

// Run looks for proofs, and for what was given back, until ctx ends.
func (w *Watch) Run(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			w.round(ctx)
		}
	}
}

// round looks up what is due.
func (w *Watch) round(ctx context.Context) {
	fates := w.o.Ledger.Fates()
	for _, f := range w.due(fates, time.Now()) {
		if ctx.Err() != nil {
			return
		}
		w.look(ctx, f)
	}
}

// due returns the transactions to look up now, those that wait longest first.
func (w *Watch) due(fates []ledger.Fate, now time.Time) []ledger.Fate {
	w.mu.Lock()
	defer w.mu.Unlock()
	fresh := make(map[hive.TxID]appointment, len(w.next))
	var due []ledger.Fate
	for _, f := range fates {
		id := hive.TxID(f.TxID)
		a, ok := w.next[id]
		switch {
		case f.State != ledger.Failed && f.State != ledger.Released:
			continue
		case !ok && f.State == ledger.Released:
			a = appointment{at: now, pause: longestPause} // a restart looks at once
		case !ok:
			a = appointment{at: f.TxExpires.Add(provenAfter), pause: lookEvery}
		}
		fresh[id] = a
		if !a.at.After(now) {
			due = append(due, f)
		}
	}
	sorts.Stable(due, func(a, b ledger.Fate) int {
		return fresh[hive.TxID(a.TxID)].at.Compare(fresh[hive.TxID(b.TxID)].at)
	})
	due = due[:min(len(due), looksAtOnce)]
	for _, f := range due {
		a := fresh[hive.TxID(f.TxID)]
		fresh[hive.TxID(f.TxID)] = appointment{at: now.Add(a.pause), pause: min(2*a.pause, longestPause)}
	}
	w.next = fresh // what has no fate any more is forgotten
	return due
}

// look asks the hosts for one transaction, and records what is news.
func (w *Watch) look(ctx context.Context, f ledger.Fate) {
	p := w.o.Look(ctx, hive.TxID(f.TxID), hive.TimeOf(f.TxExpires))
	switch {
	case p.Found != "":
		w.found(ctx, f, p)
	case f.State == ledger.Failed && p.Never() && !tooLate(f):
		f.State = ledger.Absent
		w.set(ctx, f, RecordAbsent, p)
	}
}

// Lost records that a transaction that a node had accepted never reached the chain, as host says.
// Until is zero if nothing was charged for it. If two hosts say so, its charge is shown apart.
func (w *Watch) Lost(ctx context.Context, f ledger.Fate, host string) {
	p := w.o.Look(ctx, hive.TxID(f.TxID), hive.TimeOf(f.TxExpires))
	f.State = ledger.Absent
	switch {
	case p.Found != "":
		return
	case p.Never() && !f.Until.IsZero():
		w.set(ctx, f, RecordAbsent, p)
		return
	}
	if len(p.Absent) == 0 {
		p.Absent = []string{host}
	}
	err := w.o.Ledger.Note(ledger.Entry{Type: ledger.RecordEvent, Outcome: RecordAbsent, Account: f.Account,
		App: f.App, Ref: f.Number, Content: content(f, p, nil)})
	if err != nil {
		w.o.Logger.Error("event not recorded", "event", RecordAbsent, "err", err)
	}
}

// found records that the chain has a transaction that was reported as failed. Its charge counts
// again if it was given back.
func (w *Watch) found(ctx context.Context, f ledger.Fate, p node.Presence) {
	was := f.State
	f.State = ledger.OnChain
	if !w.set(ctx, f, RecordOnChain, p) {
		return
	}
	switch was {
	case ledger.Released:
		w.o.Alarm(alarmReleased, "number", f.Number, "tx", hive.TxID(f.TxID).String(), "block", p.Block, "node",
			p.Found,
			"advice", "its charge counts again; two of the Hive API nodes lied when it was given back")
	case ledger.Failed, ledger.Absent:
		w.o.Alarm(alarmFailed, "number", f.Number, "tx", hive.TxID(f.TxID).String(), "block", p.Block, "node", p.Found,
			"advice", "the application was told that it failed, and may have asked again")
	}
}

// set records a fate with an event. It reports whether it did.
func (w *Watch) set(ctx context.Context, f ledger.Fate, event string, p node.Presence) bool {
	_, err := w.o.Ledger.SetFate(ctx, f, ledger.Entry{
		Type: ledger.RecordEvent, Outcome: event, Account: f.Account, App: f.App, Ref: f.Number,
		Content: content(f, p, nil),
	})
	if err != nil {
		// Looked up again later. A release may have been faster: then there is nothing to record.
		w.o.Logger.Warn("fate of a transaction not recorded", "tx", hive.TxID(f.TxID).String(), "err", err)
		return false
	}
	w.o.Changed(ctx)
	return true
}
