package ledger_test

import (
	"errors"
	"fmt"
	"runtime"
	"testing"

	"pksa/agent/ledger"
)

// A login of an app that is full is refused in the time that the sessions of its account take,
// however many other accounts have.
func TestFullAppCostsItsAccountAlone(t *testing.T) {
	const accounts, each, most = 200, 8, 16 << 10
	o := options("test")
	o.SessionsPerApp = each
	r := newRigWith(t, o)
	r.slot("mybot")
	var open []ledger.NewSession
	for a := range accounts {
		for s := range each {
			n := r.newSession(fmt.Sprint("account", a), "mybot", fmt.Sprint("key ", a, s))
			n.Origin = ledger.Service
			open = append(open, n)
		}
	}
	_, err := r.l.Arrange(ctx, false, func(ledger.Standing) (ledger.Arrangement, error) {
		return ledger.Arrangement{Open: open}, nil
	})
	must(t, err)
	another := r.newSession("account7", "mybot", "another key")
	another.Origin = ledger.Service
	_, err = r.l.Admit(ctx, ledger.Admission{Key: r.arrive("text"), Account: "account7", Kind: "auth", App: "mybot"},
		func(v ledger.View) ledger.Ruling {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err := v.MayOpen(another)
			runtime.ReadMemStats(&after)
			if !errors.Is(err, ledger.ErrAppSessions) {
				t.Errorf("one session more: %v", err)
			}
			// Lists of all sessions would take 8 bytes for each, and more.
			if got := after.TotalAlloc - before.TotalAlloc; got > most {
				t.Errorf("%d bytes beside %d sessions of others", got, accounts*each)
			}
			return ledger.Ruling{Record: []byte(`"full"`)}
		})
	must(t, err)
}
