package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"
)

// Form is the form of backups that this program writes and reads.
const Form = 1

// ErrDamaged means that a file is no backup, or was cut off or altered.
var ErrDamaged = errors.New("not a whole backup: take another one")

// ErrForeign means that a backup was not made by the wallet whose keystore is in it.
var ErrForeign = errors.New("the seal of the backup is not that of its wallet: somebody else made it, or changed it")

// Manifest describes what a backup is of.
type Manifest struct {
	Form   int       `json:"form"`
	Made   time.Time `json:"made"`
	Home   string    `json:"home"`
	Unlock string    `json:"unlock"` // where that is which opens the backup; never the secret
	Record uint64    `json:"record"` // of the audit trail, up to which all is in it
	// The names that these files have in the home folder.
	Keystore string `json:"keystore"`
	Policy   string `json:"policy"`
	Ledger   string `json:"ledger"`
}

// KeystoreEntry is the name of the keystore in a backup.
const KeystoreEntry = "keystore.age"

// Names of other entries. In the home folder, files have the names of the manifest.
const (
	manifestName  = "manifest.json"
	configName    = "config.yaml"
	policyName    = "policy.yaml"
	ledgerName    = "ledger.db"
	segmentFolder = "audit"
	sealName      = "seal"
)

var (
	plainName   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	segmentName = regexp.MustCompile(`^audit/[0-9]{6,19}(-[0-9]{12,19})?$`)
)

// NameIn returns the name that a file gets in a restored home: its own, if it has one of its own
// there, or else the usual one.
func NameIn(own, usual string) string {
	if plainName.MatchString(own) && !slices.Contains(reserved, own) {
		return own
	}
	return usual
}

// reserved are names that no file of the manifest has.
var reserved = []string{configName, segmentFolder, stageName, readyName}

// parseManifest reads a manifest. Members that it does not know are of a newer program, which would
// name another form if they mattered.
func parseManifest(text []byte) (Manifest, error) {
	var m Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return m, fmt.Errorf("%w (its manifest reads wrong)", ErrDamaged)
	}
	if m.Form != Form {
		return m, fmt.Errorf("the backup has form %d, and this program reads form %d: take the program that made it, "+
			"or a newer one", m.Form, Form)
	}
	names := []string{m.Keystore, m.Policy, m.Ledger}
	for _, name := range names {
		if NameIn(name, "") != name || name == "" {
			return m, fmt.Errorf("%w (its manifest names no file of a home)", ErrDamaged)
		}
	}
	if slices.Sort(names); len(slices.Compact(names)) < 3 {
		return m, fmt.Errorf("%w (its manifest has one name twice)", ErrDamaged)
	}
	return m, nil
}
