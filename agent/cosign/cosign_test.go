package cosign_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/cosign"
	"pksa/agent/node"
	"pksa/agent/node/nodetest"
	"pksa/protocol/hive"
)

func key(label string) *hive.PrivateKey { return hive.PrivateKeyFromSeed("cosign " + label) }

// asker answers from the chain, and counts.
type asker struct {
	chain *nodetest.Chain
	calls [][]hive.AccountName
	err   error
}

func (a *asker) ask(_ context.Context, names ...hive.AccountName) (map[hive.AccountName]node.Account, error) {
	a.calls = append(a.calls, names)
	found := map[hive.AccountName]node.Account{}
	for _, name := range names {
		if on, ok := a.chain.Account(name); ok {
			found[name] = node.Account{Name: name, Owner: on.Owner, Active: on.Active, Posting: on.Posting}
		}
	}
	return found, a.err
}

// signing is one transaction and what a node says of it.
type signing struct {
	t      *testing.T
	node   *nodetest.Node
	tx     hive.Transaction
	digest hive.Digest
}

func newSigning(t *testing.T, chain *nodetest.Chain, n *nodetest.Node, ops ...string) *signing {
	num, prefix := chain.Reference()
	s := &signing{t: t, node: n, tx: hive.Transaction{RefBlockNum: num, RefBlockPrefix: prefix,
		Expiration: hive.TimeOf(time.Now().Add(time.Minute))}}
	for _, text := range ops {
		op, err := hive.Mainnet.ParseOperation([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		s.tx.Operations = append(s.tx.Operations, op)
	}
	packed, err := hive.Mainnet.Serialize(s.tx)
	if err != nil {
		t.Fatal(err)
	}
	s.digest = hive.Mainnet.SigningDigest(packed)
	return s
}

func (s *signing) by(labels ...string) (list []hive.Signature) {
	for _, label := range labels {
		signature, err := key(label).Sign(s.digest)
		if err != nil {
			s.t.Fatal(err)
		}
		list = append(list, signature)
	}
	return list
}

// taken reports whether the node finds that these signatures suffice.
func (s *signing) taken(signatures ...hive.Signature) bool {
	text, err := hive.Mainnet.AppendJSON(nil, hive.SignedTransaction{Transaction: s.tx, Signatures: signatures})
	if err != nil {
		s.t.Fatal(err)
	}
	call := `{"jsonrpc":"2.0","id":1,"method":"database_api.verify_authority","params":{"trx":` + string(text) +
		`,"pack":"legacy"}}`
	response, err := nodetest.Transport(s.node).RoundTrip(httptest.NewRequest(http.MethodPost, "http://"+s.node.Name,
		strings.NewReader(call)))
	if err != nil {
		s.t.Fatal(err)
	}
	var answer struct{ Result *struct{ Valid bool } }
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		s.t.Fatal(err)
	}
	return answer.Result != nil && answer.Result.Valid
}

// TestAgainstTheChain compares what is said of random authorities with what a node says, which
// computes it by itself. What is chosen for the broadcast is taken, and would not be without any
// one of its signatures.
func TestAgainstTheChain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		random := rand.New(rand.NewPCG(seed, 1))
		accounts := []hive.AccountName{"anna", "bert", "cleo", "dora", "emil", "fritz"}
		labels := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
		authority := func() hive.Authority {
			a := hive.Authority{WeightThreshold: 1 + random.Uint32N(4)}
			for _, i := range random.Perm(len(labels))[:random.IntN(4)] {
				a.KeyAuths = append(a.KeyAuths, hive.KeyWeight{Key: key(labels[i]).Public(),
					Weight: uint16(random.IntN(4))})
			}
			for _, i := range random.Perm(len(accounts))[:random.IntN(4)] {
				a.AccountAuths = append(a.AccountAuths, hive.AccountWeight{Account: accounts[i],
					Weight: uint16(random.IntN(4))})
			}
			return a
		}
		enough, not := 0, 0
		for range 25 {
			chain := nodetest.NewChain(nodetest.Options{})
			n := chain.NewNode("a")
			for _, name := range accounts {
				chain.AddAccount(nodetest.Account{Name: name, Owner: authority(), Active: authority(),
					Posting: authority()})
			}
			for range 8 {
				var ops []string
				for _, name := range accounts[:1+random.IntN(2)] {
					ops = append(ops, []string{
						fmt.Sprintf(`["vote",{"voter":%q,"author":"bob","permlink":"p","weight":1}]`, name),
						fmt.Sprintf(`["transfer",{"from":%q,"to":"bob","amount":"1.000 HIVE","memo":""}]`, name),
					}[random.IntN(2)])
				}
				s := newSigning(t, chain, n, ops...)
				var with []string
				for _, i := range random.Perm(len(labels))[:1+random.IntN(len(labels))] {
					with = append(with, labels[i])
				}
				split := random.IntN(len(with)) + 1
				ours, err := cosign.Recover(s.digest, s.by(with[:split]...))
				if err != nil {
					t.Fatal(err)
				}
				var mine []hive.PublicKey
				for _, one := range ours {
					mine = append(mine, one.Key)
				}
				others, err := cosign.Recover(s.digest, s.by(with[split:]...))
				if err != nil {
					t.Fatal(err)
				}
				a := &asker{chain: chain}
				signers, err := cosign.LookUp(t.Context(), a.ask, s.tx, hive.Mainnet, mine, others)
				if err != nil {
					t.Fatal(err)
				}
				want := s.taken(s.by(with...)...)
				if got := len(signers.Missing(mine)) == 0; got != want || len(a.calls) > 3 {
					t.Fatalf("%v: missing %v, and the node says %t; %d calls", with, signers.Missing(mine), want,
						len(a.calls))
				}
				chosen := signers.Choose(ours)
				if !want {
					not++
					if chosen != nil || signers.Against(mine) == "" {
						t.Fatalf("%v: chosen %v", with, chosen)
					}
					continue
				}
				enough++
				if !s.taken(chosen...) {
					t.Fatalf("%v: what was chosen is not taken", with)
				}
				for i := range chosen {
					if s.taken(slices.Delete(slices.Clone(chosen), i, i+1)...) {
						t.Fatalf("%v: of what was chosen, %d is superfluous", with, i)
					}
				}
			}
		}
		if enough < 20 || not < 20 {
			t.Errorf("only %d that suffice and %d that do not", enough, not)
		}
	})
}

// TestSigners is what is said of one account with three keepers.
func TestSigners(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		chain := nodetest.NewChain(nodetest.Options{})
		n := chain.NewNode("a")
		chain.AddAccount(nodetest.Account{Name: "club", Active: hive.Authority{WeightThreshold: 2,
			KeyAuths: []hive.KeyWeight{
				{Key: key("a").Public(), Weight: 1}, {Key: key("b").Public(), Weight: 1}, {Key: key("c").Public(),
					Weight: 1}}}})
		s := newSigning(t, chain, n, `["transfer",{"from":"club","to":"bob","amount":"1.000 HIVE","memo":""}]`)
		mine, err := cosign.Recover(s.digest, s.by("a"))
		if err != nil {
			t.Fatal(err)
		}
		ours := []hive.PublicKey{mine[0].Key}
		for _, c := range []struct {
			others  []string
			against string
			chosen  []string
			calls   int
		}{
			{nil, "signatures are missing: the active authority of club needs weight 2, and the signatures have 1", nil,
				1},
			{[]string{"a"},
				"signatures are missing: the active authority of club needs weight 2, and the signatures have 1",
				nil, 1},
			{[]string{"b"}, "", []string{"a", "b"}, 1},
			{[]string{"b", "a", "b"}, "", []string{"a", "b"}, 1},
			{[]string{"b", "c"}, "", []string{"a", "b"}, 1},
			{[]string{"b", "stranger"}, "a signature is by " + key("stranger").Public().String() +
				", which has no part in the authorities that the transaction needs, or the signature is over " +
				"another transaction",
				[]string{"a", "b"}, 1},
		} {
			a := &asker{chain: chain}
			others, err := cosign.Recover(s.digest, s.by(c.others...))
			if err != nil {
				t.Fatal(err)
			}
			signers, err := cosign.LookUp(t.Context(), a.ask, s.tx, hive.Mainnet, ours, others)
			if err != nil {
				t.Fatal(err)
			}
			if got := signers.Against(ours); got != c.against || len(a.calls) != c.calls {
				t.Errorf("%v: %q after %d calls", c.others, got, len(a.calls))
			}
			if got := signers.Choose(mine); !slices.Equal(got, s.by(c.chosen...)) {
				t.Errorf("%v: %d chosen", c.others, len(got))
			}
		}
		silent := &asker{chain: chain, err: node.ErrNoNode}
		if _, err := cosign.LookUp(t.Context(), silent.ask, s.tx, hive.Mainnet, ours, nil); !errors.Is(err,
			node.ErrNoNode) {
			t.Errorf("silent nodes: %v", err)
		}
	})
}

// TestRecover: a signature is by the key that it is by over this digest, and some are by none.
// Which signatures are superfluous is told of the list that came, whatever stands there twice. With
// several, members are looked up that make one superfluous; one key that suffices ends it. Nobody's
// signature suffices for an account that the chain does not have.
func TestSuperfluous(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		chain := nodetest.NewChain(nodetest.Options{})
		n := chain.NewNode("a")
		keyed := func(threshold uint32, weight uint16, labels ...string) (a hive.Authority) {
			a.WeightThreshold = threshold
			for _, label := range labels {
				a.KeyAuths = append(a.KeyAuths, hive.KeyWeight{Key: key(label).Public(), Weight: weight})
			}
			return a
		}
		club, solo := keyed(2, 1, "a", "b", "c"), keyed(2, 2, "a", "b")
		club.AccountAuths = []hive.AccountWeight{{Account: "bert", Weight: 2}}
		duo := keyed(1, 1, "a")
		duo.AccountAuths = club.AccountAuths
		for name, active := range map[hive.AccountName]hive.Authority{"club": club, "solo": solo, "duo": duo,
			"bert": keyed(1, 1, "a", "d")} {
			chain.AddAccount(nodetest.Account{Name: name, Active: active})
		}
		for _, c := range []struct {
			from   string
			ours   []string
			others []string
			want   []int
			calls  int
		}{
			{"club", []string{"a"}, nil, nil, 2},           // by bert
			{"club", []string{"b"}, []string{"c"}, nil, 2}, // both are needed
			{"club", []string{"b"}, []string{"c", "c", "b"}, []int{2, 3}, 2},
			{"club", []string{"b"}, []string{"stranger", "c"}, []int{1}, 2},
			{"club", []string{"b"}, []string{"a"}, []int{0}, 2}, // a signs for bert
			{"club", []string{"b"}, []string{"d", "c"}, []int{0, 2}, 2},
			{"club", []string{"b"}, nil, nil, 2},               // not enough
			{"duo", []string{"a"}, []string{"a"}, []int{1}, 1}, // bert need not be looked up
			{"solo", []string{"a"}, nil, nil, 1},
			{"solo", []string{"a"}, []string{"a"}, []int{1}, 1},
			{"solo", []string{"a"}, []string{"b"}, []int{1}, 1},
			{"nobody", []string{"a"}, []string{"b"}, nil, 1},
		} {
			s := newSigning(t, chain, n, fmt.Sprintf(
				`["transfer",{"from":%q,"to":"bob","amount":"1.000 HIVE","memo":""}]`, c.from))
			made := func(labels []string) []cosign.Signature {
				list, err := cosign.Recover(s.digest, s.by(labels...))
				if err != nil {
					t.Fatal(err)
				}
				return list
			}
			var keys []hive.PublicKey
			for _, label := range c.ours {
				keys = append(keys, key(label).Public())
			}
			a := &asker{chain: chain}
			signers, err := cosign.LookUp(t.Context(), a.ask, s.tx, hive.Mainnet, keys, made(c.others))
			if err != nil {
				t.Fatal(err)
			}
			got := signers.Superfluous(made(c.ours), s.by(c.others...))
			if !slices.Equal(got, c.want) || len(a.calls) != c.calls {
				t.Errorf("%+v: %v after %d calls", c, got, len(a.calls))
			}
			if lacks := signers.Missing(keys); c.from == "nobody" && (len(lacks) != 1 || lacks[0].Threshold != 0) {
				t.Errorf("of an account that is not there: %+v", lacks)
			}
		}
	})
}

func TestRecover(t *testing.T) {
	digest := hive.HashText("a")
	good, err := key("a").Sign(digest)
	if err != nil {
		t.Fatal(err)
	}
	none := good
	for none.Check() != nil || recovers(none, digest) {
		none[32]++ // the last byte of r
	}
	for _, c := range []struct {
		list []hive.Signature
		want string
	}{
		{[]hive.Signature{none}, "signature 1: "}, {[]hive.Signature{good, none}, "signature 2: "},
		{[]hive.Signature{{}}, "signature 1: "},
	} {
		if _, err := cosign.Recover(digest, c.list); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%v", err)
		}
	}
	if found, err := cosign.Recover(digest, []hive.Signature{good, good}); err != nil || len(found) != 1 ||
		found[0].Key != key("a").Public() || found[0].Made != good {
		t.Errorf("%v, %v", found, err)
	}
}

func recovers(s hive.Signature, digest hive.Digest) bool {
	_, err := s.Recover(digest)
	return err == nil
}

// FuzzRecover: whatever bytes a signature has, it is refused or by one key, and then that key made
// it as far as anybody can tell.
func FuzzRecover(f *testing.F) {
	digest := hive.HashText("a")
	good, err := key("a").Sign(digest)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good[:])
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) != len(hive.Signature{}) {
			return
		}
		s := hive.Signature(text)
		found, err := cosign.Recover(digest, []hive.Signature{s, s})
		if err == nil && (s.Check() != nil || len(found) != 1 || !s.Verify(digest, found[0].Key)) {
			t.Errorf("%x: %v", text, found)
		}
	})
}
