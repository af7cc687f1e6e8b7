package keystore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"pksa/keystore/linejson"
	"pksa/protocol/hive"
)

// maxImport bounds a list of keys. 10,000 accounts with three keys are 2.5 MB.
const maxImport = 16 << 20

// ReadKeyLines reads a list of keys, "account role wif" on each line, split at blanks and tabs.
// Empty lines and lines that begin with "#" are skipped. file names the list in complaints.
//
// It takes all keys or none. The error is [Complaints] with every bad line, or [ErrNoKeys], or the
// reader's own. A complaint never repeats the line, because each word of it may be a key in the
// wrong place.
func ReadKeyLines(file string, r io.Reader) (*Batch, error) {
	text, err := readImport(file, r)
	if err != nil {
		return nil, err
	}
	defer clear(text)
	lines := textOf(text)
	defer clear(lines)
	b := &Batch{file: file}
	var complaints Complaints
	n := 0
	for line := range bytes.Lines(lines) {
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

// readRole returns zero, which is no role, for a text that is no role.
func readRole(text string) hive.Role {
	role, err := hive.ParseRole(text)
	if err != nil {
		return 0
	}
	return role
}

// ReadKeysJSON reads keys in the form of hive-auth-pksa's keys.json: an array of
// {"name","posting","active","memo"}, of which any role may be missing, empty or null. Other
// members are refused, and an "owner" with [ErrOwnerKey]. It takes all keys or none, as
// [ReadKeyLines] does, but passes over the placeholder "5..." of the example that hive-auth-pksa
// ships; see [Batch.Skipped].
func ReadKeysJSON(file string, r io.Reader) (*Batch, error) {
	raw, err := readImport(file, r)
	if err != nil {
		return nil, err
	}
	defer clear(raw)
	text := textOf(raw)
	defer clear(text)
	b := &Batch{file: file}
	root, err := linejson.Parse(text)
	if err != nil {
		return b.finish(Complaints{b.misread(err)})
	}
	items, err := root.Array()
	if err != nil {
		return b.finish(Complaints{b.misread(err)})
	}
	var complaints Complaints
	for _, item := range items {
		complaints = append(complaints, b.readJSONAccount(item)...)
	}
	return b.finish(complaints)
}

// misread returns the complaint about a file that does not have the form.
func (b *Batch) misread(err error) Complaint {
	c := Complaint{File: b.file, Line: 1, Err: err}
	if at, ok := errors.AsType[*linejson.Error](err); ok { // always
		c.Line, c.Err = at.Line, at.Err
	}
	return c
}

func (b *Batch) readJSONAccount(v linejson.Value) Complaints {
	members, err := v.Object()
	if err != nil {
		return Complaints{b.misread(err)}
	}
	var name string
	nameLine := v.Line
	var keys []jsonKey
	examples := 0
	for _, m := range members {
		text, err := m.Value.Text()
		role := readRole(m.Name)
		switch {
		case m.Name != "name" && role == 0, role == hive.Signing: // hive-auth-pksa knows no such key
			return Complaints{b.misread(m.Unknown())}
		case role != 0 && m.Value.Kind == linejson.Null: // not set, for hive-auth-pksa
		case err != nil:
			return Complaints{b.misread(err)}
		case m.Name == "name":
			name, nameLine = text, m.Value.Line
		case text == exampleKey:
			examples++
			b.skipped = append(b.skipped, fmt.Sprintf("%s:%d: the %s key is only the placeholder of the example",
				b.file, m.Value.Line, role))
		case text != "":
			keys = append(keys, jsonKey{m.Value.Line, role, text})
		}
	}
	account, err := hive.ParseAccountName(name)
	if err != nil {
		return Complaints{{File: b.file, Line: nameLine, Err: ErrBadAccount}}
	}
	if len(keys) == 0 && examples > 0 {
		return nil
	}
	if len(keys) == 0 {
		return Complaints{{File: b.file, Line: v.Line, Err: fmt.Errorf("account %s: %w", account, ErrNoKeys)}}
	}
	return b.addKeys(account, keys)
}

// exampleKey stands in the place of keys in the keys.example.json that hive-auth-pksa ships.
const exampleKey = "5..."

// jsonKey is a key of an account as it stands in the file.
type jsonKey struct {
	line int
	role hive.Role
	text string
}

func (b *Batch) addKeys(account hive.AccountName, keys []jsonKey) (complaints Complaints) {
	for _, k := range keys {
		if err := b.add(k.line, account, k.role, []byte(k.text)); err != nil {
			complaints = append(complaints, Complaint{File: b.file, Line: k.line, Key: keyName(account, k.role),
				Err: err})
		}
	}
	return complaints
}

// finish ends the reading of a list: it returns all keys, or all complaints.
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

// utf8Mark is the byte order mark that some editors put before a text.
const utf8Mark = "\xef\xbb\xbf"

// textOf returns the text of a file of keys in UTF-8, without a byte order mark. UTF-16, as
// PowerShell writes it, is known by its mark. The result may share its bytes with raw.
func textOf(raw []byte) []byte {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(raw, []byte(utf8Mark)):
		return raw[3:]
	case bytes.HasPrefix(raw, []byte("\xff\xfe")):
		order = binary.LittleEndian
	case bytes.HasPrefix(raw, []byte("\xfe\xff")):
		order = binary.BigEndian
	default:
		return raw
	}
	// Names, roles and keys are ASCII. Never outgrown, because an outgrown buffer would not be
	// wiped: a unit of 16 bits has three bytes at most in UTF-8.
	text := make([]byte, 0, len(raw)/2*3)
	for raw = raw[2:]; len(raw) > 1; raw = raw[2:] {
		text = utf8.AppendRune(text, rune(order.Uint16(raw)))
	}
	return text
}

// readImport reads all that r delivers. A buffer that is too small is wiped once it was copied.
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
