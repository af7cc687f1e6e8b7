//go:build !linux

package durabletest

// Memory does nothing: on this system the temporary folders of tests are where they always are.
func Memory() {}
