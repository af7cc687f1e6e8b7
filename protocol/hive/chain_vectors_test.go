package hive_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pksa/protocol/hive"
)

// The vectors under testdata/tx come from the official protocol library; its README names all
// sources.

type chainVector struct {
	Name          string
	Op            json.RawMessage
	OpHF26        json.RawMessage `json:"op_hf26"`
	OpAsPrinted   json.RawMessage `json:"op_as_node_prints"`
	Tx            json.RawMessage
	ChainID       string `json:"chain_id"`
	TxHex         string `json:"tx_hex"`
	Digest        string
	TxID          string `json:"txid"`
	Required      chainRequired
	StatelessOkay *bool `json:"stateless_valid"`
}

type chainRequired struct {
	Owner, Active, Posting []string
	Other                  []struct {
		WeightThreshold uint32            `json:"weight_threshold"`
		AccountAuths    map[string]uint16 `json:"account_auths"`
		KeyAuths        map[string]uint16 `json:"key_auths"`
	}
}

func readVectors(t testing.TB, file string, into any) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "tx", file))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// operationVectors returns the vectors of the fifty operations.
func operationVectors(t testing.TB) []chainVector {
	t.Helper()
	files, err := filepath.Glob("testdata/tx/[0-9][0-9]-*.json")
	if err != nil || len(files) != 50 {
		t.Fatalf("%d vector files for operations, want 50 (%v)", len(files), err)
	}
	var all []chainVector
	for _, file := range files {
		var some []chainVector
		if readVectors(t, filepath.Base(file), &some); len(some) == 0 {
			t.Fatalf("%s is empty", file)
		}
		all = append(all, some...)
	}
	return all
}

// networkWithID returns the main network with another chain id: what the vectors of test networks
// use.
func networkWithID(t testing.TB, id string) *hive.Network {
	t.Helper()
	raw, err := hex.DecodeString(id)
	if err != nil {
		t.Fatal(err)
	}
	n := *hive.Mainnet
	n.ChainID = [32]byte(raw)
	return &n
}

func TestVectorsOfOperations(t *testing.T) {
	for _, v := range operationVectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			n := networkWithID(t, v.ChainID)
			op, err := n.ParseOperation(v.Op)
			if err != nil {
				t.Fatal(err)
			}
			other, err := n.ParseOperation(v.OpHF26)
			if err != nil {
				t.Fatalf("HF26: %v", err)
			}
			if !op.Equal(other) {
				t.Errorf("the two spellings differ:\n%s\n%s", op, other)
			}
			checkTransaction(t, n, v)
			checkRequired(t, op.Required(), v.Required)
			checkPrinted(t, n, op, v)
		})
	}
}

func TestVectorsOfManyOperations(t *testing.T) {
	var vectors []chainVector
	if readVectors(t, "multi.json", &vectors); len(vectors) == 0 {
		t.Fatal("no vectors")
	}
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			n := networkWithID(t, v.ChainID)
			tx := checkTransaction(t, n, v)
			checkRequired(t, tx.Required(), v.Required)
			var spelt []json.RawMessage
			if err := json.Unmarshal(v.OpHF26, &spelt); err != nil {
				t.Fatal(err)
			}
			if len(spelt) != len(tx.Operations) {
				t.Fatalf("%d operations, want %d", len(tx.Operations), len(spelt))
			}
			for i, raw := range spelt {
				if op, err := n.ParseOperation(raw); err != nil || !op.Equal(tx.Operations[i]) {
					t.Errorf("operation %d in HF26 spelling: %v, %v", i, op, err)
				}
			}
		})
	}
}

// checkTransaction takes the transaction of a vector through every form.
func checkTransaction(t *testing.T, n *hive.Network, v chainVector) hive.Transaction {
	t.Helper()
	tx, err := n.ParseTransaction(v.Tx)
	if err != nil {
		t.Fatal(err)
	}
	packed, err := n.Serialize(tx.Transaction)
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(packed); got != v.TxHex {
		t.Fatalf("bytes\n%s, want\n%s", got, v.TxHex)
	}
	if got := n.SigningDigest(packed).String(); got != v.Digest {
		t.Errorf("digest %s, want %s", got, v.Digest)
	}
	if got := hive.TransactionID(packed).String(); got != v.TxID {
		t.Errorf("id %s, want %s", got, v.TxID)
	}
	decoded, err := n.DecodeTransaction(packed)
	if err != nil {
		t.Fatalf("decode: %v", err)
	}
	if !reflect.DeepEqual(decoded, tx.Transaction) {
		t.Errorf("decoded %v, want %v", decoded, tx.Transaction)
	}
	sent, err := n.AppendJSON(nil, tx)
	if err != nil {
		t.Fatalf("write: %v", err)
	}
	again, err := n.ParseTransaction(sent)
	if err != nil || !reflect.DeepEqual(again, tx) {
		t.Errorf("written and read again: %v, %v\n%s", again, err, sent)
	}
	return tx.Transaction
}

func checkRequired(t *testing.T, got hive.Authorities, want chainRequired) {
	t.Helper()
	for _, level := range []struct {
		name string
		got  []hive.AccountName
		want []string
	}{
		{"owner", got.Owner, want.Owner}, {"active", got.Active, want.Active}, {"posting", got.Posting, want.Posting},
	} {
		var names []string
		for _, name := range level.got {
			names = append(names, string(name))
		}
		slices.Sort(level.want)
		if !slices.Equal(names, level.want) {
			t.Errorf("%s: %v, want %v", level.name, names, level.want)
		}
	}
	if len(got.Keys) != len(want.Other) {
		t.Fatalf("%d other authorities, want %d", len(got.Keys), len(want.Other))
	}
	if len(want.Other) > 0 && !got.Other {
		t.Error("other authorities are not told")
	}
	for i, a := range got.Keys {
		accounts, keys := map[string]uint16{}, map[string]uint16{}
		for _, w := range a.AccountAuths {
			accounts[string(w.Account)] = w.Weight
		}
		for _, w := range a.KeyAuths {
			keys[w.Key.String()] = w.Weight
		}
		if w := want.Other[i]; a.WeightThreshold != w.WeightThreshold ||
			!reflect.DeepEqual(accounts, w.AccountAuths) || !reflect.DeepEqual(keys, w.KeyAuths) {
			t.Errorf("other authority %d: %v, want %v", i, a, w)
		}
	}
}

// checkPrinted compares with what the node prints, save for the extension that the node prints in a
// spelling that it does not read.
func checkPrinted(t *testing.T, n *hive.Network, op hive.Operation, v chainVector) {
	t.Helper()
	want := v.OpAsPrinted
	if want == nil {
		want = v.Op
	}
	got := n.AppendOperation(nil, op)
	if op.Name() == "recurrent_transfer" {
		got = bytes.Replace(got, []byte(`{"type":"recurrent_transfer_pair_id","value":`), []byte("[1,"), 1)
		got = bytes.Replace(got, []byte("}}]}]"), []byte("}]]}]"), 1)
	}
	if !sameJSON(t, got, want) {
		t.Errorf("printed\n%s, want\n%s", got, want)
	}
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y any
	for raw, into := range map[*any][]byte{&x: a, &y: b} {
		d := json.NewDecoder(bytes.NewReader(into))
		d.UseNumber()
		if err := d.Decode(raw); err != nil {
			t.Fatalf("%v in %s", err, into)
		}
	}
	return reflect.DeepEqual(x, y)
}

// Live operations are valid here exactly if they are by the official library; dead ones have no
// limits here.
func TestVectorsAreWithinLimits(t *testing.T) {
	for _, v := range operationVectors(t) {
		op, err := hive.Mainnet.ParseOperation(v.Op)
		if err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		// The official library does not check the two years of recurrent transfers; the chain does.
		err = op.Validate()
		if err != nil && strings.Contains(err.Error(), "recurrence: times executions") {
			err = nil
		}
		if op.Definition().State == hive.Live && (err == nil) != *v.StatelessOkay {
			t.Errorf("%s: %v, and the official library says %v", v.Name, err, *v.StatelessOkay)
		}
	}
}

func TestForms(t *testing.T) {
	var vectors []struct {
		chainVector
		Sent   json.RawMessage
		Advice string
		Why    string
		SameAs json.RawMessage `json:"same_as"`
	}
	if readVectors(t, "forms.json", &vectors); len(vectors) == 0 {
		t.Fatal("no vectors")
	}
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			op, err := hive.Mainnet.ParseOperation(v.Sent)
			if err == nil {
				err = op.Validate()
			}
			switch {
			case v.Advice == "reject" && err == nil:
				t.Fatalf("accepted %s: %s", v.Sent, v.Why)
			case v.Advice == "reject":
				if reason := fieldError(t, err); reason.Operation == "" {
					t.Errorf("%v names no operation", err)
				}
			case v.Advice != "accept":
				t.Fatalf("unknown advice %q", v.Advice)
			case err != nil:
				t.Fatalf("refused %s (%s): %v", v.Sent, v.Why, err)
			default:
				checkForm(t, op, v.chainVector, v.SameAs)
			}
		})
	}
}

func checkForm(t *testing.T, op hive.Operation, v chainVector, sameAs []byte) {
	t.Helper()
	n := networkWithID(t, v.ChainID)
	if checked := checkTransaction(t, n, v); !checked.Operations[0].Equal(op) {
		t.Errorf("%s, want %s", op, checked.Operations[0])
	}
	if sameAs != nil && !sameJSON(t, []byte(op.String()), sameAs) {
		t.Errorf("broadcast as %s, want %s", op, sameAs)
	}
}

func TestReferenceBlock(t *testing.T) {
	var vectors []struct {
		Number uint32 `json:"head_block_number"`
		ID     string `json:"head_block_id"`
		Num    uint16 `json:"ref_block_num"`
		Prefix uint32 `json:"ref_block_prefix"`
	}
	if readVectors(t, "ref-blocks.json", &vectors); len(vectors) == 0 {
		t.Fatal("no vectors")
	}
	for _, v := range vectors {
		num, prefix, err := hive.ReferenceBlock(v.Number, v.ID)
		if err != nil || num != v.Num || prefix != v.Prefix {
			t.Errorf("%d %s: %d, %d, %v; want %d, %d", v.Number, v.ID, num, prefix, err, v.Num, v.Prefix)
		}
		if _, _, err := hive.ReferenceBlock(v.Number+1, v.ID); err == nil {
			t.Errorf("%s taken as the id of block %d", v.ID, v.Number+1)
		}
	}
	for _, bad := range []string{"", "00000001", strings.Repeat("g", 40)} {
		if _, _, err := hive.ReferenceBlock(1, bad); err == nil {
			t.Errorf("%q taken as a block id", bad)
		}
	}
}

func TestSignedTransactions(t *testing.T) {
	var vectors []struct {
		chainVector
		Keys []struct {
			WIF    string
			Public string `json:"public_key"`
		}
		By     map[string][]string `json:"signatures_by"`
		Signed string              `json:"signed_tx_hex_with_dhive_signatures"`
	}
	if readVectors(t, "signed.json", &vectors); len(vectors) == 0 {
		t.Fatal("no vectors")
	}
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			n := networkWithID(t, v.ChainID)
			signed := hive.SignedTransaction{Transaction: checkTransaction(t, n, v.chainVector)}
			packed, _ := n.Serialize(signed.Transaction)
			for signer, signatures := range v.By {
				for i, text := range signatures {
					s := parseSignature(t, text)
					key, err := s.Recover(n.SigningDigest(packed))
					if err != nil || key.String() != v.Keys[i].Public {
						t.Errorf("%s: recovered %v, %v; want %s", signer, key, err, v.Keys[i].Public)
					}
					if signer == "dhive" {
						signed.Signatures = append(signed.Signatures, s)
					}
				}
			}
			checkSigned(t, n, signed, v.Signed)
			for _, k := range v.Keys {
				checkOurSignature(t, n.SigningDigest(packed), k.WIF, k.Public)
			}
		})
	}
}

func parseSignature(t *testing.T, text string) hive.Signature {
	t.Helper()
	s, err := hive.ParseSignature(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func checkSigned(t *testing.T, n *hive.Network, signed hive.SignedTransaction, want string) {
	t.Helper()
	packed, err := n.SerializeSigned(signed)
	if err != nil || hex.EncodeToString(packed) != want {
		t.Fatalf("signed bytes %x, %v; want %s", packed, err, want)
	}
	decoded, err := n.DecodeSigned(packed)
	if err != nil || !reflect.DeepEqual(decoded, signed) {
		t.Errorf("decoded %v, %v", decoded, err)
	}
	sent, err := n.AppendJSON(nil, signed)
	if err != nil {
		t.Fatal(err)
	}
	read, err := n.ParseTransaction(sent)
	if err != nil || !reflect.DeepEqual(read, signed) {
		t.Errorf("read %v, %v", read, err)
	}
}

func checkOurSignature(t *testing.T, digest hive.Digest, wif, public string) {
	t.Helper()
	key, err := hive.ParseWIF(wif)
	if err != nil {
		t.Fatal(err)
	}
	s, err := key.Sign(digest)
	if err != nil || key.Public().String() != public || !s.Verify(digest, key.Public()) {
		t.Errorf("our signature %v, %v by %v", s, err, key.Public())
	}
}

func TestJSONStrings(t *testing.T) {
	var vectors struct {
		OK []struct {
			Text, JSON string
		}
		Refuse []struct{ Text string }
	}
	readVectors(t, "json-strings.json", &vectors)
	if len(vectors.OK) == 0 || len(vectors.Refuse) == 0 {
		t.Fatal("no vectors")
	}
	for _, v := range vectors.OK {
		if got := string(hive.AppendString(nil, v.Text)); got != v.JSON {
			t.Errorf("%q written as %s, want %s", v.Text, got, v.JSON)
		}
		if err := hive.CheckSendable(memoTransaction(t, v.Text)); err != nil {
			t.Errorf("%q cannot be sent: %v", v.Text, err)
		}
	}
	for _, v := range vectors.Refuse {
		err := hive.CheckSendable(memoTransaction(t, v.Text))
		if err == nil {
			t.Errorf("%q would be sent", v.Text)
			continue
		}
		if fe := fieldError(t, err); fe.Operation != "transfer" || fe.Field != "memo" {
			t.Errorf("%q: %v names neither operation nor field", v.Text, err)
		}
		if _, err := hive.Mainnet.AppendJSON(nil, hive.SignedTransaction{Transaction: memoTransaction(t,
			v.Text)}); err == nil {
			t.Errorf("%q was written", v.Text)
		}
	}
}
