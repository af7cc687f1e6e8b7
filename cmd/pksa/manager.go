package main

import (
	"context"
	"log/slog"
	"os"
	"time"

	"pksa/agent"
	"pksa/cmd/pksa/internal/systemd"
)

// manager is the service manager that started this process, if one did.
type manager struct {
	*systemd.Notifier
	log *slog.Logger
}

// dialManager connects to the service manager, if one waits to be told that the wallet is ready. It
// is done before the process shuts itself in.
func dialManager(log *slog.Logger) *manager {
	notifier, err := systemd.Dial(os.Getenv("NOTIFY_SOCKET"))
	if err != nil {
		log.Warn("the service manager cannot be told when the wallet is ready", "err", err)
	}
	return &manager{notifier, log}
}

func (m *manager) close() { _ = m.Close() }

func (m *manager) tell(state string) {
	if err := m.Send(state); err != nil {
		m.log.Warn("the service manager was not told", "state", state, "err", err)
	}
}

// reloading sends that the policy is read again, and returns what sends that this is over. Whether
// it was taken, the command that asked for it says.
func (m *manager) reloading() (over func()) {
	m.tell(systemd.Reloading)
	return func() { m.tell(systemd.Ready) }
}

// keepAlive sends signs of life until ctx ends, if the manager waits for them. One means that the
// ledger's committing goroutine takes its turns, whether commits succeed or not: a full disk heals
// by itself, and a restart would not help.
func (m *manager) keepAlive(ctx context.Context, a *agent.Agent) {
	span := systemd.Watchdog(os.Getenv("WATCHDOG_USEC"), os.Getenv("WATCHDOG_PID"))
	m.KeepAlive(ctx, span, a.Live)
}

// attendStandby sends signs of life of a wallet that stands by, until ctx ends.
func (m *manager) attendStandby(ctx context.Context) {
	span := systemd.Watchdog(os.Getenv("WATCHDOG_USEC"), os.Getenv("WATCHDOG_PID"))
	m.KeepAlive(ctx, span, func(context.Context) error { return nil })
}

// statusEvery is how often the line of `systemctl status` is made anew.
const statusEvery = 10 * time.Second

// attend sends how the wallet is, until ctx ends.
func (m *manager) attend(ctx context.Context, a *agent.Agent) {
	tick := time.NewTicker(statusEvery)
	defer tick.Stop()
	for last := ""; ; {
		if text := systemd.StatusText(conditionOf(a)); text != last {
			last = text
			m.tell(text)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// conditionOf returns a line about how the wallet is.
func conditionOf(a *agent.Agent) string {
	if reasons := a.Ready(); len(reasons) > 0 {
		return "Not serving: " + reasons[0]
	}
	s := a.Status()
	if s.Policy.Failed != "" {
		return "Serving by the policy of before: the policy file has errors"
	}
	return "Serving " + count(len(s.Accounts), "account")
}
