package audit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"pksa/agent/policy"
	"pksa/protocol/hive"
)

// Trial is what a policy answers to the newest requests of the trail, beside what the policy
// answers that it follows. Both count what they would have admitted of these requests, and nothing
// from before. A person's no holds for both.
type Trial struct {
	Requests int      `json:"requests"` // that both judged
	Same     int      `json:"same"`
	Turns    []Turn   `json:"turns"`           // the others, counted: the old answer and the new one
	Changes  []Change `json:"changes"`         // the first of them
	Ended    string   `json:"ended,omitempty"` // why the newest of the requests were not judged
}

// Promises returns the members that no answer of the agent lacks.
func (Trial) Promises() []string { return []string{"requests", "same", "turns", "changes"} }

// Of the trail so much is judged before a policy comes into force, which people wait for.
const (
	trialRecords = 5000
	trialTime    = 2 * time.Second
	trialBytes   = 4 << 20 // of what either policy counts
	trialChanges = 5
)

var (
	errTrialLong  = fmt.Errorf("they take longer than %s", trialTime)
	errTrialLarge = errors.New("the limits count too much to hold it here")
)

// Try judges the newest requests by a policy and by the one that it is to follow, for two seconds
// at most.
func (t Trail) Try(ctx context.Context, old, next *policy.Policy, n *hive.Network) Trial {
	ctx, cancel := context.WithTimeoutCause(ctx, trialTime, errTrialLong)
	defer cancel()
	head, _ := t.Ledger.Head()
	r := replay{policy: next, before: old, from: firstTried(head), mostBytes: trialBytes,
		end: func() error { return context.Cause(ctx) }}
	return r.try(t.Source(ctx), n)
}

// firstTried returns the first record of a trial.
func firstTried(head uint64) uint64 { return head - min(head, trialRecords) + 1 }

func (r *replay) try(read Source, n *hive.Network) Trial {
	r.windows, r.mostChanges, r.mostDeclined = r.policy.Windows(), trialChanges, trialRecords
	out, err := r.run(read, n)
	tried := Trial{Requests: out.Requests, Same: out.Same, Turns: out.Turns, Changes: out.Changes}
	if err != nil {
		tried.Ended = err.Error()
	}
	return tried
}

// Text returns in one sentence how many answers change.
func (t *Trial) Text() string {
	text := "Of the last request"
	if t.Requests != 1 {
		text = fmt.Sprintf("Of the last %d requests", t.Requests)
	}
	switch n := t.Requests - t.Same; n {
	case 0:
		text += " none gets another answer"
	case 1:
		text += " one gets another answer: " + TurnsText(t.Turns)
	default:
		text += fmt.Sprintf(" %d get another answer: %s", n, TurnsText(t.Turns))
	}
	if t.Ended != "" {
		text += "; newer ones were not tried: " + t.Ended
	}
	return text + "."
}

// TurnsText returns in words how many requests turn, and how.
func TurnsText(turns []Turn) string {
	var words []string
	for _, was := range []policy.Verdict{policy.Allow, policy.Ask, policy.Deny} {
		for _, now := range []policy.Verdict{policy.Allow, policy.Ask, policy.Deny} {
			for _, turn := range turns {
				if turn.Was == was && turn.Now == now {
					words = append(words, fmt.Sprintf("%d %s → %s", turn.Requests, was, now))
				}
			}
		}
	}
	return strings.Join(words, ", ")
}
