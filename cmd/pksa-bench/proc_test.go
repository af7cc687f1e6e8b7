package main

import (
	"testing"
	"time"
)

func TestProcessorTime(t *testing.T) {
	got, err := processorTime("42 (a (very) odd name) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0\n")
	if err != nil || got != 2*time.Second {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"", "42 (pksa) S 1 2", "42 (pksa) S 1 2 3 4 5 6 7 8 9 10 x 50 0\n"} {
		if _, err := processorTime(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestBusyTime(t *testing.T) {
	got, err := busyTime("cpu  100 20 30 4000 500 6 7 8 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n")
	if err != nil || got != 1710*time.Millisecond {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"", "cpu 1 2 3", "cpu0 1 2 3 4 5 6 7 8", "cpu 1 2 x 4 5 6 7 8"} {
		if _, err := busyTime(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestField(t *testing.T) {
	const status = "Name:\tpksa\nRssAnon:\t  1234 kB\nRssFile:\t56 kB\nEmpty:\n"
	for name, want := range map[string]int64{"RssAnon:": 1234, "RssFile:": 56, "VmHWM:": -1, "Empty:": -1,
		"Name:": -1} {
		if got := field(status, name); got != want {
			t.Errorf("%s %d, want %d", name, got, want)
		}
	}
}

func TestFileSystem(t *testing.T) {
	const mounts = `22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
23 22 0:21 / /dev/shm rw shared:3 - tmpfs tmpfs rw
24 22 0:22 / /var rw - overlay overlay rw
25 24 0:23 / /var rw master:1 - btrfs /dev/vdb rw
`
	for path, want := range map[string]string{"/tmp": "ext4", "/": "ext4", "/dev/shm": "tmpfs", "/dev/shm/x": "tmpfs",
		"/dev/shmx": "ext4", "/var/tmp": "btrfs"} {
		if got := fileSystemOf(path, mounts); got != want {
			t.Errorf("%s is on %s, want %s", path, got, want)
		}
	}
	if got := fileSystemOf("/tmp", "nonsense\n"); got != "unknown" {
		t.Errorf("unreadable mounts: %s", got)
	}
}
