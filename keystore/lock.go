package keystore

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"time"
	"unicode"

	"filippo.io/age"
	"filippo.io/age/plugin"

	"pksa/keystore/access"
	"pksa/keystore/durable"
	"pksa/protocol/secret"
)

const (
	// workFactor is log2 of the scrypt cost of the files that are written: 32 MiB and about 100 ms.
	workFactor = 15
	// maxWorkFactor is the highest cost that is read. The age tool writes 18 (256 MiB), and a file
	// that its owner rewrote with it must open. The next change writes 15 again.
	maxWorkFactor = 18

	// minPassphrase is how many characters, blanks left out, a new passphrase has at least. With
	// the scrypt cost above, all shorter ones can be tried out by whoever has a copy of the file.
	minPassphrase = 8

	ageMagic      = "age-encryption.org/v1\n"
	ageAnyMagic   = "age-encryption.org/"
	armorMagic    = "-----BEGIN AGE ENCRYPTED FILE-----"
	identityStart = "AGE-SECRET-KEY-"
	pluginStart   = "AGE-PLUGIN-"
)

// Unlock is what opens a keystore and locks it again: a passphrase, or age identities. The zero
// value opens nothing. It cannot be printed.
type Unlock struct {
	secret.Redacted
	opener func() *opener // a function for the reason given at Secret
}

// opener is what an Unlock hides. It is never nil where it is used; the zero value opens nothing.
type opener struct {
	passphrase Secret
	identities []age.Identity
	recipients []string // of the identities, in their order
	// plugins is nil unless one of the identities needs a plugin; ui is how that reaches a person.
	plugins *pluginFile
	ui      PluginUI
	unnamed []string // plugins whose recipient no comment names
}

func (o *opener) hide() Unlock { return Unlock{opener: func() *opener { return o }} }

func (u Unlock) open() *opener {
	if u.opener == nil {
		return new(opener)
	}
	return u.opener()
}

// NewUnlock makes an Unlock of a text. If a line begins with "AGE-SECRET-KEY-", the text is an age
// identity file as age-keygen writes it: one identity on each line, and "#" begins a comment. Else
// it is a passphrase of one line. The secret stays the caller's, who may wipe it afterwards.
//
// A line that begins with "AGE-PLUGIN-" is the identity of an age plugin. Its program is started
// when a file is opened or written, and takes a minute at most, see [Unlock.WithPlugins]. For a new
// lock, a comment above the identity has to name its recipient, as plugins write it.
func NewUnlock(secret Secret) (unlock Unlock, err error) {
	// Apart: age computes the public halves of identities, with their secret halves on the stack.
	apart(func() { unlock, err = newUnlock(secret.Bytes()) })
	return unlock, err
}

func newUnlock(text []byte) (Unlock, error) {
	switch {
	case len(text) == 0:
		return Unlock{}, errors.New("the secret that opens the keystore is empty")
	case bytes.HasPrefix(text, []byte(fileKeyMark)):
		return parseFileKey(text)
	case holdsIdentity(text):
		return parseIdentities(text)
	case bytes.ContainsAny(text, "\r\n\x00"):
		// The age tool asks for a passphrase in one line; more lines are a file named by mistake.
		return Unlock{}, errors.New("a passphrase is one line: is this the right file?")
	}
	return (&opener{passphrase: NewSecret(bytes.Clone(text))}).hide(), nil
}

// HoldsIdentity reports whether the text is an age identity file, as [NewUnlock] reads it.
func HoldsIdentity(secret Secret) bool { return holdsIdentity(secret.Bytes()) }

func holdsIdentity(text []byte) bool {
	for line := range bytes.Lines(text) {
		if bytes.HasPrefix(line, []byte(identityStart)) || bytes.HasPrefix(line, []byte(pluginStart)) {
			return true
		}
	}
	return false
}

func parseIdentities(text []byte) (Unlock, error) {
	o := new(opener)
	n := 0
	named := "" // by the last comment that names a recipient
	for line := range bytes.Lines(text) {
		n++
		line = bytes.TrimRight(line, "\r\n")
		if m := namedRecipient.FindSubmatch(line); m != nil {
			named = string(m[1])
		}
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		if bytes.HasPrefix(line, []byte(pluginStart)) {
			if err := o.addPlugin(string(line), named); err != nil {
				return Unlock{}, fmt.Errorf("line %d of the identity file: %w", n, err)
			}
			named = ""
			continue
		}
		text := &seen{from: bytes.NewReader(line)}
		ids, err := age.ParseIdentities(text)
		text.wipe()
		if err != nil || len(ids) != 1 { // age's error may hold pieces of the line
			return Unlock{}, fmt.Errorf("line %d of the identity file is no age identity", n)
		}
		recipient, err := recipientOf(ids[0])
		if err != nil {
			return Unlock{}, err
		}
		o.identities = append(o.identities, ids[0])
		o.recipients = append(o.recipients, recipient)
	}
	return o.hide(), nil
}

// addPlugin adds an identity of a plugin, and the recipient that a comment names for it.
func (o *opener) addPlugin(text, recipient string) error {
	name, _, err := plugin.ParseIdentity(text)
	if err != nil { // age's error may hold pieces of the line
		return errors.New("no whole identity of an age plugin")
	}
	if o.plugins == nil {
		o.plugins = new(pluginFile)
	}
	o.identities = append(o.identities, &pluginIdentity{text: text, name: name, of: o})
	if recipient == "" {
		o.unnamed = append(o.unnamed, name)
		return nil
	}
	if _, err := parseRecipient(recipient); err != nil {
		return fmt.Errorf("the recipient that the comment above names: %w", err)
	}
	o.recipients = append(o.recipients, recipient)
	return nil
}

func recipientOf(id age.Identity) (string, error) {
	switch id := id.(type) {
	case *age.X25519Identity:
		return id.Recipient().String(), nil
	case *age.HybridIdentity:
		return id.Recipient().String(), nil
	default:
		return "", ErrNotNative
	}
}

// ofPlugin matches age1NAME1…, because the bech32 alphabet itself has no 1.
var ofPlugin = regexp.MustCompile(`^age1[^1]+1`)

// parseRecipient reads a recipient of age itself or of a plugin, in its one spelling. No plugin is
// started.
func parseRecipient(text string) (age.Recipient, error) {
	recipients, err := age.ParseRecipients(strings.NewReader(text))
	if err == nil && len(recipients) == 1 {
		if printed, ok := recipients[0].(fmt.Stringer); ok && printed.String() == text {
			return recipients[0], nil
		}
	}
	if ofPlugin.MatchString(text) {
		if name, data, err := plugin.ParseRecipient(text); err == nil && plugin.EncodeRecipient(name, data) == text {
			return &pluginRecipient{text: text, name: name}, nil
		}
	}
	if strings.HasPrefix(text, "ssh-") {
		return nil, ErrNotNative
	}
	return nil, errors.New("not an age recipient: wanted age1…, the public half of an identity")
}

// isOfPlugin reports whether a recipient is one of a plugin.
func isOfPlugin(text string) bool {
	r, err := parseRecipient(text)
	_, ok := r.(*pluginRecipient)
	return err == nil && ok
}

// Wipe overwrites the passphrase. The age library offers no way to wipe identities.
func (u Unlock) Wipe() { u.open().wipe() }

func (o *opener) wipe() {
	o.passphrase.Wipe()
	if o.plugins != nil {
		o.plugins.wipe()
	}
	for _, id := range o.identities {
		if key, ok := id.(fileKey); ok {
			clear(key)
		}
	}
}

// clone returns a copy that shares nothing with o that Wipe would reach.
func (o *opener) clone() *opener {
	c := o.sharing()
	c.passphrase = o.passphrase.clone()
	if o.plugins != nil {
		c.plugins = o.plugins.clone()
	}
	for i, id := range c.identities {
		if key, ok := id.(fileKey); ok {
			c.identities[i] = fileKey(bytes.Clone(key))
		}
	}
	return c
}

// sharing returns a copy that shares all that Wipe reaches.
func (o *opener) sharing() *opener {
	c := *o
	c.identities = slices.Clone(o.identities)
	for i, id := range c.identities {
		if p, ok := id.(*pluginIdentity); ok {
			c.identities[i] = &pluginIdentity{p.text, p.name, &c}
		}
	}
	return &c
}

func (o *opener) isZero() bool { return len(o.identities) == 0 && len(o.passphrase.Bytes()) == 0 }

// lockWith returns the recipients to remember for a file that o and the recovery recipients open;
// none for a passphrase.
func (o *opener) lockWith(recovery []string) ([]string, error) {
	if o.isZero() {
		return nil, fmt.Errorf("%w: neither passphrase nor identity", ErrBadLock)
	}
	if err := o.checkPassphrase(); err != nil {
		return nil, err
	}
	if len(o.identities) == 0 {
		if len(recovery) > 0 {
			return nil, fmt.Errorf("%w: a passphrase cannot stand beside recipients: lock with an identity file to "+
				"have recovery recipients", ErrBadLock)
		}
		return nil, nil
	}
	if len(o.recipients) == 0 && len(o.unnamed) == 0 {
		return nil, fmt.Errorf("%w: what was given opens one state of the file only", ErrBadLock)
	}
	if len(o.unnamed) > 0 {
		return nil,
			fmt.Errorf("%w: the identity file does not name the recipient of its identity of age-plugin-%s: put "+
				"a line `# Recipient: age1%[2]s1…` above it, as that program prints it", ErrBadLock, o.unnamed[0])
	}
	var recipients []string
	known := make(map[string]bool)
	for _, text := range append(append([]string(nil), o.recipients...), recovery...) {
		if _, err := parseRecipient(text); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrBadLock, err)
		}
		if !known[text] {
			known[text] = true
			recipients = append(recipients, text)
		}
	}
	return recipients, nil
}

// checkPassphrase refuses a passphrase that is too short for a new lock.
func (o *opener) checkPassphrase() error {
	if len(o.identities) > 0 {
		return nil
	}
	letters := 0
	for _, r := range string(o.passphrase.Bytes()) {
		if !unicode.IsSpace(r) {
			letters++
		}
	}
	if letters < minPassphrase {
		return ErrWeakPassphrase
	}
	return nil
}

// encrypt encrypts plain to the recipients, or by the passphrase of o if there are none.
func (o *opener) encrypt(plain []byte, recipients []string) ([]byte, error) {
	to, err := o.ageRecipients(recipients)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	w, err := age.Encrypt(&out, to...)
	if err != nil {
		if failed, ok := errors.AsType[*PluginError](err); ok {
			return nil, failed
		}
		return nil, fmt.Errorf("%w: %v", ErrBadLock, err)
	}
	if _, err := w.Write(plain); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func (o *opener) ageRecipients(texts []string) ([]age.Recipient, error) {
	if len(texts) == 0 {
		if len(o.passphrase.Bytes()) == 0 {
			return nil, ErrLockMismatch
		}
		r, err := age.NewScryptRecipient(string(o.passphrase.Bytes()))
		if err != nil {
			return nil, err
		}
		r.SetWorkFactor(workFactor)
		return []age.Recipient{r}, nil
	}
	to := make([]age.Recipient, 0, len(texts))
	for _, text := range texts {
		r, err := parseRecipient(text)
		if err != nil {
			return nil, err
		}
		if p, ok := r.(*pluginRecipient); ok {
			p.ui = o.ui
		}
		to = append(to, r)
	}
	return to, nil
}

// decrypt opens an age file. The result is one buffer, which the caller wipes.
func (o *opener) decrypt(raw []byte) ([]byte, error) {
	if err := checkMagic(raw); err != nil {
		return nil, err
	}
	ids, err := o.ageIdentities(raw)
	if err != nil {
		return nil, err
	}
	if len(o.identities) == 0 {
		// scrypt leaves 32 MiB of garbage, which a process that goes on running does not need.
		defer debug.FreeOSMemory()
	}
	r, err := age.Decrypt(bytes.NewReader(raw), ids...)
	if err != nil {
		return nil, o.explain(err)
	}
	defer wipeBuffers(r)
	var plain bytes.Buffer
	// Never outgrown, because the clear text is shorter: an outgrown buffer would not be wiped.
	plain.Grow(len(raw) + bytes.MinRead)
	if _, err := plain.ReadFrom(io.LimitReader(r, int64(len(raw)))); err != nil {
		clear(plain.Bytes())
		return nil, fmt.Errorf("%w (%v)", ErrDamaged, err)
	}
	return plain.Bytes(), nil
}

func checkMagic(raw []byte) error {
	switch text := string(raw[:min(len(raw), len(armorMagic))]); {
	case strings.HasPrefix(text, ageMagic):
		return nil
	case strings.HasPrefix(text, armorMagic):
		return fmt.Errorf("%w: it is armored; write it again with the age tool, without --armor", ErrDamaged)
	case strings.HasPrefix(text, ageAnyMagic):
		return newer(ageVersion(raw), `"v1"`)
	default:
		return fmt.Errorf("%w (it is no age file)", ErrDamaged)
	}
}

// ageVersion returns the version that an age file names in its first line, in quotes. It is cut
// short, because the file may hold anything.
func ageVersion(raw []byte) string {
	line, _, _ := bytes.Cut(raw[len(ageAnyMagic):], []byte("\n"))
	return fmt.Sprintf("of age %.12q", line)
}

// ageIdentities returns the identities to try. It refuses a secret of the wrong kind before the
// expensive work is done. age itself refuses a work factor that is too high.
func (o *opener) ageIdentities(raw []byte) ([]age.Identity, error) {
	locked := bytes.HasPrefix(raw[len(ageMagic):], []byte("-> scrypt "))
	switch {
	case o.isZero():
		return nil, fmt.Errorf("%w: no secret was given", ErrWrongLock)
	case locked && len(o.identities) > 0:
		return nil, fmt.Errorf("%w: it is locked by a passphrase, and an age identity was given", ErrWrongLock)
	case !locked && len(o.identities) == 0:
		return nil, fmt.Errorf("%w: it is locked to age recipients, and a passphrase was given; give their "+
			"identity file", ErrWrongLock)
	case !locked:
		return o.identities, nil
	}
	id, err := age.NewScryptIdentity(string(o.passphrase.Bytes()))
	if err != nil {
		return nil, err
	}
	id.SetMaxWorkFactor(maxWorkFactor)
	return []age.Identity{id}, nil
}

func (o *opener) explain(err error) error {
	var noMatch *age.NoIdentityMatchError
	if failed, ok := errors.AsType[*PluginError](err); ok {
		return failed
	}
	if len(o.identities) == 1 && !errors.As(err, &noMatch) {
		if _, ok := o.identities[0].(fileKey); ok {
			return fmt.Errorf("%w: it was changed since its key was handed over", ErrWrongIdentity)
		}
	}
	switch {
	case !errors.As(err, &noMatch):
		return fmt.Errorf("%w (%v)", ErrDamaged, err)
	case len(o.identities) == 0:
		return ErrWrongPassphrase
	default:
		return ErrWrongIdentity
	}
}

// CreateIdentity makes a new age identity and writes it to a file that must not exist yet. The file
// has mode 0600 and the form of age-keygen, and is synced to disk. The recipient is the public half
// of the identity, which may be shown.
func CreateIdentity(path string) (unlock Unlock, recipient string, err error) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return Unlock{}, "", err
	}
	recipient = id.Recipient().String()
	// The time is for people, as age-keygen writes it: nothing reads it.
	text := fmt.Appendf(nil, "# created: %s\n# public key: %s\n%s\n", time.Now().UTC().Format(time.RFC3339),
		recipient, id)
	defer clear(text)
	if err := createSecretFile(path, text); err != nil {
		return Unlock{}, "", fmt.Errorf("writing identity %q: %w", path, err)
	}
	return (&opener{identities: []age.Identity{id}, recipients: []string{recipient}}).hide(), recipient, nil
}

func createSecretFile(path string, text []byte) error {
	if err := access.Folder(filepath.Dir(path)); err != nil {
		return err
	}
	return durable.Create(path, text)
}
