package policy

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"pksa/protocol/hive"
)

// What is kept takes no more memory than it is said to, whatever JSON is in it, also when all of it
// has been read for a draft.
func TestMemoryOfSeenLately(t *testing.T) {
	for _, piece := range []string{"1", `{"a":1}`} {
		before := heapInUse()
		var seen SeenLately
		for i := 0; seen.Dropped() == 0; i++ {
			json := fmt.Sprintf("[%d,%s%s]", i, strings.Repeat(piece+",", 3500/len(piece)), piece)
			text := fmt.Sprintf(`["custom_json",{"required_auths":[],"required_posting_auths":["alice"],"id":"x",`+
				`"json":%q}]`, json)
			op, err := hive.Mainnet.ParseOperation([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			seen.Add(Seen{Request: &Request{Kind: Sign, Account: "alice", App: "bot", Role: hive.Posting,
				Broadcast: true, Ops: []hive.Operation{op}}, Time: time.Unix(int64(i), 0)})
		}
		w := suggester{groups: map[string]*seenGroup{}, names: map[string]int{}, in: map[*Request][]string{}}
		list := seen.List()
		for _, s := range list {
			w.sort(s)
		}
		for _, g := range w.groups {
			(&draft{account: g.account}).fields(g.parts[0], 0)
		}
		if took := heapInUse() - before; took > MostSeenBytes {
			t.Errorf("%s: %d MiB of %d requests", piece, took>>20, len(list))
		}
		runtime.KeepAlive(w)
	}
}

func heapInUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
