package service

import (
	"context"
	"errors"
	"slices"
	"testing"

	"pksa/agent/node"
	"pksa/agent/node/nodetest"
	"pksa/agent/relay"
	"pksa/protocol/hive"
)

// TestOwnRelayByTwoHosts: one host that gives other keys for the account of this wallet does not
// shut it out of its own relay; two that agree do.
func TestOwnRelayByTwoHosts(t *testing.T) {
	own := []hive.PublicKey{nodetest.Key("alice", hive.Posting).Public()}
	held := func(context.Context, hive.AccountName) ([]hive.PublicKey, error) { return own, nil }
	for _, c := range []struct {
		name                string
		liars, honest, away int
		taken               bool
	}{
		{"one host that tells the truth", 0, 1, 0, true},
		{"the only one lies", 1, 0, 0, false},
		{"the first of three lies", 1, 2, 0, true},
		{"the first lies, the others are away", 1, 0, 2, true},
		{"two of three agree", 2, 1, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			truth, lie := nodetest.NewChain(nodetest.Options{}), nodetest.NewChain(nodetest.Options{})
			truth.AddUser("alice")
			other := func(role hive.Role) hive.Authority {
				return nodetest.Single(nodetest.Key("mallory",
					role).Public())
			}
			lie.AddAccount(nodetest.Account{Name: "alice", Owner: other(hive.Owner), Active: other(hive.Active),
				Posting: other(hive.Posting), Memo: nodetest.Key("mallory", hive.Memo).Public()})
			var all []*nodetest.Node
			o := node.Options{Network: truth.Network()}
			for i := range c.liars + c.honest + c.away {
				chain := truth
				if i < c.liars {
					chain = lie
				}
				n := chain.NewNode(string(rune('a'+i)) + ".example")
				if i >= c.liars+c.honest {
					n.FailAlways("", nodetest.Refused)
				}
				all, o.URLs = append(all, n), append(o.URLs, n.URL())
			}
			o.Transport = nodetest.Transport(all...)
			nodes, err := node.New(o)
			if err != nil {
				t.Fatal(err)
			}
			keys, err := believeOwn(ChainKeys(nodes), held, secondWord(nodes))(t.Context(), "alice")
			if err != nil && !errors.Is(err, relay.ErrNoAccount) {
				t.Fatal(err)
			}
			if slices.Contains(keys, own[0]) != c.taken {
				t.Errorf("keys %v", keys)
			}
		})
	}
}
