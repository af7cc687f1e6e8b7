package harden

import (
	"bufio"
	"encoding/binary"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"

	"pksa/agent/config"
)

// Rights over what is below a folder. None includes execution: what can be written could be run.
const (
	mayRead       landlock.AccessFSSet = ll.AccessFSReadFile
	mayReadFolder landlock.AccessFSSet = ll.AccessFSReadFile | ll.AccessFSReadDir
	mayWrite      landlock.AccessFSSet = mayReadFolder | ll.AccessFSWriteFile | ll.AccessFSTruncate |
		ll.AccessFSMakeReg | ll.AccessFSMakeDir | ll.AccessFSMakeSock | ll.AccessFSRemoveFile | ll.AccessFSRemoveDir |
		ll.AccessFSResolveUnix
	// mayListen is what a listener on a socket file needs: looking whether another listens, making
	// the file, removing it.
	mayListen landlock.AccessFSSet = ll.AccessFSMakeSock | ll.AccessFSRemoveFile | ll.AccessFSResolveUnix
	mayRun    landlock.AccessFSSet = ll.AccessFSReadFile | ll.AccessFSExecute
)

// What Go's resolver, its time zones and its list of authorities are read from, as the standard
// library names them; see also the variables in systemPaths.
var (
	resolverFiles = []string{"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/services", "/etc/protocols",
		"/etc/mdns.allow", "/proc/sys/net/core/somaxconn"}
	zonePaths = []string{"/etc/localtime", "/usr/share/zoneinfo", "/usr/share/lib/zoneinfo", "/usr/lib/locale/TZ",
		"/etc/zoneinfo"}
	caPaths = []string{"/etc/ssl/certs", "/etc/pki/tls/certs", "/etc/pki/ca-trust/extracted", "/etc/pki/tls/cacert.pem",
		"/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates",
		"/etc/ca-certificates"}
	libraryPaths = []string{"/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache",
		"/etc/ld.so.preload"}
)

// resolverFolders are where those who manage /etc/resolv.conf keep the file that it is then a link
// to: systemd-resolved (two files, and one that never changes), resolvconf, ConnMan, netconfig and
// WSL. Whatever else is in these folders may be read by everybody, so root keeps them, too.
var resolverFolders = []string{"/run/systemd/resolve", "/usr/lib/systemd", "/run/resolvconf", "/run/connman",
	"/run/netconfig", "/mnt/wsl"}

// storePaths hold the files that a link in /etc leads to on NixOS and Guix, where nothing is
// secret.
var storePaths = []string{"/nix/store", "/gnu/store"}

// networkManager is one more of resolverFolders, which only root must not read: it holds passwords
// of networks, too.
const networkManager = "/run/NetworkManager"

// rules returns what the process can still do with files. The kernel does not look at their order.
func rules(cfg *config.Config, extra Paths) []landlock.Rule {
	var r ruleset
	r.below(mayWrite, written(cfg)...)
	r.below(mayWrite, extra.Write...)
	r.below(mayListen, filepath.Dir(cfg.Control))
	if cfg.ConsoleSocket != "" {
		r.below(mayListen, filepath.Dir(cfg.ConsoleSocket))
	}
	for _, file := range readAgain(cfg) {
		r.file(mayRead, file)
		for _, folder := range followed(file) {
			r.below(mayReadFolder, folder)
		}
	}
	r.read(extra.Read...)
	r.read(systemPaths()...)
	r.file(mayRead|ll.AccessFSWriteFile, "/dev/null")
	for _, program := range append([]string{sourceProgram(cfg.Unlock)}, extra.Execute...) {
		r.program(program, 0)
	}
	return r
}

// written returns the folders that the wallet keeps its own files in.
func written(cfg *config.Config) []string {
	return []string{cfg.Home, filepath.Dir(cfg.Keystore), filepath.Dir(cfg.Ledger)}
}

// readAgain returns the files of the configuration that are read while the wallet runs: the policy
// at a reload, secrets when they are needed, the pair of the relay when it has changed.
func readAgain(cfg *config.Config) []string {
	files := []string{cfg.Policy, sourceFile(cfg.Unlock), cfg.RelayCertificate, cfg.RelayKey,
		cfg.DatabaseRoots} // of the last, at each connection
	for _, n := range cfg.Notify {
		files = append(files, sourceFile(n.Source)) // read at each message
	}
	return slices.DeleteFunc(files, func(file string) bool { return file == "" })
}

func systemPaths() []string {
	paths := slices.Concat(resolverFiles, zonePaths, caPaths, resolverFolders, storePaths)
	paths = append(paths, os.Getenv("SSL_CERT_FILE"), os.Getenv("ZONEINFO"))
	paths = append(paths, filepath.SplitList(os.Getenv("SSL_CERT_DIR"))...)
	if os.Geteuid() == 0 {
		return paths
	}
	paths = append(paths, "/etc", networkManager)
	if !loggedIn() {
		paths = append(paths, "/run") // for folders of resolverFolders that are made later
	}
	// The file behind a link may be replaced in its own folder. It may also be missing at the
	// start, before the network is there.
	for _, folder := range behind(nameServers) {
		if !shared(folder) {
			paths = append(paths, folder)
		}
	}
	return paths
}

// loggedIn reports whether this user has a folder for the time of a login, in which programs of the
// desktop keep secrets. A user whom only a service has got none.
func loggedIn() bool {
	_, err := os.Stat(filepath.Join("/run/user", strconv.Itoa(os.Geteuid())))
	return err == nil
}

// behind returns the folders of the files that a link leads to, one after the other, also of the
// last one if it is missing.
func behind(link string) (folders []string) {
	for range 40 { // as many as the kernel follows
		target, err := os.Readlink(link)
		if err != nil {
			break
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(link), target)
		}
		folder, err := filepath.EvalSymlinks(filepath.Dir(target))
		if err != nil {
			break
		}
		folders = append(folders, folder)
		link = filepath.Join(folder, filepath.Base(target))
	}
	return folders
}

type ruleset []landlock.Rule

// below adds rights over folders and all in them.
func (r *ruleset) below(rights landlock.AccessFSSet, folders ...string) {
	for _, folder := range folders {
		if info, err := os.Stat(folder); err == nil && info.IsDir() {
			*r = append(*r, landlock.PathAccess(rights, folder).IgnoreIfMissing())
		}
	}
}

func (r *ruleset) file(rights landlock.AccessFSSet, path string) {
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		*r = append(*r, landlock.PathAccess(rights, path).IgnoreIfMissing())
	}
}

// read adds the reading of files, and of folders with all in them.
func (r *ruleset) read(paths ...string) {
	for _, path := range paths {
		if path != "" {
			r.below(mayReadFolder, path)
			r.file(mayRead, path)
		}
	}
}

// followed returns the folders in which another file may take the place of one: its own, that of
// the file behind it, and, because a link on the way may be moved, as deployments do, those beside
// the folder that the link leads to. Folders that hold too much else are left out.
func followed(path string) (folders []string) {
	ways := []string{filepath.Dir(path)}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		ways = append(ways, filepath.Dir(real))
	}
	for _, folder := range ways {
		if !shared(folder) {
			folders = append(folders, folder)
		}
	}
	for _, l := range linksOn(path) {
		if l.mayMove() {
			folders = append(folders, l.beside())
		}
	}
	return folders
}

// link is a link on the way to a file: where it stands, and the folder, or the folder of the file,
// that it leads to.
type link struct {
	path, to string
	ofFile   bool
}

// linksOn returns the links on the way to a file, without those of the system: between folders at
// the top, as from /var/run to /run, and on the way to this user's own folder.
func linksOn(path string) (links []link) {
	user, _ := os.UserHomeDir()
	at, rest := "/", strings.Split(path, "/")
	for len(rest) > 0 && len(links) < 40 {
		next := filepath.Join(at, rest[0])
		target, err := os.Readlink(next)
		if rest = rest[1:]; err != nil {
			at = next
			continue
		}
		if filepath.IsAbs(target) {
			at = "/"
		}
		rest = append(strings.Split(target, "/"), rest...)
		to, err := filepath.EvalSymlinks(next)
		if err != nil {
			break
		}
		l := link{path: next, to: to}
		if info, err := os.Stat(to); err == nil && !info.IsDir() {
			l.to, l.ofFile = filepath.Dir(to), true
		}
		if filepath.Dir(next) != "/" && filepath.Dir(l.to) != "/" && !within(user, next) {
			links = append(links, l)
		}
	}
	return links
}

// beside returns the folder that holds the one that a link leads to.
func (l link) beside() string { return filepath.Dir(l.to) }

// mayMove reports whether the link can be followed to a folder beside the first. Root, whom no
// mode stops, would read whatever is there; and a user's own folder has other secrets in it.
func (l link) mayMove() bool {
	user, _ := os.UserHomeDir()
	return os.Geteuid() != 0 && !shared(l.beside()) && !within(l.beside(), user)
}

// within reports whether a path is that of a folder, or below it.
func within(path, folder string) bool {
	folder = filepath.Clean(folder)
	return folder != "." && (path == folder || folder == "/" || strings.HasPrefix(path, folder+"/"))
}

// topFolders are those at the top of the tree that a system has for everybody. Another one was made
// for something, as for the volume of a container.
var topFolders = strings.Fields("bin boot dev etc gnu home lib lib32 lib64 media mnt nix opt proc root run sbin snap " +
	"srv sys tmp usr var")

// shared reports whether a folder holds too much else to be opened for one file: a folder at the
// top of the tree, or the user's own.
func shared(folder string) bool {
	real, err := filepath.EvalSymlinks(folder)
	if err != nil {
		return true
	}
	return ofSystem(real) || filepath.Dir(real) == "/" && os.Geteuid() == 0 && !mounted(real)
}

// ofSystem reports whether a folder is there for everything: one that a system has at the top of
// the tree, or the user's own.
func ofSystem(real string) bool {
	user, _ := os.UserHomeDir()
	return real == "/" || real == filepath.Clean(user) ||
		filepath.Dir(real) == "/" && slices.Contains(topFolders, filepath.Base(real))
}

// program adds the execution of a program and of what the kernel runs to start it: the interpreter
// of a script, or the loader of a dynamically linked program, whose libraries can then be read.
func (r *ruleset) program(name string, depth int) {
	path, err := exec.LookPath(name)
	if err != nil || depth > 4 { // the kernel follows as many interpreters
		return
	}
	r.file(mayRun, path)
	for _, interpreter := range interpreters(path) {
		r.read(libraryPaths...)
		r.program(interpreter, depth+1)
	}
}

// interpreters returns what a script's first line names, or the loader that a program asks for.
func interpreters(path string) []string {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	line, _ := bufio.NewReader(io.LimitReader(f, 256)).ReadString('\n')
	if script, is := strings.CutPrefix(line, "#!"); is {
		words := strings.Fields(script)
		if len(words) > 1 && filepath.Base(words[0]) == "env" {
			return words[:2] // env finds the second in PATH
		}
		return words[:min(len(words), 1)]
	}
	if loader := loaderOf(f); loader != "" {
		return []string{loader}
	}
	return nil
}

// loaderOf returns the loader that a dynamically linked program asks for (PT_INTERP); empty if the
// file is no program, or needs none. Package debug/elf would add 0.2 MB to the wallet for this.
func loaderOf(file io.ReaderAt) string {
	var head [64]byte
	if _, err := file.ReadAt(head[:], 0); err != nil || string(head[:4]) != "\x7fELF" {
		return ""
	}
	var order binary.ByteOrder = binary.LittleEndian
	if head[5] == 2 {
		order = binary.BigEndian
	}
	table, entry, count := int64(order.Uint32(head[28:])), int64(order.Uint16(head[42:])), order.Uint16(head[44:])
	wide := head[4] == 2
	if wide {
		table, entry, count = int64(order.Uint64(head[32:])), int64(order.Uint16(head[54:])), order.Uint16(head[56:])
	}
	for i := range int64(count) {
		var program [56]byte
		if n, _ := file.ReadAt(program[:], table+i*entry); n < 32 || order.Uint32(program[:]) != 3 { // PT_INTERP
			continue
		}
		offset, size := int64(order.Uint32(program[4:])), int64(order.Uint32(program[16:]))
		if wide {
			offset, size = int64(order.Uint64(program[8:])), int64(order.Uint64(program[32:]))
		}
		name := make([]byte, max(0, min(size, 4096))) // the longest path
		if _, err := file.ReadAt(name, offset); err == nil {
			return strings.TrimRight(string(name), "\x00")
		}
	}
	return ""
}
