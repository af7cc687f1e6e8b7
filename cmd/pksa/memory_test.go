package main

import (
	"context"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A small wallet has a fixed limit; that of a large one grows with what it needs.
func TestMemoryLimit(t *testing.T) {
	const mib = 1 << 20
	for inUse, want := range map[uint64]int64{0: 40 * mib, 30 * mib: 40 * mib, 31 * mib: 40 * mib, 32 * mib: 40 * mib,
		33 * mib: 41 * mib, 64*mib - 4: 72*mib - 4, 64 * mib: 72 * mib, 64*mib + 4: 72*mib + 6, 400 * mib: 576 * mib} {
		if got := memoryLimit(inUse); got != want {
			t.Errorf("%d MiB in use: limit %d MiB, want %d", inUse/mib, got/mib, want/mib)
		}
	}
	keep := make([]byte, 8*mib)
	runtime.GC()
	if inUse := memoryInUse(); inUse < 8*mib {
		t.Errorf("in use are %d bytes", inUse)
	}
	runtime.KeepAlive(keep)
	known := metrics.All()
	for _, name := range besideHeap {
		if !slices.ContainsFunc(known, func(d metrics.Description) bool { return d.Name == name }) {
			t.Errorf("the runtime does not know %s", name)
		}
	}
}

// What is not on the heap counts as in use, since the limit counts it.
func TestStacksAreInUse(t *testing.T) {
	const goroutines, stack = 256, 64 << 10
	runtime.GC()
	before := memoryInUse()
	var deep, over sync.WaitGroup
	deep.Add(goroutines)
	end := make(chan struct{})
	for range goroutines {
		over.Go(func() {
			var frame [stack]byte
			deep.Done()
			<-end
			runtime.KeepAlive(&frame)
		})
	}
	deep.Wait()
	runtime.GC()
	got := memoryInUse()
	close(end)
	over.Wait()
	if want := before + goroutines*stack/2; got < want { // some stacks were there before
		t.Errorf("in use are %d bytes, and %d before", got, before)
	}
}

// The limit holds while the wallet runs, and not for whoever has set one of his own.
func TestMemoryIsBounded(t *testing.T) {
	for _, name := range []string{"GOMEMLIMIT", "GOGC"} {
		t.Setenv(name, "") // as if it were not set
		os.Unsetenv(name)
	}
	percent := func() int {
		now := debug.SetGCPercent(100)
		debug.SetGCPercent(now)
		return now
	}
	run := func() (held bool) {
		usual := percent()
		synctest.Test(t, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			go boundMemory(ctx)
			time.Sleep(3 * time.Second)
			held = debug.SetMemoryLimit(-1) < math.MaxInt64
			if held != (percent() == smallGarbage) {
				t.Errorf("held %t, and garbage of %d %% is allowed", held, percent())
			}
			stop()
			synctest.Wait()
			if debug.SetMemoryLimit(-1) != math.MaxInt64 || percent() != usual {
				t.Error("the limit outlives the wallet")
			}
		})
		return held
	}
	if !run() {
		t.Error("no limit")
	}
	for _, name := range []string{"GOMEMLIMIT", "GOGC"} {
		t.Setenv(name, "off")
		if run() {
			t.Errorf("a limit although %s is set", name)
		}
		os.Unsetenv(name)
	}
}
