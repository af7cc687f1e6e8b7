package policy

import (
	"cmp"

	"pksa/protocol/hive"
	"pksa/protocol/sorts"
)

const (
	// MostSeen is how many requests [SeenLately] keeps.
	MostSeen = 10_000
	// MostSeenBytes is about how many bytes of memory they take at most, with what [Suggest] reads
	// out of them.
	MostSeenBytes = 32 << 20
)

// SeenLately keeps the newest requests of many, up to [MostSeen] and [MostSeenBytes]. Beyond that
// the oldest of the app that takes most leaves, so that no app hides what others asked for. The
// zero value is empty and ready. It must not be used concurrently.
type SeenLately struct {
	// Most and MostBytes are bounds in the place of those, if they are not zero.
	Most, MostBytes int

	apps    map[string]*seenOf
	kept    int
	weight  int
	added   int
	dropped int
}

// seenOf is the requests of one app.
type seenOf struct {
	list   []weighed
	weight int
}

type weighed struct {
	Seen
	weight int
	number int // in the order of all
}

// Add adds a request that is newer than all before it.
func (l *SeenLately) Add(s Seen) {
	if l.apps == nil {
		l.apps = map[string]*seenOf{}
	}
	a := l.apps[s.Request.App]
	if a == nil {
		a = new(seenOf)
		l.apps[s.Request.App] = a
	}
	l.added++
	one := weighed{s, weightOf(s.Request), l.added}
	a.list = append(a.list, one)
	a.weight += one.weight
	l.weight += one.weight
	for l.kept++; l.kept > cmp.Or(l.Most, MostSeen) || l.weight > cmp.Or(l.MostBytes, MostSeenBytes); {
		l.drop()
	}
}

// drop drops the oldest request of the app that takes most.
func (l *SeenLately) drop() {
	var most *seenOf
	for _, a := range l.apps {
		if most == nil || a.weight > most.weight {
			most = a
		}
	}
	gone := most.list[0].weight
	most.list[0] = weighed{} // the rest of the list would hold it
	most.list = most.list[1:]
	most.weight -= gone
	l.weight -= gone
	l.kept--
	l.dropped++
}

// Dropped returns how many of the requests that were added are not kept.
func (l *SeenLately) Dropped() int { return l.dropped }

// List returns the requests that are kept, in the order in which they were added.
func (l *SeenLately) List() []Seen {
	var all []weighed
	for _, a := range l.apps {
		all = append(all, a.list...)
	}
	sorts.By(all, func(a, b weighed) int { return cmp.Compare(a.number, b.number) })
	list := make([]Seen, len(all))
	for i, s := range all {
		list[i] = s.Seen
	}
	return list
}

// weightOf returns about how many bytes a request takes in memory. JSON inside it takes far more
// than its text once it is read: what stands between two signs is a value, and an object a table.
func weightOf(q *Request) int {
	const request, value, object = 1024, 160, 1536
	weigh := func(text string) int {
		n := len(text)
		for i := range len(text) {
			switch text[i] {
			case ',', ':', '[':
				n += value
			case '{':
				n += object
			}
		}
		return n
	}
	sum := request + weigh(q.Text)
	if q.AuthChallenge != nil {
		sum += weigh(q.AuthChallenge.Text)
	}
	var text []byte
	for _, op := range q.Ops {
		text = hive.Mainnet.AppendOperation(text[:0], op)
		sum += weigh(string(text))
	}
	return sum
}
