package harden

import (
	"bufio"
	"debug/elf"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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

// rules returns what the process can still do with files. The kernel does not look at their order.
func rules(cfg *config.Config, extra Paths) []landlock.Rule {
	var r ruleset
	r.below(mayWrite, cfg.Home, filepath.Dir(cfg.Keystore), filepath.Dir(cfg.Ledger))
	r.below(mayWrite, extra.Write...)
	r.below(mayListen, filepath.Dir(cfg.Control))
	if cfg.ConsoleSocket != "" {
		r.below(mayListen, filepath.Dir(cfg.ConsoleSocket))
	}
	files := []string{cfg.Policy, unlockFile(cfg.Unlock), cfg.RelayCertificate, cfg.RelayKey,
		cfg.DatabaseRoots} // of the last, at each connection
	for _, n := range cfg.Notify {
		files = append(files, unlockFile(n.Source)) // read at each message
	}
	for _, file := range files {
		if file != "" {
			r.replaceable(file)
		}
	}
	r.read(extra.Read...)
	r.read(systemPaths()...)
	r.file(mayRead|ll.AccessFSWriteFile, "/dev/null")
	for _, program := range append(unlockCommand(cfg.Unlock), extra.Execute...) {
		r.program(program, 0)
	}
	return r
}

func systemPaths() []string {
	paths := slices.Concat(resolverFiles, zonePaths, caPaths)
	paths = append(paths, os.Getenv("SSL_CERT_FILE"), os.Getenv("ZONEINFO"))
	paths = append(paths, filepath.SplitList(os.Getenv("SSL_CERT_DIR"))...)
	if os.Geteuid() != 0 {
		paths = append(paths, "/etc")
	}
	// The file behind a link may be replaced in its own folder, as systemd-resolved does. It may
	// also be missing at the start, before the network is there.
	for _, folder := range behind("/etc/resolv.conf") {
		if folder != "/etc" {
			paths = append(paths, folder)
		}
	}
	return paths
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

// unlockFile returns the file of a source of secrets; empty if the source is no file.
func unlockFile(unlock string) string {
	kind, rest, _ := strings.Cut(unlock, ":")
	switch kind {
	case "file", "identity":
		return rest
	case "credential":
		return filepath.Join(os.Getenv("CREDENTIALS_DIRECTORY"), rest)
	}
	return ""
}

// unlockCommand returns the program of an unlock source, in a list of one; nil if the source is no
// command.
func unlockCommand(unlock string) []string {
	words := strings.Fields(strings.TrimPrefix(unlock, "command:"))
	if !strings.HasPrefix(unlock, "command:") || len(words) == 0 {
		return nil
	}
	return words[:1]
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

// replaceable adds the reading of a file and of the files that take its place: so of its folder
// and, if it is a link, of the folder of the file behind it.
func (r *ruleset) replaceable(path string) {
	r.file(mayRead, path)
	folders := []string{filepath.Dir(path)}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		folders = append(folders, filepath.Dir(real))
	}
	for _, folder := range folders {
		if !shared(folder) {
			r.below(mayReadFolder, folder)
		}
	}
}

// shared reports whether a folder holds too much else to be opened for one file: a folder at the
// top of the tree, or the user's own.
func shared(folder string) bool {
	real, err := filepath.EvalSymlinks(folder)
	if err != nil {
		return true
	}
	user, _ := os.UserHomeDir()
	return real == "/" || filepath.Dir(real) == "/" || real == filepath.Clean(user)
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
	program, err := elf.NewFile(f)
	if err != nil {
		return nil
	}
	for _, p := range program.Progs {
		if loader, err := io.ReadAll(io.LimitReader(p.Open(), 4096)); p.Type == elf.PT_INTERP && err == nil {
			return []string{strings.TrimRight(string(loader), "\x00")}
		}
	}
	return nil
}
