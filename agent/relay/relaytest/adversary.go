package relaytest

import (
	"math/rand/v2"
	"sync"
	"time"
)

// Adversary plays a hostile relay: with probability rate (0 to 1) a frame meets a fault chosen by
// chance. All choices follow from the seed, the number of the wire, the direction and the place of
// the frame, so that a run with the same seed and the same frames goes wrong in the same way. It
// remembers what passed and replays it much later, on other connections too, and it spares the
// frames with which a connection begins, up to warmup, so that something can happen.
func Adversary(seed uint64, rate float64, warmup int) Fault {
	past := &memory{}
	return func(w *Wire, f Frame) {
		chance := rand.New(rand.NewPCG(seed, uint64(w.ID)<<33|uint64(f.To)<<32|uint64(f.N)))
		past.add(f)
		if f.N < warmup || chance.Float64() >= rate {
			w.Pass(f)
			return
		}
		pick(chance, past)(w, f)
	}
}

func pick(chance *rand.Rand, past *memory) Fault {
	faults := []Fault{
		Drop,
		Duplicate(1 + chance.IntN(3)),
		Delay(time.Duration(chance.IntN(20_000)) * time.Millisecond),
		Stall(time.Duration(chance.IntN(5000)) * time.Millisecond),
		Replay(time.Duration(chance.IntN(120_000)) * time.Millisecond),
		ReplayAs(time.Second, map[string]any{"uuid": randomUUID(chance)}),
		Reorder,
		SwapUUIDs,
		FlipBit("data", chance.IntN(1<<20)),
		FlipBit("auth_key", chance.IntN(1<<20)),
		Set(map[string]any{"uuid": randomUUID(chance)}),
		Set(map[string]any{"uuid": `{"key_type":"active"}`}),
		Set(map[string]any{"account": "mallory"}),
		Set(map[string]any{"expire": 1}),
		Set(map[string]any{"expire": int64(1) << 53}),
		Inject(`{"cmd":"error","error":"adversary"}`),
		Malformed,
		past.replay(chance),
		past.replay(chance),
		Cut,
	}
	return faults[chance.IntN(len(faults))]
}

// memory keeps the last frames of each direction that passed anywhere.
type memory struct {
	mu     sync.Mutex
	frames [ToClient + 1][]Frame
}

func (m *memory) add(f Frame) {
	m.mu.Lock()
	defer m.mu.Unlock()
	kept := append(m.frames[f.To], f)
	m.frames[f.To] = kept[max(0, len(kept)-256):]
}

// replay passes the frame and then one from the past.
func (m *memory) replay(chance *rand.Rand) Fault {
	n := chance.IntN(1 << 20)
	return func(w *Wire, f Frame) {
		w.Pass(f)
		m.mu.Lock()
		kept := m.frames[f.To]
		old := kept[n%len(kept)]
		m.mu.Unlock()
		w.Send(f.To, old.Body)
	}
}

func randomUUID(chance *rand.Rand) string {
	const digits = "0123456789abcdef"
	text := []byte("xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx")
	for i, c := range text {
		if c == 'x' {
			text[i] = digits[chance.IntN(16)]
		}
	}
	return string(text)
}
