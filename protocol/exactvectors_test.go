package protocol_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

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
	Shared      exactShared        `json:"shared"`
	// NoTransactions are in the place of a transaction, and refused.
	NoTransactions []exactRefused    `json:"no_transactions"`
	Expirations    []exactExpiration `json:"expirations"`
}

// exactShared is accounts, who signed the first transaction, and what is missing then.
type exactShared struct {
	Accounts map[hive.AccountName]jsontext.Value `json:"accounts"` // their active authority
	Cases    []exactMissing                      `json:"cases"`
}

type exactMissing struct {
	Signers    []string         `json:"signers"` // labels
	Signatures []string         `json:"signatures"`
	Missing    []jsontext.Value `json:"missing"`
	Broadcast  []string         `json:"broadcast"` // signers whose signatures the chain needs; none if some are missing
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

// The two forms of the operation of most vectors.
const (
	arrayForm  = `["transfer",{"from":"alice","to":"bob","amount":"1.000 HBD","memo":"tea"}]`
	objectForm = `{"type":"transfer_operation","value":{"from":"alice","to":"bob","amount":{"amount":"1000",` +
		`"precision":3,"nai":"@@000000013"},"memo":"tea"}}`
)

// make fills in what follows from the JSON: each of its forms must be the same transaction.
func (tx *exactTransaction) make(t *testing.T, key *hive.PrivateKey) {
	t.Helper()
	for _, text := range tx.JSON {
		parsed, err := hive.Mainnet.ParseTransaction([]byte(text))
		if err != nil {
			t.Fatalf("%s: %v", tx.Name, err)
		}
		packed, err := hive.Mainnet.Serialize(parsed.Transaction)
		if err != nil {
			t.Fatal(err)
		}
		if tx.Bytes != "" && tx.Bytes != hex.EncodeToString(packed) {
			t.Errorf("%s: the forms are not one transaction", tx.Name)
		}
		digest := hive.Mainnet.SigningDigest(packed)
		signature, err := key.Sign(digest)
		if err != nil {
			t.Fatal(err)
		}
		tx.Bytes, tx.ID = hex.EncodeToString(packed), hive.TransactionID(packed).String()
		tx.Digest, tx.Signature = digest.String(), signature.String()
	}
}

// eachOperation returns the shortest sample of each operation that the chain's library made, in
// both forms.
func eachOperation(t *testing.T) (all []exactTransaction) {
	t.Helper()
	files, err := filepath.Glob("hive/testdata/tx/[0-9][0-9]-*.json")
	if err != nil || len(files) < 40 {
		t.Fatal(len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var samples []struct {
			Op    jsontext.Value `json:"op"`
			HF26  jsontext.Value `json:"op_hf26"`
			Valid bool           `json:"stateless_valid"`
		}
		if err := json.Unmarshal(text, &samples); err != nil {
			t.Fatal(err)
		}
		one := exactTransaction{}
		for _, s := range samples {
			op, err := hive.Mainnet.ParseOperation(s.Op)
			if err != nil || !s.Valid || op.Validate() != nil || s.Op.Compact() != nil || s.HF26.Compact() != nil {
				continue
			}
			if other, err := hive.Mainnet.ParseOperation(s.HF26); err != nil || !other.Equal(op) {
				continue
			}
			if one.JSON == nil || len(s.Op) < len(one.JSON[0]) {
				one = exactTransaction{Name: op.Name(), JSON: []string{string(s.Op), string(s.HF26)}}
			}
		}
		if one.JSON != nil {
			all = append(all, one)
		}
	}
	return all
}

// notTransactions are no transactions that may be signed.
func notTransactions(t *testing.T, frame func(string) string) []exactRefused {
	t.Helper()
	good := frame(arrayForm)
	with := func(was, is string) string {
		t.Helper()
		if !strings.Contains(good, was) {
			t.Fatal(was)
		}
		return strings.Replace(good, was, is, 1)
	}
	all := []exactRefused{
		{"no operations", frame("")},
		{"an operation that the chain does not know", frame(`["pay",{}]`)},
		{"an operation of the chain's own making", frame(`["producer_reward",{"producer":"alice","vesting_shares":` +
			`"1.000000 VESTS"}]`)},
		{"an amount without its decimals", with("1.000 HBD", "1 HBD")},
		{"an amount in another asset", with("1.000 HBD", "1.000 USD")},
		{"an amount below zero", with("1.000 HBD", "-1.000 HBD")},
		{"a name that no account has", with(`"bob"`, `"Bob"`)},
		{"a member that the operation does not have", with(`"memo":"tea"`, `"memo":"tea","fee":1`)},
		{"a member twice", with(`"memo":"tea"`, `"memo":"tea","memo":"gin"`)},
		{"an extension", with(`"extensions":[]`, `"extensions":[["void_t",{}]]`)},
		{"a reference block number of 17 bits", with(`"ref_block_num":4660`, `"ref_block_num":65536`)},
		{"a reference block number that is a text", with(`"ref_block_num":4660`, `"ref_block_num":"4660"`)},
		{"a prefix of 33 bits", with("305419896", "4294967296")},
		{"a prefix below zero", with("305419896", "-1")},
		{"an expiration without seconds", with("2030-01-01T00:00:00", "2030-01-01T00:00")},
		{"an expiration with a zone", with("2030-01-01T00:00:00", "2030-01-01T00:00:00+01:00")},
		{"a day that there is not", with("2030-01-01T00:00:00", "2030-02-30T00:00:00")},
		{"no expiration", with(`"expiration":"2030-01-01T00:00:00",`, "")},
	}
	for _, one := range all {
		parsed, err := hive.Mainnet.ParseTransaction([]byte(one.Clear))
		for _, op := range parsed.Operations {
			err = errors.Join(err, op.Validate())
		}
		text := `{"key_type":"active","tx":` + one.Clear + `,"broadcast":false,"nonce":1700000000000}`
		if _, refused := protocol.DecodeSignReqData([]byte(text)); err == nil && refused == nil {
			t.Errorf("%s: taken", one.Why)
		}
	}
	return all
}

// exactExpiration is whether a wallet takes an expiration, by its setting and the chain's time.
// agent TestExpirationsOfVectors holds the wallet to it.
type exactExpiration struct {
	ChainTime  string `json:"chain_time"`
	Most       int    `json:"most_seconds"` // ahead of the chain's time
	Expiration string `json:"expiration"`
	Taken      bool   `json:"taken"`
}

func expirations() (all []exactExpiration) {
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	const form = "2006-01-02T15:04:05"
	for _, most := range []int{60, 3600, 24 * 3600} {
		for _, ahead := range []int{-1, 0, 1, most - 1, most, most + 1} {
			ends := at.Add(time.Duration(ahead) * time.Second)
			all = append(all, exactExpiration{at.Format(form), most, ends.Format(form), ahead > 0 && ahead <= most})
		}
	}
	return all
}

// TestExactVectors makes the vectors of the proposal from labels, and compares them with the file.
func TestExactVectors(t *testing.T) {
	const path, passphrase = "../examples/docs/exact.json", "6cb8c9ab-3d53-4d2b-8a3b-5f0a1c2d3e4f"
	key := hive.PrivateKeyFromSeed("exact transactions: active")
	v := exactVectors{Says: "Vectors of exact.md. A key is SHA-256 of its label.",
		Keys: map[string]string{"exact transactions: active": key.Public().String()}}
	keepers := map[string]*hive.PrivateKey{}
	for _, label := range []string{"exact transactions: active", "exact transactions: keeper one",
		"exact transactions: keeper two", "exact transactions: carol"} {
		keepers[label] = hive.PrivateKeyFromSeed(label)
		v.Keys[label] = keepers[label].Public().String()
	}
	frame := func(ops string) string {
		return `{"ref_block_num":4660,"ref_block_prefix":305419896,"expiration":"2030-01-01T00:00:00",` +
			`"operations":[` + ops + `],"extensions":[]}`
	}
	tx := exactTransaction{Name: "a transfer", JSON: []string{
		frame(arrayForm), frame(objectForm)}}
	tx.make(t, key)
	v.Transaction = append(v.Transaction, tx)
	for _, one := range eachOperation(t) {
		one.JSON = []string{frame(one.JSON[0]), frame(one.JSON[1])}
		one.make(t, key)
		v.Transaction = append(v.Transaction, one)
	}
	both := exactTransaction{Name: "two operations, in two forms", JSON: []string{
		frame(arrayForm + "," + arrayForm), frame(arrayForm + "," + objectForm), frame(objectForm + "," + objectForm)}}
	both.make(t, key)
	v.Transaction = append(v.Transaction, both)
	v.NoTransactions = notTransactions(t, frame)
	v.Expirations = expirations()
	signedBy := func(label string) string {
		raw, err := hex.DecodeString(tx.Digest)
		if err != nil {
			t.Fatal(err)
		}
		signature, err := keepers[label].Sign(hive.Digest(raw))
		if err != nil {
			t.Fatal(err)
		}
		return signature.String()
	}
	sign := func(members string) string {
		return `{"key_type":"active",` + members + `,"broadcast":false,"nonce":1700000000000}`
	}
	for i, p := range []exactPayload{
		{Name: "auth_req_data that asks", Clear: `{"app":{"name":"shop","tx":true}}`},
		{Name: "auth_ack_data that says yes", Clear: `{"expire":1700086400000,"token":"` + passphrase + `","tx":true}`},
		{Name: "sign_req_data, operations as arrays", Clear: sign(`"tx":` + tx.JSON[0])},
		{Name: "sign_req_data, operations as objects", Clear: sign(`"tx":` + tx.JSON[1])},
		{Name: "sign_ack data", Clear: `{"id":"` + tx.ID + `","signatures":["` + tx.Signature + `"]}`},
		{Name: "auth_req_data that asks for both", Clear: `{"app":{"name":"shop","tx":true,"signatures":true}}`},
		{Name: "auth_ack_data that says yes to both", Clear: `{"expire":1700086400000,"token":"` + passphrase +
			`","tx":true,"signatures":true}`},
		{Name: "sign_req_data that asks what is missing", Clear: sign(`"tx":` + tx.JSON[0] + `,"signatures":[]`)},
		{Name: "sign_req_data with a signature of another", Clear: sign(`"tx":` + tx.JSON[0] + `,"signatures":["` +
			signedBy("exact transactions: keeper one") + `"]`)},
		{Name: "sign_ack data, one is missing", Clear: `{"id":"` + tx.ID + `","signatures":["` + tx.Signature +
			`"],"missing":[{"account":"alice","authority":"active","weight":1,"threshold":2}]}`},
		{Name: "sign_ack data, nothing is missing", Clear: `{"id":"` + tx.ID + `","signatures":["` + tx.Signature +
			`"],"missing":[]}`},
		{Name: "sign_ack data, the second signature of the request is superfluous", Clear: `{"id":"` + tx.ID +
			`","signatures":["` + tx.Signature + `"],"missing":[],"superfluous":[2]}`},
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
		{"an answer that says what is missing, in the place of a request", v.Payloads[9].Clear},
		{"signatures beside ops", sign(`"ops":[["vote",{}]],"signatures":[]`)},
		{"signatures that are none", sign(`"tx":` + tx.JSON[0] + `,"signatures":null`)},
		{"a signature with a high s", sign(`"tx":` + tx.JSON[0] + `,"signatures":["` + tx.Signature[:66] +
			strings.Repeat("f", 31) + "e" + tx.Signature[98:] + `"]`)},
		{"a signature for a key that is not compressed", sign(`"tx":` + tx.JSON[0] + `,"signatures":["1b` +
			tx.Signature[2:] + `"]`)},
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
	for _, p := range v.Payloads[7:9] {
		if data, err := protocol.DecodeSignReqData([]byte(p.Clear)); err != nil || data.Signatures == nil {
			t.Errorf("%s: %+v, %v", p.Name, data, err)
		}
	}
	for _, p := range v.Payloads[9:12] {
		data, err := protocol.DecodeSignAckData([]byte(p.Clear))
		if again, _ := data.Encode(); err != nil || string(again) != p.Clear {
			t.Errorf("%s: %+v, %v", p.Name, data, err)
		}
	}
	v.Shared = sharedVectors(t, tx, keepers, signedBy)
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

// sharedVectors is what is missing of signatures of the transaction, where alice has three keys and
// an account of which two have to sign, and carol has two keys.
func sharedVectors(t *testing.T, tx exactTransaction, keepers map[string]*hive.PrivateKey,
	signedBy func(string) string) exactShared {
	t.Helper()
	const own, one, two, carol = "exact transactions: active", "exact transactions: keeper one",
		"exact transactions: keeper two", "exact transactions: carol"
	weight := func(label string, n uint16) hive.KeyWeight {
		return hive.KeyWeight{Key: keepers[label].Public(), Weight: n}
	}
	controls := map[hive.AccountName]hive.Authority{
		"alice": {WeightThreshold: 2, KeyAuths: []hive.KeyWeight{weight(own, 1), weight(one, 1), weight(two, 1)},
			AccountAuths: []hive.AccountWeight{{Account: "carol", Weight: 1}}},
		"carol": {WeightThreshold: 3, KeyAuths: []hive.KeyWeight{weight(two, 1), weight(carol, 2)}},
	}
	parsed, err := hive.Mainnet.ParseTransaction([]byte(tx.JSON[0]))
	if err != nil {
		t.Fatal(err)
	}
	quorum := hive.NewQuorum(parsed.Transaction)
	s := exactShared{Accounts: map[hive.AccountName]jsontext.Value{}}
	for name, authority := range controls {
		quorum.Learn(name, &hive.Controls{Active: authority})
		text := `{"weight_threshold":` + string(jsonOf(t, authority.WeightThreshold)) + `,"account_auths":[`
		for _, w := range authority.AccountAuths {
			text += string(jsonOf(t, []any{w.Account, w.Weight}))
		}
		text += `],"key_auths":[`
		for i, w := range authority.KeyAuths {
			text += map[bool]string{true: ","}[i > 0] + string(jsonOf(t, []any{w.Key.String(), w.Weight}))
		}
		s.Accounts[name] = jsontext.Value(text + `]}`)
	}
	for _, signers := range [][]string{{own}, {own, one}, {own, one, two}, {own, carol}, {own, two, carol}, {two,
		carol}, {carol}} {
		c := exactMissing{Signers: signers, Missing: []jsontext.Value{}, Broadcast: []string{}}
		var keys []hive.PublicKey
		for _, label := range signers {
			c.Signatures = append(c.Signatures, signedBy(label))
			keys = append(keys, keepers[label].Public())
		}
		for _, lack := range quorum.Lacks(keys) {
			c.Missing = append(c.Missing, jsonOf(t, struct {
				Account   hive.AccountName `json:"account"`
				Authority string           `json:"authority"`
				Weight    uint32           `json:"weight"`
				Threshold uint32           `json:"threshold"`
			}{lack.Account, lack.Role.String(), lack.Weight, lack.Threshold}))
		}
		for _, key := range quorum.Choose(keys) {
			for _, label := range signers {
				if keepers[label].Public() == key {
					c.Broadcast = append(c.Broadcast, label)
				}
			}
		}
		s.Cases = append(s.Cases, c)
	}
	return s
}

func jsonOf(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
