package hive_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/bits"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	"pksa/protocol/hive"
)

// FuzzParseOperation: JSON → value → bytes → value → JSON → value, all the same.
func FuzzParseOperation(f *testing.F) {
	for _, v := range operationVectors(f) {
		f.Add([]byte(v.Op))
		f.Add([]byte(v.OpHF26))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		op, err := hive.Mainnet.ParseOperation(raw)
		if err != nil {
			fieldError(t, err)
			return
		}
		exerciseFacts(op)
		packed := serialize(t, transactionOf(op))
		decoded, err := hive.Mainnet.DecodeTransaction(packed)
		if err != nil || !reflect.DeepEqual(decoded, transactionOf(op)) {
			t.Fatalf("%s decoded as %v, %v", raw, decoded, err)
		}
		again, err := hive.Mainnet.ParseOperation([]byte(op.String()))
		if err != nil || !reflect.DeepEqual(again, op) {
			t.Fatalf("%s written as %s, read as %v, %v", raw, op, again, err)
		}
	})
}

// exerciseFacts asks all that can be asked: nothing may panic.
func exerciseFacts(op hive.Operation) {
	op.Required()
	op.Spend()
	op.Payees()
	op.Takeover()
	op.PlainMemo()
	op.Price()
	op.Validate()
	hive.CheckSendable(transactionOf(op))
	for _, field := range op.Definition().Fields {
		op.Field(field.Name)
	}
	if opened, ok := op.Definition().Opened(); ok {
		op.Field(opened.Name)
	}
}

// FuzzDecodeTransaction: any bytes → value → the same bytes.
func FuzzDecodeTransaction(f *testing.F) {
	for _, v := range operationVectors(f) {
		packed, err := hex.DecodeString(v.TxHex)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packed)
	}
	f.Fuzz(func(t *testing.T, packed []byte) {
		tx, err := hive.Mainnet.DecodeTransaction(packed)
		if err != nil {
			return
		}
		if again := serialize(t, tx); !bytes.Equal(again, packed) {
			t.Fatalf("%x decoded and packed again: %x", packed, again)
		}
		for _, op := range tx.Operations {
			exerciseFacts(op)
			read, err := hive.Mainnet.ParseOperation([]byte(op.String()))
			if err != nil && op.Validate() == nil {
				t.Fatalf("%s is within limits and not read: %v", op, err)
			}
			if err == nil && !read.Equal(op) {
				t.Fatalf("%s read as %s", op, read)
			}
		}
	})
}

func FuzzDecodeSigned(f *testing.F) {
	f.Add([]byte{})
	f.Add(append(serialize(f, memoTransaction(f, "x")), 0))
	f.Fuzz(func(t *testing.T, packed []byte) {
		tx, err := hive.Mainnet.DecodeSigned(packed)
		if err != nil {
			return
		}
		if again, err := hive.Mainnet.SerializeSigned(tx); err != nil || !bytes.Equal(again, packed) {
			t.Fatalf("%x decoded and packed again: %x, %v", packed, again, err)
		}
	})
}

func FuzzParseTransaction(f *testing.F) {
	var vectors []chainVector
	readVectors(f, "multi.json", &vectors)
	for _, v := range vectors {
		f.Add([]byte(v.Tx))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		tx, err := hive.Mainnet.ParseTransaction(raw)
		if err != nil {
			return
		}
		sent, err := hive.Mainnet.AppendJSON(nil, tx)
		if err != nil {
			fieldError(t, err)
			return
		}
		if again, err := hive.Mainnet.ParseTransaction(sent); err != nil || !reflect.DeepEqual(again, tx) {
			t.Fatalf("%s sent as %s: %v", raw, sent, err)
		}
	})
}

func FuzzParseAsset(f *testing.F) {
	for _, text := range []string{"1.000 HIVE", "0.001 HBD", "9223372036854.775807 VESTS", "01.000 HIVE",
		"-0.001 HIVE"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if a, err := hive.ParseAsset(text); err == nil && (a.String() != text || a.Amount < 0) {
			t.Fatalf("%q read as %v", text, a)
		}
	})
}

func FuzzParseTime(f *testing.F) {
	f.Add("2026-01-31T23:59:59")
	f.Fuzz(func(t *testing.T, text string) {
		if at, err := hive.ParseTime(text); err == nil && at.String() != text {
			t.Fatalf("%q read as %v", text, at)
		}
	})
}

func FuzzParseTxID(f *testing.F) {
	f.Add("2f888cdef3defdd2a4b8fa5a5d3f7b5011a39c6d")
	f.Add("2F888CDEF3DEFDD2A4B8FA5A5D3F7B5011A39C6D")
	f.Add("2f888cdef3defdd2a4b8fa5a5d3f7b5011a39c")
	f.Fuzz(func(t *testing.T, text string) {
		if id, err := hive.ParseTxID(text); err == nil && id.String() != strings.ToLower(text) {
			t.Fatalf("%q read as %v", text, id)
		}
	})
}

// A transaction refers to a block by the beginning of its id, so both must be of one block.
func FuzzReferenceBlock(f *testing.F) {
	f.Add(uint32(96_000_000), "05b8d800a1b2c3d4e5f60718293a4b5c6d7e8f90")
	f.Add(uint32(1), "05b8d800a1b2c3d4e5f60718293a4b5c6d7e8f90")
	f.Fuzz(func(t *testing.T, number uint32, id string) {
		ref, prefix, err := hive.ReferenceBlock(number, id)
		if err != nil {
			return
		}
		want := fmt.Sprintf("%08x%08x", number, bits.ReverseBytes32(prefix))
		if ref != uint16(number) || !strings.EqualFold(id[:16], want) || len(id) != 40 {
			t.Fatalf("block %d, id %q: %d, %d", number, id, ref, prefix)
		}
	})
}

func FuzzParseRole(f *testing.F) {
	f.Add("posting")
	f.Add("role(1)")
	f.Fuzz(func(t *testing.T, text string) {
		if role, err := hive.ParseRole(text); err == nil && role.String() != text {
			t.Fatalf("%q read as %v", text, role)
		}
	})
}

// FuzzAppendString reads back as the node does.
func FuzzAppendString(f *testing.F) {
	for _, text := range []string{"", `"\`, "\n\r\t", "<é🐝\u2028>", "\\u003c"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			return
		}
		literal := string(hive.AppendString(nil, text))
		var asOthers string
		if err := json.Unmarshal([]byte(literal), &asOthers); err != nil || asOthers != text {
			t.Fatalf("%q written as %s, which is no JSON for it: %v", text, literal, err)
		}
		if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' && !strings.ContainsRune("\t\n\r", r) }) {
			return // never sent
		}
		if got, rest := readAsNode(literal[1:]); got != text || rest != "" {
			t.Fatalf("%q written as %s, which the node reads as %q and %q", text, literal, got, rest)
		}
	})
}

// readAsNode reads a JSON string from behind its opening quote the way of the node's parser: five
// escapes, and of all others the backslash is dropped.
func readAsNode(s string) (text, rest string) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:]
		case '\\':
			i++
			switch s[i] {
			case 'n':
				b.WriteByte('\n')
			case 'r':
				b.WriteByte('\r')
			case 't':
				b.WriteByte('\t')
			default:
				b.WriteByte(s[i])
			}
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), "unterminated"
}

// Every prefix of a transaction, and every one with a byte more, is refused without a panic; so are
// counts that promise more than there is.
func TestDecodeDamagedTransactions(t *testing.T) {
	for _, v := range operationVectors(t) {
		packed, _ := hex.DecodeString(v.TxHex)
		for end := 0; end < len(packed); end += 1 + len(packed)/100 {
			if tx, err := hive.Mainnet.DecodeTransaction(packed[:end:end]); err == nil {
				t.Fatalf("%s cut to %d bytes is %v", v.Name, end, tx)
			}
		}
		if _, err := hive.Mainnet.DecodeTransaction(append(packed, 0)); err == nil {
			t.Fatalf("%s: a byte too many was taken", v.Name)
		}
	}
	head := "010002000000" + "00b95569"
	for name, tail := range map[string]string{
		"no operations":              "0000",
		"count not shortest":         "8100" + "0603616c6901000000" + "00",
		"operation 50":               "01" + "32" + "00",
		"id not shortest":            "01" + "8000" + "00",
		"huge count":                 "ffffffffffffffffff01",
		"overlong varint":            "ffffffffffffffffffff01",
		"huge text":                  "01" + "00" + "ffffffff0f",
		"an extension":               "01" + "06" + "05616c696365" + "01000000" + "0100",
		"a bool of 2":                "01" + "24" + "05616c696365" + "02" + "00",
		"an upper-case name":         "01" + "06" + "05416c696365" + "01000000" + "00",
		"text that is not UTF-8":     "01" + "11" + "05616c696365" + "01ff" + "00",
		"a negative amount":          "01" + "04" + "05616c696365" + "ffffffffffffffff0656455354530000" + "00",
		"an unknown symbol":          "01" + "04" + "05616c696365" + "01000000000000000656455354530001" + "00",
		"a symbol of other decimals": "01" + "04" + "05616c696365" + "01000000000000000356455354530000" + "00",
		"an order after 2038": "01" + "05" + "05616c696365" + "01000000" + "0100000000000000" + "03535445454d0000" +
			"0100000000000000" + "0353424400000000" + "00" + "00000080" + "00",
		"no beneficiary": "01" + "13" + "05616c696365" + "0170" + "0000000000000000" + "0353424400000000" + "1027" +
			"01" + "01" + "010000" + "00",
		"the other packing": "01" + "04" + "05616c696365" + "01000000000000004620bcbe" + "00",
	} {
		packed, err := hex.DecodeString(head + tail)
		if err != nil {
			t.Fatal(err)
		}
		if tx, err := hive.Mainnet.DecodeTransaction(packed); err == nil {
			t.Errorf("%s: %v", name, tx)
		}
	}
	whole, _ := hex.DecodeString(head + "01" + "06" + "05616c696365" + "01000000" + "00")
	if _, err := hive.Mainnet.DecodeTransaction(whole); err != nil {
		t.Errorf("the sound one: %v", err)
	}
}

// A count of a million entries must not make us allocate them.
func TestDecodeDoesNotTrustCounts(t *testing.T) {
	packed, err := hex.DecodeString("010002000000" + "00b95569" + "01" + "0f" + "c0843d" + "0000")
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err = hive.Mainnet.DecodeTransaction(packed)
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; err == nil || got > 1<<20 {
		t.Errorf("%d bytes allocated for %d, %v", got, len(packed), err)
	}
}

func TestTransactionRefusals(t *testing.T) {
	const sound = `{"ref_block_num":1,"ref_block_prefix":2,"expiration":"2026-01-01T00:00:00","operations":[` +
		`["limit_order_cancel",{"owner":"alice","orderid":1}]],"extensions":[],"signatures":[]}`
	if _, err := hive.Mainnet.ParseTransaction([]byte(sound)); err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{`"ref_block_num":1`, `"ref_block_num":65536`}, {`"ref_block_num":1,`, ``},
		{`"ref_block_prefix":2`, `"ref_block_prefix":-1`},
		{`"expiration":"2026`, `"expiration":"2039`}, {`"extensions":[]`, `"extensions":[1]`},
		{`"signatures":[]`, `"signatures":["00"]`},
		{`"signatures":[]`, `"signatures":[],"x":1`}, {`["limit_order_cancel",{"owner":"alice","orderid":1}]`, ``},
		{`]}`, `]} 1`},
	} {
		raw := strings.Replace(sound, change[0], change[1], 1)
		if tx, err := hive.Mainnet.ParseTransaction([]byte(raw)); err == nil {
			t.Errorf("%s read as %v", raw, tx)
		}
	}
	late := memoTransaction(t, "x")
	late.Expiration = 1 << 31
	for _, bad := range []hive.Transaction{{}, {Operations: []hive.Operation{{}}}, late} {
		if packed, err := hive.Mainnet.Serialize(bad); err == nil {
			t.Errorf("%v is packed as %x", bad, packed)
		}
	}
	if _, err := hive.Mainnet.AppendJSON(nil, hive.SignedTransaction{}); err == nil {
		t.Error("an empty transaction was written")
	}
}

func TestTxID(t *testing.T) {
	id := hive.TransactionID([]byte("x"))
	for _, text := range []string{id.String(), strings.ToUpper(id.String())} {
		if got, err := hive.ParseTxID(text); err != nil || got != id {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, bad := range []string{"", id.String()[1:], id.String() + "00", strings.Repeat("x", 40)} {
		if got, err := hive.ParseTxID(bad); err == nil {
			t.Errorf("%q read as %v", bad, got)
		}
	}
}
