package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// smallestHeap is what the program may take before its garbage is collected more often than usual.
// A wallet at rest takes half of it.
const smallestHeap = 40 << 20

// smallGarbage is how much garbage a wallet may have, in percent of what it uses, as long as the
// limit leaves room for it. A small wallet uses a few MiB: by Go's usual 100 it would collect its
// garbage many times a second at full load, which took an eighth of its processor time.
const smallGarbage = 300

// boundMemory keeps what a flood leaves behind as garbage from growing the process, until ctx ends.
// By Go's usual rule garbage may take as much memory as everything that is in use; under a flood of
// large requests that is what grows most. Whoever sets GOMEMLIMIT or GOGC has decided otherwise.
func boundMemory(ctx context.Context) {
	if os.Getenv("GOMEMLIMIT") != "" || os.Getenv("GOGC") != "" {
		return
	}
	before, percent := debug.SetMemoryLimit(smallestHeap), debug.SetGCPercent(smallGarbage)
	defer func() {
		debug.SetMemoryLimit(before)
		debug.SetGCPercent(percent)
	}()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			debug.SetMemoryLimit(memoryLimit(memoryInUse()))
		}
	}
}

// largeWallet is how much a wallet needs that has thousands of accounts or sessions. What a small
// one needs under attack is less: the bounds of what others send see to that.
const largeWallet = 64 << 20

// mostGarbage is what garbage may take of a wallet that is not large. What was allocated while
// garbage was collected counts as in use until the next time: on a busy machine that is much, and
// must not leave room for as much again.
const mostGarbage = 8 << 20

// memoryLimit returns the limit for so many bytes in use. Garbage may take a quarter of these, a
// few MiB at most, and half of what is beyond a large wallet's first bytes: such a wallet, which
// needs more in all, must not spend its time on collecting.
func memoryLimit(inUse uint64) int64 {
	garbage := min(inUse/4, mostGarbage)
	if inUse > largeWallet {
		garbage += (inUse - largeWallet) / 2
	}
	return int64(max(smallestHeap, inUse+garbage))
}

// besideHeap is what the runtime's limit counts besides the heap: stacks, and its own books.
var besideHeap = []string{
	"/memory/classes/heap/stacks:bytes", "/memory/classes/os-stacks:bytes",
	"/memory/classes/metadata/mcache/free:bytes", "/memory/classes/metadata/mcache/inuse:bytes",
	"/memory/classes/metadata/mspan/free:bytes", "/memory/classes/metadata/mspan/inuse:bytes",
	"/memory/classes/metadata/other:bytes", "/memory/classes/profiling/buckets:bytes",
	"/memory/classes/other:bytes",
}

// memoryInUse returns how much of the heap was in use when garbage was collected last, and all that
// the limit counts besides the heap. If the limit had no room for that, garbage would be collected
// without end.
func memoryInUse() (bytes uint64) {
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	for _, name := range besideHeap {
		samples = append(samples, metrics.Sample{Name: name})
	}
	metrics.Read(samples)
	for _, s := range samples {
		if s.Value.Kind() == metrics.KindUint64 { // or this runtime does not know the name
			bytes += s.Value.Uint64()
		}
	}
	return bytes
}
