package node_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"pksa/agent/node"
	"pksa/agent/node/nodetest"
)

// A node tells that it offers no broadcast in one of these ways; whatever else it says of what is
// no transaction, it has looked at it.
func TestTakesTransactions(t *testing.T) {
	spoken := func(code, message string) nodetest.Fault {
		return nodetest.Garbage(`{"jsonrpc":"2.0","error":{"code":`+code+`,"message":"`+message+`"},"id":$id}`, false)
	}
	type says uint8
	const takes, takesNone, silent says = 0, 1, 2
	for _, tt := range []struct {
		name  string
		fault nodetest.Fault
		want  says
	}{
		{"as it is", nodetest.Fault{}, takes},
		{"no method", nodetest.Refusal("assert_exception", 10, "Could not find method broadcast_transaction"),
			takesNone},
		{"no API", nodetest.Refusal("assert_exception", 10, "Could not find API condenser_api"), takesNone},
		{"no plugin", nodetest.Refusal("assert_exception", 10, "network_broadcast_api_plugin not enabled."), takesNone},
		{"no method, by a front end", spoken("-32601", "nothing of that name"), takesNone},
		{"no route", nodetest.Status(http.StatusNotFound, false), takesNone},
		{"forbidden", nodetest.Status(http.StatusForbidden, false), takesNone},
		{"another number of parameters", nodetest.Refusal("assert_exception", 10, "Expected 2 argument(s), was 1"),
			takes},
		{"parameters of another form", nodetest.Refusal("bad_cast_exception", 7, "Bad Cast"), takes},
		{"bad parameters, by a front end", spoken("-32602", "Invalid params"), takes},
		{"bad request", nodetest.Status(http.StatusBadRequest, false), takes},
		{"too many requests", nodetest.Status(http.StatusTooManyRequests, false), takes},
		{"takes anything", nodetest.FalseAccept, takes},
		{"nobody behind it", nodetest.Status(http.StatusServiceUnavailable, false), silent},
		{"broken", nodetest.ResetBefore, silent},
		{"no answer", nodetest.HangBefore, silent},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1)
				w.nodes[0].FailAlways(broadcastMethod, tt.fault)
				err := w.c.TakesTransactions(context.Background())
				got := takes
				switch {
				case errors.Is(err, node.ErrTakesNone):
					got = takesNone
				case err != nil:
					got = silent
				}
				if got != tt.want || err != nil && !errors.Is(err, node.ErrNoNode) {
					t.Errorf("got %d (%v), want %d", got, err, tt.want)
				}
				for _, body := range w.nodes[0].Broadcasts() {
					if strings.Contains(string(body), "operations") {
						t.Errorf("something was sent that may be a transaction: %s", body)
					}
				}
			})
		})
	}
}

// One node that takes transactions is enough.
func TestOneTakesTransactions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		w.nodes[0].FailAlways(broadcastMethod, nodetest.Status(http.StatusNotFound, false))
		if err := w.c.TakesTransactions(context.Background()); err != nil || w.nodes[1].Calls(broadcastMethod) != 1 {
			t.Errorf("%v after %d calls", err, w.nodes[1].Calls(broadcastMethod))
		}
	})
}
