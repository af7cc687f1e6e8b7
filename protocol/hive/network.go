package hive

import (
	"crypto/sha256"
	"encoding/binary"
)

// Network is one chain: its id, which is hashed before each transaction, and its spelling of keys
// and symbols. These belong together (tx §1.5). For another network, write a literal. It must not
// change while in use.
type Network struct {
	Name      string
	ChainID   [32]byte
	KeyPrefix string      // begins every public key: "STM"
	Hive      SymbolNames // HIVE, its text and its bytes
	HBD       SymbolNames
}

// SymbolNames is the two names of an asset: in JSON, and in packed bytes, where the main network
// still has STEEM and SBD. Packed has at most seven bytes.
type SymbolNames struct{ Text, Packed string }

// The networks that have a name.
var (
	Mainnet = &Network{
		Name: "mainnet", ChainID: chainID(0xbe, 0xea, 0xb0, 0xde), KeyPrefix: "STM",
		Hive: SymbolNames{"HIVE", "STEEM"}, HBD: SymbolNames{"HBD", "SBD"},
	}
	Mirrornet = &Network{
		Name: "mirrornet", ChainID: chainID(0x42), KeyPrefix: "STM",
		Hive: SymbolNames{"HIVE", "STEEM"}, HBD: SymbolNames{"HBD", "SBD"},
	}
	Testnet = &Network{
		Name: "testnet", ChainID: sha256.Sum256([]byte("testnet")), KeyPrefix: "STM",
		Hive: SymbolNames{"TESTS", "TESTS"}, HBD: SymbolNames{"TBD", "TBD"},
	}
)

// NetworkNamed returns the network with this name: mainnet, mirrornet or testnet.
func NetworkNamed(name string) (*Network, bool) {
	for _, n := range []*Network{Mainnet, Mirrornet, Testnet} {
		if n.Name == name {
			return n, true
		}
	}
	return nil, false
}

func chainID(first ...byte) (id [32]byte) {
	copy(id[:], first)
	return id
}

var vestsNames = SymbolNames{"VESTS", "VESTS"}

func (n *Network) symbolNames(s Symbol) SymbolNames {
	switch s {
	case HIVE:
		return n.Hive
	case HBD:
		return n.HBD
	case VESTS:
		return vestsNames
	}
	return SymbolNames{}
}

func (n *Network) symbolText(s Symbol) string { return n.symbolNames(s).Text }

func (n *Network) symbolNamed(text string) (Symbol, bool) {
	switch text {
	case n.Hive.Text:
		return HIVE, true
	case n.HBD.Text:
		return HBD, true
	case vestsNames.Text:
		return VESTS, true
	}
	return 0, false
}

// packedSymbol returns eight bytes: the decimals, then the name padded with zeros.
func (n *Network) packedSymbol(s Symbol) uint64 {
	var packed [8]byte
	packed[0] = byte(s.Decimals())
	copy(packed[1:], n.symbolNames(s).Packed)
	return binary.LittleEndian.Uint64(packed[:])
}

func (n *Network) symbolPacked(packed uint64) (Symbol, bool) {
	for s := HIVE; s <= VESTS; s++ {
		if n.packedSymbol(s) == packed {
			return s, true
		}
	}
	return 0, false
}
