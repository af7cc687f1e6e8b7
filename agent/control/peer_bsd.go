//go:build darwin || freebsd

package control

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// knowsPeers says whether this system tells who is at the other end of a socket.
const knowsPeers = true

// peerUser returns the user who connected, as the kernel noted it at that moment.
func peerUser(fd uintptr) (uint32, error) {
	cred, err := unix.GetsockoptXucred(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	if err != nil {
		return 0, err
	}
	if cred.Version != 0 { // XUCRED_VERSION; another one has other fields
		return 0, fmt.Errorf("the kernel describes the caller in form %d, which is not known here", cred.Version)
	}
	return cred.Uid, nil
}
