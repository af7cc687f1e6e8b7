package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pksa/agent"
	"pksa/agent/client"
	"pksa/cmd/pksa/internal/logtail"
)

// twinPoints are the points that only a copy passes which meets another one.
var twinPoints = []string{"yielding", "yielded"}

// copyHome copies the home folder while the wallet runs, as a snapshot of the disk does: at any
// moment, but all files of that one. A command that copies may meet several commits of the ledger,
// and what it makes of them is no ledger.
func (w *killWorld) copyHome() string {
	w.t.Helper()
	copied, err := os.MkdirTemp("", "pksa-twin-") // the path of a socket must be short
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { os.RemoveAll(copied) })
	if err := pause(w.wallet.Process); err != nil {
		w.t.Fatal(err)
	}
	err = os.CopyFS(copied, homeFiles{os.DirFS(w.home)})
	if err := errors.Join(err, goOn(w.wallet.Process)); err != nil {
		w.t.Fatal(err)
	}
	for _, name := range []string{"keystore.age", "identity.txt", "ledger.db", "ledger.mark", "config.yaml",
		"policy.yaml"} {
		if err := os.Chmod(filepath.Join(copied, name), 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	return copied
}

// copied is how a copy of the wallet has ended.
type copied struct {
	status int // -1: killed at a point
	said   string
}

// runCopy runs a copy of the wallet until it ends by itself.
func (w *killWorld) runCopy(home, point string) copied {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*awaitTimeout)
	defer cancel()
	said := new(logtail.Buffer)
	cmd := exec.CommandContext(ctx, w.binary, "run", "--home", home)
	cmd.Env = append(os.Environ(), "CRASHPOINT="+point)
	cmd.Stderr = said
	err := cmd.Run()
	if ctx.Err() != nil {
		w.t.Fatalf("a copy beside the running wallet does not end:\n%s", said.Last(30))
	}
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		w.t.Fatal(err)
	}
	return copied{cmd.ProcessState.ExitCode(), said.Last(30)}
}

// TestTwin copies the home folder at moments of chance while an application pays, and starts the
// copy beside the original: it pays nothing, ends with the status after which nothing starts it
// again, and stays down. It is so, too, if the copy is killed while it yields. Both are told,
// unless the copy is killed between writing the yield down and its last answer.
func TestTwin(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	t.Parallel()
	seed := *killSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d: repeat with -killseed %d", seed, seed)
	chance := rand.New(rand.NewPCG(seed, 1))
	const budget = 900
	w := newKillWorld(t, crashPolicy(budget), "payer")
	w.binary = buildWallet(t, "crashpoints")
	w.start("")
	w.await("the start", ready)

	load := newLoad(w)
	stop := make(chan struct{})
	var working sync.WaitGroup
	working.Go(func() {
		c, session := w.dial("payer"), client.NewSession("alice", "")
		load.begin(c, session, "payer", stop)
		load.work(100*time.Millisecond, stop, func(i int) { load.pay(c, session, fmt.Sprintf("payer-%d", i)) })
	})
	for _, point := range append([]string{"", ""}, twinPoints...) {
		time.Sleep(time.Duration(500+chance.IntN(1500)) * time.Millisecond)
		w.tryCopy(point)
	}
	close(stop)
	w.catchUp()
	working.Wait()
	w.resolve()
	w.interrupt()
	t.Logf("outcomes: %v", load.outcomes)
	inspect(t, w, load, budget)
}

// tryCopy starts a copy beside the running wallet, and looks that it ends and stays so.
func (w *killWorld) tryCopy(point string) {
	w.t.Helper()
	began := time.Now()
	home := w.copyHome()
	c := w.runCopy(home, point)
	if point != "" {
		if c.status != -1 {
			w.t.Fatalf("not killed at %s: status %d\n%s", point, c.status, c.said)
		}
		c = w.runCopy(home, "")
	}
	if c.status != exitYielded || !strings.Contains(c.said, " ledger moved`") {
		w.t.Errorf("the copy ended with status %d:\n%s", c.status, c.said)
	}
	again := w.runCopy(home, "")
	if again.status != exitYielded || !strings.Contains(again.said, "has yielded") {
		w.t.Errorf("started again, the copy ended with status %d:\n%s", again.status, again.said)
	}
	w.t.Logf("a copy ended after %s: %q", time.Since(began).Round(time.Millisecond), point)
	if point == "yielded" {
		return // it was killed before it could answer, and never asks again: nobody can tell the original
	}
	w.await("the other copy in status", func(s agent.Status) bool {
		return s.Twin != nil && s.Twin.At.After(began) && !s.Twin.Yielded && ready(s)
	})
}

// homeFiles is a home folder without its sockets.
type homeFiles struct{ fs.FS }

// Open leaves sockets out of folders that are listed.
func (h homeFiles) Open(name string) (fs.File, error) {
	f, err := h.FS.Open(name)
	if folder, ok := f.(fs.ReadDirFile); ok {
		return noSockets{folder}, err
	}
	return f, err
}

type noSockets struct{ fs.ReadDirFile }

// ReadDir returns the entries that can be copied.
func (n noSockets) ReadDir(count int) ([]fs.DirEntry, error) {
	entries, err := n.ReadDirFile.ReadDir(count)
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return !e.IsDir() && !e.Type().IsRegular() }), err
}
