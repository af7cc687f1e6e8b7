package ledger_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	bolt "go.etcd.io/bbolt"

	"pksa/agent/ledger"
)

// story is a run of requests of every sort, and what its caller may conclude from the answers.
type story struct {
	*rig
	s        *ledger.Session
	signed   []delivered // admitted, as Admit told the caller
	answered []delivered // with what the caller sent
	charged  map[string]bool
	book     map[string]bool // kept by the judges, as an agent keeps its counters
	version  uint64
	failures int
}

// delivered is a request and the number under which it was admitted.
type delivered struct {
	key    ledger.RequestKey
	text   string
	nonce  int64
	number uint64
	answer string
}

// tell runs the story. Every error must be one of the disk's; then the request is rejected.
func (st *story) tell() {
	st.charged, st.book = map[string]bool{}, map[string]bool{}
	base := st.nowMS()
	for i := range 6 {
		text, nonce := fmt.Sprint("request ", i), base+int64(i)
		if i%2 == 1 {
			nonce = 0
		}
		st.request(text, nonce, false)
		st.request(fmt.Sprint("asked ", i), base+int64(i)+100, true)
		base += 200
		key := st.arrive(fmt.Sprint("damaged ", i))
		st.reject(delivered{key: key, text: fmt.Sprint("damaged ", i)})
	}
}

func (st *story) request(text string, nonce int64, ask bool) {
	a := st.admission(st.s, text, nonce)
	what := delivered{key: a.Key, text: text, nonce: nonce}
	judge := func(v ledger.View) ledger.Ruling { return st.judge(v, text) }
	first := judge
	if ask {
		first = func(v ledger.View) ledger.Ruling {
			st.keepBook(v)
			return ledger.Ruling{Verdict: ledger.Pending, TxBytes: []byte(text)}
		}
	}
	out, err := st.l.Admit(ctx, a, first)
	if err != nil {
		st.failed(err)
		st.reject(what)
		return
	}
	what.number = out.Number
	if ask {
		if _, err = st.l.Decide(ctx, out.Number, judge); err != nil {
			st.failed(err)
			st.settle(what, "internal error")
			return
		}
	}
	st.signed = append(st.signed, what)
	st.charged[text] = true
	switch text {
	case "request 4":
		return // never settled: the process dies before
	case "request 3":
		st.settle(what, "maybe")
		return
	}
	st.settle(what, "yes "+text)
}

func (st *story) keepBook(v ledger.View) {
	if st.version == v.Generation {
		return
	}
	st.version = v.Generation
	clear(st.book)
	for c := range v.Charges() {
		st.book[string(c.Data)] = true
	}
}

func (st *story) judge(v ledger.View, text string) ledger.Ruling {
	st.keepBook(v)
	var all []string
	for c := range v.Charges() {
		all = append(all, string(c.Data))
	}
	if len(all) != len(st.book) {
		st.t.Errorf("the book has %d charges, the ledger %d", len(st.book), len(all))
	}
	st.book[text] = true
	return ledger.Ruling{
		Verdict: ledger.Admitted, TxBytes: []byte(text),
		Charges: []ledger.Charge{{Data: []byte(text), Expires: v.Now.Add(24 * time.Hour)}},
	}
}

func (st *story) failed(err error) {
	st.t.Helper()
	st.failures++
	if !errors.Is(err, ledger.ErrCommit) && !errors.Is(err, ledger.ErrUnavailable) {
		st.t.Fatalf("error is %v", err)
	}
}

func (st *story) settle(what delivered, answer string) {
	st.t.Helper()
	late := answer == "maybe"
	must(st.t, st.l.Settle(what.number, ledger.Settlement{Outcome: "done", Answer: []byte(answer), Open: late}))
	if late {
		_ = st.l.Flush(ctx) // its commit may be the one that fails
		must(st.t, st.l.Settle(what.number, ledger.Settlement{Outcome: "done late"}))
	}
	what.answer = answer
	st.answered = append(st.answered, what)
}

func (st *story) reject(what delivered) {
	st.t.Helper()
	what.answer = "internal error"
	must(st.t, st.l.Reject(what.key, ledger.Rejection{Outcome: "failed", Answer: []byte(what.answer)}))
	st.answered = append(st.answered, what)
}

// check holds a ledger against what callers were told: nothing that was signed may be taken again.
func (st *story) check(signed, answered []delivered) {
	st.t.Helper()
	if _, err := st.l.Verify(ctx); err != nil {
		st.t.Error(err)
	}
	charges := st.charges()
	for _, w := range answered {
		b, err := st.l.Begin(st.arrival(w.key, w.text))
		must(st.t, err)
		if b.State != ledger.Answered || string(b.Answer) != w.answer {
			st.t.Errorf("%s: state %v, answer %q, want %q", w.text, b.State, b.Answer, w.answer)
		}
	}
	for _, w := range signed {
		b, err := st.l.Begin(st.arrival(w.key, w.text))
		must(st.t, err)
		if b.State != ledger.Answered && b.State != ledger.InWork {
			st.t.Errorf("%s: state %v though it was signed", w.text, b.State)
		}
		if !slices.Contains(charges, w.text) {
			st.t.Errorf("%s was signed and not charged", w.text)
		}
		if got := st.try(st.s, w.text, w.nonce); got == ledger.Fresh {
			st.t.Errorf("%s under another uuid is fresh again", w.text)
		}
	}
}

// checkUnfinished expects one request whose outcome nobody told, if it was admitted.
func (st *story) checkUnfinished() {
	st.t.Helper()
	list, err := st.l.Unfinished()
	must(st.t, err)
	for _, u := range list {
		if string(u.TxBytes) != "request 4" {
			st.t.Errorf("unfinished: %+v", u)
		}
	}
}

// checkOutcomes expects that no outcome stands in the trail twice.
func (st *story) checkOutcomes() {
	st.t.Helper()
	seen := map[string]bool{}
	for rec, err := range st.l.Audit(0) {
		must(st.t, err)
		if rec.Type != ledger.RecordSettled && rec.Type != ledger.RecordRejected {
			continue
		}
		name := fmt.Sprint(rec.Key, rec.Outcome)
		if seen[name] {
			st.t.Errorf("outcome %q of %v stands twice", rec.Outcome, rec.Key)
		}
		seen[name] = true
	}
}

func newStory(t *testing.T) *story {
	st := &story{rig: newRig(t)}
	st.o = st.o.WithSegment(8)
	st.reopen()
	st.slot("mybot")
	st.s = st.session("alice", "mybot", "k1")
	return st
}

// TestEveryCommitFails fails each commit of the story in turn, applied and not applied.
func TestEveryCommitFails(t *testing.T) {
	commits := 0
	count := newStory(t)
	count.aroundCommits(func(commit func() error) error { commits++; return commit() })
	count.tell()
	must(t, count.l.Flush(ctx))
	if commits < 15 {
		t.Fatalf("the story has %d commits", commits)
	}
	for fail := 1; fail <= commits; fail++ {
		for _, applied := range []bool{true, false} {
			t.Run(fmt.Sprintf("%d applied %v", fail, applied), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { tellWithFailure(t, fail, applied) })
			})
		}
	}
}

func tellWithFailure(t *testing.T, fail int, applied bool) {
	st := newStory(t)
	n := 0
	st.aroundCommits(func(commit func() error) error {
		n++
		if n != fail {
			return commit()
		}
		if applied {
			must(t, commit())
		}
		return errInjected
	})
	st.tell()
	if err := st.l.Flush(ctx); err != nil {
		wantError(t, err, ledger.ErrCommit) // it was the one that failed
		must(t, st.l.Flush(ctx))
	}
	must(t, st.l.Err())
	st.checkUnfinished()
	// The next reopening must not undo it. Judging again is left for the end, since it adds
	// records.
	st.reopen()
	st.checkUnfinished()
	st.checkOutcomes()
	st.check(st.signed, st.answered)
	must(t, st.l.Close())
}

// TestKilledAfterEachCommit opens what the disk held after each commit.
func TestKilledAfterEachCommit(t *testing.T) {
	st := newStory(t)
	type snapshot struct {
		path             string
		signed, answered int
	}
	var shots []snapshot
	st.aroundCommits(func(commit func() error) error {
		// What callers know now was committed before this commit; outcomes may still be on their
		// way.
		must(t, commit())
		dir := t.TempDir()
		must(t, os.CopyFS(dir, os.DirFS(filepath.Dir(st.path)))) // ledger, mark, segments
		shots = append(shots, snapshot{filepath.Join(dir, "ledger.db"), len(st.signed), len(st.answered)})
		return nil
	})
	st.tell()
	must(t, st.l.Flush(ctx))
	must(t, st.l.Close())
	if len(shots) < 15 {
		t.Fatalf("%d commits", len(shots))
	}
	for i, shot := range shots {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			again := &story{rig: &rig{t: t, o: st.o, path: shot.path, clock: st.clock, uuids: 1000}, s: st.s}
			again.open()
			defer again.l.Close()
			again.check(st.signed[:shot.signed], nil)
		})
	}
}

// TestDiskThatDoesNotOpen fails a commit while the file cannot be opened again, until it can.
func TestDiskThatDoesNotOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStory(t)
		out, err := st.l.Admit(ctx, st.admission(st.s, "before", 0), allowFresh)
		must(t, err)
		broken := true
		moved := st.path + ".away"
		st.aroundCommits(func(commit func() error) error {
			if broken {
				must(t, os.Rename(st.path, moved))
				must(t, os.Mkdir(st.path, 0o700))
				broken = false
				return errInjected
			}
			return commit()
		})
		a := st.admission(st.s, "during", 0)
		_, err = st.l.Admit(ctx, a, allowFresh)
		wantError(t, err, ledger.ErrCommit)
		must(t, st.l.Settle(out.Number, ledger.Settlement{Outcome: "done", Answer: []byte("yes")}))
		time.Sleep(10 * time.Second)
		wantError(t, st.l.Err(), ledger.ErrUnavailable)
		_, err = st.l.Admit(ctx, a, allowFresh)
		wantError(t, err, ledger.ErrUnavailable)

		must(t, os.Remove(st.path))
		must(t, os.Rename(moved, st.path))
		time.Sleep(2 * time.Second)
		must(t, st.l.Err())
		_, err = st.l.Admit(ctx, a, allowFresh)
		must(t, err)
		must(t, st.l.Flush(ctx))
		st.reopen()
		list, err := st.l.Unfinished()
		must(t, err)
		if len(list) != 1 || list[0].Key != a.Key {
			t.Errorf("the outcome told meanwhile was lost: %+v", list)
		}
		must(t, st.l.Close())
	})
}

// TestDiskFull runs itself in a child process whose files cannot grow.
func TestDiskFull(t *testing.T) {
	if os.Getenv("LEDGER_TEST_DISK_FULL") != "" {
		fillDisk(t)
		return
	}
	self, err := os.Executable()
	must(t, err)
	cmd := exec.Command(self, "-test.run=^TestDiskFull$", "-test.v")
	cmd.Env = append(os.Environ(), "LEDGER_TEST_DISK_FULL=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.Contains(string(out), "disk was full and recovered") {
		t.Errorf("the child did not get there:\n%s", out)
	}
}

func fillDisk(t *testing.T) {
	signal.Ignore(syscall.SIGXFSZ)
	st := newStory(t)
	var old syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old))
	must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 200_000, Max: old.Max}))
	var signed []delivered
	var failure error
	for i := 0; failure == nil && i < 3000; i++ {
		text := fmt.Sprint("request ", i, strings.Repeat("long ", 200))
		a := st.admission(st.s, text, 0)
		_, failure = st.l.Admit(ctx, a, func(ledger.View) ledger.Ruling {
			return ledger.Ruling{Verdict: ledger.Admitted, Record: []byte(text),
				Charges: []ledger.Charge{{Data: []byte(text), Expires: st.clock.now().Add(time.Hour)}}}
		})
		if failure == nil {
			signed = append(signed, delivered{key: a.Key, text: text})
			continue
		}
		must(t, st.l.Reject(a.Key, ledger.Rejection{Outcome: "failed"}))
	}
	if !errors.Is(failure, ledger.ErrCommit) || len(signed) < 3 {
		t.Fatalf("after %d requests: %v", len(signed), failure)
	}
	must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old))
	deadline := time.Now().Add(10 * time.Second)
	for st.l.Flush(ctx) != nil {
		if time.Now().After(deadline) {
			t.Fatal(st.l.Err())
		}
	}
	st.check(signed, nil)
	fmt.Println("disk was full and recovered after", len(signed))
}

func TestTrailThatWasChanged(t *testing.T) {
	for name, change := range map[string]func(*bolt.Bucket) error{
		"altered": func(b *bolt.Bucket) error {
			v := slices.Clone(b.Get(ledger.NumberKey(3)))
			v[40] ^= 1
			return b.Put(ledger.NumberKey(3), v)
		},
		"removed":       func(b *bolt.Bucket) error { return b.Delete(ledger.NumberKey(3)) },
		"first removed": func(b *bolt.Bucket) error { return b.Delete(ledger.NumberKey(1)) },
		"moved": func(b *bolt.Bucket) error {
			x, y := slices.Clone(b.Get(ledger.NumberKey(3))), slices.Clone(b.Get(ledger.NumberKey(4)))
			return errors.Join(b.Put(ledger.NumberKey(3), y), b.Put(ledger.NumberKey(4), x))
		},
		"inserted":    func(b *bolt.Bucket) error { return b.Put(ledger.NumberKey(9), b.Get(ledger.NumberKey(3))) },
		"end cut off": func(b *bolt.Bucket) error { return b.Delete(ledger.NumberKey(6)) },
		"emptied": func(b *bolt.Bucket) error {
			return b.ForEach(func(k,
				_ []byte) error {
				return b.Delete(k)
			})
		},
		"foreign record": func(b *bolt.Bucket) error { return b.Put([]byte("x"), []byte("y")) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.slot("mybot")
			s := r.session("alice", "mybot", "k1")
			for i := range 4 {
				r.try(s, fmt.Sprint(i), 0)
			}
			must(t, r.l.Close())
			must(t, ledger.TestingRewrite(r.path, "audit", change))
			l, err := ledger.Open(r.path, r.o)
			if err == nil {
				must(t, l.Close())
				t.Fatal("it opens")
			}
			if !errors.Is(err, ledger.ErrDamaged) && !errors.Is(err, ledger.ErrRestored) {
				t.Error(err)
			}
			t.Log(err)
		})
	}
}

func TestRestoredLedger(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	steady, loose := r.session("alice", "mybot", "k1"), r.session("alice", "mybot", "k2")
	if r.try(loose, "x", 0) != ledger.Fresh || r.try(steady, "x", r.nowMS()) != ledger.Fresh {
		t.Fatal("not fresh")
	}
	must(t, r.l.Close())
	copied, err := os.ReadFile(r.path)
	must(t, err)
	r.open()
	r.clock.add(time.Minute)
	lost := r.nowMS()
	if r.try(steady, "lost", lost) != ledger.Fresh || r.try(steady, "lost too", 0) != ledger.Fresh {
		t.Fatal("not fresh")
	}
	must(t, r.l.Close())
	must(t, os.WriteFile(r.path, copied, 0o600))

	_, err = ledger.Open(r.path, r.o)
	wantError(t, err, ledger.ErrRestored)
	r.clock.add(time.Second)
	done, err := ledger.Accept(r.path, r.o, []byte(`{"by":"root"}`))
	must(t, err)
	if done.Mark != done.Last+2 || len(done.Ended) != 1 || done.Ended[0].ID != loose.ID {
		t.Errorf("accepted: %+v", done)
	}
	r.open()
	for range 2 {
		if got := r.try(steady, "lost", lost); got != ledger.NonceLow {
			t.Errorf("lost nonce: %v", got)
		}
		if got := r.try(steady, "lost too", 0); got != ledger.NonceRequired {
			t.Errorf("lost digest: %v", got)
		}
		if got := r.try(loose, "new", r.nowMS()+1); got != ledger.SessionEnded {
			t.Errorf("session that took requests without nonce: %v", got)
		}
		if s := r.session("alice", "mybot", fmt.Sprint("k", r.uuids)); !s.NoncesOnly {
			t.Error("a new session under the old secret takes requests without nonce")
		}
		v, err := r.l.Verify(ctx)
		must(t, err)
		if v.To <= done.Mark {
			t.Errorf("verified %v", v)
		}
		r.reopen()
	}
	if got := r.try(steady, "next", r.nowMS()+1); got != ledger.Fresh {
		t.Errorf("next nonce: %v", got)
	}
	_, err = r.l.RotateSlot(ctx, "mybot", "new", nil)
	must(t, err)
	if s := r.session("alice", "mybot", "k9"); s.NoncesOnly {
		t.Error("a session under a new secret must send nonces")
	}
	must(t, r.l.Close())
	done, err = ledger.Accept(r.path, r.o, nil) // nothing to accept
	must(t, err)
	if done.Last != done.Mark {
		t.Errorf("accepted again: %+v", done)
	}
	r.open()
}

func TestMarks(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	must(t, r.l.Close())
	mark := strings.TrimSuffix(r.path, ".db") + ".mark"
	good, err := os.ReadFile(mark)
	must(t, err)
	for name, text := range map[string]string{
		"empty":         "",
		"cut off":       string(good[:len(good)-3]),
		"lower number":  strings.Replace(string(good), "record 1", "record 0", 1),
		"more":          string(good) + "x",
		"other content": "hello",
	} {
		t.Run(name, func(t *testing.T) {
			must(t, os.WriteFile(mark, []byte(text), 0o600))
			_, err := ledger.Open(r.path, r.o)
			wantError(t, err, ledger.ErrRestored)
		})
	}
	must(t, os.Remove(mark))
	_, err = ledger.Open(r.path, r.o)
	wantError(t, err, ledger.ErrRestored)
	must(t, os.WriteFile(mark, good, 0o600))
	r.open()
}

func TestMarkIsReplacedEveryMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.slot("mybot")
		mark := strings.TrimSuffix(r.path, ".db") + ".mark"
		read := func() [32]byte {
			b, err := os.ReadFile(mark)
			must(t, err)
			return sha256.Sum256(b)
		}
		before := read()
		time.Sleep(59 * time.Second)
		if read() != before {
			t.Error("mark was replaced early")
		}
		time.Sleep(2 * time.Second)
		if read() == before {
			t.Error("mark was not replaced")
		}
		must(t, r.l.Close())
	})
}

// TestFlippedBits flips bits all over the file. What opens must be whole.
func TestFlippedBits(t *testing.T) {
	r, s := long(t)
	must(t, r.l.Settle(r.lastNumber(), ledger.Settlement{Outcome: "done", Answer: []byte("yes")}))
	must(t, r.l.Close())
	good, err := os.ReadFile(r.path)
	must(t, err)
	o := r.o
	o.Logger = nil
	rng := rand.New(rand.NewPCG(3, 4))
	refused := 0
	for range 300 {
		bad := slices.Clone(good)
		bad[rng.IntN(len(bad))] ^= 1 << rng.IntN(8)
		must(t, os.WriteFile(r.path, bad, 0o600))
		l, err := ledger.Open(r.path, o)
		if err != nil {
			if !errors.Is(err, ledger.ErrDamaged) && !errors.Is(err, ledger.ErrOther) {
				t.Error(err)
			}
			refused++
			continue
		}
		if _, err := l.Verify(ctx); err != nil {
			t.Error(err)
		}
		if got, ok := l.Session(s.ID); !ok || got.Digests != 38 {
			t.Errorf("session: %+v", got)
		}
		must(t, l.Close())
	}
	if refused < 20 {
		t.Errorf("only %d of 300 refused", refused)
	}
	t.Log("refused", refused)
}

// A charge that reads wrong refuses to open, and is not found when the first request counts.
func TestAlteredCharge(t *testing.T) {
	r, s := long(t)
	for range 10 {
		must(t, r.whole(s, nonces.Add(1)))
	}
	must(t, r.l.Close())
	altered := false
	must(t, ledger.TestingRewrite(r.path, "charges", func(b *bolt.Bucket) error {
		key, value := b.Cursor().First()
		altered = key != nil
		value = slices.Clone(value)
		value[20] ^= 1
		return b.Put(slices.Clone(key), value)
	}))
	if !altered {
		t.Fatal("no charge was gathered")
	}
	_, err := ledger.Open(r.path, r.o)
	wantError(t, err, ledger.ErrDamaged)
}

func (r *rig) lastNumber() uint64 {
	all := r.numbers(0)
	return all[len(all)-1]
}

// FuzzPages holds the check of pages against bytes of any sort: it must end, and must not panic.
func FuzzPages(f *testing.F) {
	r := newRig(f)
	r.slot("mybot")
	must(f, r.l.Close())
	good, err := os.ReadFile(r.path)
	must(f, err)
	if err := ledger.CheckPages(good); err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Fuzz(func(t *testing.T, b []byte) { _ = ledger.CheckPages(b) })
}

// TestRecordOfAnotherHistory puts a record in that is sealed for its place, but follows another
// past.
func TestRecordOfAnotherHistory(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	s := r.session("alice", "mybot", "k1")
	must(t, r.l.Close())
	copied, err := os.ReadFile(r.path)
	must(t, err)
	mark, err := os.ReadFile(strings.TrimSuffix(r.path, ".db") + ".mark")
	must(t, err)
	var foreign []byte
	for _, text := range []string{"one past", "another past"} {
		must(t, os.WriteFile(r.path, copied, 0o600))
		must(t, os.WriteFile(strings.TrimSuffix(r.path, ".db")+".mark", mark, 0o600))
		r.open()
		r.try(s, text, 0)
		r.try(s, "after", 0)
		must(t, r.l.Close())
		must(t, ledger.TestingRewrite(r.path, "audit", func(b *bolt.Bucket) error {
			if foreign != nil {
				return b.Put(ledger.NumberKey(4), foreign)
			}
			foreign = slices.Clone(b.Get(ledger.NumberKey(4)))
			return nil
		}))
	}
	_, err = ledger.Open(r.path, r.o)
	wantError(t, err, ledger.ErrDamaged)
}

func TestSwappedSessions(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	x, y := ledger.NumberKey(uint64(r.session("alice", "mybot", "k1").ID)),
		ledger.NumberKey(uint64(r.session("bob", "mybot", "k2").ID))
	must(t, r.l.Close())
	must(t, ledger.TestingRewrite(r.path, "sessions", func(b *bolt.Bucket) error {
		first, second := slices.Clone(b.Get(x)), slices.Clone(b.Get(y))
		return errors.Join(b.Put(x, second), b.Put(y, first))
	}))
	_, err := ledger.Open(r.path, r.o)
	wantError(t, err, ledger.ErrDamaged)
}
