package agent

import (
	"fmt"
	"testing"

	"pksa/agent/link"
	"pksa/agent/places"
	"pksa/protocol"
	"pksa/protocol/seal"
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
	if most := 4 << 20; shared > most || shared <= most-largest {
		t.Errorf("%d bytes are held in shared places", shared)
	}
}

// A request that has its place holds no more of what it came in than its digest: of that its link
// had a bound, and not the place.
func TestOpenedRequestLetsGoOfItsFrame(t *testing.T) {
	const data = "U2FsdGVkX18AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	sealed, err := seal.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	brought := &link.Delivery{Request: protocol.Request{Data: data}}
	r := &run{app: "app", clear: []byte("{}"), delivered: delivered{brought: brought, sealed: sealed,
		digest: sealed.Digest(),
		msg:    protocol.Request{Data: data}}}
	a := &Agent{places: places.New(ownPlaces, sharedPlaces)}
	if !a.takePlace(r) {
		t.Fatal("there is no place")
	}
	if r.msg.Data != "" || r.sealed.String() != "" || brought.Request.Data != "" || r.digest != sealed.Digest() {
		t.Errorf("held: %+v, %q", r.delivered, brought.Request.Data)
	}
}
