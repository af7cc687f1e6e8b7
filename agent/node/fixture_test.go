package node_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"pksa/agent/node"
	"pksa/agent/node/nodetest"
	"pksa/protocol/hive"
)

// world is a chain with nodes and a client of them, to be made inside a bubble.
type world struct {
	t     testing.TB
	chain *nodetest.Chain
	nodes []*nodetest.Node
	c     *node.Client
	log   *logged
}

// newWorld returns a world with so many nodes, a.example, b.example, …, and the users alice and
// bob.
func newWorld(t testing.TB, nodes int) *world {
	t.Helper()
	w := &world{t: t, chain: nodetest.NewChain(nodetest.Options{}), log: &logged{}}
	for _, a := range users() {
		w.chain.AddAccount(a)
	}
	s := node.Options{Network: w.chain.Network(), Logger: slog.New(slog.NewTextHandler(w.log, nil))}
	for i := range nodes {
		n := w.chain.NewNode(string(rune('a'+i)) + ".example")
		w.nodes = append(w.nodes, n)
		s.URLs = append(s.URLs, n.URL())
	}
	s.Transport = nodetest.Transport(w.nodes...)
	var err error
	if w.c, err = node.New(s); err != nil {
		t.Fatal(err)
	}
	return w
}

// users returns accounts that are made once: their keys cost more than most tests.
var users = sync.OnceValue(func() (list []nodetest.Account) {
	chain := nodetest.NewChain(nodetest.Options{})
	for _, name := range []hive.AccountName{"alice", "bob"} {
		chain.AddUser(name)
		a, _ := chain.Account(name)
		list = append(list, a)
	}
	return list
})

// aliceKey returns a key of alice, made once.
func aliceKey(role hive.Role) *hive.PrivateKey { return aliceKeys()[role] }

var aliceKeys = sync.OnceValue(func() map[hive.Role]*hive.PrivateKey {
	keys := map[hive.Role]*hive.PrivateKey{}
	for _, role := range []hive.Role{hive.Memo, hive.Posting, hive.Active, hive.Owner} {
		keys[role] = nodetest.Key("alice", role)
	}
	return keys
})

// logged is a log that tests can read while it is written.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// run starts the client and returns what stops it.
func (w *world) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.c.Run(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

const voteJSON = `["vote",{"voter":"alice","author":"bob","permlink":"p","weight":10000}]`

func transferJSON(amount, memo string) string {
	return fmt.Sprintf(`["transfer",{"from":"alice","to":"bob","amount":"%s","memo":%s}]`, amount,
		hive.AppendString(nil, memo))
}

// lifetime is that of the transactions that sign makes.
const lifetime = 40 * time.Second

// signatures are kept between tests: a bubble always begins at the same instant, so most
// transactions repeat.
var signatures sync.Map

// sign makes a transaction of alice on the chain as it really is.
func (w *world) sign(role hive.Role, ops ...string) node.Transaction {
	_, at := w.chain.Head()
	return w.signUntil(at+hive.Time(lifetime/time.Second), role, ops...)
}

func (w *world) signUntil(expiration hive.Time, role hive.Role, ops ...string) node.Transaction {
	w.t.Helper()
	tx := hive.Transaction{Expiration: expiration}
	tx.RefBlockNum, tx.RefBlockPrefix = w.chain.Reference()
	for _, text := range ops {
		op, err := w.chain.Network().ParseOperation([]byte(text))
		if err != nil {
			w.t.Fatal(err)
		}
		tx.Operations = append(tx.Operations, op)
	}
	return w.signTransaction(tx, aliceKey(role))
}

func (w *world) signTransaction(tx hive.Transaction, keys ...*hive.PrivateKey) node.Transaction {
	w.t.Helper()
	network := w.chain.Network()
	packed, err := network.Serialize(tx)
	if err != nil {
		w.t.Fatal(err)
	}
	signed := hive.SignedTransaction{Transaction: tx}
	for _, key := range keys {
		digest := network.SigningDigest(packed)
		slot := [2]string{digest.String(), key.Public().String()}
		if s, ok := signatures.Load(slot); ok {
			signed.Signatures = append(signed.Signatures, s.(hive.Signature))
			continue
		}
		s, err := key.Sign(digest)
		if err != nil {
			w.t.Fatal(err)
		}
		signatures.Store(slot, s)
		signed.Signatures = append(signed.Signatures, s)
	}
	text, err := network.AppendJSON(nil, signed)
	if err != nil {
		w.t.Fatal(err)
	}
	return node.Transaction{ID: hive.TransactionID(packed), Expiration: tx.Expiration, JSON: text}
}

// broadcast gives up five minutes after the expiration, as the wallet does.
func (w *world) broadcast(tx node.Transaction) node.Outcome {
	ctx, cancel := context.WithDeadline(context.Background(), tx.Expiration.Time().Add(5*time.Minute))
	defer cancel()
	return w.c.Broadcast(ctx, tx)
}

// onChain waits until everything is over and counts the transactions that the chain has, whatever
// their ids.
func (w *world) onChain(tx node.Transaction) int {
	time.Sleep(max(time.Until(tx.Expiration.Time()), 0) + time.Minute)
	n := 0
	for _, t := range w.chain.Transactions() {
		if t.Block > 0 {
			n++
		}
	}
	return n
}

// check compares the outcome with what is on the chain in the end, and the bytes that were sent
// with those that were given.
func (w *world) check(tx node.Transaction, o node.Outcome) {
	w.t.Helper()
	n := w.onChain(tx)
	want := map[node.State]int{node.Accepted: 1}[o.State]
	if o.State == node.InDoubt {
		if n > 1 {
			w.t.Errorf("%d transactions on the chain", n)
		}
	} else if n != want {
		w.t.Errorf("told %v, but %d transactions are on the chain\noutcome: %+v\nlog:\n%s", o.State, n, o, w.log)
	}
	for _, nd := range w.nodes {
		for _, body := range nd.Broadcasts() {
			before, after, ok := strings.Cut(string(body), string(tx.JSON))
			if !ok || before != `{"jsonrpc":"2.0","method":"condenser_api.broadcast_transaction","params":[` ||
				!strings.HasPrefix(after, `],"id":`) {
				w.t.Errorf("other bytes were sent: %s", body)
			}
		}
	}
}
