package nodetest_test

import (
	"fmt"
	"net/http"
	"strings"

	"pksa/agent/node/nodetest"
	"pksa/protocol/hive"
)

// A node takes a transaction, and the connection breaks before it answers. The client cannot know
// what became of it; the chain does.
func Example() {
	chain := nodetest.NewChain(nodetest.Options{OnDemand: true})
	chain.AddUser("alice")
	chain.AddUser("bob")
	node := chain.NewNode("api.example")
	client := http.Client{Transport: nodetest.Transport(node)}

	tx, err := chain.Sign([]*hive.PrivateKey{nodetest.Key("alice", hive.Active)},
		`["transfer",{"from":"alice","to":"bob","amount":"1.000 HIVE","memo":""}]`)
	if err != nil {
		fmt.Println(err)
		return
	}
	node.Fail("condenser_api.broadcast_transaction", nodetest.ResetAfter)
	body := `{"jsonrpc":"2.0","method":"condenser_api.broadcast_transaction","params":[` + tx + `],"id":1}`
	_, err = client.Post(node.URL(), "application/json", strings.NewReader(body))
	fmt.Println(err)

	chain.Produce(1)
	bob, _ := chain.Account("bob")
	fmt.Println("transactions on the chain:", len(chain.Transactions()))
	fmt.Println("bob has", hive.Asset{Amount: bob.HIVE, Symbol: hive.HIVE})
	// Output:
	// Post "https://api.example/": read tcp: connection reset by peer
	// transactions on the chain: 1
	// bob has 1001.000 HIVE
}
