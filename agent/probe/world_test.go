package probe_test

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"pksa/agent/probe"
)

// sea is a number of copies at one relay, all in virtual time.
type sea struct {
	t      *testing.T
	chance *rand.Rand
	now    time.Time
	events events
	order  int
	copies []*ship
	keys   int

	slowest time.Duration // a frame takes, one way
	lose    float64       // of frames
	replay  float64       // of requests that come once more, later

	asked map[string]*asked
}

// ship is one copy of the wallet.
type ship struct {
	*probe.Watch
	records        uint64
	afloat         bool // registered at the relay
	serves, ended  bool
	yielded, alarm bool
}

type asked struct {
	by      *ship
	settled bool
}

type event struct {
	at    time.Time
	order int
	do    func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at.Before(e[j].at) || e[i].at.Equal(e[j].at) && e[i].order < e[j].order
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

func (s *sea) after(d time.Duration, do func()) {
	s.order++
	heap.Push(&s.events, event{s.now.Add(d), s.order, do})
}

// frame passes something on, unless the relay loses it.
func (s *sea) frame(do func()) {
	if s.chance.Float64() >= s.lose {
		s.after(time.Duration(s.chance.Int64N(int64(s.slowest))), do)
	}
}

func (s *sea) launch(records uint64) *ship {
	c := &ship{records: records, afloat: true}
	c.Watch = probe.New(probe.Options{Instance: id(byte(len(s.copies) + 1)), Interval: 5 * time.Minute,
		Records: func() uint64 { return c.records }})
	c.Add("r")
	s.copies = append(s.copies, c)
	c.Registered("r", s.now)
	return c
}

// step lets every copy do what is due, and then whatever happens next.
func (s *sea) step(end time.Time) bool {
	soonest := end
	for _, c := range s.copies {
		if c.ended {
			continue
		}
		if next := c.Tick(s.now); !next.IsZero() && next.Before(soonest) {
			soonest = next
		}
		for _, a := range c.Actions() {
			s.act(c, a)
		}
	}
	if len(s.events) > 0 && !s.events[0].at.After(soonest) {
		e := heap.Pop(&s.events).(event)
		s.now = e.at
		e.do()
		return true
	}
	s.now = soonest
	return soonest.Before(end)
}

func (s *sea) run(d time.Duration) {
	for end := s.now.Add(d); s.step(end); {
	}
}

func (s *sea) act(c *ship, a probe.Action) {
	switch a.Do {
	case probe.SendProbe:
		s.frame(func() { s.request(c, a.Message) })
	case probe.SendAnswer:
		s.frame(func() { s.answer(a.UUID, a.Message) })
	case probe.Serve:
		if c.yielded {
			s.t.Fatal("serves after it has yielded")
		}
		c.serves = true
	case probe.Alarm:
		c.alarm = true
	case probe.Yield:
		c.serves, c.yielded, c.alarm = false, true, true
	case probe.Stop:
		c.ended, c.afloat = true, false
	}
}

func (s *sea) request(by *ship, m probe.Message) {
	s.keys++
	uuid := fmt.Sprint(s.keys)
	s.asked[uuid] = &asked{by: by}
	deliver := func() {
		for _, c := range s.copies {
			s.frame(func() {
				if c.afloat {
					c.Delivered("r", "alice", uuid, m, s.now)
				}
			})
		}
	}
	deliver()
	if s.chance.Float64() < s.replay {
		s.after(time.Duration(s.chance.Int64N(int64(time.Hour))), deliver)
	}
}

func (s *sea) answer(uuid string, m probe.Message) {
	q := s.asked[uuid]
	deliver := func() {
		if q.by.afloat {
			q.by.Answered("r", uuid, &m, s.now)
		}
	}
	if s.chance.Float64() < s.replay {
		s.after(time.Duration(s.chance.Int64N(int64(time.Hour))), deliver)
	}
	if !q.settled {
		q.settled = true
		s.frame(deliver)
	}
}

func (s *sea) serving() (n int) {
	for _, c := range s.copies {
		if c.serves {
			n++
		}
	}
	return n
}

func newSea(t *testing.T, seed uint64) *sea {
	chance := rand.New(rand.NewPCG(seed, 3))
	return &sea{t: t, chance: chance, now: time.Unix(1_000_000, 0), asked: map[string]*asked{},
		slowest: time.Duration(1+chance.Int64N(400)) * time.Millisecond}
}

// soon is how long copies may both serve at a relay that delivers, plus the wait before a probe.
const soon = 30 * time.Second

// TestCopiesAtOneRelay: two or three copies that are started at whatever times, while each one's
// ledger grows: soon one serves, and never none. Each of the others has yielded, and all of them
// know.
func TestCopiesAtOneRelay(t *testing.T) {
	for seed := range uint64(300) {
		s := newSea(t, seed)
		if seed%2 == 0 {
			s.replay = 0.3
		}
		for range 2 + s.chance.IntN(2) {
			s.launch(s.chance.Uint64N(5))
			s.run(time.Duration(s.chance.Int64N(int64(20 * time.Second))))
			for _, c := range s.copies {
				c.records += s.chance.Uint64N(5)
			}
		}
		s.run(soon)
		if n := s.serving(); n != 1 {
			t.Fatalf("seed %d: %d copies serve, one way takes up to %s", seed, n, s.slowest)
		}
		for i, c := range s.copies {
			if c.serves == c.yielded {
				t.Errorf("seed %d: copy %d serves %t, has yielded %t", seed, i, c.serves, c.yielded)
			}
			if !c.alarm && len(s.copies) == 2 {
				t.Errorf("seed %d: copy %d of two does not know", seed, i)
			}
		}
		s.run(2 * time.Hour)
		if n := s.serving(); n != 1 {
			t.Fatalf("seed %d: later %d copies serve", seed, n)
		}
	}
}

// TestNewcomerYields: a copy that is started beside one that serves never serves, however many
// records it has, while the relay is quick.
func TestNewcomerYields(t *testing.T) {
	for seed := range uint64(300) {
		s := newSea(t, seed)
		s.slowest = 50 * time.Millisecond // an answer is there within the least wait
		first := s.launch(1)
		s.run(time.Duration(3+s.chance.IntN(600)) * time.Second)
		second := s.launch(100)
		s.run(2 * time.Second)
		if !first.serves || second.serves || !second.yielded {
			t.Fatalf("seed %d: the first serves %t, the second %t", seed, first.serves, second.serves)
		}
	}
}

// TestLossyRelay: at a relay that loses a third of all frames, one copy is left in the end.
func TestLossyRelay(t *testing.T) {
	for seed := range uint64(300) {
		s := newSea(t, seed)
		s.lose, s.replay = 0.33, 0.3
		s.launch(s.chance.Uint64N(3))
		s.launch(s.chance.Uint64N(3))
		s.run(6 * time.Hour)
		if n := s.serving(); n > 1 {
			t.Errorf("seed %d: %d copies serve after hours", seed, n)
		}
	}
}

// TestRelayThatReplays: one wallet at a relay that brings everything again, also what an earlier
// run of the wallet has sent, never stops and never alarms.
func TestRelayThatReplays(t *testing.T) {
	for seed := range uint64(300) {
		s := newSea(t, seed)
		s.replay = 1
		earlier := s.launch(3)
		s.run(time.Duration(s.chance.Int64N(int64(time.Hour))))
		earlier.ended, earlier.afloat, earlier.serves = true, false, false
		s.run(20 * time.Second) // longer than an answer is fresh
		later := s.launch(7)
		s.run(3 * time.Hour)
		if !later.serves || later.yielded || later.alarm {
			t.Fatalf("seed %d: serves %t, has yielded %t, alarm %t", seed, later.serves, later.yielded, later.alarm)
		}
	}
}
