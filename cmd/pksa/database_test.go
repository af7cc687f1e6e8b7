package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"pksa/agent/ledger/pg"
	"pksa/agent/ledger/pg/pgtest"
)

// withDatabases gives scripts databases of a server, and reports whether there is one here. Their
// condition is [postgres]; their commands are
//
//	database NAME            makes an empty database, and sets the variable NAME to its address
//	copydatabase NAME OTHER  copies what the variable NAME leads to, and sets OTHER
//	sql NAME STATEMENT       runs a statement in it
//	overtake NAME            lets another machine lead once the next wallet does and serves
func withDatabases(t *testing.T, params *testscript.Params) bool {
	others := params.Condition
	params.Condition = func(name string) (bool, error) {
		if name == "postgres" {
			return pgtest.Missing() == nil, nil
		}
		return others(name)
	}
	if pgtest.Missing() != nil {
		for _, name := range []string{"database", "copydatabase", "sql", "overtake"} {
			params.Cmds[name] = func(ts *testscript.TestScript, _ bool, _ []string) {
				ts.Fatalf("%v", pgtest.Missing())
			}
		}
		return false
	}
	server := pgtest.Start(t)
	nameOf := func(ts *testscript.TestScript, variable string) string {
		a, err := pg.ParseAddress(ts.Getenv(variable))
		ts.Check(err)
		return a.Database
	}
	params.Cmds["database"] = func(ts *testscript.TestScript, _ bool, args []string) {
		ts.Setenv(args[0], server.Database().Address.String())
	}
	var copies atomic.Int64
	params.Cmds["copydatabase"] = func(ts *testscript.TestScript, _ bool, args []string) {
		name := fmt.Sprint("copy", copies.Add(1))
		server.SQL("postgres", "CREATE DATABASE "+name+" TEMPLATE "+nameOf(ts, args[0]))
		ts.Setenv(args[1], server.Options(name).Address.String())
	}
	params.Cmds["sql"] = func(ts *testscript.TestScript, _ bool, args []string) {
		server.SQL(nameOf(ts, args[0]), strings.Join(args[1:], " "))
	}
	params.Cmds["overtake"] = func(ts *testscript.TestScript, _ bool, args []string) {
		name := nameOf(ts, args[0])
		epoch := func() string { return server.SQL(name, `SELECT epoch::text FROM pksa.leader`)[0] }
		before, socket := epoch(), filepath.Join(ts.Getenv("PKSA_HOME"), "control.sock")
		serves := func() bool { // before that it would stand by, and wait
			_, err := os.Stat(socket)
			return err == nil
		}
		go func() {
			for epoch() == before || !serves() {
				time.Sleep(10 * time.Millisecond)
			}
			server.SQL(name, `UPDATE pksa.leader SET epoch = epoch + 1, holder = 'elsewhere/x',
				until = now() + interval '1 hour'`)
		}()
	}
	return true
}
