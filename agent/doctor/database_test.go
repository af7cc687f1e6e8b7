package doctor_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"pksa/agent"
	"pksa/agent/doctor"
	"pksa/agent/ledger"
	"pksa/keystore"
)

// inDatabase is a wallet whose ledger is in a database that looks so.
func inDatabase(d ledger.DatabaseState, err error) func(*world) {
	return func(w *world) {
		w.cfg.Database = "postgres://wallet@db.example/l"
		before := w.options
		w.options = func(o *doctor.Options) {
			if before != nil {
				before(o)
			}
			o.LookAtDatabase = func(context.Context) (ledger.DatabaseState, error) { return d, err }
			o.OpenLedger = func(keys *keystore.Store) (*ledger.Ledger, error) {
				options := w.ledgerOptions(keys)
				options.Database = nil
				return ledger.Open(w.cfg.Ledger, options)
			}
		}
	}
}

func faultsOfDatabase() []fault {
	return []fault{
		{"a database that is away", inDatabase(ledger.DatabaseState{}, errors.New("connection refused")), "database",
			doctor.Error, "connection refused"},
		{"another wallet leads", inDatabase(ledger.DatabaseState{Ledger: true, Leader: "other"}, nil), "database",
			doctor.Note, "a wallet on other leads since"},
		{"copies that nothing waits for", inDatabase(ledger.DatabaseState{Ledger: true, Replicas: 2}, nil), "database",
			doctor.Warning, "2 servers follow this one"},
		{"pages that may be torn", inDatabase(ledger.DatabaseState{Ledger: true, TornPages: true}, nil), "database",
			doctor.Warning, "full_page_writes"},
		{"a database that is far", inDatabase(ledger.DatabaseState{Ledger: true, Took: 101 * time.Millisecond}, nil),
			"database", doctor.Warning, "101 ms"},
	}
}

// A database that is well gives no finding, with an agent that leads, too. The disk of the home
// folder holds nobody up.
func TestHealthyDatabase(t *testing.T) {
	t.Parallel()
	well := ledger.DatabaseState{Ledger: true, Replicas: 1, Synchronous: 1, Took: 100 * time.Millisecond}
	for name, damage := range map[string]func(*world){
		"none runs": func(w *world) {
			w.options = func(o *doctor.Options) {
				o.Sync = func(string) (time.Duration, error) { return time.Second, nil }
			}
			inDatabase(well, nil)(w)
		},
		"one runs and leads": func(w *world) {
			agentThat(agent.Status{})(w)
			leads := well
			leads.Leader = "this"
			inDatabase(leads, nil)(w)
		},
	} {
		r := examined(t, damage)
		if slices.ContainsFunc(r.Findings, func(f doctor.Finding) bool {
			return slices.Contains([]string{"database", "ledger", "disk"}, f.Check)
		}) {
			t.Errorf("%s: %+v", name, r.Findings)
		}
	}
}

// One fault is one finding: a ledger that cannot be opened is not told beside what the database
// says of it.
func TestDatabaseIsToldOnce(t *testing.T) {
	t.Parallel()
	for _, damage := range []func(*world){
		inDatabase(ledger.DatabaseState{}, errors.New("connection refused")),
		inDatabase(ledger.DatabaseState{Ledger: true, Leader: "other"}, nil),
	} {
		r := examined(t, func(w *world) {
			damage(w)
			before := w.options
			w.options = func(o *doctor.Options) {
				before(o)
				o.OpenLedger = func(*keystore.Store) (*ledger.Ledger, error) { return nil, ledger.ErrLocked }
			}
		})
		if r.Errors+r.Notes != 1 || r.Findings[0].Check != "database" {
			t.Errorf("%+v", r.Findings)
		}
	}
}
