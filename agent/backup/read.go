package backup

import (
	"archive/tar"
	"bytes"
	"cmp"
	"crypto/hmac"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
)

// File is a file of a backup that is being read.
type File struct {
	Entry string // its name in the backup
	Name  string // in the home folder, with slashes
	Size  int64
}

// Contents is what a backup holds, once it was read to its end.
type Contents struct {
	Manifest Manifest
	Segments int
	Bytes    int64

	sum  *sum
	seal []byte
}

// rank is where an entry stands in a backup.
type rank struct {
	order int    // of its kind
	name  string // among those of its kind
	most  int64  // bytes
	must  bool
}

// The bounds of sizes. A backup that is larger was not made by this program.
const (
	mostManifest = 64 << 10
	mostKeystore = 64 << 20
	mostText     = 16 << 20
	mostSegment  = 4 << 30
	mostLedger   = 1 << 40
	mostSeal     = 65
	mostPadding  = 1 << 20 // behind the end of the archive
)

func rankOf(name string) rank {
	switch name {
	case manifestName:
		return rank{1, "", mostManifest, true}
	case KeystoreEntry:
		return rank{2, "", mostKeystore, true}
	case configName:
		return rank{3, "", mostText, false}
	case policyName:
		return rank{4, "", mostText, false}
	case ledgerName:
		return rank{5, "", mostLedger, true}
	case sealName:
		return rank{7, "", mostSeal, true}
	}
	if segmentName.MatchString(name) {
		// By their numbers: names of the first programs are shorter.
		first, _, _ := strings.Cut(strings.TrimPrefix(name, segmentFolder+"/"), "-")
		return rank{6, fmt.Sprintf("%20s %s", first, name), mostSegment, false}
	}
	return rank{}
}

func (r rank) compare(other rank) int {
	return cmp.Or(cmp.Compare(r.order, other.order), cmp.Compare(r.name, other.name))
}

// Read reads a backup in clear to its end, and hands each file to take, which need not read it.
// What take gets is not known to be of the wallet before [Contents.Verify]. The error is
// [ErrDamaged], or one of r or take. The memory that it takes does not grow with the backup.
func Read(r io.Reader, take func(File, io.Reader) error) (*Contents, error) {
	in := &contentReader{archive: tar.NewReader(r), take: take, contents: &Contents{sum: newSum()}}
	for {
		header, err := in.archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, in.damaged(err)
		}
		if err := in.entry(header); err != nil {
			return nil, err
		}
	}
	if in.contents.seal == nil {
		return nil, fmt.Errorf("%w (it ends before its seal)", ErrDamaged)
	}
	// Only at the end of the file is it known that nothing was cut off.
	rest, err := io.ReadAll(io.LimitReader(r, mostPadding+1))
	if err != nil {
		return nil, err
	}
	if len(rest) > mostPadding || len(bytes.Trim(rest, "\x00")) > 0 {
		return nil, fmt.Errorf("%w (something stands behind its end)", ErrDamaged)
	}
	return in.contents, nil
}

type contentReader struct {
	archive  *tar.Reader
	take     func(File, io.Reader) error
	contents *Contents
	last     rank
}

// damaged calls what is no archive damaged, and leaves other errors as they are.
func (in *contentReader) damaged(err error) error {
	if errors.Is(err, tar.ErrHeader) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, tar.ErrFieldTooLong) {
		return fmt.Errorf("%w (%v)", ErrDamaged, err)
	}
	return err
}

// entry reads one entry.
func (in *contentReader) entry(h *tar.Header) error {
	at := rankOf(h.Name)
	if at.order == 0 || at.compare(in.last) <= 0 || h.Typeflag != tar.TypeReg || h.Size < 0 || h.Size > at.most {
		return fmt.Errorf("%w (an entry is not of a backup, or not in its place)", ErrDamaged)
	}
	for key := range h.PAXRecords {
		if key != "size" && key != "path" {
			return fmt.Errorf("%w (an entry has a form that no backup has)", ErrDamaged)
		}
	}
	for _, name := range []string{manifestName, KeystoreEntry, ledgerName} {
		if must := rankOf(name); must.compare(in.last) > 0 && must.compare(at) < 0 {
			return fmt.Errorf("%w (it has no %s)", ErrDamaged, name)
		}
	}
	in.last = at
	switch h.Name {
	case sealName:
		return in.readSeal()
	case manifestName:
		text, err := in.text(h)
		if err == nil {
			in.contents.Manifest, err = parseManifest(text)
		}
		return err
	}
	if at.order == rankOf(segmentFolder+"/000000").order {
		in.contents.Segments++
	}
	in.contents.sum.begin(h.Name, h.Size)
	content := io.TeeReader(in.archive, io.MultiWriter(in.contents.sum.hash, (*byteCount)(&in.contents.Bytes)))
	if err := in.take(File{h.Name, in.contents.nameInHome(h.Name), h.Size}, content); err != nil {
		return in.damaged(err)
	}
	_, err := io.Copy(io.Discard, content)
	return in.damaged(err)
}

// text reads a small entry.
func (in *contentReader) text(h *tar.Header) ([]byte, error) {
	in.contents.sum.begin(h.Name, h.Size)
	text, err := io.ReadAll(in.archive)
	in.contents.sum.hash.Write(text)
	return text, in.damaged(err)
}

func (in *contentReader) readSeal() error {
	text, err := io.ReadAll(in.archive)
	if err != nil {
		return in.damaged(err)
	}
	seal, err := hex.DecodeString(strings.TrimSuffix(string(text), "\n"))
	if err != nil || len(seal) != 32 || string(text) != hex.EncodeToString(seal)+"\n" {
		return fmt.Errorf("%w (its seal reads wrong)", ErrDamaged)
	}
	in.contents.seal = seal
	return nil
}

// nameInHome returns the name that an entry gets in the home folder.
func (c *Contents) nameInHome(name string) string {
	switch name {
	case KeystoreEntry:
		return c.Manifest.Keystore
	case policyName:
		return c.Manifest.Policy
	case ledgerName:
		return c.Manifest.Ledger
	}
	return name
}

// Verify returns ErrForeign unless the wallet with this MAC has made the backup.
func (c *Contents) Verify(mac func(data ...[]byte) []byte) error {
	if !hmac.Equal(c.seal, c.sum.seal(mac)) {
		return ErrForeign
	}
	return nil
}

// byteCount counts what is written to it.
type byteCount int64

func (c *byteCount) Write(p []byte) (int, error) {
	*c += byteCount(len(p))
	return len(p), nil
}
