//go:build !linux

package status

// OpenProcess opens what the kernel tells of this process, on Linux.
func OpenProcess() {}

func (*Process) asKernel() {}
