package agent

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"pksa/agent/config"
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
		for size, ok := range map[int]bool{largest: true, room.Bytes - 1: true, room.Bytes: true,
			room.Bytes + 1: false} {
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
	if most := 2 << 20; shared > most || shared <= most-largest {
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

// A large request that waits for its turn at the ledger, or for a node, is not worked on: what it
// waits for may be one behind it.
func TestWhoWaitsRests(t *testing.T) {
	var a *Agent
	waits := map[string]func(*run){
		"for the ledger": func(r *run) { a.admission(r, 0) },
		"in the end":     func(r *run) { a.endLarge(r) },
		"not at all":     func(*run) {},
	}
	for name, wait := range waits {
		a = &Agent{largeWork: newLargeWork()}
		a.inForce.begin(config.Default(t.TempDir()), nil)
		small, r := &run{}, &run{large: true}
		a.beginLarge(t.Context(), small)
		a.beginLarge(t.Context(), r)
		a.beginLarge(t.Context(), r)
		wait(small)
		wait(r)
		want := 0
		if name == "not at all" {
			want = 1
		}
		if n := len(a.largeWork); n != want {
			t.Errorf("%s: %d are worked on, want %d", name, n, want)
		}
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	for range 2 * cap(a.largeWork) { // a stop waits for nobody, and nobody for it
		r := &run{large: true}
		a.beginLarge(stopped, r)
	}
}

// As many large requests are worked on as there are places, and one more waits.
func TestPlacesOfLargeWork(t *testing.T) {
	a := &Agent{largeWork: newLargeWork()}
	most := max(1, runtime.GOMAXPROCS(0)/2)
	stopped, stop := context.WithCancel(t.Context())
	defer stop()
	var last *run
	for n := range most + 1 {
		if n == most {
			stop() // nobody leaves
		}
		last = &run{large: true}
		a.beginLarge(stopped, last)
		if last.working != (n < most) {
			t.Errorf("request %d of %d is worked on: %t", n+1, most, last.working)
		}
	}
}
