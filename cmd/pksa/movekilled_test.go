package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pksa/agent/ledger/pg/pgtest"
)

// movePoints are points that no wallet passes whose ledger stays where it is.
var movePoints = []string{"ledger copied", "old ledger retired"}

// TestMoveKilled kills `pksa ledger move` at every point, on the way into a database and back. The
// ledger opens in one place at most then, and the next move brings it where it goes.
func TestMoveKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	server := pgtest.Start(t)
	binary, home := buildWallet(t, "crashpoints"), t.TempDir()
	o := server.Database()
	database, password := o.Address.String(), filepath.Join(t.TempDir(), "password")
	check(t, os.WriteFile(password, []byte(pgtest.Password), 0o600))
	mustRun(t, home, "init")
	mustRun(t, home, "app", "add", "mybot")
	run := func(point, at string, args ...string) (string, error) {
		cmd := exec.Command(binary, append([]string{"--home", home}, args...)...)
		cmd.Env = append(os.Environ(), "CRASHPOINT="+point, "PKSA_LEDGER="+at, "PKSA_LEDGER_PASSWORD=file:"+password)
		out, err := cmd.CombinedOutput()
		if point != "" && (err == nil || cmd.ProcessState.ExitCode() != -1) {
			t.Fatalf("%s: it was not killed: %v: %s", point, err, out)
		}
		return string(out), err
	}
	for _, way := range [][3]string{{"ledger.db", database, database}, {database, "file", "ledger.db"}} {
		from, to, then := way[0], way[1], way[2]
		for _, point := range append(movePoints, "file written", "file in place") {
			_, _ = run(point, from, "ledger", "move", to)
			server.SQL(o.Address.Database, `UPDATE pksa.leader SET until = now() - interval '1 second'`)
			_, err1 := run("", from, "app", "list")
			server.SQL(o.Address.Database, `UPDATE pksa.leader SET until = now() - interval '1 second'`)
			_, err2 := run("", then, "app", "list")
			if err1 == nil && err2 == nil {
				t.Errorf("killed at %s: the ledger opens at %s and at %s", point, from, then)
			}
			if out, err := run("", from, "ledger", "move", to); err != nil {
				t.Errorf("killed at %s: it cannot be moved again: %v: %s", point, err, out)
			}
			out, err := run("", then, "app", "list")
			if err != nil || !strings.Contains(out, "mybot") {
				t.Fatalf("killed at %s: %v: %s", point, err, out)
			}
			back := "file"
			if to == "file" {
				back = database
			}
			if out, err := run("", then, "ledger", "move", back); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		}
		if out, err := run("", from, "ledger", "move", to); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
}
