package node_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/node"
	"pksa/agent/node/nodetest"
	"pksa/protocol/hive"
)

// note is a custom_json of alice.
func note(id string, number int) string {
	return fmt.Sprintf(`["custom_json",{"required_auths":[],"required_posting_auths":["alice"],`+
		`"id":%q,"json":"{\"n\":%d}"}]`, id, number)
}

func TestCustomJSON(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		var want []string
		for i := range 3 {
			w.broadcast(w.sign(hive.Posting, note("mine", i)))
			w.broadcast(w.sign(hive.Posting, note("another", i)))
			want = append(want, fmt.Sprintf(`{"n":%d}`, i))
			time.Sleep(6 * time.Second)
		}
		published := func() (texts []string, err error) {
			list, err := w.c.CustomJSON(context.Background(), "alice", "mine")
			for _, p := range list {
				if p.Block == 0 || p.TxID == (hive.TxID{}) {
					t.Errorf("published %+v", p)
				}
				texts = append(texts, p.JSON)
			}
			return texts, err
		}
		if got, err := published(); err != nil || !slices.Equal(got, want) {
			t.Errorf("published %v, %v, wanted %v", got, err, want)
		}
		// A node that leaves the newest out does not hide it.
		w.nodes[0].SetBehind(3)
		if got, err := published(); err != nil || !slices.Equal(got, want) {
			t.Errorf("published %v, %v, wanted %v", got, err, want)
		}
		// One that answers is enough.
		w.nodes[0].FailAlways("", nodetest.Refused)
		w.nodes[1].FailAlways("", nodetest.Refused)
		if got, err := published(); err != nil || !slices.Equal(got, want) {
			t.Errorf("published %v, %v, wanted %v", got, err, want)
		}
		w.nodes[2].FailAlways("", nodetest.Refused)
		if got, err := published(); !errors.Is(err, node.ErrNoNode) {
			t.Errorf("published %v, %v", got, err)
		}
	})
}

func TestRunReturnsTheCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		stop := errors.New("told to stop")
		ctx, cancel := context.WithCancelCause(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.c.Run(ctx) }()
		synctest.Wait()
		cancel(stop)
		if err := <-done; !errors.Is(err, stop) {
			t.Errorf("Run returned %v", err)
		}
	})
}
