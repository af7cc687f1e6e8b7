package keystore

import (
	"io"
	"reflect"
	"runtime"
	"runtime/debug"
	"unsafe"
)

// apart runs f on a goroutine of its own and overwrites the stack of that afterwards, and the
// registers. What works with a private key leaves copies of it there, and the stack of a goroutine
// that goes on, or is used again, would keep them, as the stacks of signals keep registers. A panic
// of f goes on here.
func apart(f func()) {
	done, failed := make(chan struct{}), true
	var cause any
	go func() {
		defer close(done)
		defer holdSignals()()
		// The stack grows before a secret is on it: growing makes a copy, and frees the old one as
		// it is.
		overwriteStack()
		defer overwriteRegisters()
		defer overwriteStack()
		defer func() {
			if failed {
				cause = recover()
			}
		}()
		f()
		failed = false
	}()
	<-done
	if failed {
		panic(cause)
	}
}

// deepest is more than what works with a key uses of a stack. Stacks of 32 KiB and more have pages
// of their own, which scrub gives back to the system.
const deepest = 24 << 10

// overwriteStack writes zeros over what earlier calls of its caller left on the stack.
//
//go:noinline
func overwriteStack() byte {
	var room [deepest]byte
	return touch(&room)
}

// touch reads the room, so that the compiler has it filled with zeros.
//
//go:noinline
func touch(room *[deepest]byte) byte { return room[len(room)/2] }

// overwriteRegisters has Go's copying of memory, which fills most registers, copy zeros.
//
//go:noinline
func overwriteRegisters() {
	var from, to [256]byte
	copyAll(to[:], from[:])
}

// copyAll copies what it does not know the length of, so that the compiler calls the function that
// copies.
//
//go:noinline
func copyAll(to, from []byte) { copy(to, from) }

const (
	// leastScrubbed is the smallest piece of memory that holds a key.
	leastScrubbed = 32
	// largestClass is the largest size of which Go keeps several pieces on one page. Larger ones
	// have pages of their own, which go back to the system.
	largestClass = 32 << 10
	// mostScrubbed bounds what scrub takes at once. What a wallet leaves between its pieces of
	// memory is a tenth of it.
	mostScrubbed = 64 << 20
)

// scrub overwrites the memory that nothing uses any more: copies of secrets that libraries made,
// which nobody could wipe. Pages that are free as a whole go back to the system, which returns them
// as zeros. Of pages that are in use in part, each free piece is taken once, which Go fills with
// zeros. What another goroutine frees or holds back meanwhile is not reached.
func scrub() {
	// Twice: what lies in a pool is free after the second time.
	runtime.GC()
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	unused := min(m.HeapInuse-min(m.HeapInuse, m.HeapAlloc), mostScrubbed)
	for size, next := uint64(leastScrubbed), uint64(0); size <= largestClass; size = next {
		next = nextClass(&m, size)
		// As many as all free pieces would be if they were of this size: one page of one size after
		// the other, the pages that are in use first.
		takePieces(int(size), int(unused/size)+1) //nolint:gosec // both below 64 MiB
	}
	debug.FreeOSMemory()
}

// nextClass returns the next larger size in which Go hands out memory, as far as it tells them;
// beyond, small steps that meet each of them.
func nextClass(m *runtime.MemStats, size uint64) uint64 {
	for _, class := range m.BySize {
		if s := uint64(class.Size); s > size {
			return s
		}
	}
	return size + 1<<10
}

// takePieces takes so many pieces of memory of a size at once, and frees them.
func takePieces(size, number int) {
	held := make([]*byte, 0, number)
	for range number {
		piece := make([]byte, size)
		held = append(held, &piece[0])
	}
	runtime.KeepAlive(held)
}

// seen reads for a library, and remembers the buffers that it was given, to wipe them.
type seen struct {
	from    io.Reader
	buffers [][]byte
}

func (s *seen) Read(b []byte) (int, error) {
	n, err := s.from.Read(b)
	s.buffers = append(s.buffers, b[:n])
	return n, err
}

func (s *seen) wipe() {
	for _, b := range s.buffers {
		clear(b)
	}
}

// wipeBuffers overwrites the buffers of bytes inside of a reader of the age library, one of which
// holds what was decrypted last. The library has no way to do it. A reader of another form is left
// as it is; a test finds that out.
func wipeBuffers(r io.Reader) {
	v := reflect.ValueOf(r)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return
	}
	for i := range v.Elem().NumField() {
		f := v.Elem().Field(i)
		if f.Kind() == reflect.Array && f.Type().Elem().Kind() == reflect.Uint8 {
			clear(unsafe.Slice((*byte)(f.Addr().UnsafePointer()), f.Len()))
		}
	}
}

// wipeText overwrites a text that a decoder made of a secret. Nobody else may have it, and it must
// have been made while the program runs: a text of the program itself cannot be written to.
func wipeText(text string) {
	if len(text) < 2 {
		return // Go takes a text of one byte from a table of its own
	}
	clear(unsafe.Slice(unsafe.StringData(text), len(text)))
}
