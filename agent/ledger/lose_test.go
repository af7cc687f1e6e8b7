package ledger_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	bolt "go.etcd.io/bbolt"

	"pksa/agent/ledger"
)

// lossy is a ledger with segments, and with something of every kind in it.
type lossy struct {
	*rig
	alice, bob *ledger.Session
	nonce      int64  // the last one that alice's session took
	last       uint64 // record, when it was closed
	most       int    // see lostKind
	floor      int64  // no nonce up to this one counts; zero: there is none
}

const lossySegment = 8

func newLossy(t *testing.T) *lossy {
	x := &lossy{rig: newRigWith(t, options("test").WithSegment(lossySegment))}
	x.slot("mybot")
	x.slot("other")
	x.alice, x.bob = x.session("alice", "mybot", "k1"), x.session("bob", "other", "k2")
	gone := x.session("carol", "mybot", "k3")
	_, err := x.l.EndSession(ctx, gone.ID, nil)
	must(t, err)
	n := x.newSession("dave", "mybot", "k4")
	n.Claim = "Dave's"
	_, err = x.l.AddSession(ctx, n, nil)
	must(t, err)
	for range 3 * lossySegment {
		x.pay(x.alice)
	}
	must(t, x.l.Flush(ctx))
	must(t, x.l.TestingSweep(ctx))
	for range 3 {
		x.pay(x.alice)
	}
	must(t, x.l.Yield(ctx, ledger.Yield{At: x.clock.now(), Relay: "relay"}, ledger.Entry{Type: ledger.RecordEvent}))
	must(t, x.l.Pause(ctx, ledger.Entry{Type: ledger.RecordAdmin, Outcome: "pause"}))
	must(t, x.l.Pause(ctx, ledger.Entry{Type: ledger.RecordAdmin, Outcome: "pause", App: "mybot"}))
	must(t, x.l.ApprovePolicy(ctx, nil, []byte("version: 1\n"), ledger.Entry{Type: ledger.RecordAdmin}))
	must(t, x.l.Close())
	x.last, _ = x.l.Head()
	return x
}

// newScarred is one that has been restored, mended, and led back, whose oldest records are gone,
// and of which a payment failed.
func newScarred(t *testing.T) *lossy {
	x := newLossy(t)
	// Its oldest records go. A hole is left by a file of the trail.
	x.o.KeepSegments = 2
	synctest.Test(t, func(t *testing.T) {
		l, err := ledger.Open(x.path, x.o)
		must(t, err)
		time.Sleep(time.Minute + time.Second)
		must(t, l.Close())
	})
	files, err := filepath.Glob(filepath.Join(filepath.Dir(x.path), "audit", "*-*"))
	must(t, err)
	must(t, os.WriteFile(files[len(files)-1], []byte("nothing"), 0o600))
	_, err = x.lose()
	must(t, err)
	// A payment fails.
	x.open()
	s, err := x.l.AddSession(ctx, x.newSession("erin", "other", "k5"), nil)
	must(t, err)
	x.broadcast(s, 1, "expired")
	// It is written under a clock far ahead, and led back: that sets the floor.
	x.clock.add(48 * time.Hour)
	_, err = x.l.Append(ctx, ledger.Entry{Type: ledger.RecordEvent, Outcome: "of the future"})
	must(t, err)
	x.clock.add(-48 * time.Hour)
	x.reopen()
	_, err = x.l.TurnBack(ctx, ledger.TurnBack{Now: x.clock.now(),
		Charges: func(held []ledger.Charge) ([]ledger.Charge, error) { return held, nil },
		Audit:   func(ledger.TurnedBack) []byte { return nil }})
	must(t, err)
	x.floor = x.nowMS()
	if len(x.l.Holes()) == 0 || len(x.l.Turns()) != 1 || len(x.l.Fates()) != 1 {
		t.Fatalf("holes %v, turns %v, fates %v", x.l.Holes(), x.l.Turns(), x.l.Fates())
	}
	must(t, x.l.Close())
	return x
}

// copied is a copy of it in a test of its own.
func (x *lossy) copied(t *testing.T) *lossy {
	to := *x
	to.rig = &rig{t: t, o: x.o, path: filepath.Join(t.TempDir(), "ledger.db"), clock: newClock(), uuids: x.uuids,
		l: x.l}
	to.o.Now, to.o.Logger = to.clock.now, nil
	to.clock.ms.Store(x.nowMS())
	must(t, os.CopyFS(filepath.Dir(to.path), os.DirFS(filepath.Dir(x.path))))
	t.Cleanup(func() { _ = to.l.Close() })
	return &to
}

// pay admits a request that is charged for, and settles it.
func (x *lossy) pay(s *ledger.Session) {
	x.t.Helper()
	x.clock.add(time.Second)
	nonce := x.nowMS()
	if s.ID == x.alice.ID {
		x.nonce = nonce
	}
	done, err := x.l.Admit(ctx, x.admission(s, fmt.Sprint("payment ", nonce), nonce), x.charging)
	must(x.t, err)
	must(x.t, x.l.Settle(done.Number, ledger.Settlement{Outcome: "accepted", Answer: []byte("yes")}))
}

func (x *lossy) charging(v ledger.View) ledger.Ruling {
	ruling := allowFresh(v)
	if ruling.Verdict == ledger.Admitted {
		ruling.Charges = []ledger.Charge{{Data: []byte("1 HBD"), Expires: x.clock.now().Add(24 * time.Hour)}}
	}
	return ruling
}

// lose mends, and goes on without what cannot be restored.
func (x *lossy) lose() (ledger.Mended, error) {
	return ledger.Mend(ctx, x.path, x.o, ledger.Mending{
		Lose: func([]ledger.Loss) (bool, error) { return true, nil },
		Charge: func(c ledger.LostCharge) (ledger.Charge, error) {
			data := "unknown"
			if c.Record != nil {
				data = "by the record"
			}
			return ledger.Charge{Data: []byte(data), Expires: c.At.Add(24 * time.Hour)}, nil
		},
		Audit: func(ledger.Mended) []byte { return []byte(`{"act":"ledger mend"}`) },
	})
}

func (x *lossy) charges() (list []string) {
	must(x.t, x.l.Look(ctx, func(v ledger.View) {
		for c := range v.Charges() {
			list = append(list, string(c.Data))
		}
	}))
	return list
}

// newSummed is one of which the oldest charges are added up.
func newSummed(t *testing.T) *lossy {
	x := newLossy(t)
	x.open()
	must(t, x.l.SumCharges(ctx, x.threes(4), 0))
	must(t, x.l.Close())
	return x
}

// threes adds up by three what requests were charged, and then threes of these, as long as so many
// sums are made.
func (x *lossy) threes(most int) ledger.Summing {
	return func(_ ledger.View, held []ledger.Held) (sums []ledger.Sum, young uint64) {
		for i := 0; i+3 <= len(held) && len(sums) < most; i += 3 {
			sum, n := ledger.Sum{Of: []int{i, i + 1, i + 2}}, 0
			for _, h := range held[i : i+3] {
				for _, c := range h.Charges {
					n += weightOf(string(c.Data))
					sum.Charge.Expires = c.Expires // the latest: they are in order
				}
			}
			sum.Charge.Data = fmt.Append(nil, "sum of ", n)
			sums = append(sums, sum)
		}
		return sums, 0
	}
}

// weightOf returns how many requests a charge stands for. One of which nothing is known is more
// than any limit has.
func weightOf(data string) int {
	if n, isSum := strings.CutPrefix(data, "sum of "); isSum {
		count, _ := strconv.Atoi(n)
		return count
	}
	if data == "unknown" {
		return 1000
	}
	return 1
}

// damages are ways in which a value is damaged.
var damages = map[string]func([]byte) []byte{
	"one byte": func(v []byte) []byte { v[len(v)/2] ^= 0x55; return v },
	"64 bytes": func(v []byte) []byte {
		at := v[max(0, len(v)/2-32):min(len(v), len(v)/2+32)]
		for i := range at {
			at[i] ^= 0x55
		}
		return v
	},
	"cut off": func(v []byte) []byte { return v[:len(v)/2] },
}

// pick returns the key in a bucket that a kind of thing is damaged at.
func keyWith(prefix string) func(keys [][]byte) []byte {
	return func(keys [][]byte) []byte {
		i := slices.IndexFunc(keys, func(k []byte) bool { return bytes.HasPrefix(k, []byte(prefix)) })
		if i < 0 {
			return nil
		}
		return keys[i]
	}
}

func first(keys [][]byte) []byte { return keys[0] }
func last(keys [][]byte) []byte  { return keys[len(keys)-1] }
func nth(n int) func([][]byte) []byte {
	return func(keys [][]byte) []byte { return keys[n] }
}

// lostKind is which value is damaged.
type lostKind struct {
	bucket string
	pick   func(keys [][]byte) []byte
	most   int // things that are lost with it, itself among them; zero: not counted
}

// Whatever value of a ledger is damaged, it either opens, or says what helps; that helps, and
// afterwards the trail is in order but for what is named as lost, nothing that was taken is new,
// and nothing that was charged is free.
func TestLoseEachKind(t *testing.T) {
	whole, scarred, summed := newLossy(t), newScarred(t), newSummed(t)
	for name, kind := range map[string]lostKind{
		"last record":            {"audit", last, 0},
		"record in the trail":    {"audit", func(keys [][]byte) []byte { return keys[len(keys)-3] }, 0},
		"gathered record":        {"audit", first, 0},
		"record that was last":   {"audit", nth(1), 0},
		"slot":                   {"slots", first, 0},
		"session":                {"sessions", first, 0},
		"auth_key 1":             {"authkeys", nth(0), 0},
		"auth_key 2":             {"authkeys", nth(1), 0},
		"auth_key 3":             {"authkeys", nth(2), 0},
		"request":                {"requests", first, 0},
		"charge":                 {"charges", first, 0},
		"sum, summed":            {"charges", first, 1},
		"charge, summed":         {"charges", last, 1},
		"fact: what is gathered": {"meta", keyWith("checkpoint"), 0},
		"fact: yield":            {"meta", keyWith("yield"), 0},
		"fact: pause":            {"meta", keyWith("pause"), 0},
		"fact: pause of an app":  {"meta", keyWith("paused app"), 0},
		"fact: approved policy":  {"meta", keyWith("policy"), 0},
		"fact: created":          {"meta", keyWith("created"), 0},
		"fact: ended session":    {"meta", keyWith("remnant"), 0},
		"fact: claim":            {"meta", keyWith("claim"), 0},
		"fact: proof":            {"meta", keyWith("proof"), 0},
		"fact: id":               {"meta", keyWith("id"), 0},
		"fact: floor, scarred":   {"meta", keyWith("floor"), 1},
		"fact: kept, scarred":    {"meta", keyWith("kept"), 1},
		"fact: turns, scarred":   {"meta", keyWith("turns"), 1},
		"fact: fate, scarred":    {"meta", keyWith("fate "), 1},
		"fact: holes, scarred":   {"meta", keyWith("holes"), 2},
	} {
		whole := whole
		if strings.HasSuffix(name, "scarred") {
			whole = scarred
		}
		if strings.HasSuffix(name, "summed") {
			whole = summed
		}
		for how, damage := range damages {
			t.Run(name+", "+how, func(t *testing.T) {
				t.Parallel()
				x := whole.copied(t)
				must(t, ledger.TestingRewrite(x.path, kind.bucket, func(b *bolt.Bucket) error {
					var keys [][]byte
					must(t, b.ForEach(func(k, v []byte) error {
						if v != nil {
							keys = append(keys, slices.Clone(k))
						}
						return nil
					}))
					key := kind.pick(keys)
					if key == nil {
						t.Fatal("there is no such value")
					}
					return b.Put(key, damage(slices.Clone(b.Get(key))))
				}))
				x.most = kind.most
				x.survive(how == "one byte")
			})
		}
	}
}

// Files beside the ledger's own are damaged as well.
func TestLoseFiles(t *testing.T) {
	whole := newLossy(t)
	for _, file := range []string{"audit/000000000001-000000000008", "audit/000000000009-000000000016",
		"ledger.mark"} {
		for how, damage := range damages {
			t.Run(file+", "+how, func(t *testing.T) {
				t.Parallel()
				x := whole.copied(t)
				path := filepath.Join(filepath.Dir(x.path), file)
				content, err := os.ReadFile(path)
				must(t, err)
				must(t, os.WriteFile(path, damage(content), 0o600))
				x.survive(false)
			})
		}
		t.Run(file+", missing", func(t *testing.T) {
			t.Parallel()
			x := whole.copied(t)
			must(t, os.Remove(filepath.Join(filepath.Dir(x.path), file)))
			x.survive(false)
		})
	}
}

// survive opens the damaged ledger by what its errors say, and looks whether anything came free.
func (x *lossy) survive(whole bool) {
	t := x.t
	t.Helper()
	var mended ledger.Mended
	l, err := ledger.Open(x.path, x.o)
	if err == nil {
		_, err = l.Verify(ctx)
		must(t, l.Close())
	}
	for step := 0; err != nil; step++ {
		if step > 1 {
			t.Fatalf("it does not open: %v", err)
		}
		switch {
		case errors.Is(err, ledger.ErrRestored):
			_, err = ledger.Accept(x.path, x.o, ledger.Acceptance{KeepAll: true})
		case errors.Is(err, ledger.ErrDamaged):
			if !strings.Contains(err.Error(), "`pksa ledger mend` ") && !strings.Contains(err.Error(), "missing") {
				t.Errorf("it does not say what helps: %v", err)
			}
			mended, err = x.lose()
		}
		must(t, err)
		l, err = ledger.Open(x.path, x.o)
		if err == nil {
			_, err = l.Verify(ctx)
			must(t, l.Close())
		}
	}
	if whole && len(mended.Lost) > 0 {
		t.Errorf("one byte was altered, and it is lost: %v", mended.Lost)
	}
	if x.most > 0 && len(mended.Lost) > x.most {
		t.Errorf("more is lost than was damaged: %v", mended.Lost)
	}
	x.open()
	x.nothingFree()
	// Everything works on, and so does the next start.
	x.clock.add(time.Second)
	x.l.AddSlot(ctx, "mybot", "a new secret", nil)
	s, err := x.l.AddSession(ctx, x.newSession("alice", "mybot", "k9"), nil)
	must(t, err)
	for range 2 * lossySegment {
		x.pay(s)
	}
	must(t, x.l.Flush(ctx))
	x.reopen()
	if _, err := x.l.Verify(ctx); err != nil {
		t.Errorf("later: %v", err)
	}
	x.nothingFree()
}

// nothingFree fails if something that was taken is new, or something that was charged is not.
func (x *lossy) nothingFree() {
	t := x.t
	t.Helper()
	// Whatever is lost, another policy takes an approver's yes as before.
	if text, required := x.l.ApprovedPolicy(); !required || len(text) > 0 && string(text) != "version: 1\n" {
		t.Errorf("the approved policy: %q, %t", text, required)
	}
	if s, lives := x.l.Session(x.alice.ID); lives {
		if got := x.try(s, "again", x.nonce); got == ledger.Fresh {
			t.Error("the last nonce is new again")
		}
	}
	for account, key := range map[string]string{"alice": "k1", "carol": "k3"} {
		n := x.newSession(account, "mybot", key)
		n.Expires = x.clock.now().Add(time.Hour)
		// An app that was lost and made anew may log in again, above what it took before.
		if s, err := x.l.AddSession(ctx, n, nil); err == nil && (s.LastNonce < x.nonce || account != "alice") {
			t.Errorf("auth_key %s made session %v again, from nonce %d on", key, s.ID, s.LastNonce)
		}
	}
	if x.floor != 0 {
		// Of a session that took nothing: only the floor keeps old requests out.
		if s, lives := x.l.Session(x.bob.ID); !lives {
			t.Error("a session that sends nonces ended")
		} else if got := x.try(s, fmt.Sprint("old ", x.l.Now()), x.floor-1); got == ledger.Fresh {
			t.Error("a nonce below the floor is new again")
		}
		if len(x.l.Turns()) != 1 {
			t.Errorf("led back at %v", x.l.Turns())
		}
	}
	want, got := 3*lossySegment+3, 0
	for _, data := range x.charges() {
		got += weightOf(data)
	}
	if got < want {
		t.Errorf("%d charges count, want %d at least", got, want)
	}
	if _, yielded := x.l.Yielded(); !yielded {
		t.Error("the yield is forgotten")
	}
	for _, h := range x.l.Holes() {
		if h.At.IsZero() {
			t.Errorf("hole %+v", h)
		}
	}
}

// Without the operator's word nothing is given up, and nothing is changed.
func TestLoseOnlyByWord(t *testing.T) {
	x := newLossy(t)
	x.alter("audit", 2, 20, 21, 22)
	x.alter("sessions", 0, 20, 21)
	before, err := os.ReadFile(x.path)
	must(t, err)
	_, err = ledger.Mend(ctx, x.path, x.o, ledger.Mending{
		Lose: func(lost []ledger.Loss) (bool, error) {
			if len(lost) != 2 {
				t.Errorf("lost %v", lost)
			}
			return false, nil
		},
	})
	wantError(t, err, ledger.ErrDamaged)
	var loss *ledger.LossError
	if !errors.As(err, &loss) || !strings.Contains(err.Error(), "audit record") {
		t.Errorf("error is %v", err)
	}
	after, err := os.ReadFile(x.path)
	must(t, err)
	if !bytes.Equal(before, after) {
		t.Error("the file was changed")
	}
}

// What a record in the trail took and charged cannot be read: nonces up to now do not count, a
// session that took requests without nonces ends, and something counts in the place of the charge.
func TestLoseTrailRecord(t *testing.T) {
	x := newLossy(t)
	x.open()
	x.try(x.bob, "no nonce", 0)
	for last := uint64(0); last < x.l.Gathered()+3; last, _ = x.l.Head() {
		x.pay(x.alice)
		must(t, x.l.Flush(ctx))
	}
	must(t, x.l.Close())
	last, _ := x.l.Head() // the last but one is the payment
	must(t, ledger.TestingRewrite(x.path, "audit", func(b *bolt.Bucket) error {
		key := ledger.NumberKey(last - 1)
		v := slices.Clone(b.Get(key))
		clear(v[20:])
		return b.Put(key, v)
	}))
	x.clock.add(time.Minute)
	mended, err := x.lose()
	must(t, err)
	if !mended.Floor || !mended.Limits || len(mended.Ended) != 1 || mended.Ended[0].ID != x.bob.ID {
		t.Errorf("mended: %+v", mended)
	}
	x.open()
	if !slices.Contains(x.charges(), "unknown") {
		t.Errorf("nothing counts in its place: %q", x.charges())
	}
	if _, lives := x.l.Session(x.bob.ID); lives {
		t.Error("a session without nonces lives on")
	}
	if got := x.try(x.alice, "again", x.nonce); got != ledger.NonceForgotten {
		t.Errorf("the nonce of the lost record: %v", got)
	}
	holes := x.l.Holes()
	if len(holes) != 1 || holes[0].From != last-1 || holes[0].To != last-1 {
		t.Errorf("holes: %+v", holes)
	}
	head, _ := x.l.Head()
	for _, from := range []uint64{1, last - 1, last} {
		read := uint64(0)
		for record, err := range x.l.Skim(from) {
			must(t, err)
			read = record.Number
		}
		if read != head {
			t.Errorf("from record %d on the trail is read up to %d, not to %d", from, read, head)
		}
	}
	// The session goes on with new nonces.
	x.clock.add(time.Second)
	if got := x.try(x.alice, "new", x.nowMS()); got != ledger.Fresh {
		t.Errorf("a new request: %v", got)
	}
}

// A lost charge of a request that a person agreed to counts by the record of the yes: that of the
// request says nothing of it.
func TestLoseChargeOfAskedRequest(t *testing.T) {
	for _, before := range []int{0, lossySegment} { // the record stands in the ledger's file, or in a segment
		x := &lossy{rig: newRigWith(t, options("test").WithSegment(lossySegment))}
		x.slot("mybot")
		s := x.session("alice", "mybot", "k1")
		number := x.asked(s, 1)
		yes := uint64(0)
		for rec, err := range x.l.Audit(number) {
			must(t, err)
			if rec.Type == ledger.RecordDecided && rec.Ref == number {
				yes = rec.Number
			}
		}
		for range lossySegment + before {
			x.clock.add(time.Second)
			x.try(s, fmt.Sprint("later ", x.nowMS()), x.nowMS())
		}
		must(t, x.l.Close())
		x.alter("charges", 0, 20, 21)
		var got ledger.LostCharge
		_, err := ledger.Mend(ctx, x.path, x.o, ledger.Mending{
			Lose: func([]ledger.Loss) (bool, error) { return true, nil },
			Charge: func(c ledger.LostCharge) (ledger.Charge, error) {
				got = c
				return ledger.Charge{Data: []byte("by the record"), Expires: c.Until}, nil
			},
		})
		must(t, err)
		if got.Record == nil || got.Record.Number != yes {
			t.Errorf("by record %+v, want %d", got.Record, yes)
		}
		x.open()
		must(t, x.l.Look(ctx, func(v ledger.View) {
			if c := v.ChargesOf(number, x.l.Fates()[0].Until); len(c) != 1 || string(c[0].Data) != "by the record" {
				t.Errorf("charges %v", c)
			}
		}))
	}
}

// Cut off at any step, a ledger is as it was or mended, and mending it again leads on.
func TestLoseCutOff(t *testing.T) {
	uncut, apart := newLossy(t), 7
	if testing.Short() {
		apart = 35
	}
	for cut := range 60 {
		x := uncut.copied(t)
		x.alter("audit", 2, 20, 21, 22)
		path := filepath.Join(filepath.Dir(x.path), "audit/000000000009-000000000016")
		must(t, os.WriteFile(path, []byte("nothing"), 0o600))
		whole := x.o
		n, did := 0, false
		x.o = x.o.Around(func(op string, do func() error) error {
			if op == "close" {
				return do() // what cuts off closes files, too
			}
			if n++; n > apart*cut && !did {
				did = true
				return errors.Join(errors.New("cut off"), context.Canceled)
			}
			return do()
		})
		_, err := x.lose()
		x.o = whole
		if !did {
			must(t, err)
			x.survive(false)
			return
		}
		x.survive(false)
	}
	t.Error("it never came to its end")
}

// A mend that takes back much takes several commits. Where the process is killed before one of
// them, the ledger opens with no program; mending again goes on, as accepting it does, and no
// session is left that trusts what was lost.
func TestLoseInPortions(t *testing.T) {
	const most = 3
	for _, held := range []int{most - 1, most, most + 1, 2*most + 1} {
		commits := (held + most - 1) / most
		for killed := range commits + 1 { // before the last: none is
			for _, accept := range []bool{false, true} {
				t.Run(fmt.Sprint(held, " killed ", killed, " accepted ", accept), func(t *testing.T) {
					if accept && (killed == 0 || killed == commits) {
						t.Skip("there is nothing to accept")
					}
					loseInPortions(t, held, commits, killed, accept)
				})
			}
		}
	}
}

func loseInPortions(t *testing.T, held, commits, killed int, accept bool) {
	r := newRigWith(t, options("test").WithExpireMost(3))
	r.slot("mybot")
	for n := range held {
		r.session(fmt.Sprint("acc", n), "mybot", fmt.Sprint("k", n))
	}
	last := r.lastNumber()
	must(t, r.l.Close())
	r.alter("audit", int(last)-1, 3, 9)
	n := 0
	whole := r.o
	r.o = r.o.Around(func(op string, do func() error) error {
		if op == "commit" {
			if n++; n == killed+1 && killed < commits {
				return errInjected
			}
		}
		return do()
	})
	lose := func() (ledger.Mended, error) { return (&lossy{rig: r}).lose() }
	done, err := lose()
	r.o = whole
	switch {
	case killed == commits:
		must(t, err)
		if n != commits || !done.Floor {
			t.Errorf("%d commits, want %d: %+v", n, commits, done)
		}
	case err == nil:
		t.Fatal("a commit that failed is not told")
	case accept:
		_, err := ledger.Open(r.path, r.o)
		wantError(t, err, ledger.ErrRestored)
		done, err := ledger.Accept(r.path, r.o, ledger.Acceptance{KeepAll: true})
		must(t, err)
		if done.Mark != last {
			t.Errorf("the mark is said to speak of record %d, want %d", done.Mark, last)
		}
	default:
		if killed > 0 {
			_, err := ledger.Open(r.path, r.o)
			wantError(t, err, ledger.ErrRestored)
		}
		done, err := lose()
		must(t, err)
		if !done.Floor || killed > 0 && len(done.Lost) > 0 {
			t.Errorf("mended again: %+v", done)
		}
	}
	r.open()
	for _, s := range r.l.Sessions() {
		if !s.NoncesOnly {
			t.Errorf("session %s of %s takes requests without nonce", s.ID, s.Account)
		}
		if got := r.try(s, "of before", r.nowMS()-1); got != ledger.NonceForgotten {
			t.Errorf("a nonce of before: %v", got)
		}
	}
	if n := len(r.l.Sessions()); n != held {
		t.Errorf("%d sessions live", n)
	}
	_, err = r.l.Verify(ctx)
	must(t, err)
	must(t, r.l.Close())
	again, err := lose()
	must(t, err)
	if again.Floor || len(again.Lost) > 0 {
		t.Errorf("a third time: %+v", again)
	}
}
