//go:build !linux

package main

import "runtime/debug"

// confine bounds the memory as far as the runtime does it. pksa bounds time, input and output.
func confine() { debug.SetMemoryLimit(768 << 20) }
