package keystore

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"filippo.io/age"
	"filippo.io/age/plugin"

	"pksa/keystore/access"
	"pksa/protocol/plain"
)

// pluginWait is how long a plugin may take between two answers of a person, who may have to touch a
// hardware key. It is a variable for tests.
var pluginWait = time.Minute

// mostSaid is how many bytes of what a plugin says are shown.
const mostSaid = 300

// PluginUI is how age plugins reach a person. A member that is nil reaches nobody.
type PluginUI struct {
	// Say shows one line, such as that the hardware key waits for a touch.
	Say func(text string)
	// Ask asks for a line, such as a PIN. What is hidden is not shown while it is typed.
	Ask func(label string, hidden bool) ([]byte, error)
}

// WithPlugins returns the same Unlock, whose plugins reach a person by ui. To wipe one of the two
// is to wipe both.
func (u Unlock) WithPlugins(ui PluginUI) Unlock {
	o := u.open().sharing()
	o.ui = ui
	return o.hide()
}

// NeedsPlugin reports whether an age plugin has to be started to open a file. A process that has
// shut itself in cannot do that.
func (u Unlock) NeedsPlugin() bool { return u.open().needsPlugin() }

func (o *opener) needsPlugin() bool { return o.plugins != nil }

// PluginError is what went wrong with an age plugin.
type PluginError struct {
	Name string // of the plugin; its program is age-plugin-NAME
	// Missing says that there is no such program.
	Missing bool
	Err     error
}

// Error returns what went wrong, and for a program that is missing what to do.
func (e *PluginError) Error() string {
	if e.Missing {
		return fmt.Sprintf("the program age-plugin-%s is not in the PATH: install it, for the user of the wallet too",
			e.Name)
	}
	return fmt.Sprintf("age-plugin-%s: %v", e.Name, e.Err)
}

// Unwrap returns the cause.
func (e *PluginError) Unwrap() error { return e.Err }

// pluginFile is what plugins of an opener share with its copies: the file keys that they found, so
// that nobody is asked to touch a key twice for one file.
type pluginFile struct {
	mu   sync.Mutex
	keys map[[32]byte][]byte // by the stanzas of the file
	last [32]byte
}

func (f *pluginFile) find(at [32]byte) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last = at
	return bytes.Clone(f.keys[at])
}

func (f *pluginFile) keep(at [32]byte, key []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, old := range f.keys { // one file is open at a time
		clear(old)
	}
	f.keys = map[[32]byte][]byte{at: bytes.Clone(key)}
}

// key returns the file key of the file that was opened last, nil if there is none.
func (f *pluginFile) key() []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	return bytes.Clone(f.keys[f.last])
}

func (f *pluginFile) clone() *pluginFile {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := &pluginFile{keys: map[[32]byte][]byte{}, last: f.last}
	for at, key := range f.keys {
		c.keys[at] = bytes.Clone(key)
	}
	return c
}

func (f *pluginFile) wipe() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, key := range f.keys {
		clear(key)
	}
	f.keys = nil
}

// pluginIdentity is an identity that a plugin knows how to use.
type pluginIdentity struct {
	text string
	name string
	of   *opener // whose person is asked
}

// Unwrap has the plugin find the file key.
func (i *pluginIdentity) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	at := stanzasDigest(stanzas)
	if key := i.of.plugins.find(at); key != nil {
		return key, nil
	}
	key, err := runPlugin(i.name, i.of.ui, func(ui *plugin.ClientUI) ([]byte, error) {
		id, err := plugin.NewIdentity(i.text, ui)
		if err != nil {
			return nil, err
		}
		return id.Unwrap(stanzas)
	})
	if err == nil {
		i.of.plugins.keep(at, key)
	}
	return key, err
}

func stanzasDigest(stanzas []*age.Stanza) [32]byte {
	h := sha256.New()
	for _, s := range stanzas {
		fmt.Fprintf(h, "%q %q %x\n", s.Type, s.Args, s.Body)
	}
	return [32]byte(h.Sum(nil))
}

// pluginRecipient is a recipient that a plugin knows how to encrypt to.
type pluginRecipient struct {
	text string
	name string
	ui   PluginUI
}

// Wrap does what WrapWithLabels does.
func (r *pluginRecipient) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	stanzas, _, err := r.WrapWithLabels(fileKey)
	return stanzas, err
}

// WrapWithLabels has the plugin encrypt the file key.
func (r *pluginRecipient) WrapWithLabels(fileKey []byte) ([]*age.Stanza, []string, error) {
	type wrapped struct {
		stanzas []*age.Stanza
		labels  []string
	}
	w, err := runPlugin(r.name, r.ui, func(ui *plugin.ClientUI) (w wrapped, err error) {
		to, err := plugin.NewRecipient(r.text, ui)
		if err != nil {
			return w, err
		}
		w.stanzas, w.labels, err = to.WrapWithLabels(fileKey)
		return w, err
	})
	return w.stanzas, w.labels, err
}

// runPlugin does something that starts a plugin. The program is looked at before it is started; who
// could put another one into its place would get what opens the keystore. A plugin that takes too
// long is left behind: it ends when this process does, which fails then.
func runPlugin[R any](name string, ui PluginUI, do func(*plugin.ClientUI) (R, error)) (R, error) {
	type result struct {
		r   R
		err error
	}
	var none R
	if err := checkPlugin(name); err != nil {
		return none, err
	}
	// It would show all that is said to the plugin, the key of the file too.
	if err := os.Unsetenv("AGEDEBUG"); err != nil {
		return none, &PluginError{Name: name, Err: err}
	}
	asked := new(refusals)
	done := make(chan result, 1)
	late := time.NewTimer(pluginWait)
	defer late.Stop()
	if ask := ui.Ask; ask != nil {
		// A person takes the time that it takes, and may interrupt.
		ui.Ask = func(label string, hidden bool) ([]byte, error) {
			late.Stop()
			defer late.Reset(pluginWait)
			return ask(label, hidden)
		}
	}
	go func() {
		r, err := do(clientUI(ui, asked))
		done <- result{r, err}
	}()
	var got result
	select {
	case got = <-done:
	case <-late.C:
		got.err = fmt.Errorf("no answer within %s; a hardware key may have waited for a touch", pluginWait)
	}
	var missing *plugin.NotFoundError
	switch {
	case got.err == nil, errors.Is(got.err, age.ErrIncorrectIdentity):
		return got.r, got.err
	case errors.As(got.err, &missing):
		return none, &PluginError{Name: name, Missing: true, Err: missing}
	}
	if question := asked.first(); question != "" {
		got.err = fmt.Errorf("it asked %s, and there is no terminal to ask at: have it ask nothing (such as a "+
			"hardware key without PIN), or start at a terminal", question)
	} else {
		// What a program says may be anything.
		text := strings.TrimPrefix(got.err.Error(), name+" plugin: ")
		got.err = errors.New(plain.Line(text, mostSaid))
	}
	return none, &PluginError{Name: name, Err: got.err}
}

// refusals are the questions of a plugin that nobody could be asked.
type refusals struct {
	mu   sync.Mutex
	text string
}

func (r *refusals) add(question string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.text == "" {
		r.text = plain.Quote(question, mostSaid)
	}
}

func (r *refusals) first() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text
}

var errNobody = errors.New("there is nobody to ask")

// clientUI lets a plugin reach a person.
func clientUI(ui PluginUI, asked *refusals) *plugin.ClientUI {
	say := func(name, text string) {
		if ui.Say != nil {
			ui.Say("age-plugin-" + name + ": " + plain.Line(text, mostSaid))
		}
	}
	ask := func(name, question string, hidden bool) (string, error) {
		if ui.Ask == nil {
			asked.add(question)
			return "", errNobody
		}
		text, err := ui.Ask("age-plugin-"+name+": "+plain.Line(question, mostSaid), hidden)
		defer clear(text)
		if err != nil {
			asked.add(question)
		}
		return string(text), err
	}
	return &plugin.ClientUI{
		DisplayMessage: func(name, text string) error { say(name, text); return nil },
		RequestValue:   ask,
		Confirm: func(name, question, yes, no string) (bool, error) {
			choice := plain.Quote(yes, 40)
			if no != "" {
				choice += " or " + plain.Quote(no, 40)
			}
			text, err := ask(name, question+"; type "+choice, false)
			return text == yes, err
		},
		WaitTimer: func(name string) { say(name, "waiting; a hardware key may want to be touched") },
	}
}

// pluginName matches what the name of a plugin may be here, which becomes a part of the name of a
// program.
var pluginName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]*$`)

// checkPlugin returns an error if there is no such plugin, or if somebody else could have put it
// there, or could put another one before it.
func checkPlugin(name string) error {
	if !pluginName.MatchString(name) {
		return &PluginError{Name: plain.Line(name, 40), Err: errors.New("this is no name of a plugin")}
	}
	path, err := access.Program("age-plugin-" + name)
	if path == "" {
		return &PluginError{Name: name, Missing: true, Err: err}
	}
	if err == nil {
		err = checkBefore(filepath.Dir(path))
	}
	if err != nil {
		return &PluginError{Name: name, Err: err}
	}
	return nil
}

// checkBefore checks the folders of the PATH in which a program would be found before one in dir.
func checkBefore(dir string) error {
	for _, folder := range filepath.SplitList(os.Getenv("PATH")) {
		if folder == dir {
			return nil
		}
		if !filepath.IsAbs(folder) {
			continue // programs are not run from there
		}
		// Where it is missing, whoever can make it can make programs in it.
		for {
			if _, err := os.Stat(folder); err == nil || folder == filepath.Dir(folder) {
				break
			}
			folder = filepath.Dir(folder)
		}
		if err := access.Folder(folder); err != nil {
			return fmt.Errorf("PATH leads first to where others can make programs: %w", err)
		}
	}
	return nil
}

// namedRecipient matches a comment by which plugins name the recipient of the identity below it, as
// age-plugin-yubikey, -tpm and -se write it.
var namedRecipient = regexp.MustCompile(`(?i)^#\s*(?:recipient|public key):\s*(age1[a-z0-9._-]+)\s*$`)

// fileKeyMark begins the text of a file key, which opens one state of one file.
const fileKeyMark = "PKSA-FILE-KEY-"

// Handover returns what a process that cannot start plugins opens the file with, as this store has
// it: the file key if the store was opened by a plugin, which opens no other state of the file, or
// the secret. What it returns is the caller's, also if it is a copy.
func (s *Store) Handover(secret Secret) Secret {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.unlock == nil || !s.unlock.needsPlugin() {
		return secret.clone()
	}
	key := s.unlock.plugins.key()
	defer clear(key)
	if key == nil { // another identity of the file opened it
		return secret.clone()
	}
	return NewSecret(hex.AppendEncode([]byte(fileKeyMark), key))
}

// parseFileKey reads what Handover made of a file key.
func parseFileKey(text []byte) (Unlock, error) {
	key := make([]byte, hex.DecodedLen(len(text)-len(fileKeyMark)))
	if _, err := hex.Decode(key, text[len(fileKeyMark):]); err != nil || len(key) != fileKeySize {
		return Unlock{}, errors.New("not the key of a file")
	}
	return (&opener{identities: []age.Identity{fileKey(key)}}).hide(), nil
}

const fileKeySize = 16 // as age has it

// fileKey is the key of one state of one file. Whether it is the right one, the file tells.
type fileKey []byte

// Unwrap returns the key.
func (k fileKey) Unwrap([]*age.Stanza) ([]byte, error) { return bytes.Clone(k), nil }
