package agent_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/config"
	"pksa/agent/ledger"
	"pksa/agent/node/nodetest"
	"pksa/agent/relay"
	"pksa/agent/relay/relaytest"
	"pksa/protocol"
	"pksa/protocol/hive"
	"pksa/protocol/seal"
)

var (
	promisePayments = flag.Int("promisepayments", 100, "how many payments are asked for; a long run takes a thousand")
	promiseSeed     = flag.Uint64("promiseseed", 0, "seed of the relay that swaps uuids; zero takes one from the clock")
)

// payment is a request as its application and the relay have it.
type payment struct {
	memo  string
	ahead bool   // its nonce is a day and more ahead
	data  string // sealed once, as the application did
	told  string // the reason of a nack that its application takes for verified
}

// swapper is a relay that names the uuids on both sides, keeps all requests, and brings each of
// them when, where and as often as it likes. It stands at two relays at once.
type swapper struct {
	*world
	chance   *rand.Rand
	key      string // auth_key of the live session
	payments []*payment
	bound    map[[8]byte]verified // salts of the nacks that fit a payment
	copies   [][]byte             // older ledgers
	restored bool                 // one of them was put back
	uuids    int

	mu    sync.Mutex
	wires map[string]*relaytest.Wire // by relay
	heard []protocol.Message
}

// verified is what an application that knows of [seal.Binding] takes an answer for.
type verified struct {
	of     *payment
	reason string
}

func (s *swapper) fault(relay string) relaytest.Fault {
	return func(w *relaytest.Wire, f relaytest.Frame) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if f.To == relaytest.ToRelay && f.Cmd == "register_req" {
			s.wires[relay] = w
		}
		if w == s.wires[relay] && f.To == relaytest.ToRelay && f.UUID != "" {
			if m, err := protocol.DecodeForRelay(f.Body); err == nil {
				s.heard = append(s.heard, m)
				return
			}
		}
		w.Pass(f)
	}
}

// ask makes a new payment, with the clock of an honest application.
func (s *swapper) ask() *payment {
	p := &payment{memo: fmt.Sprint("payment ", len(s.payments))}
	nonce := fmt.Sprintf(`,"nonce":%d`, time.Now().UnixMilli()-s.chance.Int64N(3000))
	switch s.chance.IntN(20) {
	case 0:
		nonce = ""
	case 1:
		nonce = fmt.Sprintf(`,"nonce":%d`, time.Now().Add(30*time.Hour).UnixMilli())
		p.ahead = true
	}
	amount := "0.001 HIVE"
	if s.chance.IntN(20) == 0 {
		amount = "0.0001 HIVE" // no asset has as many places: an invalid request
	}
	p.data = relaytest.Seal(s.key, fmt.Sprintf(`{"key_type":"active","ops":[["transfer",{"from":"alice","to":"bob",`+
		`"amount":%q,"memo":%q}]],"broadcast":true%s}`, amount, p.memo, nonce))
	sealed, err := seal.Parse(p.data)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, reason := range reasons {
		s.bound[seal.Binding(s.key, sealed.Digest(), "sign_nack", reason)] = verified{p, reason}
	}
	s.payments = append(s.payments, p)
	return p
}

// bring delivers a payment: under a new uuid, or under one that another request had.
func (s *swapper) bring(p *payment) {
	if s.uuids++; s.chance.IntN(4) > 0 {
		s.bringAs(p, s.uuids)
		return
	}
	s.bringAs(p, 1+s.chance.IntN(s.uuids))
}

func (s *swapper) bringAs(p *payment, id int) {
	cmd := "sign_req"
	if s.chance.IntN(20) == 0 {
		cmd = "challenge_req"
	}
	frame, err := json.Marshal(map[string]any{"cmd": cmd, "account": "alice", "data": p.data, "uuid": uuid(id),
		"expire": time.Now().Add(time.Duration(10+s.chance.IntN(80)) * time.Second).UnixMilli()})
	if err != nil {
		s.t.Fatal(err)
	}
	relay := []string{"first", "second"}[s.chance.IntN(2)]
	s.mu.Lock()
	w := s.wires[relay]
	s.mu.Unlock()
	w.Pass(relaytest.Frame{To: relaytest.ToClient, Body: frame})
}

// listen reads what the wallet answered, as an application does that got it from the relay.
func (s *swapper) listen() {
	s.mu.Lock()
	heard := s.heard
	s.heard = nil
	s.mu.Unlock()
	for _, m := range heard {
		nack, ok := m.(protocol.Nack)
		if !ok || nack.Kind != protocol.Sign {
			continue
		}
		sealed, err := seal.Parse(nack.Data)
		if err != nil {
			s.t.Fatal(err)
		}
		found := false
		for salt, v := range s.bound {
			if sealed.HasSalt(salt) {
				found, v.of.told = true, v.reason
				if v.reason != nack.Error {
					s.t.Errorf("%s: the sealed reason is %q, the plain one %q", v.of.memo, v.reason, nack.Error)
				}
			}
		}
		if !found {
			s.t.Errorf("a nack (%s) is bound to no payment", nack.Error)
		}
	}
}

// again starts the wallet again, and does something while it is down.
func (s *swapper) again(down func()) {
	s.end()
	if err := s.ledger.Close(); err != nil {
		s.t.Fatal(err)
	}
	down()
	s.openLedger()
	s.start()
	if len(s.ledger.Sessions()) == 0 { // one that took requests without nonce ends when the ledger is restored
		s.login()
	}
}

const sessionLength = 30 * time.Minute

// login makes a new session, under another key if the old one makes none any more.
func (s *swapper) login() {
	n := ledger.NewSession{Account: "alice", App: "app", AuthKey: ledger.Secret(s.key), Origin: ledger.Hand,
		Expires: s.ledger.Now().Add(sessionLength)}
	if _, err := s.ledger.AddSession(s.t.Context(), n, nil); err == nil {
		return
	}
	s.key = fmt.Sprint("an auth_key of the test ", len(s.payments), s.chance.Int64())
	n.AuthKey = ledger.Secret(s.key)
	if _, err := s.ledger.AddSession(s.t.Context(), n, nil); err != nil {
		s.t.Fatal(err)
	}
}

// restore keeps the ledger, or puts an older one in its place, as its operator may.
func (s *swapper) restore() {
	if len(s.copies) < 2 || s.chance.IntN(2) == 0 {
		file, err := os.ReadFile(s.config.Ledger)
		if err != nil {
			s.t.Fatal(err)
		}
		s.copies = append(s.copies, file)
		return
	}
	if err := os.WriteFile(s.config.Ledger, s.copies[s.chance.IntN(len(s.copies))], 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.restored = true
	if _, err := ledger.Accept(s.config.Ledger, s.ledgerOptions(), ledger.Acceptance{KeepAll: true}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *swapper) policy(text string) {
	s.write("policy.yaml", text)
	if err := s.agent.ReloadPolicy(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

// disturb does what happens to a wallet in a year.
func (s *swapper) disturb() {
	switch s.chance.IntN(60) {
	case 0:
		s.again(func() {})
	case 1:
		s.again(s.restore)
	case 2:
		s.again(func() { s.config.NonceBehind = time.Duration(1+s.chance.IntN(60)) * time.Minute })
	case 3:
		s.again(func() { s.config.NonceAhead = time.Duration(1+s.chance.IntN(72)) * time.Hour })
	case 4:
		s.again(func() { s.config.NonceRequired = !s.config.NonceRequired })
	case 5, 6:
		s.policy("version: 1\n")
	case 7, 8, 9:
		s.node.Fail(broadcastMethod, nodetest.Fault{Lose: true, Reset: true})
	case 10:
		s.node.Fail(broadcastMethod, nodetest.Fault{Reset: true})
	case 11:
		time.Sleep(sessionLength) // the session ends
		s.login()
	case 12:
		if all := s.ledger.Sessions(); len(all) > 0 {
			if _, err := s.ledger.EndSession(s.t.Context(), all[0].ID, nil); err != nil {
				s.t.Fatal(err)
			}
		}
		s.login()
	case 13:
		time.Sleep(time.Duration(s.chance.IntN(1200)) * time.Second)
	}
}

// TestNoNackOfWhatIsPaid: a relay that swaps uuids asks for payments, keeps them, and brings them
// again under other names, by two relays at once, over restarts, expiry, revocation, other settings
// and older ledgers. No application is told in a way that it can verify that a payment was not made
// which is made, then or later, and none is made twice.
func TestNoNackOfWhatIsPaid(t *testing.T) {
	seed := seedOf(t, *promiseSeed)
	synctest.Test(t, func(t *testing.T) {
		s := &swapper{chance: rand.New(rand.NewPCG(seed, 0)), key: authKey, bound: map[[8]byte]verified{},
			wires: map[string]*relaytest.Wire{}}
		s.begin(t)
		defer s.close()
		for len(s.payments) < *promisePayments {
			if len(s.payments)%5 == 0 {
				s.policy(allowAll)
			}
			p := s.ask()
			for range s.chance.IntN(3) { // perhaps later, perhaps twice at once
				s.bring(p)
			}
			for range s.chance.IntN(4) {
				s.bring(s.payments[max(s.chance.IntN(len(s.payments)), s.chance.IntN(len(s.payments)))])
			}
			time.Sleep(time.Duration(s.chance.IntN(3000)) * time.Millisecond)
			s.listen()
			s.disturb()
		}
		s.policy(allowAll)
		for _, p := range s.payments { // once more each, in their order
			s.bring(p)
			time.Sleep(500 * time.Millisecond)
		}
		time.Sleep(10 * time.Minute)
		s.listen()
		s.judge()
	})
}

func (s *swapper) begin(t *testing.T) {
	s.world = newWorld(t, worldOptions{fault: s.fault("first"), configure: func(c *config.Config) {
		c.Relays = []config.Relay{{URL: "ws://first", Plaintext: true}, {URL: "ws://second", Plaintext: true}}
		c.AccountRequestsPerSecond = 4
	}})
	var known []hive.PublicKey
	for _, role := range []hive.Role{hive.Memo, hive.Posting, hive.Active} {
		known = append(known, keyOf("alice", role).Public())
	}
	second, err := relaytest.Start(relaytest.Options{Relay: relay.Options{
		Keys:   relay.FixedKeys(map[hive.AccountName][]hive.PublicKey{"alice": known}),
		Logger: slog.New(slog.DiscardHandler)}, Fault: s.fault("second")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { second.Close() })
	s.dialRelay = func(ctx context.Context, network, address string) (net.Conn, error) {
		if strings.HasPrefix(address, "second") {
			return second.DialContext(ctx, network, address)
		}
		return s.relay.DialContext(ctx, network, address)
	}
	s.login()
	s.start()
}

// judge holds what applications were told against the chain.
func (s *swapper) judge() {
	made := map[string]int{}
	for _, tx := range s.chain.Transactions() {
		memo, _ := tx.Transaction.Operations[0].Field("memo")
		made[fmt.Sprint(memo)]++
	}
	told := map[string]int{}
	for _, p := range s.payments {
		if p.ahead && s.restored {
			continue // said in the threat model: what is above the floor of a restored ledger is new to it
		}
		if made[p.memo] > 1 {
			s.t.Errorf("%s was made %d times", p.memo, made[p.memo])
		}
		if p.told != "" {
			told[p.told]++
			if made[p.memo] > 0 {
				s.t.Errorf("%s was made, and its application was told %q", p.memo, p.told)
			}
		}
	}
	s.t.Logf("%d payments asked for, %d made, told: %v", len(s.payments), len(made), told)
	if len(made) < len(s.payments)/20 || told[protocol.TextNonce] == 0 {
		s.t.Errorf("too little happened: %d made, told %v", len(made), told)
	}
}
