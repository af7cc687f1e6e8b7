// Package pgtest starts a PostgreSQL server for a test: one of its own, in a folder of the test, on
// a free port of this machine, as a user that is not root. It needs the programs of the server, as
// Debian's package postgresql has them; a test is skipped where they are not.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"pksa/agent/ledger/pg"
	"pksa/protocol/secret"
)

// Server is a running server. Its methods fail the test that started it.
type Server struct {
	t        testing.TB
	bin      string
	folder   string
	port     int
	settings []string
	run      *exec.Cmd
	ended    chan struct{} // closed when run has ended
}

// Password is that of the user "wallet", who owns the server.
const Password = "a password for a test"

var databases atomic.Int64

// Start starts a server with settings "NAME=VALUE", and ends it with the test.
func Start(t testing.TB, settings ...string) *Server {
	t.Helper()
	s := prepare(t)
	s.settings = settings
	s.begin()
	return s
}

// StartTLS starts a server that shows a certificate. cert and key are files of PEM.
func StartTLS(t testing.TB, cert, key string) *Server {
	t.Helper()
	s := prepare(t)
	for _, path := range []string{cert, key} {
		b, err := os.ReadFile(path)
		s.must(err)
		own := filepath.Join(s.folder, filepath.Base(path))
		s.must(os.WriteFile(own, b, 0o600))
		s.must(giveAway(own))
	}
	s.settings = []string{"ssl=on", "ssl_cert_file=" + filepath.Join(s.folder, filepath.Base(cert)),
		"ssl_key_file=" + filepath.Join(s.folder, filepath.Base(key))}
	s.begin()
	return s
}

// prepare makes a folder that a server can have.
func prepare(t testing.TB) *Server {
	t.Helper()
	bin, err := programs()
	if err != nil {
		t.Skip(err)
	}
	s := &Server{t: t, bin: bin, folder: t.TempDir()}
	if err := errors.Join(pass(filepath.Dir(s.folder)), giveAway(s.folder)); err != nil {
		t.Skipf("the server does not run as root, and no other user can be had: %v", err)
	}
	return s
}

func (s *Server) begin() {
	s.t.Helper()
	secret := filepath.Join(s.folder, "password")
	s.must(os.WriteFile(secret, []byte(Password+"\n"), 0o644))
	s.tool("initdb", "-D", s.data(), "-U", "wallet", "--auth=scram-sha-256", "--pwfile="+secret, "--no-sync",
		"--locale=C", "--encoding=UTF8")
	s.Up()
	s.t.Cleanup(s.Kill)
}

// Missing returns why there is no server on this machine, nil if there is one.
func Missing() error {
	_, err := programs()
	return err
}

// programs returns the folder of the server's programs.
func programs() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if path, err := exec.LookPath("initdb"); err == nil {
		found = append(found, path)
	}
	if len(found) == 0 {
		return "", errors.New("no PostgreSQL server on this machine: apt-get install postgresql")
	}
	slices.Sort(found)
	return filepath.Dir(found[len(found)-1]), nil
}

func (s *Server) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *Server) data() string { return filepath.Join(s.folder, "data") }

func (s *Server) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, program), args...)
	cmd.Dir, cmd.Env = s.folder, []string{"LC_ALL=C", "TZ=UTC", "PATH=" + s.bin + ":/usr/bin:/bin"}
	asOther(cmd)
	return cmd
}

func (s *Server) tool(program string, args ...string) {
	s.t.Helper()
	if out, err := s.command(program, args...).CombinedOutput(); err != nil {
		s.t.Fatalf("%s: %v\n%s", program, err, out)
	}
}

// Up starts the server, if it does not run, and waits until it can be entered. It keeps its port.
func (s *Server) Up() {
	s.t.Helper()
	if s.run != nil {
		return
	}
	if s.port != 0 {
		s.must(s.start())
		return
	}
	var err error
	for range 5 { // another process may take the port first
		s.port = freePort(s.t)
		if err = s.start(); err == nil {
			return
		}
		s.Kill()
	}
	s.t.Fatal(err)
}

func (s *Server) start() error {
	// Not on the folder's own path: the name of a socket must be short.
	args := []string{"-D", s.data(), "-p", strconv.Itoa(s.port), "-h", "127.0.0.1", "-k", ""}
	for _, setting := range s.settings {
		args = append(args, "-c", setting)
	}
	cmd := s.command("postgres", args...)
	log, err := os.OpenFile(filepath.Join(s.folder, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	s.run, s.ended = cmd, ended
	go func() { _ = cmd.Wait(); close(ended) }()
	o := s.Options("postgres")
	for range 300 {
		c, err := pg.Connect(context.Background(), o)
		if err == nil {
			return c.Close()
		}
		select {
		case <-ended:
			text, _ := os.ReadFile(log.Name())
			return fmt.Errorf("postgres has ended:\n%s", text)
		case <-time.After(50 * time.Millisecond):
		}
	}
	return errors.New("postgres did not start within 15 s")
}

func freePort(t testing.TB) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// Kill ends the server at once, with all that serves connections, as a crash does: what is not on
// its disk is lost.
func (s *Server) Kill() {
	if s.run == nil {
		return
	}
	quit(s.run.Process) // the others end by themselves when it is gone
	<-s.ended
	s.run = nil
}

// Options enters a database of the server as its owner.
func (s *Server) Options(database string) pg.Options {
	return pg.Options{
		Address:     pg.Address{Host: "127.0.0.1", Port: s.port, User: "wallet", Database: database},
		Password:    func() (secret.Text, error) { return Password, nil },
		Prepare:     true,
		Application: "test",
	}
}

// Database makes an empty database.
func (s *Server) Database() pg.Options {
	s.t.Helper()
	name := fmt.Sprintf("d%d", databases.Add(1))
	s.SQL("postgres", "CREATE DATABASE "+name)
	return s.Options(name)
}

// SQL runs statements in a database, each by itself, and returns the first value of each row of the
// last one as text.
func (s *Server) SQL(database string, statements ...string) (rows []string) {
	s.t.Helper()
	c, err := pg.Connect(context.Background(), s.Options(database))
	s.must(err)
	defer c.Close()
	for _, sql := range statements {
		rows = nil
		s.must(c.Run(context.Background(), pg.Statement{SQL: sql, Row: func(v [][]byte) error {
			rows = append(rows, string(v[0]))
			return nil
		}}))
	}
	return rows
}
