package control

import (
	"errors"
	"fmt"
	"net"
	"os"
)

// errNoPeer means that this system does not say who is at the other end of a socket.
var errNoPeer = errors.New("this system does not say who calls")

// checkPeer asks the kernel who is at the other end, and returns an error unless that one may call.
// A caller cannot forge what the kernel says.
func checkPeer(conn *net.UnixConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var user uint32
	var userErr error
	if err := raw.Control(func(fd uintptr) { user, userErr = peerUser(fd) }); err != nil {
		return err
	}
	return mayCall(user, userErr, os.Geteuid())
}

// mayCall decides on a caller, by the user id that the kernel gave or its error, and our own id.
func mayCall(user uint32, err error, self int) error {
	switch {
	case errors.Is(err, errNoPeer):
		return nil // the folder's access rights are all the protection there is, see the package comment
	case err != nil:
		return err
	case user != 0 && int64(user) != int64(self):
		return fmt.Errorf("caller has user id %d", user)
	}
	return nil
}
