package ledger_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/ledger"
)

// long is a ledger with small segments and 40 records and more behind it.
func long(t *testing.T) (*rig, *ledger.Session) {
	r := newRig(t)
	r.o = r.o.WithSegment(8)
	r.reopen()
	r.slot("mybot")
	s := r.session("alice", "mybot", "k1")
	for i := range 38 {
		if r.try(s, fmt.Sprint("text ", i), 0) != ledger.Fresh {
			t.Fatal("not fresh")
		}
	}
	return r, s
}

func (r *rig) segments() []string {
	r.t.Helper()
	entries, err := os.ReadDir(filepath.Join(filepath.Dir(r.path), "audit"))
	must(r.t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func (r *rig) numbers(from uint64) (list []uint64) {
	r.t.Helper()
	for rec, err := range r.l.Audit(from) {
		must(r.t, err)
		list = append(list, rec.Number)
	}
	return list
}

func TestSegments(t *testing.T) {
	r, s := long(t)
	if got := r.segments(); !slices.Equal(got, []string{"000000000001-000000000008", "000000000009-000000000016",
		"000000000017-000000000024", "000000000025-000000000032"}) {
		t.Fatalf("segments: %v", got)
	}
	for range 2 {
		all := r.numbers(0)
		if len(all) != 40 || all[0] != 1 || all[39] != 40 {
			t.Errorf("the trail has %v", all)
		}
		for from := range uint64(42) {
			if got := r.numbers(from); len(got) != int(41-max(from, 1)) || len(got) > 0 && got[0] != max(from, 1) {
				t.Errorf("from %d on there are %v", from, got)
			}
		}
		v, err := r.l.Verify(ctx)
		must(t, err)
		if v != (ledger.Verified{From: 1, To: 40}) {
			t.Errorf("verified %v", v)
		}
		r.reopen()
	}
	for i := range 38 {
		if got := r.try(s, fmt.Sprint("text ", i), 0); got != ledger.DigestSeen {
			t.Errorf("digest %d after its record left the file: %v", i, got)
		}
	}
}

func TestDigestsGoWithTheirSession(t *testing.T) {
	r, s := long(t)
	if n := r.l.DigestOwners(); n != 1 {
		t.Errorf("%d owners of digests", n)
	}
	_, err := r.l.EndSession(ctx, s.ID, nil)
	must(t, err)
	for i := range 20 {
		_, err := r.l.Append(ctx, ledger.Entry{Type: ledger.RecordEvent, Outcome: fmt.Sprint(i)})
		must(t, err)
	}
	if n := r.l.DigestOwners(); n != 0 {
		t.Errorf("%d owners of digests after the session's end", n)
	}
}

func TestAnswersOutliveTheirRecords(t *testing.T) {
	r := newRig(t)
	r.o = r.o.WithSegment(8)
	r.reopen()
	r.slot("mybot")
	s := r.session("alice", "mybot", "k1")
	var all []delivered
	for i := range 30 {
		text := fmt.Sprint("text ", i)
		a := r.admission(s, text, r.nowMS()+int64(i))
		out, err := r.l.Admit(ctx, a, func(ledger.View) ledger.Ruling {
			return ledger.Ruling{Verdict: ledger.Admitted, TxBytes: []byte(text)}
		})
		must(t, err)
		what := delivered{key: a.Key, text: text, number: out.Number}
		if i%3 != 0 {
			what.answer = "answer " + text
			must(t, r.l.Settle(out.Number, ledger.Settlement{Outcome: "done", Answer: []byte(what.answer)}))
		}
		all = append(all, what)
	}
	must(t, r.l.Flush(ctx))
	for range 2 {
		for _, w := range all {
			b, err := r.l.Begin(r.arrival(w.key, w.text))
			must(t, err)
			switch {
			case w.answer == "" && b.State != ledger.InWork:
				t.Errorf("%s: %v, want in work", w.text, b.State)
			case w.answer != "" && (b.State != ledger.Answered || string(b.Answer) != w.answer):
				t.Errorf("%s: %v %q", w.text, b.State, b.Answer)
			}
		}
		list, err := r.l.Unfinished()
		must(t, err)
		if len(list) != 10 {
			t.Errorf("%d unfinished, want 10", len(list))
		}
		for _, u := range list {
			if i := slices.IndexFunc(all,
				func(w delivered) bool { return w.number == u.Number }); string(u.TxBytes) != all[i].text {
				t.Errorf("unfinished %d has transaction %q", u.Number, u.TxBytes)
			}
		}
		r.reopen()
	}
}

func TestSegmentsThatWereChanged(t *testing.T) {
	for name, change := range map[string]func(folder string) error{
		"altered": func(folder string) error {
			b, err := os.ReadFile(folder + "/000000000009-000000000016")
			if err != nil {
				return err
			}
			b[100] ^= 1
			return os.WriteFile(folder+"/000000000009-000000000016", b, 0o600)
		},
		"removed":       func(folder string) error { return os.Remove(folder + "/000000000009-000000000016") },
		"first removed": func(folder string) error { return os.Remove(folder + "/000000000001-000000000008") },
		"all removed":   os.RemoveAll,
		"last removed":  func(folder string) error { return os.Remove(folder + "/000000000025-000000000032") },
		"moved": func(folder string) error {
			return errors.Join(
				os.Rename(folder+"/000000000009-000000000016", folder+"/x"),
				os.Rename(folder+"/000000000017-000000000024", folder+"/000000000009-000000000016"),
				os.Rename(folder+"/x", folder+"/000000000017-000000000024"))
		},
		"emptied": func(folder string) error { return os.WriteFile(folder+"/000000000009-000000000016", nil, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := long(t)
			must(t, change(filepath.Join(filepath.Dir(r.path), "audit")))
			_, err := r.l.Verify(ctx)
			wantError(t, err, ledger.ErrDamaged)
			t.Log(err)
		})
	}
}

func TestRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := long(t)
		must(t, r.l.Close())
		r.keepsTwo("000000000017-000000000024", "000000000025-000000000032")
	})
}

// keepsTwo opens the ledger with a setting that keeps two segments, and checks which are left after
// a minute, and that the trail is whole from there on. It closes the ledger.
func (r *rig) keepsTwo(want ...string) {
	r.t.Helper()
	r.o.KeepSegments = 2
	r.open()
	time.Sleep(time.Minute + time.Second)
	if got := r.segments(); !slices.Equal(got, want) {
		r.t.Errorf("segments: %v", got)
	}
	v, err := r.l.Verify(ctx)
	must(r.t, err)
	if v != (ledger.Verified{From: 17, To: 40}) {
		r.t.Errorf("verified %v", v)
	}
	must(r.t, r.l.Close())
}

// What goes beyond the settings is missing, also after a restart, and also from the beginning.
func TestRemovedBeyondRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := long(t)
		r.o.KeepSegments = 2
		r.reopen()
		time.Sleep(time.Minute + time.Second)
		for range 2 {
			_, err := r.l.Verify(ctx)
			must(t, err)
			r.reopen()
		}
		must(t, os.Remove(filepath.Join(filepath.Dir(r.path), "audit", "000000000017-000000000024")))
		_, err := r.l.Verify(ctx)
		wantError(t, err, ledger.ErrDamaged)
		if !strings.Contains(err.Error(), "records 17 to 24 are missing") {
			t.Error(err)
		}
		must(t, r.l.Close())
	})
}

// A restored ledger does not know what was removed since the copy was made; what goes later is
// missing all the same.
func TestRestoredLedgerBehindRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := long(t)
		must(t, r.l.Close())
		copied, err := os.ReadFile(r.path)
		must(t, err)
		r.o.KeepSegments = 2
		r.open()
		r.slot("another")
		time.Sleep(time.Minute + time.Second)
		must(t, r.l.Close())
		must(t, os.WriteFile(r.path, copied, 0o600))
		// One that is refused writes nothing.
		commits := 0
		counted := r.o.Around(func(op string, do func() error) error {
			if op == "commit" {
				commits++
			}
			return do()
		})
		_, err = ledger.Accept(r.path, counted, ledger.Acceptance{KeepAll: true,
			Charge: func(ledger.LostCharge) (ledger.Charge, error) { return ledger.Charge{}, errInjected }})
		wantError(t, err, errInjected)
		if commits != 0 {
			t.Errorf("%d commits of an acceptance that was refused", commits)
		}
		_, err = ledger.Accept(r.path, counted, ledger.Acceptance{KeepAll: true})
		must(t, err)
		if commits == 0 {
			t.Error("no commit was counted")
		}
		r.open()
		v, err := r.l.Verify(ctx)
		must(t, err)
		if v.From != 25 {
			t.Errorf("verified %v", v)
		}
		must(t, os.Remove(filepath.Join(filepath.Dir(r.path), "audit", "000000000025-000000000032")))
		_, err = r.l.Verify(ctx)
		wantError(t, err, ledger.ErrDamaged)
		must(t, r.l.Close())
	})
}

// What is removed while somebody reads, as the settings say, is no damage.
func TestRetentionWhileReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := long(t)
		r.o.KeepSegments = 1
		r.reopen()
		var list []uint64
		for rec, err := range r.l.Audit(1) {
			must(t, err)
			if list = append(list, rec.Number); len(list) == 1 {
				time.Sleep(time.Minute + time.Second)
			}
		}
		if want := []uint64{1, 2, 3, 4, 5, 6, 7, 8, 25}; !slices.Equal(list[:9], want) || list[len(list)-1] != 40 {
			t.Errorf("read %v", list)
		}
		must(t, r.l.Close())
	})
}

// Segments are kept for a time, by the time of their files.
func TestRetentionByAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := long(t)
		r.o.KeepFor = 24 * time.Hour
		r.reopen()
		folder := filepath.Join(filepath.Dir(r.path), "audit")
		for i, age := range []time.Duration{25 * time.Hour, 24*time.Hour + time.Minute, 23 * time.Hour,
			25 * time.Hour} {
			at := r.clock.now().Add(-age)
			must(t, os.Chtimes(fmt.Sprintf("%s/%012d-%012d", folder, i*8+1, i*8+8), at, at))
		}
		time.Sleep(time.Minute + time.Second)
		if got := r.segments(); !slices.Equal(got, []string{"000000000017-000000000024", "000000000025-000000000032"}) {
			t.Errorf("segments: %v", got) // never from the middle: that could not be told from theft
		}
		v, err := r.l.Verify(ctx)
		must(t, err)
		if v != (ledger.Verified{From: 17, To: 40}) {
			t.Errorf("verified %v", v)
		}
		must(t, r.l.Close())
	})
}

// A new ledger in the place of a lost one does not take the old one's segments for its own, and
// leaves them to be read.
func TestNewLedgerBesideOldSegments(t *testing.T) {
	r, _ := long(t)
	must(t, r.l.Close())
	for i := range 2 {
		must(t, os.Remove(r.path))
		must(t, ledger.Create(r.path, r.o))
		r.open()
		r.slot("mybot")
		v, err := r.l.Verify(ctx)
		must(t, err)
		if v != (ledger.Verified{From: 1, To: 1}) {
			t.Errorf("verified %v", v)
		}
		if i == 0 {
			for range 20 {
				must(t, r.l.Note(ledger.Entry{Type: ledger.RecordEvent, Outcome: "test"}))
				must(t, r.l.Flush(ctx))
			}
		}
		must(t, r.l.Close())
	}
	for folder, want := range map[string]string{"audit.old-1": "000000000025-000000000032",
		"audit.old-2": "000000000009-000000000016"} {
		if _, err := os.Stat(filepath.Join(filepath.Dir(r.path), folder, want)); err != nil {
			t.Error(err)
		}
	}
}

// The head is the end of what is committed, and tells one trail from another.
func TestHead(t *testing.T) {
	r := newRig(t)
	none, start := r.l.Head()
	r.slot("mybot")
	one, mac := r.l.Head()
	if none != 0 || one != 1 || mac == start {
		t.Errorf("heads: %d %x, %d %x", none, start, one, mac)
	}
	r.reopen()
	if again, same := r.l.Head(); again != 1 || same != mac {
		t.Errorf("after opening again: %d %x", again, same)
	}
}

func TestSegmentThatCannotBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		var said bytes.Buffer
		r.o.Logger = slog.New(slog.NewTextHandler(&said, nil))
		r.o = r.o.WithSegment(8)
		r.reopen()
		inTheWay := filepath.Join(filepath.Dir(r.path), "audit", "000000000001-000000000008")
		must(t, os.MkdirAll(inTheWay, 0o700))
		r.slot("mybot")
		s := r.session("alice", "mybot", "k1")
		for i := range 38 {
			r.try(s, fmt.Sprint(i), 0)
		}
		if got := r.numbers(0); len(got) != 40 {
			t.Errorf("the trail has %v", got)
		}
		synctest.Wait()
		if n := strings.Count(said.String(), "audit segment was not written"); n != 1 {
			t.Errorf("%d attempts within a minute: each reads a whole segment while requests wait", n)
		}
		if r.l.Backlog() == nil {
			t.Error("nobody is told that the trail stays in the file")
		}
		must(t, os.Remove(inTheWay))
		time.Sleep(time.Minute + time.Second)
		if err := r.l.Backlog(); err != nil {
			t.Errorf("after it was written: %v", err)
		}
		if got := r.segments(); len(got) != 4 {
			t.Errorf("segments: %v", got)
		}
		_, err := r.l.Verify(ctx)
		must(t, err)
		must(t, r.l.Close())
	})
}

func TestRestoredLedgerBehindItsSegments(t *testing.T) {
	r := newRig(t)
	r.o = r.o.WithSegment(8)
	r.reopen()
	r.slot("mybot")
	s := r.session("alice", "mybot", "k1")
	r.try(s, "before", r.nowMS())
	must(t, r.l.Close())
	copied, err := os.ReadFile(r.path)
	must(t, err)
	r.open()
	for i := range 30 {
		r.try(s, fmt.Sprint(i), r.nowMS()+int64(i)+1)
	}
	must(t, r.l.Close())
	must(t, os.WriteFile(r.path, copied, 0o600))
	must(t, os.Remove(strings.TrimSuffix(r.path, ".db")+".mark"))
	done, err := ledger.Accept(r.path, r.o, ledger.Acceptance{KeepAll: true})
	must(t, err)
	if done.Last != 3 || done.Mark != 0 {
		t.Errorf("accepted: %+v", done)
	}
	r.open()
	r.clock.add(time.Second)
	for i := range 20 {
		if got := r.try(s, fmt.Sprint(i), r.nowMS()+int64(i)+1); got != ledger.Fresh {
			t.Errorf("after acceptance: %v", got)
		}
	}
	_, err = r.l.Verify(ctx)
	must(t, err)
	if got := r.numbers(0); got[3] != 33 || len(got) != 3+1+20 {
		t.Errorf("the trail has %v", got)
	}
	lost := 0
	for _, name := range r.segments() {
		if strings.HasSuffix(name, ".lost") {
			lost++
		}
	}
	if lost != 4 {
		t.Errorf("segments: %v", r.segments())
	}
}

func FuzzSegment(f *testing.F) {
	f.Add(ledger.SampleSegment())
	f.Fuzz(func(t *testing.T, b []byte) {
		again, err := ledger.RecodeSegment(b)
		if err == nil && string(again) != string(b) {
			t.Errorf("%x is written as %x", b, again)
		}
	})
}
