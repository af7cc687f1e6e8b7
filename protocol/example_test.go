package protocol_test

import (
	"errors"
	"fmt"

	"pksa/protocol"
)

// A wallet decodes a frame of its relay and answers it.
func Example() {
	frame := []byte(`{"cmd":"sign_req","account":"alice","data":"U2FsdGVkX18…",` +
		`"uuid":"1b4e28ba-2fa1-4d2e-883f-0016d3cca427","expire":1700000060000}`)
	message, err := protocol.DecodeForWallet(frame)
	if err != nil {
		fmt.Println(err)
		return
	}
	request := message.(protocol.Request)
	fmt.Println(request.Kind, request.Account, request.UUID)

	refusal := protocol.Nack{Kind: request.Kind, UUID: request.UUID, Error: protocol.TextRefused}
	answer, err := protocol.Encode(refusal)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(string(answer))

	// Output:
	// sign alice 1b4e28ba-2fa1-4d2e-883f-0016d3cca427
	// {"cmd":"sign_nack","uuid":"1b4e28ba-2fa1-4d2e-883f-0016d3cca427","error":"request refused"}
}

// The reason of a refusal is one of a small set and can be counted. The text quotes no value.
func ExampleDecodeError() {
	_, err := protocol.DecodeForWallet([]byte(`{"cmd":"sign_req","account":"alice","uuid":"; drop table"}`))
	var refused *protocol.DecodeError
	if errors.As(err, &refused) {
		fmt.Println(refused.Reason)
		fmt.Println(err)
	}

	// Output:
	// value
	// sign_req: uuid: value not allowed
}

// A page shows a pairing link as a QR code. A printed link has no key.
func ExampleParsePairingLink() {
	link, err := protocol.ParsePairingLink(`{"account":"alice","uuid":"1b4e28ba-2fa1-4d2e-883f-0016d3cca427",` +
		`"key":"8c1f2a34-6a4e-4c0e-9a52-0f5d9b3f7e11","host":"wss://r.example/"}`)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(link.Key), "characters of key")
	fmt.Printf("%+v\n", link)

	// Output:
	// 36 characters of key
	// {Account:alice UUID:1b4e28ba-2fa1-4d2e-883f-0016d3cca427 Key:[redacted] Host:wss://r.example}
}

// No policy can allow a text whose signature would be that of a transaction.
func ExampleCheckChallenge() {
	fmt.Println(protocol.CheckChallenge("login at 2026-01-31T12:00:00Z"))
	fmt.Println(protocol.CheckChallenge("\xbe\xea\xb0\xde" + string(make([]byte, 28)) + "the packed transaction"))

	// Output:
	// <nil>
	// challenge refused: chain-id at byte 0
}
