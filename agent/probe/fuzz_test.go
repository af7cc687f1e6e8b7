package probe_test

import (
	"bytes"
	"testing"

	"pksa/agent/probe"
)

// FuzzDecode: there is one way to write a message, and nothing else is taken.
func FuzzDecode(f *testing.F) {
	f.Add(probe.Message{}.Encode())
	f.Add(probe.Message{Facts: probe.Facts{Epoch: 1, Records: 2, Instance: id(3), Serving: true, Yielded: true},
		Answer: true, Nonce: id(4)}.Encode())
	f.Add([]byte{1, 3})
	f.Fuzz(func(t *testing.T, clear []byte) {
		m, err := probe.Decode(clear)
		if err == nil && !bytes.Equal(m.Encode(), clear) {
			t.Errorf("%x is written again as %x", clear, m.Encode())
		}
		if err != nil && m != (probe.Message{}) {
			t.Errorf("an error and %+v", m)
		}
	})
}

// FuzzOpen: nobody without the key makes a message.
func FuzzOpen(f *testing.F) {
	aead := sealer(f, 1)
	f.Add(probe.Seal(sealer(f, 2), "alice", probe.Message{Nonce: id(1)}))
	f.Add("U2FsdGVkX19wa3NhLXByYg==")
	f.Fuzz(func(t *testing.T, data string) {
		if m, err := probe.Open(aead, "alice", data); err == nil {
			t.Errorf("%q opens as %+v", data, m)
		}
		probe.Marked(data)
	})
}
