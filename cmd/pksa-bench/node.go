package main

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"pksa/agent/node/memchain"
	"pksa/protocol/hive"
)

// nodeStart is the first question to the node: what it shall be. The answer is its address.
type nodeStart struct {
	Accounts int
	Delay    time.Duration
}

// taken is the answer to every later question: the transactions that the chain has, queued or in a
// block.
type taken struct{ Transactions []transaction }

// transaction is one of them.
type transaction struct {
	ID  hive.TxID
	Ops []byte // its operations; see packOperations
}

// packOperations returns operations as the chain serialises them, in a transaction without
// reference and expiration: two are equal if and only if these bytes are.
func packOperations(ops []hive.Operation) ([]byte, error) {
	return hive.Mainnet.Serialize(hive.Transaction{Operations: ops})
}

// author is the account whose posts are voted for.
const author = hive.AccountName("author")

// serveNode serves the chain and its node, as a part.
func serveNode(questions *json.Decoder, answers *json.Encoder) error {
	var start nodeStart
	if err := questions.Decode(&start); err != nil {
		return endOf(err)
	}
	chain := memchain.NewChain(memchain.Options{CreditCost: 1})
	chain.AddUser(author)
	spare := memchain.Key(author, hive.Active).Public() // of what the wallet holds no key of
	for i := range start.Accounts {
		name := accountName(i)
		chain.AddAccount(memchain.Account{Name: name, Owner: memchain.Single(spare), Active: memchain.Single(spare),
			Posting: memchain.Single(memchain.Key(name, hive.Posting).Public()), Memo: spare})
	}
	node := chain.NewNode("bench")
	ctx, stop := context.WithCancel(context.Background())
	url, wait, err := memchain.Listen(ctx, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(start.Delay)
		node.ServeHTTP(w, r)
	}))
	if err != nil {
		stop()
		return err
	}
	defer wait()
	defer stop()
	for answer := any(url); ; {
		if err := answers.Encode(answer); err != nil {
			return err
		}
		if err := questions.Decode(new(struct{})); err != nil {
			return endOf(err)
		}
		if answer, err = takenBy(chain); err != nil {
			return err
		}
	}
}

func takenBy(chain *memchain.Chain) (t taken, err error) {
	for _, tx := range chain.Transactions() {
		ops, err := packOperations(tx.Transaction.Operations)
		if err != nil {
			return t, err
		}
		t.Transactions = append(t.Transactions, transaction{tx.ID, ops})
	}
	return t, nil
}
