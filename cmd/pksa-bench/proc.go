package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
)

// tick is the unit of processor time in /proc/PID/stat: USER_HZ is 100 on every Linux.
const tick = 10 * time.Millisecond

// spent is what a process has used since it began.
type spent struct {
	CPU     time.Duration
	Written int64 // bytes that are on their way to a disk; -1 if they may not be read
}

// spentBy reads what a process has used.
func spentBy(pid int) (s spent, err error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return s, err
	}
	if s.CPU, err = processorTime(string(stat)); err != nil {
		return s, err
	}
	// A hardened process shows this to root only.
	s.Written = -1
	if io, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid)); err == nil {
		s.Written = field(string(io), "write_bytes:")
	}
	return s, nil
}

// processorTime returns utime and stime of a line of /proc/PID/stat.
func processorTime(stat string) (time.Duration, error) {
	// The name of the program, in parentheses, may hold blanks and parentheses.
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0, errors.New("/proc/PID/stat: too few fields")
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * tick, errors.Join(err, err2)
}

// field returns the number behind a name in a file of lines, -1 if it is not there.
func field(text, name string) int64 {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			if words := strings.Fields(rest); len(words) > 0 {
				if n, err := strconv.ParseInt(words[0], 10, 64); err == nil {
					return n
				}
			}
		}
	}
	return -1
}

// machineBusy returns the processor time that all processes have used together.
func machineBusy() (time.Duration, error) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	return busyTime(string(stat))
}

// busyTime returns what the first line of /proc/stat says beside idle and iowait: user, nice,
// system, irq, softirq, and steal, which other machines on the same hardware have used.
func busyTime(stat string) (sum time.Duration, err error) {
	line, _, _ := strings.Cut(stat, "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, errors.New("/proc/stat: no line cpu, or too few fields")
	}
	for _, i := range []int{1, 2, 3, 6, 7, 8} {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/stat: %w", err)
		}
		sum += time.Duration(n) * tick
	}
	return sum, nil
}

// memory is what a process holds, in KiB.
type memory struct {
	Anonymous int64 `json:"anonymous_kib"`
	File      int64 `json:"file_kib"`     // pages of files that it maps: its program, the ledger
	Resident  int64 `json:"resident_kib"` // the most of both together, since it began (VmHWM)
}

func memoryOf(pid int) (m memory, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return m, err
	}
	status := string(text)
	return memory{field(status, "RssAnon:"), field(status, "RssFile:"), field(status, "VmHWM:")}, nil
}

// sampling is how often memory is looked at.
const sampling = 50 * time.Millisecond

// watchMemory looks at the memory of a process until stop is called, which returns the most of each
// kind.
func watchMemory(pid int) (stop func() memory) {
	var most memory
	end := make(chan struct{})
	var running sync.WaitGroup
	look := func() {
		if m, err := memoryOf(pid); err == nil {
			most = memory{max(most.Anonymous, m.Anonymous), max(most.File, m.File), max(most.Resident, m.Resident)}
		}
	}
	running.Go(func() {
		tick := time.NewTicker(sampling)
		defer tick.Stop()
		for {
			select {
			case <-end:
				return
			case <-tick.C:
				look()
			}
		}
	})
	return func() memory {
		close(end)
		running.Wait()
		look()
		return most
	}
}

// fileSystem returns the type of the file system that a folder is on, as the kernel calls it.
func fileSystem(folder string) (string, error) {
	path, err := filepath.EvalSymlinks(folder)
	if err != nil {
		return "", err
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	return fileSystemOf(path, string(mounts)), nil
}

// fileSystemOf finds the last mount over the longest part of a path in the text of
// /proc/self/mountinfo.
func fileSystemOf(path, mounts string) string {
	kind, longest := "unknown", -1
	for line := range strings.Lines(mounts) {
		before, after, found := strings.Cut(line, " - ")
		fields, types := strings.Fields(before), strings.Fields(after)
		if !found || len(fields) < 5 || len(types) < 1 {
			continue
		}
		point := fields[4]
		inside := point == "/" || path == point || strings.HasPrefix(path, point+"/")
		if inside && len(point) >= longest {
			kind, longest = types[0], len(point)
		}
	}
	return kind
}

// inMemory reports whether files of a file system are lost when the machine stops: writing them
// takes no time, and nothing is learned from it.
func inMemory(kind string) bool { return kind == "tmpfs" || kind == "ramfs" }

// chooseFolder returns the folder for home folders and the type of its file system.
func chooseFolder(given string) (folder, kind string, err error) {
	candidates := []string{os.TempDir(), "/var/tmp"}
	if given != "" {
		candidates = []string{given}
	}
	for _, folder = range candidates {
		if folder, err = filepath.Abs(folder); err != nil {
			return "", "", err
		}
		if kind, err = fileSystem(folder); err == nil && !inMemory(kind) {
			return folder, kind, nil
		}
	}
	if err == nil {
		err = usageError{fmt.Sprintf("%s is in memory (%s): name a folder on a disk with -dir FOLDER", folder, kind)}
	}
	return "", "", err
}

// machine is where the numbers are from.
type machine struct {
	OS         string `json:"os"`
	Kernel     string `json:"kernel"`
	Arch       string `json:"arch"`
	Processor  string `json:"processor"`
	Processors int    `json:"processors"`
	Go         string `json:"go"`
	FileSystem string `json:"file_system"`
}

func thisMachine(fileSystem string) machine {
	m := machine{OS: runtime.GOOS, Arch: runtime.GOARCH, Processors: runtime.NumCPU(), Go: runtime.Version(),
		FileSystem: fileSystem, Processor: "unknown processor"}
	if text, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = strings.TrimSpace(string(text))
	}
	text, err := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); err == nil && ok && strings.TrimSpace(name) == "model name" {
			m.Processor = strings.TrimSpace(value)
			break
		}
	}
	return m
}
