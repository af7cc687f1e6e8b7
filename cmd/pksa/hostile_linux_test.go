package main

import (
	"context"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pksa/agent/ledger"
	"pksa/agent/relay"
	"pksa/agent/relay/relaytest"
	"pksa/keystore"
	"pksa/protocol/hive"
)

var hostileTime = flag.Duration("hostiletime", 2*time.Second,
	"how long the wallet is attacked; a long run takes an hour")

// hostilePolicy lets one app log in and no more, another one pay little and ask a person for more,
// and a third one make transactions itself.
const hostilePolicy = `version: 1
allow:
  - {name: logins, request: auth, apps: any, session: 1h}
  - {name: proofs, request: challenge, apps: [honest], key: [posting], text: {glob: "*"}}
  - {name: votes, request: sign, accounts: [carol], apps: [honest], operations: [vote]}
  - {name: little, request: sign, apps: [payer], key: active, operations: [transfer]}
  - {name: made, request: sign, apps: [maker], operations: [vote], broadcast: any, transaction_by: application}
ask:
  - {name: asked, request: sign, apps: [payer], operations: [vote]}
limits:
  - {name: tips, apps: [payer], operations: [transfer], spend: 1.000 HBD per 1h, per: [.to]}
  - {name: made votes, apps: [maker], operations: [vote], count: 5 per 1h, per: [.permlink]}
`

const (
	mostResident = 96 << 20
	mostRestart  = 2 * time.Second
	// mostDisk is what audit.max allows the trail here, and half as much for the ledger's file.
	mostDisk = 96 << 20
)

// hostile is a running wallet with everybody against it at once: an app that may only log in, one
// that may pay little, one that makes its transactions itself, a relay, and strangers at both
// relays that it uses.
type hostile struct {
	*killWorld
	evil  *relaytest.Server // a relay of the settings that floods and replays
	own   string            // the wallet's own relay
	past  past              // requests that the hostile relay has seen
	sent  [attacks]atomic.Int64
	asked atomic.Int64 // of the honest app
	heard atomic.Int64
}

// TestHostileBounds attacks the running program from all sides for a while. It keeps its memory and
// its disk, serves another account meanwhile, and is back soon after it was killed in the middle of
// it. Times count in a long run only.
func TestHostileBounds(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	h := newHostile(t)
	h.start("")
	defer func() { h.kill() }()
	h.await("the start", ready)
	ctx, stop := context.WithCancel(t.Context())
	var working sync.WaitGroup
	defer working.Wait()
	defer stop()
	for _, attack := range []func(context.Context){
		h.onlyLogsIn, h.paysLittle, h.waits, h.makes, h.strangers, h.atOwnRelay, h.honest,
	} {
		working.Go(func() { attack(ctx) })
	}
	var m measured
	for begun := time.Now(); ; {
		h.attacked(t, *hostileTime/hostileLives, &m)
		if time.Since(begun) >= *hostileTime {
			break
		}
	}
	stop()
	working.Wait()
	h.interrupt()
	h.withLedger(func(l *ledger.Ledger, _ *keystore.Store) {
		if v, err := l.Verify(t.Context()); err != nil {
			t.Errorf("the audit trail: %v, %v", v, err)
		}
	})
	t.Logf("attacked for %v with %v; resident %d MiB at the most; home %d MiB; %d of %d honest requests answered; "+
		"back after %v, %v at the worst of %d kills", *hostileTime, h.counts(), m.peak>>20, m.disk>>20, h.heard.Load(),
		h.asked.Load(), m.usual().Round(time.Millisecond), slices.Max(m.back).Round(time.Millisecond), len(m.back))
	h.check(t, m)
	h.start("")
}

// hostileLives is how often the wallet is killed in a run, evenly over its time.
const hostileLives = 6

// measured is what was seen of all lives of the wallet.
type measured struct {
	peak, disk int64
	back       []time.Duration // the time from each start after a kill until it was ready
}

// usual is the time within which half of the starts were ready: the machine does the attacking,
// too.
func (m measured) usual() time.Duration {
	return slices.Sorted(slices.Values(m.back))[len(m.back)/2]
}

// attacked lets one life of the wallet pass, which ends with a kill while everybody goes on, and
// begins the next one. A life ends only after the honest app was served in it.
func (h *hostile) attacked(t *testing.T, life time.Duration, m *measured) {
	t.Helper()
	end, before := time.Now().Add(life), h.heard.Load()
	for waited := time.Now(); time.Now().Before(end) || h.heard.Load() < before+3; time.Sleep(50 * time.Millisecond) {
		m.disk = max(m.disk, h.size(t))
		if time.Since(waited) > life+2*time.Minute {
			t.Fatalf("the honest app gets no answers any more: %d of %d", h.heard.Load(), h.asked.Load())
		}
	}
	m.peak = max(m.peak, h.peak(t))
	h.kill()
	began := time.Now()
	h.start("")
	h.await("the start after it was killed", ready)
	m.back = append(m.back, time.Since(began))
}

// check holds what was measured against the bounds.
func (h *hostile) check(t *testing.T, m measured) {
	t.Helper()
	if m.peak > mostResident && !raceDetected() {
		t.Errorf("resident %d MiB, at most %d are allowed", m.peak>>20, mostResident>>20)
	}
	if m.disk > mostDisk {
		t.Errorf("the home takes %d MiB, at most %d are allowed", m.disk>>20, mostDisk>>20)
	}
	if *hostileTime < time.Minute {
		return // on a machine that does other things, times say nothing
	}
	if m.usual() > mostRestart {
		t.Errorf("from a start after a kill until it was ready: %v", m.back)
	}
	if heard, asked := h.heard.Load(), h.asked.Load(); heard*10 < asked*9 {
		t.Errorf("the honest app got %d answers to %d requests", heard, asked)
	}
}

// raceDetected reports whether this program looks for races, for which it needs many times as much
// memory.
func raceDetected() bool {
	info, _ := debug.ReadBuildInfo()
	return info != nil && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

func newHostile(t *testing.T) *hostile {
	h := &hostile{}
	own, err := relaytest.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	h.own = "ws://" + own
	h.evil, err = relaytest.Start(relaytest.Options{Loopback: true, Fault: h.floods, Relay: relay.Options{
		Server: "127.0.0.1", NoProof: true, Logger: slog.New(slog.DiscardHandler),
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.evil.Close)
	h.killWorld = newWorldOf(t, homeParts{policy: hostilePolicy, apps: []string{"lowly", "payer", "maker", "honest"},
		accounts: []hive.AccountName{"alice", "carol"}, settings: map[string]string{
			"ask": "pending", "relay.listen": own, "log.level": "error", "audit.max": "64MiB",
		}, relays: []string{h.evil.URL, h.own}})
	h.catchUp()
	h.binary = buildWallet(t, "") // its own pages count, and this test's are more
	return h
}

// thisProgram is the program inside of the test's own binary, under the name by which that runs it:
// there is nothing to build.
func thisProgram(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "pksa")
	if err := os.Symlink(self, link); err != nil {
		t.Fatal(err)
	}
	return link
}

func (h *hostile) counts() (list []int64) {
	for i := range h.sent {
		list = append(list, h.sent[i].Load())
	}
	return list
}

// peak returns the most memory that the wallet had resident so far, by the kernel's word.
func (h *hostile) peak(t *testing.T) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", h.wallet.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\nVmHWM:")
	var kib int64
	if _, err := fmt.Sscanf(rest, "%d kB", &kib); err != nil {
		t.Fatalf("the kernel does not say how much memory is used: %v", err)
	}
	return kib << 10
}

// size adds up the files of the home folder.
func (h *hostile) size(t *testing.T) (sum int64) {
	t.Helper()
	err := filepath.WalkDir(h.home, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return nil // it went while we looked
		}
		if info, err := e.Info(); err == nil {
			sum += info.Size()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return sum
}
