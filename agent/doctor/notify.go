package doctor

import (
	"cmp"
	"context"

	"pksa/agent"
	"pksa/agent/notify"
)

// notifiers tries whether the secrets of notifiers can be read and their servers are there. No
// message is sent.
func (e *examiner) notifiers(ctx context.Context) bool {
	const meaning = "nobody is told in this way of requests that wait, and of troubles"
	for i, t := range agent.Targets(e.o.Config) {
		where := t.Kind + " " + t.Server()
		if err := notify.CheckSource(ctx, t); err != nil {
			e.found(Finding{Level: Error, Where: where, What: "what the notifier needs cannot be read: " + err.Error(),
				Meaning: meaning, Next: "put it there, readable by the wallet's user alone"})
			continue
		}
		if next, err := notify.Reach(ctx, t, e.o.Notify); err != nil {
			e.found(Finding{Level: Error, Where: where, What: "the server is not reached: " + err.Error(),
				Meaning: meaning, Next: next})
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
