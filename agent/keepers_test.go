package agent_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pksa/agent/client"
	"pksa/agent/config"
	"pksa/agent/node/nodetest"
	"pksa/agent/passkey"
	"pksa/agent/relay"
	"pksa/protocol/hive"
)

// example reads a policy of examples/policies, with other words in the place of some.
func example(t *testing.T, name string, words ...string) string {
	t.Helper()
	text, err := os.ReadFile("../examples/policies/" + name + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer(words...).Replace(string(text))
}

// slot makes an app of the wallet, whose secret is that of the tests.
func (w *world) slot(app string) {
	w.t.Helper()
	if _, err := w.ledger.RemoveSlot(w.t.Context(), "app", nil); err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.ledger.AddSlot(w.t.Context(), app, secret, nil); err != nil {
		w.t.Fatal(err)
	}
}

// keeperSession logs an application in at the wallet of an account.
func (w *world) keeperSession(c *client.Client, account hive.AccountName) *client.Session {
	w.t.Helper()
	grant, err := c.Authenticate(w.t.Context(), client.Auth{Account: account, Secret: secret})
	if err != nil {
		w.t.Fatalf("login at %s: %v", account, err)
	}
	return grant.Session
}

// keyOfActive returns the key with which an account's wallet signs here.
func keyOfActive(account hive.AccountName) hive.PublicKey {
	return keyOf(account, hive.Active).Public()
}

func billOf(from, to, amount string) string {
	return `["transfer",{"from":"` + from + `","to":"` + to + `","amount":"` + amount + `","memo":"bill"}]`
}

// Three wallets, of three accounts that share a fourth, with the policy of the example. Two of
// three are taken by the chain, either alone is refused with the reason, and the third one's
// signature is left out. What one keeper does not allow, two others may.
func TestThreeKeepers(t *testing.T) {
	names := []hive.AccountName{"anna", "bert", "cleo"}
	known := map[hive.AccountName][]hive.PublicKey{}
	for _, name := range names {
		known[name] = []hive.PublicKey{keyOf(name, hive.Memo).Public()}
	}
	optionsOf := func(name hive.AccountName, words ...string) worldOptions {
		return worldOptions{
			policy:   example(t, "three_keepers", append(words, "[anna]", "["+string(name)+"]")...),
			accounts: []hive.AccountName{name}, prepare: func(w *world) { w.slot("cashier") },
			relay: func(o *relay.Options) { o.Keys = relay.FixedKeys(known) },
		}
	}
	within(t, optionsOf("anna"), func(t *testing.T, anna *world) {
		wallets := []*world{anna}
		for _, name := range names[1:] {
			o := optionsOf(name)
			if name == "cleo" {
				o = optionsOf(name, "acme, bakery", "acme")
			}
			o.beside = anna
			w := newWorld(t, o)
			w.slot("cashier")
			w.start()
			defer w.close()
			wallets = append(wallets, w)
		}
		for _, name := range []hive.AccountName{"acme", "bakery"} {
			anna.chain.AddUser(name)
		}
		treasury := hive.Authority{WeightThreshold: 2}
		for _, name := range names {
			treasury.AccountAuths = append(treasury.AccountAuths, hive.AccountWeight{Account: name, Weight: 1})
		}
		anna.chain.AddAccount(nodetest.Account{Name: "treasury", Active: treasury, HBD: 1_000_000})
		cashier := anna.dialShared()
		sessions := map[hive.AccountName]*client.Session{}
		for _, name := range names {
			sessions[name] = anna.keeperSession(cashier, name)
		}
		for i, w := range wallets {
			checks, err := w.agent.CheckKeys(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			shares := 0
			for _, check := range checks {
				if !check.OK {
					t.Errorf("%s: %+v", names[i], check)
				}
				if check.OnBehalfOf == "treasury" && check.Weight == 1 && check.Threshold == 2 {
					shares++
				}
			}
			if shares != 1 {
				t.Errorf("%s: %+v", names[i], checks)
			}
		}
		ask := func(name hive.AccountName, r client.ExactRequest) (*client.Signed, error) {
			r.Role = hive.Active
			return cashier.SignExact(t.Context(), sessions[name], r)
		}
		missing := []hive.Shortfall{{Account: "treasury", Role: hive.Active, Weight: 1, Threshold: 2}}
		n := 0
		for _, pair := range [][2]hive.AccountName{{"anna", "bert"}, {"bert", "cleo"}, {"cleo", "anna"}} {
			n++
			time.Sleep(time.Second)
			tx := []byte(anna.exactTx(30*time.Minute, billOf("treasury", "acme", "10.000 HBD")))
			for _, name := range pair {
				if _, err := ask(name, client.ExactRequest{Transaction: tx}); !errors.Is(err, client.ErrAuthority) ||
					!errors.Is(err, client.ErrNothingDone) {
					t.Errorf("%s alone: %v", name, err)
				}
				w := wallets[slices.Index(names, name)]
				if got := w.lastJudged().Reason; got != "signatures are missing: "+
					"the active authority of treasury needs weight 2, and the signatures have 1" {
					t.Errorf("%s alone: the trail says %q", name, got)
				}
			}
			first, err := ask(pair[0], client.ExactRequest{Transaction: tx, SignOnly: true})
			if err != nil || first.Complete || !slices.Equal(first.Missing, missing) {
				t.Fatalf("%s signs: %+v, %v", pair[0], first, err)
			}
			if _, err := anna.nodeCall("broadcast_transaction", string(first.Transaction)); err == nil ||
				!strings.Contains(err.Error(), "Missing Active Authority treasury") {
				t.Errorf("the chain takes %s alone: %v", pair[0], err)
			}
			second, err := ask(pair[1], client.ExactRequest{Transaction: tx, Signatures: first.Signatures})
			if err != nil || !second.Complete {
				t.Fatalf("%s after %s: %+v, %v", pair[1], pair[0], second, err)
			}
			want := []hive.PublicKey{keyOfActive(pair[1]), keyOfActive(pair[0])}
			if got := anna.signersOnChain(second.ID); !slices.Equal(got, want) || anna.chain.Count(second.ID) != 1 {
				t.Errorf("on the chain by %v, want %v", got, want)
			}
		}
		// Three of three: the third is left out. And what cleo does not allow, the others do.
		tx := []byte(anna.exactTx(30*time.Minute, billOf("treasury", "bakery", "20.000 HBD")))
		var all []hive.Signature
		for _, name := range names {
			signed, err := ask(name, client.ExactRequest{Transaction: tx, SignOnly: true})
			if name == "cleo" {
				if !errors.Is(err, client.ErrRefused) {
					t.Errorf("cleo: %v", err)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, signed.Signatures...)
		}
		extra, err := keyOf("cleo", hive.Active).Sign(digestOf(t, string(tx)))
		if err != nil {
			t.Fatal(err)
		}
		signed, err := ask("anna", client.ExactRequest{Transaction: tx, Signatures: append(all, extra)})
		if err != nil {
			t.Fatal(err)
		}
		if got := anna.signersOnChain(signed.ID); !slices.Equal(got, []hive.PublicKey{keyOfActive("anna"),
			keyOfActive("bert")}) {
			t.Errorf("on the chain by %v", got)
		}
		if n != 3 || len(anna.chain.Transactions()) != 4 {
			t.Errorf("%d transactions", len(anna.chain.Transactions()))
		}
	})
}

// A wallet is the second factor of a person's key: it sends what she signed, within its budget, and
// gives its signature to nobody else.
func TestSecondFactor(t *testing.T) {
	within(t, worldOptions{policy: example(t, "second_factor"), prepare: func(w *world) { w.slot("purse") }},
		func(t *testing.T, w *world) {
			w.chain.Change("alice", func(a *nodetest.Account) {
				a.Active = hive.Authority{WeightThreshold: 2, KeyAuths: []hive.KeyWeight{
					{Key: keyOfActive("alice"), Weight: 1}, {Key: keeper("at home").Public(), Weight: 1}}}
			})
			purse := w.dialShared()
			s := w.keeperSession(purse, "alice")
			pay := func(amount string, signOnly bool, by ...string) (*client.Signed, error) {
				time.Sleep(time.Second)
				tx := w.exactTx(time.Minute, billOf("alice", "bob", amount))
				r := client.ExactRequest{Role: hive.Active, Transaction: []byte(tx), SignOnly: signOnly}
				for _, label := range by {
					signature, err := keeper(label).Sign(digestOf(t, tx))
					if err != nil {
						t.Fatal(err)
					}
					r.Signatures = append(r.Signatures, signature)
				}
				return purse.SignExact(t.Context(), s, r)
			}
			for _, c := range []struct {
				amount   string
				signOnly bool
				by       []string
				want     error
			}{
				{"20.000 HBD", false, []string{"at home"}, nil},
				{"20.000 HBD", false, nil, client.ErrAuthority},
				{"20.000 HBD", false, []string{"stolen"}, client.ErrAuthority},
				{"20.000 HBD", true, []string{"at home"}, client.ErrRefused},
				{"20.001 HBD", false, []string{"at home"}, client.ErrRefused},
				{"20.000 HBD", false, []string{"at home"}, nil}, // what was refused was not charged
				{"10.001 HBD", false, []string{"at home"}, client.ErrRefused},
				{"10.000 HBD", false, []string{"at home"}, nil},
			} {
				signed, err := pay(c.amount, c.signOnly, c.by...)
				if !errors.Is(err, c.want) || err == nil && w.chain.Count(signed.ID) != 1 {
					t.Errorf("%s by %v: %v, want %v", c.amount, c.by, err, c.want)
				}
			}
			if n := len(w.chain.Transactions()); n != 3 {
				t.Errorf("%d transactions", n)
			}
		})
}

// The wallet signs after the treasurer, and after two of three have said yes with a passkey: with
// one yes nothing is signed, and with two nothing that the treasurer has not signed is sent.
func TestTwoApprovalsAndAnotherKey(t *testing.T) {
	o := worldOptions{policy: example(t, "two_approvals"), accounts: []hive.AccountName{"club"},
		prepare: func(w *world) { w.slot("board") },
		configure: func(c *config.Config) {
			c.Ask = config.AskPasskey
			c.Approve = passkey.Site{Origin: "https://wallet.example", RPID: "wallet.example"}
		}}
	within(t, o, func(t *testing.T, w *world) {
		w.chain.Change("club", func(a *nodetest.Account) {
			a.Active = hive.Authority{WeightThreshold: 2, KeyAuths: []hive.KeyWeight{
				{Key: keyOfActive("club"), Weight: 1}, {Key: keeper("treasurer").Public(), Weight: 1}}}
		})
		anna, _, cleo := w.enrol("anna"), w.enrol("bert"), w.enrol("cleo")
		board := w.dialShared()
		s := w.keeperSession(board, "club")
		tx := w.exactTx(30*time.Minute, billOf("club", "bob", "500.000 HBD"))
		signature, err := keeper("treasurer").Sign(digestOf(t, tx))
		if err != nil {
			t.Fatal(err)
		}
		r := client.ExactRequest{Role: hive.Active, Transaction: []byte(tx)}
		if _, err := board.SignExact(t.Context(), s, r); !errors.Is(err, client.ErrAuthority) {
			t.Errorf("without the treasurer: %v", err)
		}
		if n := len(w.pending()); n != 0 {
			t.Errorf("people are asked about what cannot be sent: %d", n)
		}
		r.Signatures = []hive.Signature{signature}
		type answered struct {
			signed *client.Signed
			err    error
		}
		answer := make(chan answered, 1)
		go func() {
			signed, err := board.SignExact(t.Context(), s, r)
			answer <- answered{signed, err}
		}()
		w.eventually("a question", func() bool { return len(w.pending()) == 1 })
		asked := w.pending()[0]
		if !strings.Contains(asked.Reason, "signatures of others: 1") {
			t.Errorf("shown is %q", asked.Reason)
		}
		w.must(w.approve(anna, asked))
		if err := w.approve(anna, asked); err == nil {
			t.Error("anna's yes counts twice")
		}
		time.Sleep(time.Second)
		if len(w.pending()) != 1 || len(w.chain.Transactions()) != 0 {
			t.Fatal("one yes was enough")
		}
		w.must(w.approve(cleo, asked))
		got := <-answer
		if got.err != nil || !got.signed.Complete {
			t.Fatalf("%+v, %v", got.signed, got.err)
		}
		if by := w.signersOnChain(got.signed.ID); !slices.Equal(by, []hive.PublicKey{keyOfActive("club"),
			keeper("treasurer").Public()}) {
			t.Errorf("on the chain by %v", by)
		}
		if found := verifyTrail(w); found.Approvals != 2 || len(found.Problems) > 0 {
			t.Errorf("%+v", found)
		}
	})
}

// digestOf returns the digest that signatures of a transaction of JSON sign.
func digestOf(t *testing.T, tx string) hive.Digest {
	t.Helper()
	return hive.Mainnet.SigningDigest(packedOf(t, tx))
}
