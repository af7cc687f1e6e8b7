package backup

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"pksa/protocol/sorts"
)

// Source is what a backup is made of.
type Source struct {
	Manifest Manifest
	// The files. Config and Policy may be missing; Ledger is a copy that nobody writes.
	Keystore, Config, Policy, Ledger string
	// Segments is the folder of the segments, which may be missing.
	Segments string
	// MAC seals by a key of the keystore.
	MAC func(data ...[]byte) []byte
	// Progress is told how many bytes were written, of how many. It may be nil.
	Progress func(done, all int64)
}

// Written is what a backup holds.
type Written struct {
	Segments int
	Bytes    int64 // in clear
}

// entry is a file of a backup that is being made.
type entry struct {
	name, path string
	size       int64
}

// Write writes a backup in clear. The memory that it takes does not grow with the ledger.
func Write(w io.Writer, s Source) (Written, error) {
	manifest, err := json.MarshalIndent(s.Manifest, "", "  ")
	if err != nil {
		return Written{}, err
	}
	entries, err := s.entries()
	if err != nil {
		return Written{}, err
	}
	out := &writer{tar: tar.NewWriter(w), sum: newSum(), progress: s.Progress}
	for _, e := range entries {
		out.all += e.size
	}
	if err := out.add(manifestName, int64(len(manifest)), bytes.NewReader(manifest)); err != nil {
		return Written{}, err
	}
	done := Written{}
	for _, e := range entries {
		err := out.addFile(e)
		isSegment := segmentName.MatchString(e.name)
		if isSegment && done.Segments == 0 && errors.Is(err, fs.ErrNotExist) {
			continue // the oldest one went meanwhile, as the settings say
		}
		if err != nil {
			return Written{}, err
		}
		if isSegment {
			done.Segments++
		}
	}
	seal := fmt.Appendf(nil, "%s\n", hex.EncodeToString(out.sum.seal(s.MAC)))
	if err := out.add(sealName, int64(len(seal)), bytes.NewReader(seal)); err != nil {
		return Written{}, err
	}
	done.Bytes = out.done
	return done, out.tar.Close()
}

// entries lists the files in the order of a backup, with the sizes that they have now.
func (s Source) entries() (list []entry, err error) {
	for _, e := range []struct {
		name, path string
		mayLack    bool
	}{{KeystoreEntry, s.Keystore, false}, {configName, s.Config, true}, {policyName, s.Policy, true},
		{ledgerName, s.Ledger, false}} {
		info, err := os.Stat(e.path)
		if e.mayLack && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, entry{e.name, e.path, info.Size()})
	}
	// In the order of their names, which is that of their records but for the first programs'.
	segments, err := os.ReadDir(s.Segments)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, file := range segments {
		name := path.Join(segmentFolder, file.Name())
		if !segmentName.MatchString(name) || !file.Type().IsRegular() {
			continue // what was set aside, or is being written
		}
		info, err := file.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, entry{name, filepath.Join(s.Segments, file.Name()), info.Size()})
	}
	sorts.Stable(list, func(a, b entry) int { return rankOf(a.name).compare(rankOf(b.name)) })
	return list, nil
}

// writer writes entries, and adds up what is sealed.
type writer struct {
	tar       *tar.Writer
	sum       *sum
	done, all int64
	progress  func(done, all int64)
}

func (w *writer) addFile(e entry) error {
	file, err := os.Open(e.path)
	if err != nil {
		return err
	}
	defer file.Close()
	// The file of the moment: settings and policy may be replaced while this goes on.
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if most := rankOf(e.name).most; info.Size() > most {
		return fmt.Errorf("%s has %d bytes, and a backup takes %d", e.path, info.Size(), most)
	}
	if err := w.add(e.name, info.Size(), file); err != nil {
		return fmt.Errorf("%s: %w", e.path, err)
	}
	return nil
}

func (w *writer) add(name string, size int64, r io.Reader) error {
	header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600}
	if err := w.tar.WriteHeader(header); err != nil {
		return err
	}
	w.sum.begin(name, size)
	n, err := io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(w.tar, w.sum.hash, counter{w})},
		io.LimitReader(r, size), make([]byte, 256<<10))
	if err == nil && n < size {
		err = errors.New("it became shorter while it was read: make the backup again")
	}
	return err
}

// counter adds up what is written.
type counter struct{ w *writer }

func (c counter) Write(p []byte) (int, error) {
	c.w.done += int64(len(p))
	if c.w.progress != nil {
		c.w.progress(c.w.done, c.w.all)
	}
	return len(p), nil
}

// sum is the digest of entries: of each its name, its size and its content.
type sum struct{ hash hash.Hash }

func newSum() *sum { return &sum{sha256.New()} }

func (s *sum) begin(name string, size int64) {
	_ = binary.Write(s.hash, binary.BigEndian, uint64(len(name)))
	_, _ = io.WriteString(s.hash, name)
	_ = binary.Write(s.hash, binary.BigEndian, uint64(size))
}

// seal returns the MAC of all entries so far.
func (s *sum) seal(mac func(data ...[]byte) []byte) []byte {
	return mac([]byte("pksa backup"), s.hash.Sum(nil))
}
