package ledger

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pksa/agent/ledger/pg"
	"pksa/agent/ledger/pg/pgtest"
)

// pgShelf is a place in a new database of a server.
func pgShelf(t *testing.T, server *pgtest.Server) (*shelf, pg.Options) {
	o := server.Database()
	return &shelf{t, func() store { return newPGStore(pgOptions{Options: o}) }}, o
}

// endLease lets the lease of whoever leads end now.
func endLease(server *pgtest.Server, o pg.Options) {
	server.SQL(o.Address.Database, `UPDATE pksa.leader SET until = now() - interval '1 second'`)
}

// tryFence: what another process has opened, the one before cannot change.
func tryFence(t *testing.T, server *pgtest.Server) {
	s, o := pgShelf(t, server)
	first := s.made()
	s.must(first.commit([]edit{put(bucketSlots, "a", "1")}))
	s.must(first.writeSegment(numbered(1), parts([]byte("one"))))
	second := s.at()
	s.want(second.open(), ErrLocked)
	endLease(server, o)
	second = s.opened(second)

	s.want(first.secure(), ErrLocked)
	s.want(first.commit([]edit{put(bucketSlots, "a", "2"), drop(bucketKeys)}), ErrLocked)
	s.want(first.writeSegment(numbered(1), parts([]byte("two"))), ErrLocked)
	s.want(first.removeSegment(numbered(1)), ErrLocked)
	s.want(first.retireSegment(numbered(1)), ErrLocked)
	s.holds(second, bucketSlots, "a=1")
	if content, err := second.readSegment(numbered(1), 0, 100); string(content) != "one" || err != nil {
		t.Errorf("the segment is %q, %v", content, err)
	}
	s.must(first.close()) // it does not take from the second what that has
	s.want(s.at().open(), ErrLocked)
	s.want(first.open(), ErrLocked)
	s.must(second.commit([]edit{put(bucketSlots, "a", "3")}))
	s.holds(second, bucketSlots, "a=3")
}

// tryFenceInWriting: a segment that was begun before another process opened the store is
// never there, and leaves nothing.
func tryFenceInWriting(t *testing.T, server *pgtest.Server) {
	s, o := pgShelf(t, server)
	first, second := s.made(), s.at()
	err := first.writeSegment(numbered(1), func(yield func([]byte, error) bool) {
		if yield([]byte("part"), nil) {
			endLease(server, o)
			s.opened(second)
			yield([]byte("part"), nil)
		}
	})
	s.want(err, ErrLocked)
	s.indexes(second)
	s.must(second.writeSegment(numbered(2), parts([]byte("two"))))
	s.indexes(second, 2)
	if rows := server.SQL(o.Address.Database, `SELECT count(*)::text FROM pksa.parts`); rows[0] != "2" {
		t.Errorf("there are %s parts, and the segment has 2", rows)
	}
}

// tryLateCommit: a commit that was on its way when another process opened the store fails
// when it arrives, and so does one of which this process does not know whether it arrived.
func tryLateCommit(t *testing.T, server *pgtest.Server) {
	s, o := pgShelf(t, server)
	proxy, through := server.Proxy(o)
	first := newPGStore(pgOptions{Options: through})
	s.must(first.create(nil, func() error { return nil }))
	s.must(first.open())
	s.must(first.secure())
	second := s.at()
	waits, goOn := make(chan struct{}), make(chan struct{})
	var once atomic.Bool
	proxy.Each(func() bool {
		if once.CompareAndSwap(false, true) {
			close(waits)
			<-goOn
		}
		return true
	}, nil)
	result := make(chan error, 1)
	go func() { result <- first.commit([]edit{put(bucketSlots, "a", "late")}) }()
	<-waits
	endLease(server, o)
	second = s.opened(second)
	close(goOn)
	s.want(<-result, ErrLocked)
	s.holds(second, bucketSlots)
	s.must(second.close())
	s.want(first.open(), ErrDeposed) // for good: what it knows is of before
	s.holds(s.opened(s.at()), bucketSlots)
}

// tryLeads: a store whose process hears nothing of its database knows that it may have been
// replaced, some time before it can be; and one that was replaced hears of it by itself.
func tryLeads(t *testing.T, server *pgtest.Server) {
	s, o := pgShelf(t, server)
	s.must(s.made().close())
	proxy, through := server.Proxy(o)
	first := newPGStore(pgOptions{Options: through, lease: time.Second})
	s.opened(first)
	for begun := time.Now(); time.Since(begun) < 2*time.Second; time.Sleep(10 * time.Millisecond) {
		if !first.leads() || isClosed(first.overtaken()) {
			t.Fatal("it does not lead, and says all the time that it is there")
		}
	}
	never := func() bool { return false }
	proxy.Each(never, nil)
	for first.leads() {
		time.Sleep(time.Millisecond)
	}
	second := newPGStore(pgOptions{Options: o, lease: time.Minute})
	s.want(second.open(), ErrLocked) // a part of the lease is left
	for second.open() != nil {
		time.Sleep(10 * time.Millisecond)
	}
	if isClosed(first.overtaken()) || !second.leads() {
		t.Error("it knows of another one before it has heard of it")
	}
	proxy.Each(nil, nil)
	<-first.overtaken()
	if first.leads() {
		t.Error("it leads and was overtaken")
	}
	s.want(first.open(), ErrDeposed)
	s.must(second.close())
}

// tryLostAnswer loses the answer to a commit that is done, or the commit itself. Nobody
// knows which: the store takes no other commit before it is opened again, and shows it then.
func tryLostAnswer(t *testing.T, server *pgtest.Server) {
	for name, done := range map[string]bool{"not done": false, "done": true} {
		t.Run(name, func(t *testing.T) {
			s, o := pgShelf(t, server)
			proxy, through := server.Proxy(o)
			at := newPGStore(pgOptions{Options: through})
			s.must(at.create(nil, func() error { return nil }))
			s.opened(at)
			never := func() bool { return false }
			if done {
				proxy.Each(nil, never)
			} else {
				proxy.Each(never, nil)
			}
			err := at.commit([]edit{put(bucketSlots, "a", "1")})
			s.want(err, pg.ErrUnheard)
			proxy.Each(nil, nil)
			s.want(at.commit([]edit{put(bucketSlots, "b", "1")}), ErrUnavailable)
			s.want(at.secure(), nil) // it still leads
			s.want(at.open(), nil)
			s.want(at.commit([]edit{put(bucketSlots, "b", "1")}), ErrUnavailable)
			s.must(at.secure())
			if done {
				s.holds(at, bucketSlots, "a=1")
			} else {
				s.holds(at, bucketSlots)
			}
			s.must(at.commit([]edit{put(bucketSlots, "c", "1")}))
		})
	}
}

// tryCrash: what was committed outlives a crash of the server, and reads go on after it.
func tryCrash(t *testing.T, server *pgtest.Server) {
	s, _ := pgShelf(t, server)
	at := s.made()
	for i := range 20 {
		s.must(at.commit([]edit{put(bucketSlots, fmt.Sprintf("%02d", i), "1")}))
		if i%5 == 4 {
			server.Kill()
			if _, _, err := at.get(bucketSlots, []byte("00")); err == nil {
				t.Error("a server that is gone answers")
			}
			server.Up()
			list, _, err := at.list(bucketSlots, nil, 100)
			s.must(err)
			if len(list) != i+1 {
				t.Errorf("%d of %d commits are there after a crash", len(list), i+1)
			}
			s.must(at.open())
			s.must(at.secure())
		}
	}
}

// tryRefusesServers: one that forgets what it has committed, or takes none.
func tryRefusesServers(t *testing.T, server *pgtest.Server) {
	for setting, want := range map[string]string{
		"synchronous_commit = off":           "synchronous_commit is off",
		"default_transaction_read_only = on": "this server is read-only",
	} {
		s, o := pgShelf(t, server)
		s.must(s.made().close())
		server.SQL("postgres", "ALTER DATABASE "+o.Address.Database+" SET "+setting)
		if err := s.at().open(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("with %s: %v", setting, err)
		}
	}
	careless := pgtest.Start(t, "fsync=off")
	s, _ := pgShelf(t, careless)
	err := s.at().create(nil, func() error { return nil })
	if err == nil || !strings.Contains(err.Error(), "fsync is off") {
		t.Errorf("with fsync off: %v", err)
	}
	if checkServer("120010", "on", "on", "off") == nil || checkServer("130000", "on", "local", "off") != nil {
		t.Error("another version is wanted than 13")
	}
}

// tryMigrations: each is run once, by the process that leads, and a newer schema is
// refused.
func tryMigrations(t *testing.T, server *pgtest.Server) {
	s, o := pgShelf(t, server)
	at := s.made()
	s.must(at.commit([]edit{put(bucketSlots, "a", "1")}))
	newer := pgOptions{Options: o, migrations: append(pgMigrations[:1:1],
		[]string{`CREATE TABLE pksa.second (n bigint)`, `INSERT INTO pksa.second VALUES (1)`},
		[]string{`INSERT INTO pksa.second VALUES (2)`})}
	s.want(newPGStore(newer).open(), ErrLocked) // nothing is changed under the one that leads
	if err := at.commit([]edit{put(bucketSlots, "a", "2")}); err != nil {
		t.Error(err)
	}
	s.must(at.close())
	for range 2 {
		again := s.opened(newPGStore(newer))
		s.holds(again, bucketSlots, "a=2")
		s.must(again.close())
	}
	if rows := server.SQL(o.Address.Database, `SELECT n::text FROM pksa.second ORDER BY n`); len(rows) != 2 {
		t.Errorf("the migrations left %q", rows)
	}
	if err := s.at().open(); err == nil || !strings.Contains(err.Error(), "a newer program") {
		t.Errorf("a program that knows one version opens the third: %v", err)
	}
	broken := newer
	broken.migrations = append(newer.migrations[:3:3], []string{`INSERT INTO pksa.second VALUES (3)`, `SELECT 1/0`})
	if newPGStore(broken).open() == nil {
		t.Error("a migration that fails is passed over")
	}
	if rows := server.SQL(o.Address.Database, `SELECT n::text FROM pksa.second ORDER BY n`); len(rows) != 2 {
		t.Errorf("a migration that failed left %q", rows)
	}
}

// tryCreation: a creation that is cut off leaves no store, and of two at once one makes
// it.
func tryCreation(t *testing.T, server *pgtest.Server) {
	s, _ := pgShelf(t, server)
	results := make(chan error, 4)
	for i := range cap(results) {
		go func() {
			results <- s.at().create([]edit{put(bucketSlots, fmt.Sprint(i), "1")}, func() error { return nil })
		}()
	}
	made := 0
	for range cap(results) {
		switch err := <-results; {
		case err == nil:
			made++
		case !errors.Is(err, ErrExists):
			t.Error(err)
		}
	}
	list, _, err := s.opened(s.at()).list(bucketSlots, nil, 9)
	s.must(err)
	if made != 1 || len(list) != 1 {
		t.Errorf("%d have made the store, and %d of them are in it", made, len(list))
	}
}

// tryPlans: no read of a busy wallet looks at more than it wants.
func tryPlans(t *testing.T, server *pgtest.Server) {
	s, o := pgShelf(t, server)
	at := s.made()
	var many []edit
	for i := range 20_000 {
		many = append(many, put(bucketAudit, fmt.Sprintf("%08d", i), "some value"))
	}
	s.must(at.commit(many))
	scans := func() string {
		return server.SQL(o.Address.Database, `SELECT pg_stat_force_next_flush()`,
			`SELECT seq_scan::text FROM pg_stat_user_tables WHERE relname = 'pairs'`)[0]
	}
	server.SQL(o.Address.Database, `ANALYZE`)
	before := scans()
	names := make([]name, 1000)
	for i := range names {
		names[i] = name{bucketAudit, fmt.Appendf(nil, "%08d", i*17)}
	}
	for range 3 {
		results, err := at.getMany(names)
		if s.must(err); len(results) != 1000 || !results[999].found {
			t.Errorf("%d were read", len(results))
		}
		_, _, err = at.list(bucketAudit, []byte("00010000"), 256)
		s.must(err)
		s.must(at.commit([]edit{put(bucketAudit, "x", "y"), del(bucketAudit, "00000001")}))
	}
	s.must(at.close())
	if after := scans(); after != before {
		t.Errorf("the table was read as a whole: %s and then %s times", before, after)
	}
}
