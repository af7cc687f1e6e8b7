package doctor

import (
	"cmp"
	"context"
	"sync"
	"time"

	"pksa/agent"
	"pksa/agent/notify"
)

// notifyWait is how long all notifiers together may take.
const notifyWait = 15 * time.Second

// notifiers tries whether the secrets of notifiers can be read and their servers are there. No
// message is sent.
func (e *examiner) notifiers(ctx context.Context) bool {
	const meaning = "nobody is told in this way of requests that wait, and of troubles"
	targets := agent.Targets(e.o.Config)
	ctx, cancel := context.WithTimeout(ctx, notifyWait)
	defer cancel()
	tried := make([]struct {
		source, server error
		next           string
	}, len(targets))
	var running sync.WaitGroup
	for i, t := range targets {
		running.Go(func() {
			if tried[i].source = notify.CheckSource(ctx, t); tried[i].source == nil {
				tried[i].next, tried[i].server = notify.Reach(ctx, t, e.o.Notify)
			}
		})
	}
	running.Wait()
	for i, t := range targets {
		where := t.Kind + " " + t.Server()
		if err := tried[i].source; err != nil {
			e.found(Finding{Level: Error, Where: where, What: "what the notifier needs cannot be read: " + err.Error(),
				Meaning: meaning, Next: "put it there, readable by the wallet's user alone"})
			continue
		}
		if err := tried[i].server; err != nil {
			e.found(Finding{Level: Error, Where: where, What: "the server is not reached: " + err.Error(),
				Meaning: meaning, Next: tried[i].next})
			continue
		}
		if e.status != nil && i < len(e.status.Notifiers) {
			if n := e.status.Notifiers[i]; n.Problem != "" {
				e.found(Finding{Level: Error, Where: n.Kind + " " + n.Server,
					What: "the last message was not taken: " + n.Problem, Meaning: meaning, Next: cmp.Or(n.Next,
						"check address and token in the setting notify, then look again")})
			}
		}
	}
	return true
}
