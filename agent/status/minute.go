package status

import (
	"sync"
	"time"
)

// Minute is what became of the requests of the last minute.
type Minute struct {
	Answered uint64 `json:"answered"`
	Refused  uint64 `json:"refused"`
	Failed   uint64 `json:"failed"`
	Dropped  uint64 `json:"dropped"` // without an answer, after they were opened or because nothing opens them
}

// minute counts by seconds. The zero value is ready.
type minute struct {
	mu      sync.Mutex
	seconds [60]Minute // the one of second n is that of n modulo 60
	newest  int64      // second since 1970
}

// atLocked returns the counts of a second, without those that are older than a minute.
func (m *minute) atLocked(now time.Time) *Minute {
	second := now.Unix()
	for i := max(m.newest+1, second-int64(len(m.seconds))+1); i <= second; i++ {
		m.seconds[i%int64(len(m.seconds))] = Minute{}
	}
	m.newest = max(m.newest, second)
	return &m.seconds[m.newest%int64(len(m.seconds))]
}

func (m *minute) count(result string, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch c := m.atLocked(now); result {
	case "answered":
		c.Answered++
	case "refused":
		c.Refused++
	case "failed":
		c.Failed++
	default:
		c.Dropped++
	}
}

func (m *minute) sum(now time.Time) (sum Minute) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.atLocked(now)
	for _, c := range m.seconds {
		sum.Answered += c.Answered
		sum.Refused += c.Refused
		sum.Failed += c.Failed
		sum.Dropped += c.Dropped
	}
	return sum
}

// LastMinute returns what became of the requests of the last minute.
func (m *Metrics) LastMinute() Minute { return m.minute.sum(time.Now()) }
