package ledger_test

import (
	"strings"
	"testing"
	"time"

	"pksa/agent/ledger"
	"pksa/agent/ledger/pg/pgtest"
)

// TestCareInDatabase does with a ledger in a database what a person may have to do with one: mend
// it, accept an older state of it, and lead it back from the future.
func TestCareInDatabase(t *testing.T) {
	server := pgtest.Start(t)
	for name, test := range map[string]func(*testing.T, *rig, *pgtest.Server, string){
		"mended": mendInDatabase, "rolled back": rollBackDatabase, "led back": leadBackInDatabase,
		"looked at": lookAtDatabase, "read by others": readByOthers,
	} {
		t.Run(name, func(t *testing.T) {
			o, database := options("test"), server.Database()
			o.Database = &database
			test(t, newRigWith(t, o), server, database.Address.Database)
		})
	}
}

// mendInDatabase alters a byte of a value, and more of another.
func mendInDatabase(t *testing.T, r *rig, server *pgtest.Server, database string) {
	r.slot("mybot")
	s := r.session("alice", "mybot", "k1")
	must(t, r.l.Close())
	server.SQL(database, `UPDATE pksa.pairs SET value = set_byte(value, 9, get_byte(value, 9) # 65)
		WHERE bucket = 'slots'`)
	_, err := ledger.Open(r.path, r.o)
	wantError(t, err, ledger.ErrDamaged)
	mended, err := r.mend()
	if err != nil || len(mended) != 1 {
		t.Fatalf("mended: %q, %v", mended, err)
	}
	r.open()
	if _, ok := r.l.Session(s.ID); !ok {
		t.Error("the session is lost")
	}
	must(t, r.l.Close())
	server.SQL(database, `UPDATE pksa.pairs SET value = set_byte(set_byte(value, 9, 1 # get_byte(value, 9)), 20,
		1 # get_byte(value, 20)) WHERE bucket = 'sessions'`)
	_, err = ledger.Mend(ctx, r.path, r.o, ledger.Mending{})
	if err == nil || !strings.Contains(err.Error(), "cannot be restored") {
		t.Errorf("a session is lost: %v", err)
	}
	_, err = ledger.Mend(ctx, r.path, r.o, ledger.Mending{
		Lose: func([]ledger.Loss) (bool, error) { return true, nil }})
	must(t, err)
	r.open()
}

// rollBackDatabase puts an older state of the database in its place. The mark tells.
func rollBackDatabase(t *testing.T, r *rig, server *pgtest.Server, database string) {
	r.slot("mybot")
	must(t, r.l.Close())
	server.SQL("postgres", `CREATE DATABASE `+database+`_older TEMPLATE `+database)
	r.open()
	r.session("alice", "mybot", "k1")
	must(t, r.l.Close())
	server.SQL("postgres", `DROP DATABASE `+database, `ALTER DATABASE `+database+`_older RENAME TO `+database)
	_, err := ledger.Open(r.path, r.o)
	wantError(t, err, ledger.ErrRestored)
	_, err = ledger.Accept(r.path, r.o, ledger.Acceptance{Audit: []byte("{}")})
	must(t, err)
	r.open()
	if _, ok := r.l.Slot("mybot"); !ok {
		t.Error("the app is lost")
	}
}

func leadBackInDatabase(t *testing.T, r *rig, _ *pgtest.Server, _ string) {
	r.slot("mybot")
	const far = 400 * 24 * time.Hour
	r.clock.add(far)
	r.session("alice", "mybot", "k1")
	r.clock.add(-far)
	_, err := r.l.TurnBack(ctx, ledger.TurnBack{Now: r.clock.now(),
		Charges: func(held []ledger.Charge) ([]ledger.Charge, error) { return held, nil },
		Audit:   func(ledger.TurnedBack) []byte { return []byte(`{"act":"test"}`) }})
	must(t, err)
	r.reopen()
	if ahead := r.l.Now().Sub(r.clock.now()); ahead > time.Hour {
		t.Errorf("it is %v ahead", ahead)
	}
}

// lookAtDatabase: who leads is seen without leading.
func lookAtDatabase(t *testing.T, r *rig, server *pgtest.Server, database string) {
	r.slot("mybot")
	look := func() ledger.DatabaseState {
		t.Helper()
		d, err := ledger.LookAtDatabase(ctx, r.o.Database)
		must(t, err)
		return d
	}
	d := look()
	if !d.Ledger || d.Leader == "" || strings.Contains(d.Leader, "/") || d.Epoch == 0 || d.Replicas != 0 ||
		d.TornPages || time.Since(d.Since).Abs() > time.Minute || d.Took <= 0 || d.Server == "" {
		t.Errorf("while one leads: %+v", d)
	}
	r.slot("another") // it leads as before
	must(t, r.l.Close())
	if d := look(); !d.Ledger || d.Leader != "" {
		t.Errorf("when it has ended: %+v", d)
	}
	empty := server.Database()
	if d, err := ledger.LookAtDatabase(ctx, &empty); err != nil || d.Ledger || d.Server == "" {
		t.Errorf("an empty database: %+v, %v", d, err)
	}
	server.SQL(database, `UPDATE pksa.version SET number = 99`)
	_, err := ledger.LookAtDatabase(ctx, r.o.Database)
	if err == nil || !strings.Contains(err.Error(), "a newer program has been here") {
		t.Errorf("a newer schema: %v", err)
	}
	server.SQL(database, `UPDATE pksa.version SET number = 1`)
	r.open()
}

// readByOthers: who reads the tables finds the name of an app, and neither its secret nor what was
// asked, by whom and when.
func readByOthers(t *testing.T, r *rig, server *pgtest.Server, database string) {
	r.slot("mybot")
	s := r.session("alice-the-first", "mybot", "a key of a session")
	r.try(s, "a text that was asked", r.nowMS())
	must(t, r.l.Close())
	for text, seen := range map[string]bool{"mybot": true, "secret of mybot": false,
		"alice-the-first": false, "a key of a session": false, "a text that was asked": false} {
		rows := server.SQL(database, `SELECT 'x' FROM pksa.pairs WHERE position('`+text+`'::bytea IN
			bucket || key || value) > 0`)
		if got := len(rows) > 0; got != seen {
			t.Errorf("%q is seen: %v", text, got)
		}
	}
}
