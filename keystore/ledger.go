package keystore

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
)

// ledgerKeys are what is derived from the ledger's sealing key, which itself is never handed out.
type ledgerKeys struct {
	id     string
	sealer cipher.AEAD
	probe  cipher.AEAD
	mac    []byte
}

func newLedgerKeys(id string, key [32]byte) *ledgerKeys {
	return &ledgerKeys{id: id, sealer: newSealer(subkey(key, id, "seal")), probe: newSealer(subkey(key, id, "probe")),
		mac: subkey(key, id, "mac")}
}

func newSealer(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // unreachable: a subkey has 32 bytes
	}
	sealer, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // unreachable: AES has blocks of 16 bytes
	}
	return sealer
}

// subkey derives a 32-byte key for one purpose, bound to the ledger's id.
func subkey(key [32]byte, id, purpose string) []byte {
	defer clear(key[:])
	sub, err := hkdf.Key(sha256.New, key[:], []byte(id), "pksa ledger v1: "+purpose, 32)
	if err != nil {
		panic(err) // unreachable: 32 bytes are within what HKDF gives
	}
	return sub
}

// LedgerID is the random name of the ledger that belongs to this keystore: 32 hexadecimal digits,
// for the keystore's life.
func (s *Store) LedgerID() string { return s.ledger.id }

// LedgerSealer is the AEAD that seals the ledger's values: AES-256-GCM, 12-byte nonces, under a key
// derived from the one in the keystore. Nonces are the caller's care; drawn at random, they are
// good for 2^32 values. It goes on working after Close, since what the cipher holds cannot be
// wiped. It may be used concurrently.
func (s *Store) LedgerSealer() cipher.AEAD { return s.ledger.sealer }

// ProbeSealer is the AEAD by which copies of one wallet speak with each other, see agent/probe:
// AES-256-GCM under a key derived apart from the sealer's, because what it seals goes to relays. All
// copies of a keystore have the same.
func (s *Store) ProbeSealer() cipher.AEAD { return s.ledger.probe }

// LedgerMAC is HMAC-SHA-256, 32 bytes, over the parts of data, each preceded by its length as 8
// bytes, so that no two lists of parts give the same input. Its key is derived apart from the
// sealer's. As the sealer, it goes on working after Close. It may be called concurrently.
func (s *Store) LedgerMAC(data ...[]byte) []byte {
	h := hmac.New(sha256.New, s.ledger.mac)
	for _, part := range data {
		_ = binary.Write(h, binary.BigEndian, uint64(len(part)))
		h.Write(part)
	}
	return h.Sum(nil)
}
