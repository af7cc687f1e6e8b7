//go:build !linux && !darwin && !freebsd

package control

func peerUser(uintptr) (uint32, error) { return 0, errNoPeer }
