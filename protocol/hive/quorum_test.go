package hive_test

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pksa/protocol/hive"
)

func quorumKey(label string) hive.PublicKey {
	return hive.PrivateKeyFromSeed("quorum " + label).Public()
}

// sharedBy makes an authority from words such as "key 1" and "@account 2".
func sharedBy(threshold uint32, members ...string) hive.Authority {
	a := hive.Authority{WeightThreshold: threshold}
	for _, member := range members {
		var name string
		var weight uint16
		if _, err := fmt.Sscan(member, &name, &weight); err != nil {
			panic(err)
		}
		if account, ok := strings.CutPrefix(name, "@"); ok {
			a.AccountAuths = append(a.AccountAuths, hive.AccountWeight{Account: hive.AccountName(account),
				Weight: weight})
			continue
		}
		a.KeyAuths = append(a.KeyAuths, hive.KeyWeight{Key: quorumKey(name), Weight: weight})
	}
	return a
}

// quorumOf makes the quorum of operations and lets it ask until it knows all. It returns the names
// that it asked for, step by step.
func quorumOf(t *testing.T, known map[hive.AccountName]*hive.Controls, ops ...string) (*hive.Quorum, []string) {
	t.Helper()
	var tx hive.Transaction
	for _, text := range ops {
		op, err := hive.Mainnet.ParseOperation([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		tx.Operations = append(tx.Operations, op)
	}
	q := hive.NewQuorum(tx)
	var asked []string
	for {
		names := q.Unknown()
		if len(names) == 0 {
			return q, asked
		}
		asked = append(asked, fmt.Sprint(names))
		for _, name := range names {
			q.Learn(name, known[name])
		}
	}
}

func hexOf(label string) string {
	key := quorumKey(label)
	return hex.EncodeToString(key[:])
}

const (
	votes    = `["vote",{"voter":"club","author":"bob","permlink":"p","weight":100}]`
	pays     = `["transfer",{"from":"club","to":"bob","amount":"1.000 HIVE","memo":""}]`
	paysToo  = `["transfer",{"from":"anna","to":"bob","amount":"1.000 HIVE","memo":""}]`
	recovers = `["change_recovery_account",{"account_to_recover":"club","new_recovery_account":"bob","extensions":[]}]`
	signs    = `["witness_set_properties",{"owner":"club","props":[["key","%s"]],"extensions":[]}]`
)

// TestQuorum is who has to sign, by the table of tx §2.6.
func TestQuorum(t *testing.T) {
	known := map[hive.AccountName]*hive.Controls{
		"club": {
			Owner: sharedBy(2, "owner 2", "@anna 1"), Posting: sharedBy(2, "p1 1", "p2 1", "@anna 1", "@bert 1"),
			Active: sharedBy(3, "a1 1", "a2 2", "none 0", "@anna 1", "@bert 2"),
		},
		"anna": {Owner: sharedBy(1, "anna-o 1"), Active: sharedBy(1, "anna-a 1", "@cleo 1"), Posting: sharedBy(1,
			"anna-p 1")},
		"bert": {Active: sharedBy(2, "bert-1 1", "bert-2 1", "@cleo 2"), Posting: sharedBy(1, "bert-p 1")},
		"cleo": {Active: sharedBy(1, "cleo-a 1", "@dora 1"), Posting: sharedBy(1, "cleo-p 1")},
		"dora": {Active: sharedBy(1, "dora-a 1"), Posting: sharedBy(1)},
	}
	for _, c := range []struct {
		name   string
		ops    []string
		keys   string
		lacks  string
		chosen string // empty: all
	}{
		{"alone", []string{pays}, "a1", "the active authority of club needs weight 3, and the signatures have 1", ""},
		{"nobody", []string{pays}, "", "the active authority of club needs weight 3, and the signatures have 0", ""},
		{"two keys", []string{pays}, "a1 a2", "", ""},
		{"a key and an account", []string{pays}, "a2 anna-a", "", ""},
		{"two accounts", []string{pays}, "anna-a bert-1 bert-2", "", ""},
		{"half of an account", []string{pays}, "anna-a bert-1",
			"the active authority of club needs weight 3, and the signatures have 1", ""},
		{"an account in two of them", []string{pays}, "cleo-a", "", ""},
		{"too deep", []string{pays}, "dora-a", "the active authority of club needs weight 3, and the signatures have 0",
			""},
		{"too deep, though known", []string{pays, strings.Replace(paysToo, "anna", "dora", 1)}, "dora-a",
			"the active authority of club needs weight 3, and the signatures have 0", ""},
		{"without weight", []string{pays}, "a2 none",
			"the active authority of club needs weight 3, and the signatures have 2", ""},
		{"another role", []string{pays}, "a1 anna-p",
			"the active authority of club needs weight 3, and the signatures have 1", ""},
		{"the owner key", []string{pays}, "owner",
			"the active authority of club needs weight 3, and the signatures have 0", ""},
		{"posting", []string{votes}, "p1 anna-p", "", ""},
		{"posting by active", []string{votes}, "p1 anna-a",
			"the posting authority of club needs weight 2, and the signatures have 1", ""},
		{"both roles", []string{votes, pays}, "p1 p2 a1 a2", "", ""},
		{"one of two roles", []string{votes, pays}, "p1 p2 a1",
			"the active authority of club needs weight 3, and the signatures have 1", ""},
		{"two accounts' operations", []string{pays, paysToo}, "a1 a2 anna-a", "", "a2 anna-a"},
		{"the same members", []string{pays, paysToo}, "a2 anna-a", "", ""},
		{"owner", []string{recovers}, "owner", "", ""},
		{"owner by an account", []string{recovers}, "anna-o",
			"the owner authority of club needs weight 2, and the signatures have 0", ""},
		{"owner, a member by active", []string{recovers}, "anna-a",
			"the owner authority of club needs weight 2, and the signatures have 1", ""},
		{"superfluous", []string{pays}, "a1 a2 bert-1 bert-2 anna-a", "", "a1 a2"},
		{"ours does not help", []string{pays}, "none a1 a2", "", "a1 a2"},
		{"ours is enough with the last", []string{pays}, "a1 anna-a a2", "", "a1 a2"},
		{"a witness", []string{fmt.Sprintf(signs, hexOf("w"))}, "w", "", ""},
		{"another witness", []string{fmt.Sprintf(signs, hexOf("w"))}, "a2",
			"the key that the operation names has not " +
				"signed", ""},
		{"nobody knows it", []string{strings.Replace(pays, "club", "nobody", 1)}, "a1",
			"the chain has no account nobody", ""},
	} {
		q, _ := quorumOf(t, known, c.ops...)
		var keys []hive.PublicKey
		labels := map[hive.PublicKey]string{}
		for _, label := range strings.Fields(c.keys) {
			keys = append(keys, quorumKey(label))
			labels[quorumKey(label)] = label
		}
		var words []string
		for _, lack := range q.Lacks(keys) {
			words = append(words, lack.String())
		}
		if got := strings.Join(words, "; "); got != c.lacks {
			t.Errorf("%s: %q", c.name, got)
		}
		want := c.chosen
		if want == "" && c.lacks == "" {
			want = c.keys
		}
		var chosen []string
		for _, key := range q.Choose(keys) {
			chosen = append(chosen, labels[key])
		}
		if got := strings.Join(chosen, " "); got != want {
			t.Errorf("%s: chosen %q, want %q", c.name, got, want)
		}
	}
	known["anna"].Posting.AccountAuths = []hive.AccountWeight{{Account: "emil", Weight: 1}}
	q, asked := quorumOf(t, known, votes)
	if got := strings.Join(asked, " "); got != "[club] [anna bert] [emil]" {
		t.Errorf("for posting, asked for %s", got)
	}
	if !q.Names(quorumKey("anna-p")) || q.Names(quorumKey("anna-a")) || q.Names(quorumKey("a1")) {
		t.Error("for posting, another authority counts")
	}
	q, asked = quorumOf(t, known, pays)
	if got := strings.Join(asked, " "); got != "[club] [anna bert] [cleo]" || q.Cut() {
		t.Errorf("asked for %s, cut %t", got, q.Cut())
	}
	for label, want := range map[string]bool{"a1": true, "none": false, "p1": false, "owner": false, "anna-a": true,
		"anna-p": false, "bert-2": true, "cleo-a": true, "dora-a": false, "stranger": false} {
		if got := q.Names(quorumKey(label)); got != want {
			t.Errorf("%s has a part: %t", label, got)
		}
	}
}

// TestQuorumLimits: no more is looked at than a node looks at, and no more is asked for.
func TestQuorumLimits(t *testing.T) {
	many := func(n int, what, last string) (members []string) {
		for i := range n - 1 {
			members = append(members, fmt.Sprintf("%s%d 1", what, i))
		}
		return append(members, last+" 1")
	}
	for _, c := range []struct {
		name    string
		members []string
		last    int // members of the last member of four, if it is set
		enough  bool
		asked   int
		cut     bool
	}{
		{"40 keys", many(40, "k", "end"), 0, true, 1, false},
		{"41 keys", many(41, "k", "end"), 0, false, 1, false},
		{"40 accounts", many(40, "@x", "@end"), 0, true, 41, false},
		{"41 accounts", many(41, "@x", "@end"), 0, false, 42, false},
		{"124 accounts", nil, 29, true, 124, false},
		{"125 accounts", nil, 30, true, 125, false},
		{"126 accounts", nil, 31, false, 125, true},
	} {
		known := map[hive.AccountName]*hive.Controls{"end": {Active: sharedBy(1, "end 1")},
			"club": {Active: sharedBy(1, c.members...)}}
		if c.last > 0 {
			known["club"] = &hive.Controls{Active: sharedBy(1, many(4, "@m", "@m3")...)}
			for i, n := range []int{30, 30, 30, c.last} {
				end := fmt.Sprintf("@x%d-%d", i, n)
				if i == 3 {
					end = "@end"
				}
				known[hive.AccountName(fmt.Sprintf("m%d", i))] = &hive.Controls{
					Active: sharedBy(1, many(n, fmt.Sprintf("@x%d-", i), end)...)}
			}
		}
		q, asked := quorumOf(t, known, pays)
		n := len(strings.Fields(strings.Join(asked, " ")))
		if got := len(q.Lacks([]hive.PublicKey{quorumKey("end")})) == 0; got != c.enough || n != c.asked ||
			q.Cut() != c.cut {
			t.Errorf("%s: enough %t, asked for %d, cut %t", c.name, got, n, q.Cut())
		}
	}
}

// TestQuorumCountsLooks: an account that is looked at for several members counts each time.
func TestQuorumCountsLooks(t *testing.T) {
	var crowd []string
	known := map[hive.AccountName]*hive.Controls{"end": {Active: sharedBy(1, "end 1")}}
	for i := range 39 {
		name := fmt.Sprintf("x%d", i)
		crowd = append(crowd, "@"+name+" 1")
		known[hive.AccountName(name)] = &hive.Controls{Active: sharedBy(1, "nobody 1")}
	}
	known["club"] = &hive.Controls{Active: sharedBy(1, "@m0 1", "@m1 1", "@m2 1", "@m3 1")}
	for i := range 3 {
		known[hive.AccountName(fmt.Sprintf("m%d", i))] = &hive.Controls{Active: sharedBy(1, crowd...)}
	}
	for before, enough := range map[int]bool{1: true, 2: true, 3: false} { // end is looked at as the 125th after two
		known["m3"] = &hive.Controls{Active: sharedBy(1, append(slices.Clone(crowd[:before]), "@end 1")...)}
		q, _ := quorumOf(t, known, pays)
		if got := len(q.Lacks([]hive.PublicKey{quorumKey("end")})) == 0; got != enough {
			t.Errorf("%d before it: enough %t", before, got)
		}
	}
}

// TestQuorumInCircles: accounts that name each other end.
func TestQuorumInCircles(t *testing.T) {
	known := map[hive.AccountName]*hive.Controls{"club": {Active: sharedBy(1, "@anna 1", "@club 1")},
		"anna": {Active: sharedBy(1, "anna 1", "@club 1")}}
	q, asked := quorumOf(t, known, pays)
	if !slices.Equal(asked, []string{"[club]", "[anna]"}) || len(q.Lacks([]hive.PublicKey{quorumKey("anna")})) != 0 ||
		len(q.Lacks(nil)) != 1 {
		t.Errorf("asked for %s", asked)
	}
	// An authority that needs nobody: one signature is left all the same.
	known["club"].Active.WeightThreshold = 0
	q, _ = quorumOf(t, known, pays)
	if chosen := q.Choose([]hive.PublicKey{quorumKey("x"), quorumKey("y")}); !slices.Equal(chosen,
		[]hive.PublicKey{quorumKey("x")}) {
		t.Errorf("chosen %v", chosen)
	}
}
