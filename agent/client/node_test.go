package client_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"pksa/agent/client"
	"pksa/agent/node/nodetest"
	"pksa/protocol/hive"
)

// A node is asked for the newest block and for a transaction, and what it shows is checked.
func TestNodes(t *testing.T) {
	chain := nodetest.NewChain(nodetest.Options{})
	chain.AddUser("alice")
	chain.AddUser("bob")
	node := httptest.NewServer(chain.NewNode("node"))
	defer node.Close()
	head, err := client.NodeHead(node.URL)(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	number, at := chain.Head()
	_, _, err = hive.ReferenceBlock(head.Number, head.ID)
	if err != nil || head.Number != number || !head.Time.Equal(at.Time()) {
		t.Errorf("the head is %+v, %v", head, err)
	}
	signed, err := chain.Sign([]*hive.PrivateKey{nodetest.Key("alice", hive.Active)},
		`["transfer",{"from":"alice","to":"bob","amount":"1.000 HBD","memo":""}]`)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.Post(node.URL, "application/json", strings.NewReader(
		`{"jsonrpc":"2.0","id":1,"method":"condenser_api.broadcast_transaction","params":[`+signed+`]}`))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	chain.Produce(1)
	id := chain.Transactions()[0].ID
	transaction := client.NodeTransaction(node.URL)
	raw, err := transaction(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := client.CheckTransaction(hive.Mainnet, raw, id); err != nil || len(got.Operations) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	other := hive.TxID{1}
	if _, err := client.CheckTransaction(hive.Mainnet, raw, other); !errors.Is(err, client.ErrBadAnswer) {
		t.Errorf("under another id: %v", err)
	}
	if _, err := transaction(t.Context(), other); err != client.ErrNoTransaction {
		t.Errorf("of one that is not there: %v", err)
	}
}

func TestNodesThatAnswerBadly(t *testing.T) {
	head := func(number, id, at string) string {
		return fmt.Sprintf(`{"result":{"head_block_number":%s,"head_block_id":%q,"time":%q}}`, number, id, at)
	}
	const id = "05f5e10022222222222222222222222222222222"
	if _, _, err := hive.ReferenceBlock(100000000, id); err != nil {
		t.Fatal(err)
	}
	for answer, words := range map[string]string{
		`<html>`: "no JSON",
		`{"error":{"code":-32003,"message":"too busy"}}`: "too busy",
		`{"error":{"code":-32003}}`:                      "nothing",
		`{"result":[]}`:                                  "cannot be read",
		head("100000000", "05f5", "2030-01-01T00:00:00"): "newest block",
		head("100000001", id, "2030-01-01T00:00:00"):     "newest block",
		head("100000000", id, "yesterday"):               "newest block",
		head("4294967296", id, "2030-01-01T00:00:00"):    "cannot be read",
	} {
		node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, answer)
		}))
		_, err := client.NodeHead(node.URL)(t.Context())
		if err == nil || !strings.Contains(err.Error(), words) || !strings.Contains(err.Error(), "node "+node.URL) {
			t.Errorf("%s: %v", answer, err)
		}
		node.Close()
	}
}

// An answer is read up to its bound, and what is longer is none.
func TestLongAnswersOfNodes(t *testing.T) {
	const most = 1 << 20
	const begin = `{"result":{"head_block_number":100000000,"time":"2030-01-01T00:00:00","head_block_id":` +
		`"05f5e10022222222222222222222222222222222","more":"`
	const end = `"}}`
	for _, size := range []int{most - 1, most, most + 1} {
		answer := begin + strings.Repeat("a", size-len(begin)-len(end)) + end
		node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, answer)
		}))
		if _, err := client.NodeHead(node.URL)(t.Context()); (err == nil) != (size <= most) {
			t.Errorf("of %d bytes: %v", size, err)
		}
		node.Close()
	}
}
