package probe_test

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"pksa/agent/probe"
)

// id is a readable ID.
func id(n byte) probe.ID { return probe.ID{15: n} }

func sealer(t testing.TB, label byte) cipher.AEAD {
	t.Helper()
	block, err := aes.NewCipher(append(make([]byte, 31), label))
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	return aead
}

// TestYields: of two copies exactly one yields, whatever they say of themselves, and the rules
// hold.
func TestYields(t *testing.T) {
	chance := rand.New(rand.NewPCG(1, 1))
	some := func(instance byte) probe.Facts {
		return probe.Facts{Epoch: chance.Uint64N(2), Records: chance.Uint64N(3), Instance: id(instance),
			Serving: chance.IntN(2) == 0}
	}
	for range 10_000 {
		a, b := some(1), some(2)
		if probe.Yields(a, b) == probe.Yields(b, a) {
			t.Fatalf("both, or none: %+v and %+v", a, b)
		}
		c := some(3) // of three, the one that yields to no other is there
		if probe.Yields(a, b) && probe.Yields(b, c) && probe.Yields(c, a) {
			t.Fatalf("in a circle: %+v, %+v and %+v", a, b, c)
		}
	}
	for name, tt := range map[string]struct{ yields, other probe.Facts }{
		"not serving":   {probe.Facts{Records: 9}, probe.Facts{Records: 1, Serving: true}},
		"fewer records": {probe.Facts{Records: 1, Serving: true}, probe.Facts{Records: 2, Serving: true}},
		"smaller instance": {probe.Facts{Records: 1, Instance: id(1), Serving: true},
			probe.Facts{Records: 1, Instance: id(2), Serving: true}},
		"lower epoch": {probe.Facts{Epoch: 1, Records: 9, Serving: true}, probe.Facts{Epoch: 2}},
	} {
		if !probe.Yields(tt.yields, tt.other) || probe.Yields(tt.other, tt.yields) {
			t.Error(name)
		}
	}
	if probe.Yields(probe.Facts{}, probe.Facts{Records: 5, Serving: true, Yielded: true}) {
		t.Error("yields to a copy that has yielded")
	}
	if one := (probe.Facts{Records: 5, Instance: id(1)}); !probe.Yields(one, one) {
		t.Error("of two processes that were one, none yields")
	}
}

// TestSeal: a message opens for whoever has the key, for the same account, unchanged.
func TestSeal(t *testing.T) {
	m := probe.Message{Facts: probe.Facts{Epoch: 7, Records: 1 << 40, Instance: id(3), Serving: true, Yielded: true},
		Answer: true, Nonce: id(4)}
	sealed := probe.Seal(sealer(t, 1), "alice", m)
	if got, err := probe.Open(sealer(t, 1), "alice", sealed); err != nil || got != m {
		t.Fatalf("%+v, %v", got, err)
	}
	if !probe.Marked(sealed) {
		t.Error("not marked")
	}
	if _, err := probe.Open(sealer(t, 2), "alice", sealed); err != probe.ErrForeign {
		t.Errorf("another wallet opens it: %v", err)
	}
	if _, err := probe.Open(sealer(t, 1), "bob", sealed); err != probe.ErrForeign {
		t.Errorf("it opens for another account: %v", err)
	}
	for i := range sealed {
		changed := []byte(sealed)
		if changed[i]++; probe.Marked(string(changed)) {
			if _, err := probe.Open(sealer(t, 1), "alice", string(changed)); err == nil {
				t.Errorf("opens with byte %d changed", i)
			}
		}
	}
	for _, other := range []string{"", "U2FsdGVkX18", "U2FsdGVkX19wa3NhLXBy", sealed + sealed + sealed} {
		if _, err := probe.Open(sealer(t, 1), "alice", other); err == nil {
			t.Errorf("opens %q", other)
		}
	}
}

// single is one Watch with one relay, at a time of its own.
type single struct {
	*probe.Watch
	t   *testing.T
	now time.Time
}

func newSingle(t *testing.T) *single {
	w := probe.New(probe.Options{Instance: id(1), Interval: 5 * time.Minute, Records: func() uint64 { return 10 }})
	w.Add("r")
	return &single{w, t, time.Unix(1_000_000, 0)}
}

// pass lets time pass and returns what is to be done meanwhile.
func (s *single) pass(d time.Duration) (all []probe.Action) {
	for end := s.now.Add(d); ; {
		next := s.Tick(s.now)
		all = append(all, s.Actions()...)
		if next.IsZero() || next.After(end) {
			s.now = end
			return all
		}
		if !next.After(s.now) {
			s.t.Fatalf("due in the past: %s at %s", next, s.now)
		}
		s.now = next
	}
}

func (s *single) one(actions []probe.Action, do probe.Deed) probe.Action {
	s.t.Helper()
	if len(actions) != 1 || actions[0].Do != do {
		s.t.Fatalf("wants deed %d alone: %+v", do, actions)
	}
	return actions[0]
}

func (s *single) none(actions []probe.Action) {
	s.t.Helper()
	if len(actions) != 0 {
		s.t.Fatalf("does %+v", actions)
	}
}

// TestAlone: the life of a wallet without a copy: it waits three round trips before it serves, then
// answers itself, and looks again at intervals. After a reconnect it waits for nothing.
func TestAlone(t *testing.T) {
	s := newSingle(t)
	s.none(s.pass(time.Hour))
	s.Registered("r", s.now)
	sent := s.one(s.pass(150*time.Millisecond), probe.SendProbe).Message
	if sent.Serving || sent.Answer || sent.Records != 10 {
		t.Errorf("%+v", sent)
	}
	s.Delivered("r", "alice", "u", sent, s.now)
	s.none(s.pass(299 * time.Millisecond))
	s.one(s.pass(time.Millisecond), probe.Serve)
	answer := s.one(s.pass(time.Second), probe.SendAnswer)
	if answer.UUID != "u" || answer.Account != "alice" || !answer.Message.Answer || answer.Message.Nonce != sent.Nonce {
		t.Errorf("%+v", answer)
	}
	s.Answered("r", "u", &answer.Message, s.now)
	if f := s.Finding("r"); f.Outcome != probe.Alone {
		t.Errorf("%+v", f)
	}
	s.none(s.pass(5*time.Minute - time.Second))
	again := s.one(s.pass(time.Second), probe.SendProbe).Message
	if !again.Serving || again.Nonce == sent.Nonce {
		t.Errorf("%+v", again)
	}
	s.Registered("r", s.now)
	s.one(s.pass(time.Millisecond), probe.SendProbe)
}

// TestWaits: what the wallet waits for at most, and that it serves then, whatever the relay does.
func TestWaits(t *testing.T) {
	t.Run("a relay that does not deliver", func(t *testing.T) {
		s := newSingle(t)
		s.Registered("r", s.now)
		s.one(s.pass(2*time.Second-1), probe.SendProbe)
		s.one(s.pass(1), probe.Serve)
		s.none(s.pass(8 * time.Second))
		if f := s.Finding("r"); f.Outcome != probe.Lost {
			t.Errorf("%+v", f)
		}
	})
	t.Run("a quick relay", func(t *testing.T) {
		s := newSingle(t)
		s.Registered("r", s.now)
		s.Delivered("r", "alice", "u", s.one(s.pass(time.Millisecond), probe.SendProbe).Message, s.now)
		s.none(s.pass(198 * time.Millisecond))
		s.one(s.pass(time.Millisecond), probe.Serve)
	})
	t.Run("a relay that keeps our answer", func(t *testing.T) {
		s := newSingle(t)
		s.Registered("r", s.now)
		s.Delivered("r", "alice", "u", s.one(s.pass(time.Millisecond), probe.SendProbe).Message, s.now)
		s.pass(10 * time.Second)
		if f := s.Finding("r"); f.Outcome != probe.Unaccepted {
			t.Errorf("%+v", f)
		}
	})
	t.Run("a probe that cannot be sent", func(t *testing.T) {
		s := newSingle(t)
		s.Registered("r", s.now)
		s.NotSent("r", s.one(s.pass(time.Millisecond), probe.SendProbe).Message.Nonce, s.now)
		s.one(s.pass(2900*time.Millisecond), probe.SendProbe) // and nothing is served before one had its time
		s.one(s.pass(500*time.Millisecond), probe.Serve)
	})
}

// TestUnopened: a probe that somebody settles who cannot open it has found out nothing. It is sent
// twice more, and then again at the usual time.
func TestUnopened(t *testing.T) {
	s := newSingle(t)
	s.Registered("r", s.now)
	for try := 1; try <= 3; try++ {
		sent := s.one(s.pass(10*time.Millisecond), probe.SendProbe).Message
		s.Delivered("r", "alice", "u", sent, s.now)
		s.Answered("r", "other", nil, s.now) // of another request
		s.Answered("r", "u", nil, s.now)
		if f := s.Finding("r"); f.Outcome != probe.Unopened || f.Times != try {
			t.Errorf("after %d: %+v", try, f)
		}
	}
	s.one(s.pass(2*time.Second), probe.Serve)
	s.one(s.pass(5*time.Minute), probe.SendProbe)
}

// TestReplay: nothing that a relay can keep and bring again stops a wallet or is an alarm.
func TestReplay(t *testing.T) {
	s := newSingle(t)
	s.Registered("r", s.now)
	first := s.one(s.pass(time.Millisecond), probe.SendProbe).Message
	twin := probe.Message{Facts: probe.Facts{Instance: id(9), Records: 99, Serving: true}, Answer: true,
		Nonce: first.Nonce}
	probeOfTwin := probe.Message{Facts: twin.Facts, Nonce: id(77)}
	s.pass(time.Minute)
	for range 1000 {
		s.Answered("r", "u", &twin, s.now)           // an answer to a probe that is over
		s.Delivered("r", "alice", "u", twin, s.now)  // an answer as a request
		s.Delivered("r", "alice", "u", first, s.now) // our own old probe
		s.Answered("r", "u", &probeOfTwin, s.now)    // a probe as an answer
		s.Delivered("r", "alice", "u", probeOfTwin, s.now)
		sent := 0
		for _, a := range s.pass(100 * time.Millisecond) {
			switch a.Do {
			case probe.SendProbe:
				sent++
			case probe.SendAnswer:
			default:
				t.Fatalf("does %+v", a)
			}
		}
		if sent > 1 {
			t.Fatalf("%d probes at once", sent)
		}
	}
}

// TestAnswersAreBounded: a relay that brings probes of a copy again and again has five of them
// answered at once, and one a second.
func TestAnswersAreBounded(t *testing.T) {
	for n := 4; n <= 7; n++ {
		s := newSingle(t)
		s.Registered("r", s.now)
		s.pass(time.Minute)
		bring := func(n int) (answered int) {
			for i := range n {
				m := probe.Message{Facts: probe.Facts{Instance: id(9)}, Nonce: id(byte(20 + i))}
				s.Delivered("r", "alice", "u", m, s.now)
			}
			for _, a := range s.pass(0) {
				if a.Do == probe.SendAnswer {
					answered++
				}
			}
			return answered
		}
		if got := bring(n); got != min(n, 5) {
			t.Errorf("%d probes at once: %d are answered", n, got)
		}
		s.pass(time.Second)
		if got, want := bring(n), max(1, min(n, 6-n)); got != want {
			t.Errorf("%d more a second later: %d are answered, want %d", n, got, want)
		}
	}
}

// TestLateAnswer: an answer to a probe of more than ten seconds ago counts for nothing.
func TestLateAnswer(t *testing.T) {
	s := newSingle(t)
	s.Registered("r", s.now)
	sent := s.one(s.pass(time.Millisecond), probe.SendProbe).Message
	s.now = s.now.Add(11 * time.Second) // busy with something else
	s.Answered("r", "u", &probe.Message{Facts: probe.Facts{Instance: id(9), Records: 99, Serving: true}, Answer: true,
		Nonce: sent.Nonce}, s.now)
	if s.Yielded() {
		t.Error("yields to an old answer")
	}
}

// TestFarewell: a copy that yields answers the other one before it ends, so that both know.
func TestFarewell(t *testing.T) {
	s := newSingle(t)
	s.Registered("r", s.now)
	sent := s.one(s.pass(time.Millisecond), probe.SendProbe).Message
	s.Answered("r", "u", &probe.Message{Facts: probe.Facts{Instance: id(9), Records: 99, Serving: true}, Answer: true,
		Nonce: sent.Nonce}, s.now)
	s.one(s.pass(time.Second), probe.Yield)
	s.Delivered("r", "alice", "v", probe.Message{Facts: probe.Facts{Instance: id(9), Serving: true},
		Nonce: id(5)}, s.now)
	answer := s.one(s.pass(time.Millisecond), probe.SendAnswer)
	if !answer.Message.Yielded || answer.Message.Serving {
		t.Errorf("%+v", answer.Message)
	}
	s.one(s.pass(time.Second), probe.Stop)
	s.none(s.pass(time.Hour))
}

// TestCanary: one probe that fails is repeated soon, and two say that the relay does not serve.
// Then one is sent each minute, until one comes back.
func TestCanary(t *testing.T) {
	s := newSingle(t)
	if s.Ask("r", s.now) || s.Ask("other", s.now) {
		t.Error("a probe is sent where no account is registered")
	}
	result := func(want string) {
		t.Helper()
		if c := s.Finding("r").Canary("r"); c.Result != want || c.Relay != "r" || (c.Failed > 0) != (c.Hint != "") {
			t.Fatalf("%+v, not %s", c, want)
		}
	}
	result(probe.Unsure)
	s.Registered("r", s.now)
	if all := s.pass(10 * time.Second); len(all) != 2 { // a probe, and service
		t.Fatalf("%+v", all)
	}
	result(probe.Unsure)
	s.one(s.pass(2*time.Second), probe.SendProbe)
	s.none(s.pass(10 * time.Second))
	result(probe.Fails)
	s.none(s.pass(time.Minute - 1))
	sent := s.one(s.pass(1), probe.SendProbe)
	s.now = s.now.Add(30 * time.Millisecond)
	s.Delivered("r", "alice", "u", sent.Message, s.now)
	answer := s.one(s.pass(time.Second), probe.SendAnswer)
	s.Answered("r", "u", &answer.Message, s.now)
	result(probe.Works)
	if c := s.Finding("r").Canary("r"); c.TripMS != 30 || c.Outcome != string(probe.Alone) {
		t.Errorf("%+v", c)
	}
	s.none(s.pass(time.Minute))
	for range 2 {
		if !s.Ask("r", s.now) {
			t.Error("no probe is sent")
		}
	}
	s.one(s.pass(time.Millisecond), probe.SendProbe)
	if !s.Ask("r", s.now) {
		t.Error("a probe is out")
	}
	s.none(s.pass(time.Second))
}

// TestLargeMarked: what bears the mark and is larger than a message is dropped as a probe, however
// large it is, and is never decoded.
func TestLargeMarked(t *testing.T) {
	data := probe.Seal(sealer(t, 1), "alice", probe.Message{}) + strings.Repeat("A", 64<<10)
	if !probe.Marked(data) {
		t.Error("a large probe is a request of a stranger")
	}
	if _, err := probe.Open(sealer(t, 1), "alice", data); !errors.Is(err, probe.ErrForeign) {
		t.Errorf("opened: %v", err)
	}
	if !probe.Marked(data + strings.Repeat("A", 1<<20)) {
		t.Error("the largest request of the doctor is one of a stranger")
	}
}
