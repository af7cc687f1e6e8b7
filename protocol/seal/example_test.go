package seal_test

import (
	"crypto/rand"
	"errors"
	"fmt"

	"pksa/protocol/seal"
)

// An application seals a payload with the key of its session. The wallet tries the keys of all its
// sessions.
func Example() {
	const session = "8c1f2a34-6a4e-4c0e-9a52-0f5d9b3f7e11"
	var salt [8]byte
	rand.Read(salt[:]) // new for every payload
	data := seal.Seal(session, []byte(`{"key_type":"posting"}`), salt)

	payload, err := seal.Parse(data)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, key := range []string{"the key of another session", session} {
		clear, err := payload.Open(key)
		if errors.Is(err, seal.ErrNotMine) {
			fmt.Println("not mine")
			continue
		}
		fmt.Printf("%s\n", clear)
	}

	// Output:
	// not mine
	// {"key_type":"posting"}
}
