package relay

import (
	"fmt"
	"testing"

	"pksa/protocol/hive"
)

// A connection is remembered to have had answers of so many accounts.
func TestAnsweredIsBounded(t *testing.T) {
	s := &socket{answered: map[hive.AccountName]struct{}{}}
	for n, want := range []int{1: 1, maxAnswered - 1: maxAnswered - 1, maxAnswered: maxAnswered, maxAnswered + 1: 1} {
		if want == 0 {
			continue
		}
		clear(s.answered)
		for i := range n {
			s.noteAnsweredLocked(hive.AccountName(fmt.Sprint("name-", i)))
		}
		if len(s.answered) != want || !s.wasAnswered(hive.AccountName(fmt.Sprint("name-", n-1))) {
			t.Errorf("after %d accounts %d are remembered", n, len(s.answered))
		}
	}
}
