package link

import (
	"time"

	"pksa/protocol"
	"pksa/protocol/hive"
)

const (
	// refusalWithin is how long after an answer an `error` of the relay may be about it.
	refusalWithin = 10 * time.Second
	// maxSent bounds the answers that an `error` may be about.
	maxSent = 64
)

// SentAnswer is an answer that was written to the relay.
type SentAnswer struct {
	UUID    protocol.UUID
	Account hive.AccountName
	at      time.Time
}

// recordAnswer keeps an answer that is about to be written, as one that the next `error` may be
// about.
func (l *Link) recordAnswer(a SentAnswer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.sent) == maxSent {
		l.sent = append(l.sent[:0], l.sent[1:]...)
	}
	l.sent = append(l.sent, a)
}

// claimSentLocked returns the answers that an `error` may be about, and forgets them: each answer
// is suspected once, so that a relay makes no more of them than it got. An `error` names nothing.
// While a registration is outstanding it is taken to be about that.
func (l *Link) claimSentLocked(now time.Time) []SentAnswer {
	var recent []SentAnswer
	for _, a := range l.sent {
		if now.Sub(a.at) < refusalWithin {
			recent = append(recent, a)
		}
	}
	l.sent = nil
	return recent
}
