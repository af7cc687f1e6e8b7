package main

import (
	"crypto/rand"
	"encoding/binary"
	"io"
	"log/slog"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"
	bolt "go.etcd.io/bbolt"

	"pksa/agent/config"
	"pksa/agent/ledger"
	"pksa/agent/service"
	"pksa/keystore"
)

// scriptSameSecret gives an app of the stopped wallet the secret of another one, as programs of
// before the comparison allowed it: samesecret APP OTHER.
func scriptSameSecret(ts *testscript.TestScript, _ bool, args []string) {
	home := ts.Getenv("PKSA_HOME")
	cfg, err := config.Load(home, filepath.Join(home, "config.yaml"), nil)
	ts.Check(err)
	secret := keystore.NewSecret([]byte(ts.ReadFile(filepath.Join(home, "identity.txt"))))
	unlock, err := keystore.NewUnlock(secret)
	ts.Check(err)
	store, err := keystore.Open(cfg.Keystore, unlock)
	ts.Check(err)
	defer store.Close()
	o := service.LedgerOptions(cfg, store, slog.New(slog.NewTextHandler(io.Discard, nil)))
	db, err := bolt.Open(cfg.Ledger, 0o600, nil)
	ts.Check(err)
	defer db.Close()
	ts.Check(db.Update(func(tx *bolt.Tx) error {
		slots := tx.Bucket([]byte("slots"))
		sealed := slots.Get([]byte(args[1]))
		// Values of today name their key in three bytes: form, epoch 0, period 0. Programs of
		// before had one key, and no bytes in front.
		name, sealed := sealed[:3], sealed[3:]
		plain, err := o.Sealer(0, 0).Open(nil, sealed[:12], sealed[12:], append(slotPlace(o, args[1]), name...))
		if err != nil {
			return err
		}
		nonce := make([]byte, 12)
		_, _ = rand.Read(nonce)
		return slots.Put([]byte(args[0]), o.AEAD.Seal(nonce, nonce, plain, slotPlace(o, args[0])))
	}))
}

// slotPlace returns the data that binds a slot's value to its place in the ledger.
func slotPlace(o ledger.Options, name string) (place []byte) {
	for _, part := range []string{o.ID, "slots", name} {
		place = append(binary.AppendUvarint(place, uint64(len(part))), part...)
	}
	return place
}
