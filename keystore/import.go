package keystore

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"pksa/protocol/hive"
)

// maxImport bounds a bulk import: 10,000 accounts with three keys are 2.5 MB.
const maxImport = 16 << 20

// ReadKeyLines reads a list of keys, "account role wif" on each line, split at blanks and tabs.
// Empty lines and lines that begin with "#" are passed over. file names the list in complaints.
//
// It takes all or nothing: an error is [Complaints] with every bad line, in which lines are never
// repeated, since any word may be a key in the wrong place; or the reader's own; or [ErrNoKeys].
func ReadKeyLines(file string, r io.Reader) (*Batch, error) {
	text, err := readImport(file, r)
	if err != nil {
		return nil, err
	}
	defer clear(text)
	b := &Batch{file: file}
	var complaints Complaints
	n := 0
	for line := range bytes.Lines(text) {
		n++
		if complaint, bad := b.readLine(n, line); bad {
			complaints = append(complaints, complaint)
		}
	}
	return b.finish(complaints)
}

func (b *Batch) readLine(n int, line []byte) (Complaint, bool) {
	words := bytes.Fields(line)
	if len(words) == 0 || words[0][0] == '#' {
		return Complaint{}, false
	}
	complaint := Complaint{File: b.file, Line: n}
	if len(words) != 3 {
		complaint.Err = fmt.Errorf("wanted three words, account, role and private key in WIF; found %d", len(words))
		return complaint, true
	}
	account, role := hive.AccountName(words[0]), readRole(string(words[1]))
	complaint.Err = b.add(n, account, role, words[2])
	if complaint.Err == nil {
		return Complaint{}, false
	}
	if _, ok := place(role); ok || role == hive.Owner {
		complaint.Key = keyName(account, role)
	}
	return complaint, true
}

// readRole is zero, which is no role, for what is none.
func readRole(text string) hive.Role {
	role, err := hive.ParseRole(text)
	if err != nil {
		return 0
	}
	return role
}

// ReadKeysJSON reads keys in the form of hive-auth-pksa's keys.json: an array of
// {"name","posting","active","memo"}, of which any role may be missing or empty. Other members are
// refused; an "owner" with [ErrOwnerKey]. It takes all or nothing, as [ReadKeyLines] does.
func ReadKeysJSON(file string, r io.Reader) (*Batch, error) {
	raw, err := readImport(file, r)
	if err != nil {
		return nil, err
	}
	defer clear(raw)
	b := &Batch{file: file}
	var complaints Complaints
	line := 1
	err = readJSON(raw, func(r *jsonReader) error {
		return r.array(func() error {
			found, err := b.readJSONAccount(r)
			line = r.line()
			complaints = append(complaints, found...)
			return err
		})
	})
	if err != nil {
		complaints = append(complaints, Complaint{File: file, Line: line, Err: err})
	}
	return b.finish(complaints)
}

func (b *Batch) readJSONAccount(r *jsonReader) (Complaints, error) {
	var name string
	var texts [hive.Owner + 1]string
	var lines [hive.Owner + 1]int // at 0 that of the name
	err := r.object(func(member string) (bool, error) {
		if member == "name" {
			err := r.text(&name)
			lines[0] = r.line()
			return true, err
		}
		role := readRole(member)
		if role == 0 {
			return false, nil
		}
		err := r.text(&texts[role])
		lines[role] = r.line()
		return true, err
	})
	if err != nil {
		return nil, err
	}
	account, err := hive.ParseAccountName(name)
	if err != nil {
		return Complaints{{File: b.file, Line: max(lines[0], 1), Err: ErrBadAccount}}, nil
	}
	var complaints Complaints
	found := 0
	for role := hive.Memo; role <= hive.Owner; role++ {
		if texts[role] == "" {
			continue
		}
		found++
		if err := b.add(lines[role], account, role, []byte(texts[role])); err != nil {
			complaints = append(complaints, Complaint{File: b.file, Line: lines[role], Key: keyName(account, role),
				Err: err})
		}
	}
	if found == 0 {
		complaints = append(complaints, Complaint{File: b.file, Line: r.line(), Err: fmt.Errorf("account %s: %w",
			account, ErrNoKeys)})
	}
	return complaints, nil
}

// finish is the end of a bulk reading: all keys, or all complaints.
func (b *Batch) finish(complaints Complaints) (*Batch, error) {
	complaints = append(complaints, b.repeated()...)
	complaints.sort()
	err := complaints.asError()
	if err == nil && len(b.entries) == 0 {
		err = fmt.Errorf("reading %q: %w", b.file, ErrNoKeys)
	}
	if err != nil {
		b.Wipe()
		return nil, err
	}
	return b, nil
}

// readImport reads all into one buffer at a time and wipes the ones outgrown.
func readImport(file string, r io.Reader) ([]byte, error) {
	buf := make([]byte, 0, 64<<10)
	for {
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case errors.Is(err, io.EOF):
			return buf, nil
		case err == nil && len(buf) > maxImport:
			err = fmt.Errorf("more than %d bytes", maxImport)
		}
		if err != nil {
			clear(buf)
			return nil, fmt.Errorf("reading %q: %w", file, err)
		}
		if len(buf) == cap(buf) {
			larger := append(make([]byte, 0, 2*cap(buf)), buf...)
			clear(buf)
			buf = larger
		}
	}
}
