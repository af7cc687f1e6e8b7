package ledger

import (
	"context"
	"time"
)

// What a start reads must not grow with every request that a limit has counted in a year. So
// charges that are old are added up, by whoever knows what they mean. A sum is a charge like others
// in the bucket: programs that know of no sums count it as such. Only its key tells it apart.

// sumMost is how many values of the bucket one commit looks at, to add them up. It bounds how long
// requests wait for it.
const sumMost = 1000

// sumBit is set in the number that stands in the key of a sum. The rest of the number is that of
// the latest request in it.
const sumBit = uint64(1) << 63

// Held is what one request was charged, or an earlier sum.
type Held struct {
	Number  uint64 // of the request; of a sum, that of the latest one in it
	Charges []Charge
}

// Sum is a charge that takes the place of others.
type Sum struct {
	Of     []int // which of those that are held: two at least
	Charge Charge
}

// Summing adds up some of the charges that are held, and reports which requests are too young for
// that: those with this number and all later ones. Zero: none of them. It is called as a judge is,
// and must be done with a charge before it is added up: then nobody can tell any more whose it was.
type Summing func(v View, held []Held) (sums []Sum, young uint64)

// SumCharges looks at all charges once, and has those added up that are no younger than they must
// be. Charges of requests whose outcome is not known yet are passed over. It takes many small
// commits, with a pause after each, and each leaves all charges in order. It returns when it is
// through, or with the cause when ctx ends.
func (l *Ledger) SumCharges(ctx context.Context, sum Summing, pause time.Duration) error {
	s := summing{sum: sum}
	for {
		err := l.submitContext(ctx, &op{apply: func(b *batch) error { b.sumCharges(&s); return nil }})
		if err != nil || s.done {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// summing is how far a look at all charges has come.
type summing struct {
	sum   Summing
	from  []byte // key to go on with
	young uint64 // requests from this number on are too young; zero: not known
	done  bool
}

// sumCharges looks at the next values, and writes sums in the place of those that are added up: in
// one commit, so that a crash leaves the ones or the others.
func (b *batch) sumCharges(s *summing) {
	list, more, err := b.in.list(bucketCharges, s.from, b.o.sumMost)
	if err != nil {
		b.fail(err)
		return
	}
	var held []Held
	var keys [][]byte
	for _, p := range list {
		_, number, err := endOfPair(bucketCharges, p, nil)
		if err != nil {
			b.fail(err)
			return
		}
		number &^= sumBit
		if s.young != 0 && number >= s.young || b.l.judgedRun(number) != nil {
			continue // before it is opened: there are many young ones
		}
		charges, err := b.openCharges(p)
		if err != nil {
			b.fail(err)
			return
		}
		held, keys = append(held, Held{number, charges}), append(keys, p.key)
	}
	if len(held) > 0 {
		sums, young := s.sum(View{Now: b.now, b: b, Generation: b.l.generation}, held)
		for _, sum := range sums {
			b.replaceCharges(sum, held, keys)
		}
		if young != 0 {
			s.young = young
		}
	}
	if s.done = !more; more {
		s.from = keyAfter(list[len(list)-1].key)
	}
}

// replaceCharges writes a sum in the place of what it is the sum of.
func (b *batch) replaceCharges(sum Sum, held []Held, keys [][]byte) {
	var latest uint64
	for _, i := range sum.Of {
		latest = max(latest, held[i].Number)
		b.delete(bucketCharges, keys[i])
	}
	key := endKey(millis(sum.Charge.Expires), sumBit|latest)
	all := []Charge{sum.Charge}
	// Another sum may have the key: after the ledger was led back, or mended, charges of other
	// requests may stand under one number.
	switch sealed, found, err := b.in.get(bucketCharges, key); {
	case err != nil:
		b.fail(err)
	case found:
		others, err := b.openCharges(pair{key, sealed})
		if err != nil {
			b.fail(err)
		}
		all = append(all, others...)
	}
	b.put(bucketCharges, key, encodeCharges(all))
}

// sumNumber returns the number of the latest request in a sum, by the number in its key. It returns
// false if that is no sum's.
func sumNumber(number uint64) (latest uint64, isSum bool) {
	return number &^ sumBit, number&sumBit != 0
}
