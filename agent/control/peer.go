package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
)

// errNoPeer means that this system does not say who is at the other end of a socket.
var errNoPeer = errors.New("this system does not say who calls")

// peerOf asks the kernel who is at the other end: the user who connected, or for the end that has
// connected the user who listens. Nobody can forge what the kernel says.
func peerOf(conn *net.UnixConn) (user uint32, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	if outer := raw.Control(func(fd uintptr) { user, err = peerUser(fd) }); outer != nil {
		return 0, outer
	}
	return user, err
}

// caller is the key of a handler's context under which the user id of the caller stands.
type caller struct{}

// Caller returns the user id of who makes the call whose handler has this context. It is false
// where the system does not say who calls.
func Caller(ctx context.Context) (user uint32, ok bool) {
	user, ok = ctx.Value(caller{}).(uint32)
	return user, ok
}

// FromRoot reports whether root makes the call whose handler has this context. It is false where
// the system does not say who calls.
func FromRoot(ctx context.Context) bool {
	user, ok := Caller(ctx)
	return ok && user == 0
}

// checkListener returns an error unless the one who listens may be an agent of this wallet. The
// keepers may besides this user and root.
func checkListener(conn *net.UnixConn, path string, keepers []uint32) error {
	user, err := peerOf(conn)
	if slices.Contains(keepers, user) && err == nil {
		return nil
	}
	self := os.Geteuid()
	if err := mayCall(user, err, self, nil); err != nil {
		return fmt.Errorf("control socket %q: a process of user %d listens there. It is no agent of this wallet: one "+
			"runs as user %d or as root. Nothing was sent to it. Find out what it is, end it, and remove the "+
			"file", path, user, self)
	}
	return nil
}

// mayCall decides on a caller, by the user id that the kernel gave or its error, our own id, and
// the others that may call. Where there are others, the mode of the socket lets everybody in, and
// the kernel has to say who it is.
func mayCall(user uint32, err error, self int, others []uint32) error {
	switch {
	case slices.Contains(others, user) && err == nil:
		return nil
	case errors.Is(err, errNoPeer) && len(others) == 0:
		return nil // the folder's access rights are all the protection there is, see the package comment
	case err != nil:
		return err
	case user != 0 && int64(user) != int64(self):
		return fmt.Errorf("caller has user id %d", user)
	}
	return nil
}
