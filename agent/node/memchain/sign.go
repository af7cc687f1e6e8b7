package memchain

import "pksa/protocol/hive"

// signedLifetime is how long the transactions of Sign stay valid, in seconds of the chain.
const signedLifetime = 60

// Sign returns the JSON of a transaction of these operations, signed by these keys, with the head
// of the chain as it is now. It expires a minute after the head block.
func (c *Chain) Sign(keys []*hive.PrivateKey, operations ...string) (string, error) {
	_, now := c.Head()
	tx := hive.Transaction{Expiration: now + signedLifetime}
	tx.RefBlockNum, tx.RefBlockPrefix = c.Reference()
	network := c.Network()
	for _, text := range operations {
		op, err := network.ParseOperation([]byte(text))
		if err != nil {
			return "", err
		}
		tx.Operations = append(tx.Operations, op)
	}
	packed, err := network.Serialize(tx)
	if err != nil {
		return "", err
	}
	signed := hive.SignedTransaction{Transaction: tx}
	for _, key := range keys {
		signature, err := key.Sign(network.SigningDigest(packed))
		if err != nil {
			return "", err
		}
		signed.Signatures = append(signed.Signatures, signature)
	}
	text, err := network.AppendJSON(nil, signed)
	return string(text), err
}
