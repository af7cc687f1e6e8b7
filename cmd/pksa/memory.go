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
const smallestHeap = 48 << 20

// boundMemory keeps what a flood leaves behind as garbage from growing the process, until ctx ends.
// By Go's usual rule garbage may take as much memory as everything that is in use; under a flood of
// large requests that is what grows most. Whoever sets GOMEMLIMIT or GOGC has decided otherwise.
func boundMemory(ctx context.Context) {
	if os.Getenv("GOMEMLIMIT") != "" || os.Getenv("GOGC") != "" {
		return
	}
	before := debug.SetMemoryLimit(smallestHeap)
	defer debug.SetMemoryLimit(before)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			debug.SetMemoryLimit(memoryLimit(heapInUse()))
		}
	}
}

// memoryLimit returns the limit for so many bytes in use. A large wallet, which needs more than a
// small one has in all, must not spend its time on collecting: its garbage may take half as much
// again.
func memoryLimit(inUse uint64) int64 { return int64(max(smallestHeap, inUse+inUse/2)) }

// heapInUse returns how much of the heap was in use when garbage was collected last.
func heapInUse() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}
