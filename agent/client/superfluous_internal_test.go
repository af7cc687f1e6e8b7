package client

import (
	"errors"
	"slices"
	"testing"

	"pksa/protocol"
	"pksa/protocol/hive"
)

// What a wallet calls superfluous is left out. One that names signatures which there are not, or
// all of them, gives no answer.
func TestSuperfluousSignaturesAreLeftOut(t *testing.T) {
	op, err := hive.Mainnet.ParseOperation([]byte(`["vote",{"voter":"alice","author":"bob","permlink":"p",` +
		`"weight":1}]`))
	if err != nil {
		t.Fatal(err)
	}
	packed, err := hive.Mainnet.Serialize(hive.Transaction{Operations: []hive.Operation{op}})
	if err != nil {
		t.Fatal(err)
	}
	order := exactly{packed: packed, digest: hive.Mainnet.SigningDigest(packed)}
	var made []hive.Signature // by the wallet and two others
	for _, label := range []string{"wallet", "one", "two"} {
		key := hive.PrivateKeyFromSeed("superfluous: " + label)
		signature, err := key.Sign(order.digest)
		if err != nil {
			t.Fatal(err)
		}
		if made = append(made, signature); len(made) > 1 {
			order.others, order.by = append(order.others, signature), append(order.by, key.Public())
		}
	}
	session := NewSession("alice", "the auth key of a test")
	asked := signing{&Client{options: Options{Network: hive.Mainnet}}, "alice", []hive.Operation{op}, true}
	for _, c := range []struct {
		superfluous []int
		want        []hive.Signature // nil: no answer
	}{
		{nil, made}, {[]int{0}, made[1:]}, {[]int{2}, made[:2]}, {[]int{0, 2}, made[1:2]},
		{[]int{0, 1, 2}, nil}, {[]int{3}, nil}, {[]int{0, 64}, nil},
	} {
		clear, err := protocol.SignAckData{ID: hive.TransactionID(packed), Signatures: made[:1],
			Missing: []hive.Shortfall{}, Superfluous: c.superfluous}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		ack := protocol.SealedAck("00000000-0000-4000-8000-000000000000", sealText(session.authKey, clear), false)
		signed, err := asked.acceptExact(t.Context(), session, ack, order)
		good := errors.Is(err, ErrBadAnswer)
		if c.want != nil {
			good = err == nil && slices.Equal(signed.Signatures, c.want) && len(signed.Keys) == len(c.want)
		}
		if !good {
			t.Errorf("%v: %+v, %v", c.superfluous, signed, err)
		}
	}
}
