package protocol_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"pksa/protocol"
	"pksa/protocol/hive"
	"pksa/protocol/seal"
)

var updateVectors = flag.Bool("update", false, "write the vectors of examples/docs/exact.json anew")

// exactVectors is what examples/docs/exact.json holds, for implementations by others.
type exactVectors struct {
	Says        string             `json:"says"`
	Keys        map[string]string  `json:"keys"` // label to public key
	Transaction []exactTransaction `json:"transactions"`
	Payloads    []exactPayload     `json:"payloads"`
	Refused     []exactRefused     `json:"refused"`
}

type exactTransaction struct {
	Name      string   `json:"name"`
	JSON      []string `json:"json"` // all of them are this transaction
	Bytes     string   `json:"bytes"`
	ID        string   `json:"id"`
	Digest    string   `json:"digest"`
	Signature string   `json:"signature"` // by the key of the label "active"; any valid one is as good
}

type exactPayload struct {
	Name       string `json:"name"`
	Passphrase string `json:"passphrase"`
	Salt       string `json:"salt"`
	Clear      string `json:"clear"`
	Sealed     string `json:"sealed"`
}

type exactRefused struct {
	Why   string `json:"why"`
	Clear string `json:"clear"`
}

// TestExactVectors makes the vectors of the proposal from labels, and compares them with the file.
func TestExactVectors(t *testing.T) {
	const path, passphrase = "../examples/docs/exact.json", "6cb8c9ab-3d53-4d2b-8a3b-5f0a1c2d3e4f"
	key := hive.PrivateKeyFromSeed("exact transactions: active")
	v := exactVectors{Says: "Vectors of exact.md. The key is SHA-256 of its label.",
		Keys: map[string]string{"exact transactions: active": key.Public().String()}}
	frame := func(ops string) string {
		return `{"ref_block_num":4660,"ref_block_prefix":305419896,"expiration":"2030-01-01T00:00:00",` +
			`"operations":[` + ops + `],"extensions":[]}`
	}
	tx := exactTransaction{Name: "a transfer", JSON: []string{
		frame(`["transfer",{"from":"alice","to":"bob","amount":"1.000 HBD","memo":"tea"}]`),
		frame(`{"type":"transfer_operation","value":{"from":"alice","to":"bob","amount":{"amount":"1000",` +
			`"precision":3,"nai":"@@000000013"},"memo":"tea"}}`),
	}}
	for _, text := range tx.JSON {
		parsed, err := hive.Mainnet.ParseTransaction([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		packed, err := hive.Mainnet.Serialize(parsed.Transaction)
		if err != nil {
			t.Fatal(err)
		}
		if tx.Bytes != "" && tx.Bytes != hex.EncodeToString(packed) {
			t.Error("the forms are not one transaction")
		}
		digest := hive.Mainnet.SigningDigest(packed)
		signature, err := key.Sign(digest)
		if err != nil {
			t.Fatal(err)
		}
		tx.Bytes, tx.ID = hex.EncodeToString(packed), hive.TransactionID(packed).String()
		tx.Digest, tx.Signature = digest.String(), signature.String()
	}
	v.Transaction = append(v.Transaction, tx)
	sign := func(members string) string {
		return `{"key_type":"active",` + members + `,"broadcast":false,"nonce":1700000000000}`
	}
	for i, p := range []exactPayload{
		{Name: "auth_req_data that asks", Clear: `{"app":{"name":"shop","tx":true}}`},
		{Name: "auth_ack_data that says yes", Clear: `{"expire":1700086400000,"token":"` + passphrase + `","tx":true}`},
		{Name: "sign_req_data, operations as arrays", Clear: sign(`"tx":` + tx.JSON[0])},
		{Name: "sign_req_data, operations as objects", Clear: sign(`"tx":` + tx.JSON[1])},
		{Name: "sign_ack data", Clear: `{"id":"` + tx.ID + `","signatures":["` + tx.Signature + `"]}`},
	} {
		salt := [8]byte{byte(i), 1, 2, 3, 4, 5, 6, 7}
		p.Passphrase, p.Salt = passphrase, hex.EncodeToString(salt[:])
		p.Sealed = seal.Seal(passphrase, []byte(p.Clear), salt)
		v.Payloads = append(v.Payloads, p)
	}
	tail := tx.JSON[0][:len(tx.JSON[0])-1]
	v.Refused = []exactRefused{
		{"ops beside tx", sign(`"tx":` + tx.JSON[0] + `,"ops":[["vote",{}]]`)},
		{"neither", `{"key_type":"active","broadcast":false}`},
		{"null", sign(`"tx":null`)},
		{"a member that a transaction does not have", sign(`"tx":` + tail + `,"fee":1}`)},
		{"signed already", sign(`"tx":` + tail + `,"signatures":["` + tx.Signature + `"]}`)},
		{"an answer in the place of a request", v.Payloads[4].Clear},
	}
	for _, r := range v.Refused {
		if _, err := protocol.DecodeSignReqData([]byte(r.Clear)); err == nil {
			t.Errorf("%s: taken", r.Why)
		}
	}
	for _, p := range v.Payloads[2:4] {
		data, err := protocol.DecodeSignReqData([]byte(p.Clear))
		if err != nil || data.Tx == nil || len(data.Ops) != 1 {
			t.Errorf("%s: %+v, %v", p.Name, data, err)
		}
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	if *updateVectors {
		if err := os.WriteFile(path, text.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, text.Bytes()) {
		t.Errorf("%s is not what the program makes; run this test with -update: %v", path, err)
	}
}
