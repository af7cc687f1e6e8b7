package link

import (
	"context"
	"sync/atomic"
	"testing"

	"pksa/protocol/hive"
)

// FuzzFlightEdges draws requests whose number and bytes end one below a bound of what is in flight,
// at it, and one above, of an account, of the link, and of all links together. What is taken and
// what is dropped must be as the table of bounds says.
//
// Each byte is a step: its lowest bit says which account, the next two what happens, the others
// where at the edge.
func FuzzFlightEdges(f *testing.F) {
	for stride := range 8 { // each step, in several orders
		var steps []byte
		for n := range 256 {
			steps = append(steps, byte(n*(2*stride+1)))
		}
		f.Add(uint8(200), uint8(100), steps)
		f.Add(uint8(4), uint8(3), steps)
	}
	f.Fuzz(func(t *testing.T, inFlight, ofAccount uint8, steps []byte) {
		if inFlight == 0 || ofAccount == 0 || len(steps) > 300 {
			return
		}
		held := new(atomic.Int64)
		l, err := New(Options{URL: "wss://relay.example", Handler: func(context.Context, Delivery) {}, Held: held,
			InFlight: int(inFlight), AccountInFlight: int(ofAccount)})
		if err != nil {
			t.Fatal(err)
		}
		l.accounts["alice"], l.accounts["bob"] = &entry{}, &entry{}
		type taken struct {
			p    *place
			name hive.AccountName
			size int
		}
		var list []taken
		number, bytes := map[hive.AccountName]int{}, map[hive.AccountName]int{}
		others := 0 // bytes at other links
		sum := func() int { return bytes["alice"] + bytes["bob"] }
		for i, step := range steps {
			name := []hive.AccountName{"alice", "bob"}[step&1]
			if step>>1&3 == 3 && len(list) > 0 {
				x := list[int(step>>3)%len(list)]
				l.release(x.p)
				l.release(x.p)
				list = append(list[:0:0], list...)
				for j := range list {
					if list[j] == x {
						list = append(list[:j], list[j+1:]...)
						break
					}
				}
				number[x.name]--
				bytes[x.name] -= x.size
				continue
			}
			// What is left until a bound, of the large ones or of all, and one more or less.
			left := []int{maxBytesHeldAccount - bytes[name], maxBytesHeld - sum(), maxBytesTogether - sum() - others,
				maxBytesHeldAccount/8*7 - bytes[name], maxBytesHeld/8*7 - sum(), maxBytesTogether/8*7 - sum() - others,
				largeFrame, 400}
			size := max(1, left[int(step>>3)%len(left)]+int(step>>6)-1)
			if step>>1&3 == 2 {
				size = min(size, 500_000) // so that it takes several
			}
			if step>>1&3 == 1 && others == 0 {
				others = maxBytesTogether/2 + i
				held.Add(int64(others))
			}
			share := func(most int) int {
				if size > largeFrame {
					return most / 8 * 7
				}
				return most
			}
			want := dropNothing
			switch {
			case number["alice"]+number["bob"] >= int(inFlight), sum()+size > share(maxBytesHeld):
				want = DropQueueFull
			case number[name] >= int(ofAccount), bytes[name]+size > share(maxBytesHeldAccount):
				want = DropAccountQueue
			case sum()+others+size > share(maxBytesTogether):
				want = DropQueueFull
			}
			p, got := l.reserve(name, size)
			if got != want {
				t.Fatalf("step %d: %d bytes for %s beside %v, %v, %d of others: %q, want %q", i, size, name, number,
					bytes, others, got, want)
			}
			if p != nil {
				list = append(list, taken{p, name, size})
				number[name]++
				bytes[name] += size
			}
		}
		for _, x := range list {
			l.release(x.p)
		}
		if n := held.Load() - int64(others); n != 0 || l.inFlight != 0 || l.bytes != 0 {
			t.Fatalf("in the end %d bytes are held, %d requests in flight, %d bytes", n, l.inFlight,
				l.bytes)
		}
	})
}
