//go:build !linux

package doctor

// place knows nothing of other systems.
func place(string) Place { return Place{} }

// InContainer reports false.
func InContainer() bool { return false }
