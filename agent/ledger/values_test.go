package ledger_test

import (
	"bytes"
	"testing"
	"time"

	"pksa/agent/ledger"
)

func sampleRecord() ledger.Record {
	return ledger.Record{
		Number: 7, Time: time.UnixMilli(1_700_000_000_000).UTC(), Type: ledger.RecordJudged, Ref: 3,
		Verdict: ledger.Admitted,
		Outcome: "outcome", Account: "alice", Kind: "sign", App: "mybot", Session: 2,
		Key: ledger.RequestKey{Relay: "relay", UUID: "uuid"}, Nonce: 1_700_000_000_001, Digest: [32]byte{1},
		Spent: ledger.SpentNonce, TxID: [20]byte{2}, Content: []byte("{}"),
	}
}

func FuzzRecord(f *testing.F) {
	sample := sampleRecord()
	f.Add(ledger.RecordBytes(sample))
	f.Add(ledger.RecordBytes(ledger.Record{Type: ledger.RecordStart}))
	f.Fuzz(func(t *testing.T, b []byte) {
		rec, err := ledger.ParseRecord(7, b)
		if err != nil {
			return
		}
		if again := ledger.RecordBytes(rec); !bytes.Equal(again, b) {
			t.Errorf("%x is read as %+v, which is written as %x", b, rec, again)
		}
	})
}

func FuzzValues(f *testing.F) {
	for which, b := range ledger.SampleValues() {
		f.Add(which, b)
	}
	f.Fuzz(func(t *testing.T, which int, b []byte) {
		again, err := ledger.RecodeValue(which, b)
		if err == nil && !bytes.Equal(again, b) {
			t.Errorf("value %d: %x is written as %x", which, b, again)
		}
	})
}

func FuzzStored(f *testing.F) {
	f.Add(ledger.SampleStored())
	f.Fuzz(func(t *testing.T, b []byte) {
		again, err := ledger.RecodeStored(b)
		if err == nil && !bytes.Equal(again, b) {
			t.Errorf("%x is written as %x", b, again)
		}
	})
}

func TestRecordsReadStrictly(t *testing.T) {
	good := ledger.RecordBytes(sampleRecord())
	if _, err := ledger.ParseRecord(7, good); err != nil {
		t.Fatal(err)
	}
	for n := range good {
		if _, err := ledger.ParseRecord(7, good[:n]); err == nil {
			t.Errorf("record cut off after %d bytes is read", n)
		}
	}
	if _, err := ledger.ParseRecord(7, append(good, 0)); err == nil {
		t.Error("record with a byte too many is read")
	}
	if _, err := ledger.ParseRecord(7, append([]byte{2}, good[1:]...)); err == nil {
		t.Error("record of an unknown version is read")
	}
}
