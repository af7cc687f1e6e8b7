package client

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// keptSession is what the file of a [Kept] session holds.
type keptSession struct {
	session   *Session    // nil: none
	before    *Session    // goes on if the wallet refuses session, which is asked for; nil: none
	confirmed time.Time   // when the wallet answered in it last, as far as it was written down
	opened    []time.Time // when new sessions were asked for
	slot      string      // as slotOf tells secrets apart; "": not known
}

// keptForm is the form of the file.
type keptForm struct {
	Session   jsontext.Value `json:"session,omitzero"` // as Session.Save writes it
	Before    jsontext.Value `json:"before,omitzero"`  // likewise
	Confirmed int64          `json:"confirmed,omitzero"`
	Opened    []int64        `json:"opened,omitempty"` // ms since 1970
	Slot      string         `json:"slot,omitzero"`
}

var slotForm = regexp.MustCompile(`^[0-9a-f]{8}$`)

// slotOf returns 8 digits by which the secrets of slots can be told apart. They are too few to tell
// whoever reads them which secret it is.
func slotOf(secret Secret) string {
	digest := hmac.New(sha256.New, []byte(secret))
	digest.Write([]byte("pksa kept session"))
	return hex.EncodeToString(digest.Sum(nil)[:4])
}

var errNotKept = errors.New("not a kept session")

// parseKept returns what a file holds: what write wrote, or what [Session.Save] has saved. Its
// error does not quote the text, which holds a secret.
func parseKept(text []byte) (keptSession, error) {
	if session, err := LoadSession(text); err == nil {
		return keptSession{session: session}, nil
	}
	var form keptForm
	if json.Unmarshal(text, &form, json.RejectUnknownMembers(true)) != nil {
		return keptSession{}, errNotKept
	}
	s := keptSession{slot: form.Slot}
	if s.slot != "" && !slotForm.MatchString(s.slot) {
		return keptSession{}, errNotKept
	}
	for _, at := range form.Opened {
		s.opened = append(s.opened, time.UnixMilli(at))
	}
	if form.Session == nil {
		return s, nil
	}
	var err error
	if s.session, err = LoadSession(form.Session); err != nil {
		return keptSession{}, errNotKept
	}
	if form.Before != nil {
		if s.before, err = LoadSession(form.Before); err != nil || s.before.account != s.session.account {
			return keptSession{}, errNotKept
		}
	}
	if form.Confirmed != 0 {
		s.confirmed = time.UnixMilli(form.Confirmed)
	}
	return s, nil
}

// write replaces the file. A crash leaves the old one or the new one.
func (s *keptSession) write(name string) error {
	form := keptForm{Slot: s.slot}
	var err error
	if form.Session, err = s.session.saveIfAny(); err != nil {
		return err
	}
	if form.Before, err = s.before.saveIfAny(); err != nil {
		return err
	}
	if !s.confirmed.IsZero() {
		form.Confirmed = s.confirmed.UnixMilli()
	}
	for _, at := range s.opened {
		form.Opened = append(form.Opened, at.UnixMilli())
	}
	text, err := json.Marshal(form)
	if err == nil {
		err = replaceFile(name, text)
	}
	if err != nil {
		return fmt.Errorf("client: the session cannot be kept, and each run would make another one: %w", err)
	}
	return nil
}

func (s *Session) saveIfAny() (jsontext.Value, error) {
	if s == nil {
		return nil, nil
	}
	return s.Save()
}

// replaceFile writes a file that its owner alone can read, whole or not at all.
func replaceFile(name string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*") // with mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // of no effect once it was renamed
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
