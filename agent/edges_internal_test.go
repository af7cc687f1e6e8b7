package agent

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pksa/agent/control"
	"pksa/agent/ledger"
	"pksa/protocol/hive"
)

// A list in a line of the log has so many bytes, and says how many of its texts are left out.
func TestListsInTheLog(t *testing.T) {
	for size, cut := range map[int]bool{maxLogged - 1: false, maxLogged: false, maxLogged + 1: true} {
		texts := []string{strings.Repeat("x", size-10), "123456789"} // and what separates them
		got := logged(texts, 2)
		if all := strings.Join(got, ","); (all != strings.Join(texts, ",")) != cut || len(all) > maxLogged+10 {
			t.Errorf("a list of %d bytes: %d, of %d texts", size, len(all), len(got))
		}
	}
}

// So many keys of ended sessions are tried for an account at once, and so many more a second.
func TestTriesOfEndedSessions(t *testing.T) {
	var m remnants
	now := time.Unix(1_700_000_000, 0)
	tried := func(n int, now time.Time) (taken int) {
		for range n {
			if m.take("alice", now) {
				taken++
			}
		}
		return taken
	}
	if got := tried(remnantTries-1, now); got != remnantTries-1 {
		t.Errorf("%d keys are tried", got)
	}
	if got := tried(3, now); got != 1 {
		t.Errorf("behind one less than the bound %d are tried", got)
	}
	for n, want := range map[int]int{remnantTriesSecond - 1: 255, remnantTriesSecond: 256, remnantTriesSecond +
		1: 256} {
		now = now.Add(time.Hour)
		tried(2*remnantTries, now)
		now = now.Add(time.Second)
		if got := tried(n, now); got != want {
			t.Errorf("%d keys a second later: %d are tried", n, got)
		}
	}
}

// Of an account so many logins wait for their links, and the oldest leaves for one more. All of
// them have so many bytes.
func TestLoginsThatWaitForALink(t *testing.T) {
	now := time.Now()
	for _, n := range []int{99, 100, 101} {
		var p pairings
		out := 0
		for i := range n {
			out += len(p.hold(waits("alice", i), now.Add(time.Minute), now))
		}
		_, first := p.take(pairKey{"alice", waits("", 0).msg.UUID.Key()})
		if out != max(0, n-100) || first != (n <= 100) {
			t.Errorf("of %d logins %d left, the first waits: %t", n, out, first)
		}
	}
	for more, kept := range map[int]bool{-1: true, 0: true, 1: false} {
		var p pairings
		first, second := waits("alice", 1), waits("bob", 2)
		first.msg.Data = strings.Repeat("x", heldBytes/4)
		p.hold(first, now.Add(time.Minute), now)
		left := heldBytes - p.bytes - heldRequest{delivered: second}.size() + more
		second.msg.AuthKey = strings.Repeat("x", left%2)
		second.msg.Data = strings.Repeat("x", left/2)
		out := p.hold(second, now.Add(time.Minute), now)
		if (len(out) == 0) != kept || p.bytes > heldBytes {
			t.Errorf("%d bytes above the bound: %d left, %d bytes are held", more, len(out), p.bytes)
		}
	}
}

// A page of sessions has so many bytes, and says how many more there are. All pages together are
// the list, and an answer takes each.
func TestListOfSessions(t *testing.T) {
	const many = 4
	one := SessionInfo{ID: 1, Account: "alice", App: "web"}
	empty, _ := control.Encode(one)
	for more, pages := range map[int][]int{-1: {4}, 0: {4}, 1: {3, 1}, listPage: {2, 2}} {
		var all []SessionInfo
		left := listPage + more - many*(len(empty)+1)
		for i := range many {
			one.ID, one.Claim = ledger.SessionID(i+1), ""
			room := left/many + left%many*(i/(many-1)) - len(`"calls_itself":"",`)
			one.Claim = strings.Repeat("x", room)
			all = append(all, one)
		}
		var got []int
		for q := (SessionsParams{}); ; {
			page, err := pageOf(slices.Clone(all), q, func(s *SessionInfo) (ledger.SessionID, *int) {
				return s.ID, &s.More
			})
			if err != nil || len(page) == 0 {
				t.Fatal(err, got)
			}
			text, _ := control.Encode(page)
			got, q.After = append(got, len(page)), page[len(page)-1].ID
			left := page[len(page)-1].More
			if len(text) > listPage+100 || left != many-int(q.After) || page[0].ID != q.After-ledger.SessionID(
				len(page)-1) {
				t.Errorf("%d bytes more: a page of %d bytes, and %d more behind %s", more, len(text), left, q.After)
			}
			if left == 0 {
				break
			}
		}
		if !slices.Equal(got, pages) {
			t.Errorf("%d bytes more: pages of %v, want %v", more, got, pages)
		}
	}
}

// The list of what waits shows ten parts of a request, and of each text so many bytes.
func TestListOfWhatWaits(t *testing.T) {
	a := &Agent{network: hive.Mainnet}
	for _, n := range []int{listedParts - 1, listedParts, listedParts + 1} {
		var effects []string
		for i := range n {
			effects = append(effects, fmt.Sprint("effect ", i))
		}
		got := a.listed(&asked{info: PendingRequest{Effects: effects}})
		if len(got.Effects) != min(n, 10) || (got.InAll == n) != (n > 10) || got.InAll != 0 && n <= 10 {
			t.Errorf("of %d effects %d are listed, of %d in all", n, len(got.Effects), got.InAll)
		}
	}
	for size, cut := range map[int]bool{1023: false, 1024: false, 1025: true} {
		text := strings.Repeat("x", size)
		got := a.listed(&asked{info: PendingRequest{Text: text, Effects: []string{text}}})
		if got.Cut != cut || (got.Text != text) != cut || (got.Effects[0] != text) != cut || len(got.Text) > 1024+
			len("…") {
			t.Errorf("a text of %d bytes: cut: %t, to %d", size, got.Cut, len(got.Text))
		}
	}
}
