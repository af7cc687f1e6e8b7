package node_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/node"
	"pksa/agent/node/nodetest"
	"pksa/protocol/hive"
)

// Other nodes take the place of the first ones while the client runs; a list that has an error
// changes nothing, and what is known of a node that stays is kept.
func TestRename(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		chain := nodetest.NewChain(nodetest.Options{})
		one, two := chain.NewNode("one.test"), chain.NewNode("two.test")
		c, err := node.New(node.Options{URLs: []string{one.URL()}, Network: hive.Mainnet,
			Transport: nodetest.Transport(one, two)})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); c.Run(ctx) }()
		time.Sleep(time.Minute)
		for _, bad := range [][]string{nil, {two.URL(), two.URL()}, {"ftp://two.test"}} {
			if _, err := c.Rename(bad, ""); err == nil {
				t.Errorf("%q is taken", bad)
			}
		}
		if _, err := c.Rename([]string{two.URL()}, "http://list.test"); err == nil {
			t.Error("a list without TLS is taken")
		}
		hosts := func() string {
			var all []string
			for _, s := range c.Status() {
				all = append(all, s.URL)
			}
			return strings.Join(all, " ")
		}
		if got := hosts(); !strings.Contains(got, "one.test") || strings.Contains(got, "two.test") {
			t.Errorf("after errors: %s", got)
		}
		rename := func(urls ...string) {
			take, err := c.Rename(urls, "")
			if err != nil {
				t.Fatal(err)
			}
			take()
		}
		calls := c.Status()[0].Calls
		rename(two.URL(), one.URL())
		if s := c.Status(); calls == 0 || s[1].Calls != calls {
			t.Errorf("what was known of the first is lost: %+v", s)
		}
		rename(two.URL())
		before := one.Calls("condenser_api.get_dynamic_global_properties")
		time.Sleep(2 * time.Minute)
		if now := one.Calls("condenser_api.get_dynamic_global_properties"); now != before {
			t.Errorf("a node that is not named any more was asked %d times", now-before)
		}
		if head, err := c.Standing(); err != nil || !strings.Contains(head.Node, "two.test") {
			t.Errorf("%+v, %v", head, err)
		}
		stop()
		<-ended
	})
}
