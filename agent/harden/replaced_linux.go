package harden

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"pksa/agent/config"
	"pksa/protocol/sorts"
)

const nameServers = "/etc/resolv.conf"

// nameFiles are what Go's resolver reads again, each five seconds while names are asked for.
var nameFiles = []string{nameServers, "/etc/hosts", "/etc/nsswitch.conf"}

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

// Read reads an answer. An answer that there is no such name is none where the sandbox keeps this
// process from a file that may have it, or that names another server.
func (s nameServer) Read(b []byte) (int, error) {
	n, err := s.UDPConn.Read(b)
	if err == nil && noSuchName(b[:n]) {
		if file := keptName(); file != "" {
			return 0, &ReplacedError{file}
		}
	}
	return n, byReplacement(err)
}

// noSuchName reports whether an answer says that there is no such name (RCODE 3, RFC 1035 section
// 4.1.1).
func noSuchName(answer []byte) bool { return len(answer) > 3 && answer[3]&0xf == 3 }

// keptName returns the first of nameFiles that the sandbox keeps this process from; empty if it
// reads all.
func keptName() string {
	if i := slices.IndexFunc(nameFiles, Keeps); i >= 0 {
		return nameFiles[i]
	}
	return ""
}

// byReplacement returns what an error of asking a name server is really about: another server was
// asked than this machine names now, or a name that is in a file of this machine.
func byReplacement(err error) error {
	switch file := keptName(); {
	case err == nil || file == "":
		return err
	case file == nameServers:
		return &ReplacedError{file}
	default:
		return fmt.Errorf("%w; or the name is in a file: %w", err, &ReplacedError{file})
	}
}

func unfollowed(cfg *config.Config) (losses []Loss) {
	if why := losesNames(); why != "" {
		losses = append(losses, Loss{nameServers, why})
	}
	open := written(cfg)
	if os.Geteuid() != 0 {
		open = append(open, "/etc")
	}
	open = append(open, storePaths...)
	files := readAgain(cfg)
	for _, file := range files {
		open = append(open, followed(file)...)
	}
	isOpen := func(folder string) bool {
		return slices.ContainsFunc(open, func(o string) bool {
			real, err := filepath.EvalSymlinks(o)
			return err == nil && within(folder, real)
		})
	}
	for _, file := range files {
		real, err := filepath.EvalSymlinks(file)
		if err == nil && !isOpen(filepath.Dir(real)) && !mounted(real) {
			losses = append(losses, Loss{file, "another file in its place is not read until a restart, because " +
				"its folder is one for everything: put it into a folder of its own"})
		}
		for _, l := range linksOn(file) {
			if !l.ofFile && !isOpen(l.beside()) && !within(cfg.Home, l.path) {
				losses = append(losses, Loss{l.path, "once this link leads to another folder, " + file + " is not " +
					"read until a restart, because more lies beside that folder: " + l.advice()})
			}
		}
	}
	sorts.By(losses, func(a, b Loss) int { return strings.Compare(a.Path+a.Why, b.Path+b.Why) })
	return slices.Compact(losses)
}

func opened(cfg *config.Config) (folders []string) {
	home, err := filepath.EvalSymlinks(cfg.Home)
	if err != nil {
		home = cfg.Home
	}
	add := func(folder string) {
		real, err := filepath.EvalSymlinks(folder)
		if err == nil && (ofSystem(real) || os.Geteuid() == 0 && !within(real, home) && !mounted(real)) {
			folders = append(folders, folder)
		}
	}
	for _, folder := range written(cfg) {
		add(folder)
	}
	for _, file := range readAgain(cfg) {
		for _, folder := range followed(file) {
			add(folder)
		}
	}
	slices.Sort(folders)
	return slices.Compact(folders)
}

// advice returns what to do where the sandbox does not follow the link.
func (l link) advice() string {
	if os.Geteuid() == 0 {
		return "give the wallet a user of its own"
	}
	return "keep the folders that it leads to in one of their own, outside of the user's"
}

// losesNames returns how this process may lose the file that names the servers; empty if it will
// not. What is mounted, as in containers, is written anew in its place.
func losesNames() string {
	real, err := filepath.EvalSymlinks(nameServers)
	if err == nil && mounted(real) {
		return ""
	}
	if os.Geteuid() == 0 {
		return "run as root, the wallet loses its relays and nodes when this file, or /etc/hosts, is replaced: " +
			"give it a user of its own"
	}
	for _, folder := range []string{resolverFolders[0], networkManager} {
		if _, err := os.Stat(folder); err != nil && loggedIn() {
			return "the wallet loses its relays and nodes when this file becomes a link into " + folder +
				", which is not there yet: restart it then, or give it a user of its own"
		}
	}
	return ""
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
