package ledger_test

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pksa/agent/ledger"
)

// clock is a wall clock that a test moves.
type clock struct{ ms atomic.Int64 }

func newClock() *clock {
	c := new(clock)
	c.ms.Store(1_700_000_000_000)
	return c
}
func (c *clock) now() time.Time      { return time.UnixMilli(c.ms.Load()).UTC() }
func (c *clock) add(d time.Duration) { c.ms.Add(d.Milliseconds()) }

// options are those of a keystore whose keys come from a label. Segments are written between
// commits, so that a test knows when.
func options(label string) ledger.Options {
	sealer := func(epoch, period uint64) cipher.AEAD {
		return aeadOf(fmt.Sprint("ledger sealing ", label, epoch, "/", period))
	}
	return ledger.Options{ID: "id-" + label, AEAD: aeadOf("ledger sealing " + label), Sealer: sealer,
		MAC: func(data ...[]byte) []byte {
			h := hmac.New(sha256.New, []byte("ledger mac "+label))
			for _, d := range data {
				h.Write(d)
			}
			return h.Sum(nil)
		}}.Beside(false)
}

// aeadOf returns a cipher under a key made of a text.
func aeadOf(text string) cipher.AEAD {
	key := sha256.Sum256([]byte(text))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return aead
}

// rig is a ledger in a test, which can be closed and opened again.
type rig struct {
	t     testing.TB
	o     ledger.Options
	path  string
	clock *clock
	l     *ledger.Ledger
	uuids int
}

func newRig(t testing.TB) *rig { return newRigWith(t, options("test")) }

func newRigWith(t testing.TB, o ledger.Options) *rig {
	c := newClock()
	o.Now = c.now
	o.Logger = slog.New(slog.NewTextHandler(logWriter{t}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	r := &rig{t: t, o: o, path: filepath.Join(t.TempDir(), "ledger.db"), clock: c}
	must(t, ledger.Create(r.path, r.o))
	r.open()
	t.Cleanup(func() { _ = r.l.Close() })
	return r
}

type logWriter struct{ t testing.TB }

func (w logWriter) Write(b []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

func (r *rig) open() {
	r.t.Helper()
	l, err := ledger.Open(r.path, r.o)
	must(r.t, err)
	r.l = l
}

// around opens the ledger again, with fn around the operations of its store.
func (r *rig) around(fn func(op string, do func() error) error) {
	r.t.Helper()
	r.o = r.o.Around(fn)
	r.reopen()
}

// aroundCommits is around for commits alone.
func (r *rig) aroundCommits(fn func(commit func() error) error) {
	r.t.Helper()
	r.around(func(op string, do func() error) error {
		if op != "commit" {
			return do()
		}
		return fn(do)
	})
}

func (r *rig) reopen() {
	r.t.Helper()
	must(r.t, r.l.Close())
	r.open()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantError(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error is %v, want %v", err, want)
	}
}

var ctx = context.Background()

func (r *rig) slot(name string) ledger.Slot {
	r.t.Helper()
	s, err := r.l.AddSlot(ctx, name, ledger.Secret("secret of "+name), nil)
	must(r.t, err)
	return s
}

func (r *rig) newSession(account, app, key string) ledger.NewSession {
	return ledger.NewSession{
		Account: account, App: app, AuthKey: ledger.Secret(key), Origin: ledger.Hand,
		Expires: r.clock.now().Add(24 * time.Hour),
	}
}

func (r *rig) session(account, app, key string) *ledger.Session {
	r.t.Helper()
	s, err := r.l.AddSession(ctx, r.newSession(account, app, key), []byte(`{"by":"test"}`))
	must(r.t, err)
	return s
}

// arrive begins a request under a fresh uuid; text stands for its ciphertext.
func (r *rig) arrive(text string) ledger.RequestKey {
	r.t.Helper()
	r.uuids++
	key := ledger.RequestKey{Relay: "relay", UUID: fmt.Sprint("uuid-", r.uuids)}
	b, err := r.l.Begin(r.arrival(key, text))
	must(r.t, err)
	if b.State != ledger.New {
		r.t.Fatalf("request is %v, want new", b.State)
	}
	return key
}

func (r *rig) arrival(key ledger.RequestKey, text string) ledger.Arrival {
	return ledger.Arrival{Key: key, Digest: sha256.Sum256([]byte(text)), Expires: r.clock.now().Add(time.Minute)}
}

func (r *rig) admission(s *ledger.Session, text string, nonce int64) ledger.Admission {
	r.t.Helper()
	return ledger.Admission{Key: r.arrive(text), Account: s.Account, Kind: "sign", Session: s.ID, Nonce: nonce}
}

// allowFresh admits what the nonce rules let through.
func allowFresh(v ledger.View) ledger.Ruling {
	if v.Replay != ledger.Fresh {
		return ledger.Ruling{Record: []byte(`"replay"`)}
	}
	return ledger.Ruling{Verdict: ledger.Admitted, Record: []byte(`"allowed"`)}
}

// try admits a request of a session and says what the nonce rules said.
func (r *rig) try(s *ledger.Session, text string, nonce int64) ledger.Replay {
	r.t.Helper()
	var said ledger.Replay
	_, err := r.l.Admit(ctx, r.admission(s, text, nonce), func(v ledger.View) ledger.Ruling {
		said = v.Replay
		return allowFresh(v)
	})
	must(r.t, err)
	return said
}

func (r *rig) nowMS() int64 { return r.clock.ms.Load() }
