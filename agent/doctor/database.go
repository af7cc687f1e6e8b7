package doctor

import (
	"context"
	"fmt"
	"time"
)

// database looks at the database that the ledger is in, if it is in one. For that nobody leads.
func (e *examiner) database(ctx context.Context) bool {
	where := e.o.Config.Database
	if where == "" {
		return true // the ledger's file is looked at by other checks
	}
	d, err := e.o.LookAtDatabase(ctx)
	if err != nil {
		e.away = true
		e.fault(err, "nothing can be recorded, so nothing is signed")
		return true
	}
	if e.away = e.status == nil && e.running == nil && d.Leader != ""; e.away {
		e.found(Finding{Level: Note, What: fmt.Sprintf("a wallet on %s leads since %s", d.Leader,
			d.Since.UTC().Format(time.RFC3339)), Where: where,
			Meaning: "one wallet leads: one that is started here stands by, and takes over when that one has ended",
			Next: "start this one too, if it is to stand by; commands that need the ledger are for the machine that " +
				"leads"})
	}
	if d.Replicas > 0 && d.Synchronous == 0 {
		e.found(Finding{Level: Warning, Where: where,
			What: fmt.Sprintf("%d servers follow this one, and commits wait for none of them", d.Replicas),
			Meaning: "if one of them takes its place, it may lack what was signed last; the mark tells, and then " +
				"the wallet does not start",
			Next: "name one of them in synchronous_standby_names of the server"})
	}
	if d.TornPages {
		e.found(Finding{Level: Warning, Where: where, What: "full_page_writes is off on the server",
			Meaning: "a crash of its machine may leave pages that are half written",
			Next:    "turn it on, unless the file system there writes pages whole or not at all"})
	}
	if d.Took > slowSync {
		e.found(Finding{Level: Warning, Where: where,
			What:    fmt.Sprintf("the database takes %d ms to answer", d.Took.Milliseconds()),
			Meaning: "every request waits that long at least",
			Next:    "bring database and wallet nearer to each other, or find out what else the server does"})
	}
	return true
}
