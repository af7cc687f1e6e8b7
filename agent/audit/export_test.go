package audit

import (
	"context"

	"pksa/agent/ledger"
)

// Window is what a page of the newest records reads at a time.
func Window(ctx context.Context, l *ledger.Ledger, from, to uint64) (list []ledger.Record, step uint64, err error) {
	p := pager{ctx: ctx, ledger: l, step: pageWindow}
	list, err = p.window(from, to)
	return list, p.step, err
}
