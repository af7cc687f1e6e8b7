package control

import "golang.org/x/sys/unix"

// knowsPeers says whether this system tells who is at the other end of a socket.
const knowsPeers = true

// peerUser returns the user who connected, as the kernel noted it at that moment.
func peerUser(fd uintptr) (uint32, error) {
	cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return 0, err
	}
	return cred.Uid, nil
}
