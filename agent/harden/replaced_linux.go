package harden

import (
	"bufio"
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const nameServers = "/etc/resolv.conf"

// keeps reports whether the sandbox keeps this process from a file that its user may read. The
// kernel looks at modes in one call and at the sandbox in the other.
func keeps(path string) bool {
	f, err := os.Open(path)
	if err == nil {
		f.Close()
	}
	return errors.Is(err, fs.ErrPermission) && unix.Faccessat(unix.AT_FDCWD, path, unix.R_OK, unix.AT_EACCESS) == nil
}

// askNameServer connects to a name server as Go's resolver does by itself. Without the file that
// names the servers it asks this machine; if nobody answers there, the error says why it was asked.
func askNameServer(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, address)
	if udp, ok := conn.(*net.UDPConn); ok {
		return nameServer{udp}, nil
	}
	return conn, byReplacement(err)
}

// nameServer is a name server that is asked in one packet. It has all methods of the connection: by
// them the resolver tells packets from streams.
type nameServer struct{ *net.UDPConn }

// Read reads an answer.
func (s nameServer) Read(b []byte) (int, error) {
	n, err := s.UDPConn.Read(b)
	return n, byReplacement(err)
}

// byReplacement returns what an error of asking a name server is really about.
func byReplacement(err error) error {
	if err != nil && Keeps(nameServers) {
		return &ReplacedError{nameServers}
	}
	return err
}

// unfollowed returns the file that names the servers, if this process will lose it once it is
// replaced: root does not keep the right to read all of /etc. What is mounted, as in containers, is
// written anew in its place.
func unfollowed() string {
	real, err := filepath.EvalSymlinks(nameServers)
	if err != nil || os.Geteuid() != 0 || filepath.Dir(real) != "/etc" || mounted(real) {
		return ""
	}
	return nameServers
}

// mounted reports whether something is mounted at exactly this path.
func mounted(path string) bool {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return false
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) > 4 && fields[4] == path {
			return true
		}
	}
	return false
}
