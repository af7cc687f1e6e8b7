package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	bolt "go.etcd.io/bbolt"

	"pksa/agent"
	"pksa/agent/audit"
	"pksa/agent/control"
)

// scriptTamper changes the audit trail in the ledger's file: tamper altered|removed|moved NUMBER.
func scriptTamper(ts *testscript.TestScript, _ bool, args []string) {
	number, err := strconv.ParseUint(args[1], 10, 64)
	ts.Check(err)
	key, next := binary.BigEndian.AppendUint64(nil, number), binary.BigEndian.AppendUint64(nil, number+1)
	db, err := bolt.Open(filepath.Join(ts.Getenv("PKSA_HOME"), "ledger.db"), 0o600, nil)
	ts.Check(err)
	ts.Check(db.Update(func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte("audit"))
		record := slices.Clone(b.Get(key))
		if record == nil {
			return errors.New("there is no such record")
		}
		switch args[0] {
		case "altered":
			record[len(record)/2] ^= 1
			return b.Put(key, record)
		case "removed":
			return b.Delete(key)
		}
		other := slices.Clone(b.Get(next))
		return errors.Join(b.Put(key, other), b.Put(next, record))
	}))
	ts.Check(db.Close())
}

// growing is a trail that has one record more each time somebody asks for what came after the last.
type growing struct {
	records atomic.Uint64
	asked   atomic.Uint64
}

func (g *growing) page(_ context.Context, params []byte) (any, error) {
	var q audit.Query
	if err := control.Decode(params, &q); err != nil {
		return nil, err
	}
	g.asked.Add(1)
	head := g.records.Load()
	page := audit.Page{Head: head, Next: head + 1, End: true}
	if !q.Last {
		page.Next = head + 2
		page.Records = []audit.Record{{Number: g.records.Add(1), Type: "event", Outcome: "new"}}
		if page.Records[0].Number != q.From {
			return nil, errors.New("asked for another record than the next")
		}
	}
	return page, nil
}

// until ends a command when it has printed something.
type until struct {
	bytes.Buffer
	text string
	stop func()
}

func (u *until) Write(b []byte) (int, error) {
	n, err := u.Buffer.Write(b)
	if strings.Contains(u.String(), u.text) {
		u.stop()
	}
	return n, err
}

// Following shows what is recorded later, each record once, also over a stop of the agent.
func TestAuditFollow(t *testing.T) {
	followEvery = time.Millisecond
	home := t.TempDir()
	t.Setenv("PKSA_HOME", home)
	g := &growing{}
	g.records.Store(41)
	serve := func() (stop func()) {
		listener, err := control.Listen(filepath.Join(home, "control.sock"))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		server := &control.Server{Handlers: map[string]control.Handler{agent.MethodAuditPage: g.page},
			Logger: slog.New(slog.DiscardHandler)}
		go func() { done <- server.Run(ctx, listener) }()
		return func() { cancel(); <-done }
	}
	stop := serve()
	ctx, cancel := context.WithCancel(t.Context())
	out := &until{text: `"number":45`, stop: cancel}
	again := make(chan func(), 1)
	errs := &until{text: "waiting until it runs again", stop: func() {
		select {
		case again <- serve():
		default:
		}
	}}
	restarted := &until{text: `"number":43`, stop: sync.OnceFunc(stop)}
	status := run(ctx, []string{"audit", "tail", "-f", "-n", "0", "--json"}, streams{strings.NewReader(""),
		both{out, restarted}, errs})
	if status != 0 {
		t.Fatalf("status %d, %s", status, errs.String())
	}
	(<-again)()
	var numbers []uint64
	for line := range strings.Lines(out.String()) {
		var r audit.Record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		numbers = append(numbers, r.Number)
	}
	if !slices.Equal(numbers, []uint64{42, 43, 44, 45}) {
		t.Errorf("followed %v", numbers)
	}
	if strings.Count(errs.String(), "the agent stopped") != 1 {
		t.Errorf("said %q", errs.String())
	}
}

// both writes to two.
type both struct{ one, two *until }

func (b both) Write(p []byte) (int, error) {
	_, err := b.two.Write(p)
	n, err2 := b.one.Write(p)
	return n, errors.Join(err, err2)
}

// A request whose outcome was uncertain at first is told to its end.
func TestAuditShowTellsToTheEnd(t *testing.T) {
	home := t.TempDir()
	t.Setenv("PKSA_HOME", home)
	all := []audit.Record{
		{Number: 5, Type: "request", Kind: "sign", Verdict: "admitted", Result: "admitted", App: "mybot",
			Content: []byte(`{"effects":["pays \u202e"],"reason":"a\u001b[2Jb"}`)},
		{Number: 6, Type: "outcome", Request: 5, Outcome: "uncertain", Result: "failed"},
		{Number: 7, Type: "event", Outcome: "unrelated"},
		{Number: 8, Type: "outcome", Request: 5, Outcome: "accepted", Result: "answered"},
		{Number: 9, Type: "outcome", Request: 5, Outcome: "never asked for"},
	}
	page := func(_ context.Context, params []byte) (any, error) {
		var q audit.Query
		if err := control.Decode(params, &q); err != nil {
			return nil, err
		}
		for i, r := range all { // one record a page
			if r.Number >= q.From {
				page := audit.Page{Next: r.Number + 1, Head: 9, End: i == len(all)-1}
				if q.Request == 0 || q.Request == r.Number || q.Request == r.Request {
					page.Records = all[i : i+1]
				}
				return page, nil
			}
		}
		return audit.Page{Next: 10, Head: 9, End: true}, nil
	}
	listener, err := control.Listen(filepath.Join(home, "control.sock"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	server := &control.Server{Handlers: map[string]control.Handler{agent.MethodAuditPage: page},
		Logger: slog.New(slog.DiscardHandler)}
	go func() { done <- server.Run(ctx, listener) }()
	defer func() { cancel(); <-done }()
	for _, number := range []string{"5", "6", "8"} {
		var out, errs bytes.Buffer
		if status := run(t.Context(), []string{"audit", "show", number}, streams{strings.NewReader(""), &out,
			&errs}); status != 0 {
			t.Fatalf("show %s: %s", number, errs.String())
		}
		words, _, _ := strings.Cut(out.String(), "\n\n")
		if !strings.Contains(words, "failed: uncertain") || !strings.Contains(words, "answered: accepted") ||
			strings.Contains(out.String(), "never") {
			t.Errorf("show %s:\n%s", number, out.String())
		}
		if strings.ContainsAny(out.String(), "\u202e\u001b") {
			t.Errorf("show %s steers the terminal: %q", number, out.String())
		}
	}
}
