package nodetest_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/node/nodetest"
	"pksa/protocol/hive"
)

var update = flag.Bool("update", false, "write what nodes answer into testdata instead of comparing")

// TestLies holds what a node answers in each of its moods to a file: nothing of it changes by
// accident.
func TestLies(t *testing.T) {
	moods := []struct {
		name string
		set  func(*nodetest.Node)
	}{
		{"honest", func(*nodetest.Node) {}},
		{"behind", func(n *nodetest.Node) { n.SetBehind(20) }},
		{"ahead", func(n *nodetest.Node) { n.SetAhead(time.Hour) }},
		{"back", func(n *nodetest.Node) { n.SetAhead(-time.Minute) }},
		{"behind and ahead", func(n *nodetest.Node) {
			n.SetBehind(10)
			n.SetAhead(time.Minute)
		}},
		{"lonely", func(n *nodetest.Node) { n.SetLonely(true) }},
		{"of another chain", func(n *nodetest.Node) { n.SetChainID(hive.Testnet.ChainID) }},
		{"without status", func(n *nodetest.Node) { n.Without("transaction_status_api") }},
	}
	var all strings.Builder
	for _, mood := range moods {
		fmt.Fprintf(&all, "# %s\n", mood.name)
		synctest.Test(t, func(t *testing.T) { transcript(t, &all, mood.set) })
	}
	const golden = "testdata/lies.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(all.String()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	wanted := strings.Split(string(want), "\n")
	for i, line := range strings.Split(all.String(), "\n") {
		if i >= len(wanted) || line != wanted[i] {
			t.Fatalf("%s:%d: got %s", golden, i+1, line)
		}
	}
}

const broadcast = "condenser_api.broadcast_transaction"

// transcript asks one node of a chain of two, before and after transactions came to both.
func transcript(t *testing.T, all *strings.Builder, set func(*nodetest.Node)) {
	chain := nodetest.NewChain(nodetest.Options{IrreversibleLag: 2})
	chain.AddUser("alice")
	chain.AddUser("bob")
	other, n := chain.NewNode("other"), chain.NewNode("n")
	set(n)
	transport := nodetest.Transport(other, n)
	call := func(at *nodetest.Node, method, params string) {
		result := ask(t, transport, at.URL(), method, params)
		fmt.Fprintf(all, "%s %s: %s\n", at.Name, method[strings.Index(method, ".")+1:], result)
	}
	look := func(tx string) {
		_, now := chain.Head()
		call(n, "condenser_api.get_dynamic_global_properties", "[]")
		for _, back := range []int{-1197, -3, 0, 3, 20} {
			number, _ := chain.Head()
			call(n, "condenser_api.get_block_header", fmt.Sprintf("[%d]", int(number)-back))
		}
		id := "0000000000000000000000000000000000000000"
		if list := chain.Transactions(); len(list) > 0 {
			id = list[0].ID.String()
		}
		for _, seconds := range []int{-7200, -30, -3, 0, 30, 7200} {
			call(n, "transaction_status_api.find_transaction", fmt.Sprintf(
				`{"transaction_id":"%s","expiration":"%s"}`, id, hive.Time(int64(now)+int64(seconds))))
		}
		call(n, "condenser_api.get_transaction", `["`+id+`"]`)
		call(n, "condenser_api.get_account_history", `["alice",-1,10,1]`)
		call(n, "database_api.verify_authority", `{"trx":`+tx+`}`)
		fmt.Fprintf(all, "%d transactions\n", len(chain.Transactions()))
	}
	signed := func(permlink string) string {
		vote := `["vote",{"voter":"alice","author":"bob","permlink":"` + permlink + `","weight":10000}]`
		tx, err := chain.Sign([]*hive.PrivateKey{nodetest.Key("alice", hive.Posting)}, vote)
		if err != nil {
			t.Fatal(err)
		}
		return tx
	}
	tx := signed("p")
	call(n, "database_api.get_version", "{}")
	look(tx)
	for range 2 {
		call(n, broadcast, "["+tx+"]")
	}
	look(tx)
	chain.Produce(1)
	look(tx)
	call(n, broadcast, "["+tx+"]")
	chain.Produce(3)
	second := signed("q")
	call(other, broadcast, "["+second+"]")
	call(n, broadcast, "["+second+"]")
	look(second)
	time.Sleep(30 * time.Second)
	look(second)
	time.Sleep(2 * time.Minute)
	call(n, broadcast, "["+second+"]")
	look(second)
}
