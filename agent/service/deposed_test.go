package service_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"pksa/agent"
	"pksa/agent/client"
	"pksa/agent/config"
	"pksa/agent/ledger"
	"pksa/agent/ledger/pg/pgtest"
	"pksa/agent/node/nodetest"
	"pksa/agent/relay"
	"pksa/agent/relay/relaytest"
	"pksa/agent/service"
	"pksa/protocol"
	"pksa/protocol/hive"
)

// TestDeposed: a wallet in whose place another copy has opened the ledger signs nothing more, says
// nothing more to applications, and ends by itself.
func TestDeposed(t *testing.T) {
	d := newInDatabase(t)
	grant := d.login()
	d.must(d.vote(grant, "before"))
	_, err := ledger.Open(d.cfg.Ledger, d.options)
	if !errors.Is(err, ledger.ErrLocked) {
		t.Fatalf("two lead: %v", err)
	}
	// Between two heartbeats: the commit of the next request is the first to hear of it.
	var other *ledger.Ledger
	for err = ledger.ErrLocked; errors.Is(err, ledger.ErrLocked); { // a heartbeat may have come between
		d.server.SQL(d.database, `UPDATE pksa.leader SET until = now() - interval '1 second'`)
		other, err = ledger.Open(d.cfg.Ledger, d.options)
	}
	d.must(err)
	defer other.Close()
	err = d.vote(grant, "after")
	if err == nil || errors.Is(err, client.ErrRefused) || errors.Is(err, client.ErrFailed) {
		t.Errorf("a request to a wallet that does not lead is answered: %v", err)
	}
	select {
	case <-d.ended:
		if !errors.Is(d.err, ledger.ErrDeposed) {
			t.Errorf("it ends with %v", d.err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it goes on")
	}
	if len(d.voted) != 1 || d.chain.Count(d.voted[0]) != 1 {
		t.Errorf("on the chain are %v", d.voted)
	}
	if _, err := other.Append(t.Context(), ledger.Entry{Type: ledger.RecordEvent, Outcome: "test"}); err != nil {
		t.Errorf("the one that has taken over cannot commit: %v", err)
	}
}

// inDatabase is a wallet that serves, with its ledger in a database.
type inDatabase struct {
	*home
	server   *pgtest.Server
	database string
	options  ledger.Options // of another copy
	relay    *relaytest.Server
	chain    *nodetest.Chain
	secret   client.Secret
	bot      *client.Client
	node     *nodetest.Node
	stop     func()
	ended    chan struct{}
	err      error // with which it has ended
	voted    []hive.TxID
}

func newInDatabase(t *testing.T) *inDatabase {
	d := &inDatabase{home: newHome(t), server: pgtest.Start(t), ended: make(chan struct{})}
	base := d.server.Database()
	d.database = base.Address.Database
	d.cfg.Database, d.cfg.LedgerPassword = base.Address.String(), "file:"+d.cfg.Home+"/password"
	d.write(d.cfg.Home+"/password", pgtest.Password)
	d.write(d.cfg.Policy, "version: 2\nallow:\n  - {name: logins, request: auth, apps: [mybot], session: 1h}\n"+
		"  - {name: votes, request: sign, accounts: [alice], apps: [mybot], operations: [vote]}\n")
	d.chain = nodetest.NewChain(nodetest.Options{})
	d.chain.AddUser("alice")
	d.chain.AddUser("bob")
	d.node = d.chain.NewNode("other.test")
	var err error
	d.relay, err = relaytest.Start(relaytest.Options{Relay: relay.Options{
		Keys: relay.FixedKeys(map[hive.AccountName][]hive.PublicKey{
			"alice": {nodetest.Key("alice", hive.Posting).Public()}}), Logger: slog.New(slog.DiscardHandler)}})
	d.must(err)
	t.Cleanup(d.relay.Close)
	d.cfg.Nodes, d.cfg.Relays = []string{d.node.URL()}, []config.Relay{{URL: d.relay.URL, Plaintext: true}}

	keys, err := d.openKeys(t.Context())
	d.must(err)
	d.must(keys.RemoveAccount("alice"))
	d.must(keys.Import("alice", hive.Posting, []byte(nodetest.Key("alice", hive.Posting).WIF())))
	d.options = service.LedgerOptions(d.cfg, keys, slog.New(slog.DiscardHandler))
	d.must(ledger.Create(d.cfg.Ledger, d.options))
	l, err := ledger.Open(d.cfg.Ledger, d.options)
	d.must(err)
	app, err := agent.Admin{Ledger: l, Keys: keys}.AddApp(t.Context(), "mybot", "", "")
	d.must(err)
	d.secret = app.Secret
	d.must(l.Close())

	o := d.home.options()
	o.Dial, o.Transport = d.relay.DialContext, nodetest.Transport(d.node)
	s, err := service.Open(t.Context(), o)
	d.must(err)
	ctx, stop := context.WithCancel(t.Context())
	d.stop = stop
	go func() {
		defer close(d.ended)
		d.err = errors.Join(s.Run(ctx), s.Close())
	}()
	t.Cleanup(func() {
		stop()
		select {
		case <-d.ended:
		case <-time.After(time.Minute):
			t.Error("it does not end")
		}
	})
	d.bot, err = client.Dial(t.Context(), client.Options{Relay: d.relay.URL, DialContext: d.relay.DialContext,
		App: protocol.AppInfo{Name: "mybot"}, Logger: slog.New(slog.DiscardHandler)})
	d.must(err)
	t.Cleanup(func() { d.bot.Close() })
	return d
}

func (d *inDatabase) login() *client.Session {
	grant, err := d.bot.Authenticate(d.t.Context(), client.Auth{Account: "alice", Secret: d.secret})
	for errors.Is(err, client.ErrNobody) { // the wallet has not registered yet
		grant, err = d.bot.Authenticate(d.t.Context(), client.Auth{Account: "alice", Secret: d.secret})
	}
	d.must(err)
	return grant.Session
}

// vote asks for a vote for a post, and waits some seconds for the answer.
func (d *inDatabase) vote(s *client.Session, post string) error {
	ctx, cancel := context.WithTimeout(d.t.Context(), 8*time.Second)
	defer cancel()
	signed, err := d.bot.Sign(ctx, s, client.SignRequest{Role: hive.Posting, Operations: []client.Operation{
		{Name: "vote", Fields: map[string]any{"voter": "alice", "author": "bob", "permlink": post, "weight": 100}}}})
	if err == nil {
		d.voted = append(d.voted, signed.ID)
	}
	return err
}
