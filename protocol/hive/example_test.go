package hive_test

import (
	"encoding/hex"
	"fmt"

	"pksa/protocol/hive"
)

// A vote goes from JSON to a signature, and back from the signature to the key that signed.
func Example() {
	vote, err := hive.Mainnet.ParseOperation([]byte(
		`["vote",{"voter":"alice","author":"bob","permlink":"a-post","weight":10000}]`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(vote.Name(), vote.Required().Posting)

	// The block to which the transaction refers and the expiration bind it to one chain and time.
	number, prefix, err := hive.ReferenceBlock(96_000_000, "05b8d800a1b2c3d4e5f60718293a4b5c6d7e8f90")
	if err != nil {
		fmt.Println(err)
		return
	}
	transaction := hive.Transaction{RefBlockNum: number, RefBlockPrefix: prefix, Operations: []hive.Operation{vote}}
	if transaction.Expiration, err = hive.ParseTime("2026-01-31T23:59:59"); err != nil {
		fmt.Println(err)
		return
	}
	if err := hive.CheckSendable(transaction); err != nil { // before the key is used
		fmt.Println(err)
		return
	}
	packed, err := hive.Mainnet.Serialize(transaction)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(hex.EncodeToString(packed))
	fmt.Println(hive.TransactionID(packed))

	key := hive.PrivateKeyFromSeed("an example, so no secret")
	digest := hive.Mainnet.SigningDigest(packed)
	signature, err := key.Sign(digest)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(signature.Verify(digest, key.Public()))
	fmt.Println(key) // a key never shows

	// Output:
	// vote [alice]
	// 00d8a1b2c3d47f977e69010005616c69636503626f6206612d706f7374102700
	// 2f888cdef3defdd2a4b8fa5a5d3f7b5011a39c6d
	// true
	// [redacted]
}

// A private text for one reader. Both ends compute the same secret from their own private and the
// other's public key.
func ExamplePrivateKey_EncodeMemo() {
	alice, bob := hive.PrivateKeyFromSeed("alice's example key"), hive.PrivateKeyFromSeed("bob's example key")
	memo, err := alice.EncodeMemo(bob.Public(), "#see you at noon", 1) // a nonce is used once
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(bob.DecodeMemo(memo))
	_, err = hive.PrivateKeyFromSeed("another example key").DecodeMemo(memo)
	fmt.Println(err)

	// Output:
	// #see you at noon <nil>
	// memo: neither from nor to this key
}

// The table of operations answers what an operation can do before anybody signs it.
func ExampleDefinitionOf() {
	transfer, _ := hive.DefinitionOf("transfer")
	fmt.Println(transfer.Does)
	fmt.Println(transfer.Roles(), transfer.OnlyPosting(), transfer.Payees)
	for _, f := range transfer.Fields {
		fmt.Println(f.Name, "-", f.Type)
	}

	// Output:
	// pays HIVE or HBD to another account, for good
	// [active] false [to]
	// from - account
	// to - account
	// amount - asset
	// memo - string
}
