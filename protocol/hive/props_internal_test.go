package hive

import (
	"encoding/binary"
	"encoding/hex"
	"testing"
)

// repack writes an opened property as the chain would.
func repack(n *Network, v Value, size int) []byte {
	switch v := v.(type) {
	case PublicKey:
		return v[:]
	case Asset:
		return n.appendPackedAsset(nil, v)
	case Price:
		return n.appendPackedAsset(n.appendPackedAsset(nil, v.Base), v.Quote)
	case string:
		return appendText(nil, v)
	case int64:
		return binary.LittleEndian.AppendUint64(nil, uint64(v))[:size]
	}
	return nil
}

func TestPropOpen(t *testing.T) {
	key := PrivateKeyFromSeed("a").Public()
	rate := Price{Base: Asset{250, HBD}, Quote: Asset{1000, HIVE}}
	for _, tt := range []struct {
		name, value string
		want        Value // nil: it cannot be read
	}{
		{"key", hex.EncodeToString(key[:]), key},
		{"new_signing_key", hex.EncodeToString(make([]byte, 33)), PublicKey{}}, // retires the witness
		{"key", hex.EncodeToString(key[:32]), nil},
		{"key", "04" + hex.EncodeToString(key[1:]), nil},
		{"account_creation_fee", "b80b00000000000003535445454d0000", Asset{3000, HIVE}},
		{"account_creation_fee", "b80b00000000000003544553545300" + "00", Asset{3000, HIVE}}, // of a test network
		{"account_creation_fee", "b80b000023203bd5", nil},                                    // the newer packing
		{"account_creation_fee", "ffffffffffffffff03535445454d0000", nil},
		{"hbd_exchange_rate", "fa000000000000000353424400000000e80300000000000003535445454d0000", rate},
		{"hbd_exchange_rate", "fa000000000000000353424400000000", nil},
		{"sbd_exchange_rate", "fa000000000000000353424400000000e80300000000000003535445454d0000", nil},
		{"hbd_interest_rate", "e803", int64(1000)},
		{"hbd_interest_rate", "e80300", nil},
		{"maximum_block_size", "00000100", int64(65536)},
		{"account_subsidy_budget", "ffffffff", int64(-1)},
		{"account_subsidy_decay", "40000000", int64(64)},
		{"url", "0161", "a"},
		{"url", "0261", nil},
		{"url", "01ff", nil},
		{"color", "00", nil},
	} {
		raw, err := hex.DecodeString(tt.value)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := Prop{Name: tt.name, Value: raw}.Open()
		if ok != (tt.want != nil) || ok && got != tt.want {
			t.Errorf("%s %s: %v, %t", tt.name, tt.value, got, ok)
		}
	}
}

// FuzzPropOpen: what can be read is what the chain would write.
func FuzzPropOpen(f *testing.F) {
	for name := range props {
		f.Add(name, []byte("\x01a"))
		f.Add(name, make([]byte, 33))
	}
	f.Fuzz(func(t *testing.T, name string, raw []byte) {
		v, ok := Prop{Name: name, Value: raw}.Open()
		if !ok {
			return
		}
		for _, n := range []*Network{Mainnet, Testnet} {
			if string(repack(n, v, len(raw))) == string(raw) {
				return
			}
		}
		t.Errorf("%s %x was read as %v", name, raw, v)
	})
}
