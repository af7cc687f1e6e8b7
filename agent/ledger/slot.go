package ledger

import (
	"regexp"
	"time"
)

// Slot is an app as the operator knows it: a name and the secret that proves it (HAS: auth_req_secret).
type Slot struct {
	Name    string
	Secret  Secret
	Created time.Time
	Rotated time.Time // when the secret in force began
	// NoncesOnly demands nonces of the slot's sessions until its secret is rotated: the ledger was restored, so
	// digests may have been lost.
	NoncesOnly bool

	// generation is the number of the record that made the secret; digests of auth_reqs belong to it.
	generation uint64
}

// SlotAny is what policies say for every slot; no slot may have the name.
const SlotAny = "any"

var slotName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,31}$`)

// CheckSlotName says whether a slot may have this name: ErrSlotName if not.
func CheckSlotName(name string) error {
	if name == SlotAny || !slotName.MatchString(name) {
		return ErrSlotName
	}
	return nil
}
