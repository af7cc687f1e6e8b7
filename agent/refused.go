package agent

import (
	"time"

	"pksa/agent/ledger"
	"pksa/agent/link"
)

const (
	// recheckAfterRefusal is the least time between two comparisons of the keys that relays cause:
	// a hostile one must not make this wallet ask the nodes without end.
	recheckAfterRefusal = time.Minute
	// maxRefusedNamed is how many answers one record names.
	maxRefusedNamed = 8
)

// answerRefused records that a relay refused an answer, whose outcome the trail already has as
// given, and has the keys compared with the chain: the usual reason is a key that was changed
// there. The relay keeps the request, so that the answer can be given again with another key.
func (a *Agent) answerRefused(relay, text string, sent []link.SentAnswer) {
	var uuids []string
	for _, s := range sent[max(0, len(sent)-maxRefusedNamed):] {
		uuids = append(uuids, string(s.UUID))
	}
	e := ledger.Entry{}
	if len(sent) == 1 {
		e.Account = string(sent[0].Account)
	}
	// By the relay's word only. It names no request: of several answers it may be any.
	a.noteEvent(eventAnswer, e, map[string]any{"relay": relay, "text": text, "uuids": uuids, "certain": len(sent) == 1})
	now := time.Now().UnixNano()
	if last := a.refusedAt.Load(); now-last >= int64(recheckAfterRefusal) && a.refusedAt.CompareAndSwap(last, now) {
		a.checkKeysSoon()
	}
}
