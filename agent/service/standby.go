package service

import (
	"context"
	"errors"
	"time"

	"pksa/agent/ledger"
	"pksa/agent/ledger/pg"
	"pksa/agent/status"
)

// standbyEvery is how often a standby tries to lead.
const standbyEvery = 250 * time.Millisecond

// takeLedger opens the ledger. If that is in a database, and another wallet leads, this one waits
// as a standby until that one has ended, or its lease: with its keys, and with nothing of the
// ledger read, since whoever leads goes on with it.
func (s *Service) takeLedger(ctx context.Context, o Options) (*ledger.Ledger, error) {
	options := LedgerOptions(o.Config, s.Keys, o.Logger)
	l, err := ledger.Open(o.Config.Ledger, options)
	if o.Config.Database == "" || o.Embedded || !errors.Is(err, ledger.ErrLocked) {
		return l, err
	}
	stop, err := s.tellStandby(ctx, o)
	if err != nil {
		return nil, err
	}
	defer stop()
	for {
		select {
		case <-time.After(standbyEvery):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		l, err := ledger.Open(o.Config.Ledger, options)
		// The database may be away for a while, too: whoever leads waits for it as well.
		if !errors.Is(err, ledger.ErrLocked) && !pg.IsAway(err) {
			return l, err
		}
	}
}

// tellStandby has log and status.listen say that this wallet is a standby, until stop is called.
func (s *Service) tellStandby(ctx context.Context, o Options) (stop func(), err error) {
	waits := []status.Hindrance{{Cause: status.CauseStandby, Text: "another wallet leads; this one takes over when " +
		"that has ended, or its lease"}}
	t := &statusServer{log: s.log.With("component", "status"), metrics: status.New(status.Options{
		Ready:  func() []status.Hindrance { return waits },
		Gauges: func() status.Gauges { return status.Gauges{} },
	})}
	if t.now, err = t.open(o.Config); err != nil {
		return nil, &StepError{StepStatus, err}
	}
	serving, end := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = t.serve(serving)
	}()
	s.log.Info("standing by", "component", "agent", "why", waits[0].Text)
	over := func() {}
	if o.StandingBy != nil {
		over = o.StandingBy()
	}
	return func() {
		over()
		end()
		<-ended
		_ = t.close() // it is closed already, if it has served
	}, nil
}
