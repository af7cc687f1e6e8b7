package secret_test

import (
	"encoding/json"
	"fmt"

	"pksa/protocol/secret"
)

// Nobody prints a secret by accident. To read one takes an explicit step.
func Example() {
	slot := struct {
		Name string
		Key  secret.Text
	}{"wallet", "in plain sight, since this is an example"}
	raw, _ := json.Marshal(slot)
	fmt.Printf("%v %s\n", slot, raw)
	fmt.Println(len(string(slot.Key)))

	hidden := secret.Hide([]byte("in plain sight, too"))
	fmt.Printf("%s %x %d\n", hidden, hidden, len(hidden.Reveal()))

	// Output:
	// {wallet [redacted]} {"Name":"wallet","Key":"[redacted]"}
	// 40
	// [redacted] [redacted] 19
}
