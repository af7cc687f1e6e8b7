package ledger

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"pksa/agent/ledger/pg"
	"pksa/agent/ledger/pg/pgtest"
)

// TestPostgres tries a store in a database, on one server.
func TestPostgres(t *testing.T) {
	server := pgtest.Start(t)
	t.Run("contract", func(t *testing.T) {
		for name, test := range contract {
			t.Run(name, func(t *testing.T) {
				s, _ := pgShelf(t, server)
				test(s)
			})
		}
	})
	for name, test := range map[string]func(*testing.T, *pgtest.Server){
		"fence":            tryFence,
		"fence in writing": tryFenceInWriting,
		"late commit":      tryLateCommit,
		"leads":            tryLeads,
		"lost answer":      tryLostAnswer,
		"crash":            tryCrash,
		"refuses servers":  tryRefusesServers,
		"migrations":       tryMigrations,
		"creation":         tryCreation,
		"plans":            tryPlans,
	} {
		t.Run(name, func(t *testing.T) { test(t, server) })
	}
}

// TestLeaseEnds: a store whose process says nothing any more is another one's after ten seconds, by
// the server's clock alone.
func TestLeaseEnds(t *testing.T) {
	server := pgtest.Start(t)
	s, o := pgShelf(t, server)
	s.must(s.made().close())
	for silent, free := range map[int]bool{9: false, 10: true, 11: true} {
		for range 10 {
			endLease(server, o)
			begun, killed := time.Now(), s.opened(s.at()).(*pgStore)
			killed.forget()
			server.SQL(o.Address.Database, `UPDATE pksa.leader SET until = until - interval '1 second' * `+
				strconv.Itoa(silent))
			next := newPGStore(pgOptions{Options: o})
			err := next.open()
			next.forget()
			if !free && time.Since(begun) > 900*time.Millisecond {
				continue // this machine was busy: the lease ended meanwhile
			}
			if (err == nil) != free || err != nil && !errors.Is(err, ErrLocked) {
				t.Errorf("after %d seconds of silence: %v", silent, err)
			}
			break
		}
	}
}

// InDatabase keeps the ledger in a database, but for its mark: for each path in another one.
func (o Options) InDatabase(server *pgtest.Server) Options {
	places := map[string]pg.Options{}
	o.Database = &pg.Options{} // it is not in the file
	o.newStore = func(path string) store {
		if _, known := places[path]; !known {
			places[path] = server.Database()
		}
		return newPGStore(pgOptions{Options: places[path]})
	}
	return o
}
