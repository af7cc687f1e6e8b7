package plain_test

import (
	"fmt"

	"pksa/protocol/plain"
)

// A text from outside looks like a line of ours and hides a mark that reverses the rest.
func Example() {
	foreign := "paid\napproved by alice \u202egnihton"
	fmt.Println(plain.Line(foreign, 200))
	fmt.Println(plain.Quote(foreign, 16))
	fmt.Println(plain.Escape(foreign))
	fmt.Println("no setting relay.lisen" + plain.DidYouMean(plain.Nearest("relay.lisen",
		[]string{"name", "relay.listen"})))

	// Output:
	// paid approved by alice �gnihton
	// "paid\napproved by"…
	// paid\u000aapproved by alice \u202egnihton
	// no setting relay.lisen; did you mean "relay.listen"?
}
