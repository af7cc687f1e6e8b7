package link

import (
	"fmt"
	"testing"
	"time"

	"pksa/protocol"
)

// An error of the relay may be about so many of the newest answers, each once.
func TestAnswersThatAnErrorMayBeAbout(t *testing.T) {
	now := time.Now()
	for _, n := range []int{63, 64, 65, 200} {
		l := new(Link)
		for i := range n {
			l.recordAnswer(SentAnswer{UUID: protocol.UUID(fmt.Sprint(i)), at: now})
		}
		got := l.claimSentLocked(now)
		if len(got) != min(n, 64) || got[len(got)-1].UUID != protocol.UUID(fmt.Sprint(n-1)) ||
			got[0].UUID != protocol.UUID(fmt.Sprint(max(0, n-64))) || cap(got) > 2*64 {
			t.Errorf("of %d answers an error may be about %d, %s to %s", n, len(got), got[0].UUID,
				got[len(got)-1].UUID)
		}
		if again := l.claimSentLocked(now); len(again) != 0 {
			t.Errorf("%d answers are suspected twice", len(again))
		}
	}
}
