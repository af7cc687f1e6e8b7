package approve

import (
	"crypto/rand"
	"fmt"
	"sync"
	"time"
)

// How many challenges may be out at once, and for how long.
const (
	mostLogins = 64 // anybody who reaches the pages may ask for one
	mostEnrols = 8  // for one code
	mostYes    = 16 // for one request, one pause, the pairings of one app, or the policy
	patience   = 2 * time.Minute
)

// open is the challenges that are out. The zero value is ready. It may be used concurrently.
type open struct {
	mu  sync.Mutex
	out map[[32]byte]asked
}

type asked struct {
	Question
	until time.Time
}

// ask returns a new challenge, which is out until an instant, and for [patience] at most.
func (o *open) ask(q Question, now, until time.Time) ([32]byte, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	count := 0
	for challenge, a := range o.out {
		if !now.Before(a.until) {
			delete(o.out, challenge)
		} else if a.Purpose == q.Purpose && a.Number == q.Number && a.Name == q.Name {
			count++
		}
	}
	most := map[Purpose]int{Login: mostLogins, Enrol: mostEnrols, Decide: mostYes, Resume: mostYes, Pair: mostYes,
		Policy: mostYes}
	if count >= most[q.Purpose] {
		return [32]byte{}, fmt.Errorf("%d times asked already, and not answered: wait two minutes", count)
	}
	_, _ = rand.Read(q.Fresh[:]) // never fails
	if most := now.Add(patience); most.Before(until) {
		until = most
	}
	challenge := q.Challenge()
	if o.out == nil {
		o.out = map[[32]byte]asked{}
	}
	o.out[challenge] = asked{q, until}
	return challenge, nil
}

// take returns what a challenge asks, once. It reports false for one that was used, is too old, or
// was never given out for this purpose.
func (o *open) take(challenge []byte, purpose Purpose, now time.Time) (Question, bool) {
	if len(challenge) != 32 {
		return Question{}, false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	a, ok := o.out[[32]byte(challenge)]
	delete(o.out, [32]byte(challenge))
	return a.Question, ok && a.Purpose == purpose && now.Before(a.until)
}
