//go:build !(linux && (386 || amd64 || arm || arm64 || loong64 || riscv64))

package keystore

// holdSignals does nothing: there is no system call for it that needs no C library.
func holdSignals() (release func()) { return func() {} }
