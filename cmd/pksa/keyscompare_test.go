package main

import (
	"errors"
	"strings"
	"testing"

	"pksa/agent/node"
	"pksa/agent/node/nodetest"
	"pksa/keystore"
	"pksa/protocol/hive"
)

// aliceNodes returns a client of nodes on hosts of their own: liars, for which alice has the keys
// of another account, then honest ones, then some that do not answer.
func aliceNodes(t *testing.T, liars, honest, away int) *node.Client {
	t.Helper()
	truth, lie := nodetest.NewChain(nodetest.Options{}), nodetest.NewChain(nodetest.Options{})
	truth.AddUser("alice")
	signing, lied := nodetest.Key("alice", hive.Signing).Public(), nodetest.Key("mallory", hive.Signing).Public()
	truth.Change("alice", func(a *nodetest.Account) { a.Witness = &signing })
	other := func(role hive.Role) hive.Authority { return nodetest.Single(nodetest.Key("mallory", role).Public()) }
	lie.AddAccount(nodetest.Account{Name: "alice", Owner: other(hive.Owner), Active: other(hive.Active),
		Posting: other(hive.Posting), Memo: nodetest.Key("mallory", hive.Memo).Public(), Witness: &lied})
	var all []*nodetest.Node
	var urls []string
	for i := range liars + honest + away {
		chain := truth
		if i < liars {
			chain = lie
		}
		n := chain.NewNode(string(rune('a'+i)) + ".example")
		if i >= liars+honest {
			n.FailAlways("", nodetest.Refused)
		}
		all, urls = append(all, n), append(urls, n.URL())
	}
	c, err := node.New(node.Options{URLs: urls, Network: truth.Network(), Transport: nodetest.Transport(all...)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// That a key does not fit its account is the word of two hosts, if there are several.
func TestImportByTwoHosts(t *testing.T) {
	const alone = "one Hive API node says so, and no other confirms it"
	for _, c := range []struct {
		name                string
		owner               string // of the key
		liars, honest, away int
		want                string // of the error; empty: none
	}{
		{"the first one lies", "alice", 1, 2, 0, ""},
		{"the first one lies, and one other answers", "alice", 1, 1, 1, alone},
		{"the first one lies, and the others are away", "alice", 1, 0, 2, alone},
		{"the only one says so", "mallory", 0, 1, 0, "it is no key of the account"},
		{"it does not fit", "mallory", 0, 2, 0, "it is no key of the account"},
		{"two lie together", "alice", 2, 1, 0, "it is no key of the account"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, role := range []hive.Role{hive.Posting, hive.Signing} {
				batch, err := keystore.KeyOf("alice", role, []byte(nodetest.Key(hive.AccountName(c.owner), role).WIF()))
				if err != nil {
					t.Fatal(err)
				}
				defer batch.Wipe()
				err = compareBatch(t.Context(), aliceNodes(t, c.liars, c.honest, c.away), batch,
					func(_, _ uint64) {})
				switch {
				case c.want == "" && err != nil:
					t.Error(role, err)
				case c.want != "" && (!errors.Is(err, keystore.ErrWrongRole) || !strings.Contains(err.Error(), c.want)):
					t.Errorf("%v: %v, want %q", role, err, c.want)
				case c.want != "" && c.want != alone && strings.Contains(err.Error(), alone):
					t.Errorf("%v: nobody is alone: %v", role, err)
				}
			}
		})
	}
}
