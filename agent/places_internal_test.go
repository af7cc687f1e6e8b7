package agent

import (
	"fmt"
	"testing"

	"pksa/agent/places"
	"pksa/protocol"
)

// The requests that keys opened have few bytes, and yet the largest one always has a place: in an
// empty wallet among those of its app as among those that are shared.
func TestPlacesHoldFewBytes(t *testing.T) {
	const largest = protocol.MaxFrame + protocol.MaxFrame/4*3 // what is sealed, in base64, and what was opened
	for name, room := range map[string]places.Room{"own": ownPlaces, "shared": sharedPlaces} {
		for size, ok := range map[int]bool{largest: true, room.Bytes: true, room.Bytes + 1: false} {
			if _, got := places.New(room, places.Room{}).Take("app", size); got != ok {
				t.Errorf("%s: a request of %d bytes has a place: %t", name, size, got)
			}
		}
	}
	table, shared := places.New(ownPlaces, sharedPlaces), 0
	for app := range 100 {
		for name := fmt.Sprint("app ", app); ; shared += largest {
			if _, ok := table.Take(name, largest); !ok {
				break
			}
		}
		shared -= largest // it is the app's own
	}
	if most := 8 << 20; shared > most || shared <= most-largest {
		t.Errorf("%d bytes are held in shared places", shared)
	}
}
