package doctor

import (
	"testing"

	"pksa/protocol"
)

// However many requests of others a relay has kept, the own one is not pushed out.
func TestOwnAmongMany(t *testing.T) {
	t.Parallel()
	o := newOwn()
	o.take(protocol.Request{Data: ""}) // nothing is waited for
	o.data.Store("own")
	for range 100 {
		o.take(protocol.Request{Data: "of others"})
	}
	o.take(protocol.Request{Data: "own", UUID: "1"})
	o.take(protocol.Request{Data: "own", UUID: "1"})
	for range 100 {
		o.take(protocol.Request{Data: "of others"})
	}
	if r := <-o.came; r.Data != "own" {
		t.Errorf("%+v", r)
	}
	if len(o.came) > 0 {
		t.Errorf("it came %d times more", len(o.came))
	}
}
