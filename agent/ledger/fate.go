package ledger

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"pksa/protocol/sorts"
)

// FateState is what is known of a transaction that was charged for and reported as failed. The zero
// value is not valid. The numbers are on disk.
type FateState uint8

// The states, in the order in which they may follow one another.
const (
	Failed   FateState = 1 // the request ended without it; whether the chain has it is not proven
	Absent   FateState = 2 // proven: the chain does not have it, and cannot take it any more
	Released FateState = 3 // as Absent, and its charges were given back: they do not count
	OnChain  FateState = 4 // it is on the chain after all: its charges count, for good
)

// Fate is what became of a transaction that was charged for. Where the ledger has none, the charges
// count.
//
// A program that is older than fates does not know them, and counts what was given back.
type Fate struct {
	TxID      [20]byte
	Number    uint64 // of the request
	Account   string
	App       string
	State     FateState
	TxExpires time.Time
	Until     time.Time // until when the charges count; the fate is dropped then
	At        time.Time // when the state was recorded
	Record    uint64    // number of the record that says so
}

// mayBecome reports whether a state may follow: charges are given back once, and what was found on
// the chain counts for good. Zero is the state of a transaction that the ledger has no fate of.
func (s FateState) mayBecome(next FateState) bool {
	switch next {
	case Absent:
		return s == 0 || s == Failed
	case Released:
		return s < Released
	case OnChain:
		return s < OnChain
	}
	return false
}

// fatesOfApp is how many fates of an app are kept that nobody has acted upon. For one more the
// oldest is dropped: its charges count, as they did.
const fatesOfApp = 256

var fatePrefix = []byte("fate ")

func fateKey(tx [20]byte) []byte { return slices.Concat(fatePrefix, tx[:]) }

func (f Fate) encode() []byte {
	var w writer
	w.byte(1)
	w.uint(f.Number)
	w.text(f.Account)
	w.text(f.App)
	w.byte(byte(f.State))
	w.time(f.TxExpires)
	w.time(f.Until)
	w.time(f.At)
	w.uint(f.Record)
	return w.b
}

func decodeFate(key, plain []byte) (f Fate, err error) {
	r := reader{b: plain}
	r.version(1)
	f.Number, f.Account, f.App = r.uint(), r.text(), r.text()
	f.State = FateState(r.byte())
	f.TxExpires, f.Until, f.At = r.time(), r.time(), r.time()
	f.Record = r.uint()
	tx := key[len(fatePrefix):]
	r.bad = r.bad || f.State < Failed || f.State > OnChain || len(tx) != len(f.TxID)
	copy(f.TxID[:], tx)
	return f, r.end()
}

// fates reads all fates. It is part of load.
func (f *loaded) fates() error {
	for p, err := range scan(f.in, bucketMeta, fatePrefix) {
		if err != nil {
			return err
		}
		if !bytes.HasPrefix(p.key, fatePrefix) {
			return nil // the facts that follow in the order of the names
		}
		plain, err := f.vault.open(bucketMeta, p.key, p.value)
		if err != nil {
			return err
		}
		fate, err := decodeFate(p.key, plain)
		if err != nil {
			return damaged(bucketMeta, p.key)
		}
		f.state.fates[fate.TxID] = fate
	}
	return nil
}

// Fate returns what is known of a transaction, as earlier requests of the same commit leave it. It
// reports false if nothing is: its charges count.
func (v View) Fate(tx [20]byte) (Fate, bool) { return v.b.fate(tx) }

// Fates returns all fates in no order, as earlier requests of the same commit leave them.
func (v View) Fates() []Fate { return v.b.allFates() }

// Fates returns all fates, those of the earliest requests first.
func (l *Ledger) Fates() []Fate {
	l.mu.RLock()
	defer l.mu.RUnlock()
	all := slices.Collect(maps.Values(l.state.fates))
	sorts.By(all, func(a, b Fate) int {
		return cmp.Or(cmp.Compare(a.Number, b.Number), bytes.Compare(a.TxID[:], b.TxID[:]))
	})
	return all
}

// FateError reports that a fate cannot become another one: somebody was faster, or charges are to
// be given back a second time.
type FateError struct {
	Is   Fate
	Next FateState
}

// Error returns what the state is.
func (e *FateError) Error() string {
	return fmt.Sprintf("fate of a transaction is %d since record %d, and does not become %d", e.Is.State, e.Is.Record,
		e.Next)
}

// SetFate records what became of a transaction, and an entry of the trail that says so, in one
// commit. It returns the fate when both are on disk. If charges begin or cease to count by it, the
// generation of views changes. A *FateError means that nothing was changed.
func (l *Ledger) SetFate(ctx context.Context, f Fate, e Entry) (Fate, error) {
	err := l.submitContext(ctx, &op{apply: func(b *batch) error {
		is, _ := b.fate(f.TxID)
		if !is.State.mayBecome(f.State) {
			return &FateError{is, f.State}
		}
		// One commit: charges that are given back without a record, or a record of what did not
		// happen, would be money that nobody can account for.
		f.At, f.Record = b.now, b.append(e)
		b.setFate(f)
		// Judges of the same commit that come after this step count anew, with it. If the commit
		// fails, the ledger is read again, and the generation changes once more. To count anew
		// takes a while where many charges are held, so a step that changes no count does not ask
		// for it.
		if is.State == Released || f.State == Released {
			b.l.generation++
		}
		return nil
	}})
	return f, err
}

func (b *batch) fate(tx [20]byte) (Fate, bool) {
	f, ok := b.fates[tx]
	if !ok {
		f, ok = b.l.state.fates[tx]
	}
	return f, ok && f.State != 0
}

func (b *batch) setFate(f Fate) {
	b.fates[f.TxID] = f
	b.put(bucketMeta, fateKey(f.TxID), f.encode())
}

// dropFate forgets a fate. The zero state stands for it until the commit.
func (b *batch) dropFate(tx [20]byte) {
	b.fates[tx] = Fate{TxID: tx}
	b.delete(bucketMeta, fateKey(tx))
}

// allFates returns the fates as the batch sees them, in no order.
func (b *batch) allFates() []Fate {
	var all []Fate
	for tx, f := range b.l.state.fates {
		if _, changed := b.fates[tx]; !changed {
			all = append(all, f)
		}
	}
	for _, f := range b.fates {
		if f.State != 0 {
			all = append(all, f)
		}
	}
	return all
}

// addFailed keeps the fate of a transaction whose request ended as failed, if it was charged for.
func (b *batch) addFailed(f Fate) {
	if _, known := b.fate(f.TxID); known || f.TxID == [20]byte{} || !f.Until.After(b.now) {
		return
	}
	// An application whose transactions all fail pushes out its own fates, nobody else's.
	var open []Fate
	for _, other := range b.allFates() {
		if other.App == f.App && other.State < Released {
			open = append(open, other)
		}
	}
	if len(open) >= fatesOfApp {
		oldest := slices.MinFunc(open, func(a, b Fate) int { return cmp.Compare(a.Number, b.Number) })
		b.dropFate(oldest.TxID)
	}
	b.setFate(f)
}

// sweepFates drops the fates whose charges count no more.
func (b *batch) sweepFates() {
	for _, f := range b.allFates() {
		if !f.Until.After(b.now) {
			b.dropFate(f.TxID)
		}
	}
}

// publishFates makes the fates of the batch the committed ones.
func (b *batch) publishFates(st *state) {
	for tx, f := range b.fates {
		if f.State == 0 {
			delete(st.fates, tx)
		} else {
			st.fates[tx] = f
		}
	}
}
