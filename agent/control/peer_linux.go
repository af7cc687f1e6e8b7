package control

import "golang.org/x/sys/unix"

// peerUser returns the user who connected, as the kernel noted it at that moment.
func peerUser(fd uintptr) (uint32, error) {
	cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return 0, err
	}
	return cred.Uid, nil
}
