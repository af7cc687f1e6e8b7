package harden

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"pksa/agent/config"
)

// ReplacedError means that the sandbox keeps the process from a file: it took the place of the one
// that was there when the process shut itself in, where the sandbox does not follow.
type ReplacedError struct{ Path string }

// Error returns what happened, and what to do.
func (e *ReplacedError) Error() string {
	return fmt.Sprintf("the sandbox keeps this process from %s, which was replaced or made after the start: restart "+
		"the wallet", e.Path)
}

// Keeps reports whether the sandbox, and nothing else, keeps this process from reading a file.
func Keeps(path string) bool { return keeps(path) }

// Named returns the error of reading a file, with a [*ReplacedError] beside it if that is why.
func Named(path string, err error) error {
	if errors.Is(err, fs.ErrPermission) && Keeps(path) {
		return fmt.Errorf("%w: %w", err, &ReplacedError{path})
	}
	return err
}

// NamedSource returns what [Named] does for the file or the program of a source of secrets, as the
// setting unlock names one; err itself if the source is neither.
func NamedSource(source string, err error) error {
	if file := cmp.Or(sourceFile(source), sourceProgram(source)); file != "" {
		return Named(file, err)
	}
	return err
}

// sourceFile returns the file of a source of secrets; empty if the source is no file.
func sourceFile(source string) string {
	kind, rest, _ := strings.Cut(source, ":")
	switch kind {
	case "file", "identity":
		return rest
	case "credential":
		return filepath.Join(os.Getenv("CREDENTIALS_DIRECTORY"), rest)
	}
	return ""
}

// sourceProgram returns the path of the program of a source of secrets; empty if the source is no
// command, or there is no such program.
func sourceProgram(source string) string {
	words := strings.Fields(strings.TrimPrefix(source, "command:"))
	if !strings.HasPrefix(source, "command:") || len(words) == 0 {
		return ""
	}
	path, err := exec.LookPath(words[0])
	if err != nil {
		return ""
	}
	return path
}

// Loss is a file or link that a process which has shut itself in does not follow to what takes its
// place.
type Loss struct {
	Path string
	Why  string // what is lost, why, and what to do
}

// Unfollowed returns what is read again while the wallet runs, and that a process which shuts
// itself in would lose once it is replaced, so that it can be said before. [Confine] has to come
// later. An error of reading such a file names the sandbox ([Named]).
func Unfollowed(cfg *config.Config) []Loss { return unfollowed(cfg) }

// Opened returns folders that stay open to a process which shuts itself in, because files of the
// configuration are in them, though others may keep secrets there, so that it can be said before:
// folders for everything and, for root, whom no mode of a file stops, all outside of the home
// folder.
func Opened(cfg *config.Config) []string { return opened(cfg) }
