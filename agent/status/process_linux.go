package status

import (
	"bytes"
	"io"
	"os"
	"strconv"
	"sync"
	"syscall"
)

// self is what the kernel tells of this process. The files stay open: the sandbox takes away the
// opening of others.
var self struct {
	once   sync.Once
	mu     sync.Mutex // a folder is read from its beginning to its end
	memory *os.File   // nil: not to be had
	files  *os.File
}

// OpenProcess opens what the kernel tells of this process. [ThisProcess] does so by itself where
// nothing was taken from the process; else it has to be called before.
func OpenProcess() {
	self.once.Do(func() {
		self.memory, _ = os.Open("/proc/self/statm")
		self.files, _ = os.Open("/proc/self/fd")
	})
}

// asKernel fills in what the kernel tells. What it does not tell stays zero.
func (p *Process) asKernel() {
	OpenProcess()
	self.mu.Lock()
	defer self.mu.Unlock()
	if self.memory != nil {
		p.Resident = residentBytes(self.memory)
	}
	if self.files != nil {
		if _, err := self.files.Seek(0, io.SeekStart); err == nil {
			names, _ := self.files.Readdirnames(-1)
			p.OpenFiles = len(names)
		}
	}
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		p.MaxFiles = limit.Cur
	}
}

// residentBytes reads the second number of statm, which counts pages.
func residentBytes(statm io.ReaderAt) uint64 {
	var text [256]byte
	n, _ := statm.ReadAt(text[:], 0)
	fields := bytes.Fields(text[:n])
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseUint(string(fields[1]), 10, 64)
	return pages * uint64(os.Getpagesize())
}
