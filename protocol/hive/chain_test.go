package hive_test

import (
	"encoding/json"
	"errors"
	"testing"

	"pksa/protocol/hive"
)

func parseOp(t testing.TB, text string) hive.Operation {
	t.Helper()
	op, err := hive.Mainnet.ParseOperation([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return op
}

func refused(t testing.TB, text string) error {
	t.Helper()
	op, err := hive.Mainnet.ParseOperation([]byte(text))
	if err == nil {
		t.Fatalf("accepted %s as %s", text, op)
	}
	return err
}

func fieldError(t testing.TB, err error) *hive.FieldError {
	t.Helper()
	fe, ok := errors.AsType[*hive.FieldError](err)
	if !ok {
		t.Fatalf("%v (%T) is no *FieldError", err, err)
	}
	return fe
}

func transactionOf(ops ...hive.Operation) hive.Transaction {
	return hive.Transaction{RefBlockNum: 1, RefBlockPrefix: 2, Expiration: 1767225600, Operations: ops}
}

// memoTransaction returns a transfer whose memo is any text.
func memoTransaction(t testing.TB, memo string) hive.Transaction {
	t.Helper()
	raw, err := json.Marshal([]any{"transfer", map[string]string{
		"from": "alice", "to": "bob", "amount": "1.000 HIVE", "memo": memo,
	}})
	if err != nil {
		t.Fatal(err)
	}
	return transactionOf(parseOp(t, string(raw)))
}

func serialize(t testing.TB, tx hive.Transaction) []byte {
	t.Helper()
	packed, err := hive.Mainnet.Serialize(tx)
	if err != nil {
		t.Fatal(err)
	}
	return packed
}
