package main

import (
	"context"

	"pksa/agent/node/nodetest"
	"pksa/protocol/hive"
)

// demoChain is a chain in memory with alice, bob and mallory on it, and one Hive API node that
// shows it on loopback. The node checks transactions as real ones do.
type demoChain struct {
	*nodetest.Chain
	url  string
	stop context.CancelFunc
	wait func()
}

func startDemoChain() (*demoChain, error) {
	c := &demoChain{Chain: nodetest.NewChain(nodetest.Options{})}
	for _, name := range []hive.AccountName{demoAccount, "bob", "mallory"} {
		c.AddUser(name)
	}
	ctx, stop := context.WithCancel(context.Background())
	url, wait, err := c.NewNode("demo").Listen(ctx)
	c.url, c.stop, c.wait = url, stop, wait
	if err != nil {
		stop()
		return nil, err
	}
	return c, nil
}

func (c *demoChain) close() {
	c.stop()
	c.wait()
}

// demoKey is a key of an account that exists in the demo only.
func demoKey(account hive.AccountName, role hive.Role) *hive.PrivateKey {
	return nodetest.Key(account, role)
}
