package ledger_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"pksa/agent/ledger"
)

// TestNewerLedger writes what a newer program may have written, and reads it with this one.
func TestNewerLedger(t *testing.T) {
	for name, c := range map[string]struct {
		change func(r *rig) error
		read   func(r *rig) error
		want   string
	}{
		"ledger": {
			change: func(r *rig) error { return r.setFormat("5") },
			read:   func(r *rig) error { _, err := ledger.Open(r.path, r.o); return err },
			want: "this ledger was written by a newer pksa (format 5; this program reads up to 4): use the newer " +
				"program",
		},
		"ledger without the buckets of today": {
			change: func(r *rig) error {
				return errors.Join(r.setFormat("17"), ledger.TestingDropBucket(r.path, "charges"))
			},
			read: func(r *rig) error { _, err := ledger.Open(r.path, r.o); return err },
			want: "this ledger was written by a newer pksa (format 17; this program reads up to 4): use the newer " +
				"program",
		},
		"ledger that is to be accepted": {
			change: func(r *rig) error { return errors.Join(r.setFormat("5"), os.Remove(r.mark())) },
			read:   acceptAll,
			want: "this ledger was written by a newer pksa (format 5; this program reads up to 4): use the newer " +
				"program",
		},
		"mark": {
			change: func(r *rig) error {
				return os.WriteFile(r.mark(), []byte("pksa ledger mark 3\nand whatever it will say\n"), 0o600)
			},
			read: func(r *rig) error { _, err := ledger.Open(r.path, r.o); return err },
			want: "the ledger's mark was written by a newer pksa (format 3; this program reads up to 2): use the " +
				"newer program",
		},
		"mark of a ledger that is to be accepted": {
			change: func(r *rig) error { return os.WriteFile(r.mark(), []byte("pksa ledger mark 10\n"), 0o600) },
			read:   acceptAll,
			want: "the ledger's mark was written by a newer pksa (format 10; this program reads up to 2): use the " +
				"newer program",
		},
		"segment": {
			change: func(r *rig) error {
				return os.WriteFile(r.segment(9), []byte("pksa audit segment 4\nand whatever it will say\n"), 0o600)
			},
			read: (*rig).verifyOnce,
			want: "audit segment 000000000009-000000000016 was written by a newer pksa (format 4; this program " +
				"reads up " +
				"to 3): use the newer program",
		},
		"segment of a format with more digits": {
			change: func(r *rig) error { return os.WriteFile(r.segment(9), []byte("pksa audit segment 10\n"), 0o600) },
			read:   (*rig).verifyOnce,
			want: "audit segment 000000000009-000000000016 was written by a newer pksa (format 10; this program " +
				"reads " +
				"up to 3): use the newer program",
		},
		"segment in the form of the first format": {
			change: func(r *rig) error {
				sealed := r.o.SealedSegment(1, []byte{4, 'n', 'e', 'w'})
				return errors.Join(os.Remove(r.segment(9)),
					os.WriteFile(filepath.Join(filepath.Dir(r.segment(9)), "000001"), sealed, 0o600))
			},
			read: (*rig).verifyOnce,
			want: "audit segment 000001 was written by a newer pksa (format 4; this program reads up to 3): use the " +
				"newer program",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := long(t)
			must(t, r.l.Close())
			must(t, c.change(r))
			before := r.files()
			err := c.read(r)
			var newer *ledger.NewerError
			if !errors.As(err, &newer) || !strings.Contains(err.Error(), c.want) || errors.Is(err, ledger.ErrDamaged) {
				t.Errorf("error is %v, want %q", err, c.want)
			}
			if !strings.HasPrefix(name, "segment") && !slices.Equal(r.files(), before) {
				t.Error("something was changed")
			}
		})
	}
}

// TestFormatThatReadsWrong: what is no number is damage.
func TestFormatThatReadsWrong(t *testing.T) {
	r := newRig(t)
	must(t, r.l.Close())
	if got := r.format(); got != "4" {
		t.Errorf("a new ledger has format %q", got)
	}
	for _, text := range []string{"", "0", "x", "1.5", "-1"} {
		must(t, r.setFormat(text))
		_, err := ledger.Open(r.path, r.o)
		wantError(t, err, ledger.ErrDamaged)
	}
	must(t, r.setFormat("1"))
	r.open()
}

// segment is the path of the segment of eight records that begins with this one.
func (r *rig) segment(first int) string {
	return filepath.Join(filepath.Dir(r.path), "audit", fmt.Sprintf("%012d-%012d", first, first+7))
}

// verifyOnce opens the ledger, verifies it and closes it.
func (r *rig) verifyOnce() error {
	r.open()
	_, err := r.l.Verify(ctx)
	return errors.Join(err, r.l.Close())
}

func (r *rig) setFormat(text string) error {
	return ledger.TestingRewrite(r.path, "meta", func(b *bolt.Bucket) error {
		return b.Put([]byte("format"), []byte(text))
	})
}

// format returns the format that a closed ledger names, empty if it names none.
func (r *rig) format() (text string) {
	must(r.t, ledger.TestingRewrite(r.path, "meta", func(b *bolt.Bucket) error {
		text = string(b.Get([]byte("format")))
		return nil
	}))
	return text
}

func (r *rig) mark() string { return strings.TrimSuffix(r.path, ".db") + ".mark" }

// files are the names and contents of what lies in the ledger's folder.
func (r *rig) files() (all []string) {
	r.t.Helper()
	must(r.t, filepath.WalkDir(filepath.Dir(r.path), func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		all = append(all, fmt.Sprint(path, " ", string(content)))
		return err
	}))
	return all
}

// acceptAll accepts the ledger and confirms all its slots.
func acceptAll(r *rig) error {
	_, err := ledger.Accept(r.path, r.o, ledger.Acceptance{KeepAll: true})
	return err
}
