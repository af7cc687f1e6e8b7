package keystore_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"pksa/keystore"
	"pksa/protocol/hive"
)

// A keystore that a new identity file opens, with one key in it that signs.
func Example() {
	home, err := os.MkdirTemp("", "keystore") // mode 0700: a folder open to others is refused
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(home)

	// Whoever has the identity file can open the keystore: keep a copy of it elsewhere.
	unlock, _, err := keystore.CreateIdentity(filepath.Join(home, "identity.txt"))
	if err != nil {
		log.Fatal(err)
	}
	store, err := keystore.Create(filepath.Join(home, "keystore.age"), unlock)
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	// A key in plain sight, derived from a label: never use one like it for an account of yours.
	wif := hive.PrivateKeyFromSeed("posting key of an example").WIF()
	if err := store.Import("alice", hive.Posting, []byte(wif)); err != nil {
		log.Fatal(err)
	}
	store.ForgetUnlock() // from here on the store is for reading and signing only

	key, ok := store.Key("alice", hive.Posting)
	if !ok {
		log.Fatal("no such key")
	}
	digest := hive.HashText("a text to sign")
	signature, err := key.Sign(digest)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(store.Accounts(), store.Roles("alice"), key.Role())
	fmt.Println("signature fits:", signature.Verify(digest, key.Public()))
	fmt.Println(key) // a handle shows nothing of its key
	// Output:
	// [alice] [posting] posting
	// signature fits: true
	// [redacted]
}
