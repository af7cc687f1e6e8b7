package service_test

import (
	"errors"
	"testing"
	"time"

	"pksa/agent"
	"pksa/agent/client"
	"pksa/agent/control"
)

// TestDatabaseIsAway: while its database is away for seconds, a request waits and is answered when
// it is there again. When it is away for longer, the wallet says that it is not ready, and no
// request waits; and it goes on by itself when the database is back.
func TestDatabaseIsAway(t *testing.T) {
	d := newInDatabase(t)
	session := d.login()
	d.must(d.vote(session, "before"))

	d.server.Kill()
	result := make(chan error)
	go func() { result <- d.vote(session, "meanwhile") }()
	time.Sleep(time.Second) // it waits by now, or begins to wait later
	d.server.Up()
	d.must(<-result)

	ready := func() []string {
		var s agent.Status
		d.must(control.Call(t.Context(), d.cfg.Control, agent.MethodStatus, nil, &s))
		return s.NotReady
	}
	if not := ready(); len(not) > 0 {
		t.Errorf("it is not ready: %q", not)
	}
	d.server.Kill()
	if err := d.vote(session, "too late"); err == nil || errors.Is(err, client.ErrRefused) {
		t.Errorf("while there is no database: %v", err)
	}
	for begun := time.Now(); len(ready()) == 0; time.Sleep(50 * time.Millisecond) {
		if time.Since(begun) > 20*time.Second {
			t.Fatal("it says that it is ready, and commits nothing")
		}
	}
	d.server.Up()
	for begun := time.Now(); len(ready()) > 0; time.Sleep(50 * time.Millisecond) {
		if time.Since(begun) > 20*time.Second {
			t.Fatalf("it does not go on: %q", ready())
		}
	}
	d.must(d.vote(session, "after"))
	for _, id := range d.voted {
		if d.chain.Count(id) != 1 {
			t.Errorf("%s is on the chain %d times", id, d.chain.Count(id))
		}
	}
}
