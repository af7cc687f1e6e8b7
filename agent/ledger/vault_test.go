package ledger_test

import (
	"bytes"
	"crypto/cipher"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"pksa/agent/ledger"
)

// The key changes with each 2^20th record.
func TestKeyOfRecord(t *testing.T) {
	const period = 1 << 20
	for record, want := range map[uint64]uint64{0: 0, 1: 0, period - 1: 0, period: 1, period + 1: 1, 2*period - 1: 1,
		2 * period: 2, 1<<63 + period: 1<<43 + 1} {
		epoch, got := options("test").SealNumber(record)
		if epoch != 0 || got != want {
			t.Errorf("record %d: epoch %d, period %d, want %d", record, epoch, got, want)
		}
		sealed := options("test").Seal(record, "fact", []byte("value"))
		if named, ok := ledger.PeriodIn(sealed); !ok || named != want {
			t.Errorf("record %d: the value names period %d", record, named)
		}
		if plain, err := options("test").Opened("fact", sealed); err != nil || string(plain[0]) != "value" {
			t.Errorf("record %d: %q, %v", record, plain, err)
		}
	}
}

// What a program sealed once must open for good: under key 1, and under the one key of before.
func TestSealedVectors(t *testing.T) {
	for name, text := range map[string]string{
		"period 1": "020001dcc4f5a757f96acc2c668e91ca77277f78da6be0a14d71e2c1418dcd83106a47bb",
		"before":   "7477656c7665206279746573361a884448d6884339ae7bc43456e21a06e7c2cdbc",
	} {
		sealed, err := hex.DecodeString(text)
		must(t, err)
		plain, err := options("test").Opened("fact", sealed)
		if err != nil || string(plain[0]) != "value" {
			t.Errorf("%s: %q, %v", name, plain, err)
		}
		// No byte may be another one: not of the number either.
		for i := range sealed {
			altered := bytes.Clone(sealed)
			altered[i] ^= 1
			if _, err := options("test").Opened("fact", altered); !errors.Is(err, ledger.ErrDamaged) {
				t.Errorf("%s: byte %d is another one: %v", name, i, err)
			}
		}
		for n := range sealed {
			if _, err := options("test").Opened("fact", sealed[:n]); !errors.Is(err, ledger.ErrDamaged) {
				t.Errorf("%s: cut off after %d bytes: %v", name, n, err)
			}
		}
		if _, err := options("test").Opened("other", sealed); !errors.Is(err, ledger.ErrDamaged) {
			t.Errorf("%s: at another place: %v", name, err)
		}
	}
}

// What goes into the MAC of a record is part of the ledger's format: one part, of purpose, ledger,
// MAC before, number and bytes, each but the first with its length. With any other input, ledgers
// of earlier programs count as altered.
func TestInputOfRecordMAC(t *testing.T) {
	o := options("test")
	var inputs []string
	mac := o.MAC
	o.MAC = func(data ...[]byte) []byte {
		for _, d := range data {
			inputs = append(inputs, string(d))
		}
		return mac(data...)
	}
	prev := bytes.Repeat([]byte{7}, 32)
	long := strings.Repeat("x", 300) // whose length takes two bytes
	for _, body := range []string{long, "", "abc"} {
		inputs = nil
		o.RecordMAC(prev, 258, []byte(body))
		length := binary.AppendUvarint(nil, uint64(len(body)))
		id := binary.AppendUvarint(nil, uint64(len(o.ID)))
		want := "\x06record" + string(id) + o.ID + "\x20" + string(prev) + "\x08\x00\x00\x00\x00\x00\x00\x01\x02" +
			string(length) + body
		if len(inputs) != 1 || inputs[0] != want {
			t.Errorf("the MAC is of %q, want %q", inputs, want)
		}
	}
}

// The number is written in one way.
func FuzzSealNumber(f *testing.F) {
	f.Add(options("test").Seal(1<<20, "fact", nil))
	f.Add([]byte{2, 0, 0})
	f.Add([]byte{2, 0x80, 0x00, 1})
	f.Fuzz(func(t *testing.T, sealed []byte) {
		if again, ok := ledger.RecodeSealNumber(sealed); ok && !bytes.Equal(again, sealed) {
			t.Errorf("%x is written as %x", sealed, again)
		}
	})
}

// Few ciphers are kept, those that were used last, and each works.
func TestFewCiphersAreKept(t *testing.T) {
	o, made := options("test"), map[uint64]int{}
	derive := o.Sealer
	o.Sealer = func(epoch, period uint64) cipher.AEAD {
		made[period]++
		return derive(epoch, period)
	}
	var values [][]byte
	for i := range uint64(5) {
		values = append(values, options("test").Seal(i<<20, "fact", fmt.Append(nil, i)))
	}
	read := func(which ...int) {
		t.Helper()
		var list [][]byte
		for _, i := range which {
			list = append(list, values[i])
		}
		clear(made)
		plain, err := o.Opened("fact", list...)
		must(t, err)
		for i, p := range plain {
			if string(p) != fmt.Sprint(which[i]) {
				t.Errorf("value %d opens as %q", which[i], p)
			}
		}
		delete(made, 0)
	}
	read(1, 2, 3, 4, 1, 2, 3, 4, 4, 1)
	if made[1] != 1 || made[2] != 1 || made[3] != 1 || made[4] != 1 {
		t.Errorf("four in turn: %v", made)
	}
	read(1, 2, 3, 4, 0, 4, 3, 2, 1)
	if made[1] != 2 || made[2] != 1 || made[4] != 1 {
		t.Errorf("the one used longest ago leaves: %v", made)
	}
}

// periods returns the periods of a bucket's values in a closed ledger, in the order of their keys.
func (r *rig) periods(bucket string) (list []int) {
	r.t.Helper()
	must(r.t, ledger.TestingRewrite(r.path, bucket, func(b *bolt.Bucket) error {
		return b.ForEach(func(_, sealed []byte) error {
			period, _ := ledger.PeriodIn(sealed)
			list = append(list, int(period))
			return nil
		})
	}))
	return list
}

// Each record is sealed under the key of its number, and all of them are read, in segments too.
func TestRecordsUnderManyKeys(t *testing.T) {
	r := newRig(t)
	r.o = r.o.WithSegment(8).WithPeriod(3)
	r.reopen()
	r.slot("mybot")
	s := r.session("alice", "mybot", "k1")
	for i := range 28 {
		r.try(s, fmt.Sprint("text ", i), 0)
	}
	must(t, r.l.Close())
	if got, want := r.periods("audit"), []int{8, 8, 9, 9, 9, 10}; !slices.Equal(got, want) {
		t.Errorf("records 25 to 30 have periods %v, want %v", got, want)
	}
	r.open()
	if got := r.numbers(1); len(got) != 30 {
		t.Errorf("%d records", len(got))
	}
	if v, err := r.l.Verify(ctx); err != nil || v.To != 30 {
		t.Errorf("verified %v, %v", v, err)
	}
	if r.try(s, "text 3", 0) != ledger.DigestSeen {
		t.Error("a digest is forgotten")
	}
}

// A ledger of before goes on where it was. Looking at it changes no value; the first commit raises
// its format, so that its old program refuses it; and from then on both forms lie side by side, and
// are read, mended and led back.
func TestLedgerOfOneKey(t *testing.T) {
	r, s := long(t)
	must(t, r.l.Close())
	must(t, ledger.TestingOldForm(r.path, r.o))
	r.o = r.o.WithPeriod(3)

	r.open()
	if v, err := r.l.Verify(ctx); err != nil || v != (ledger.Verified{From: 1, To: 40}) {
		t.Errorf("verified %v, %v", v, err)
	}
	must(t, r.l.Close())
	if got := r.format(); got != "" {
		t.Errorf("looking made it format %q", got)
	}

	r.open()
	if r.try(s, "text 3", 0) != ledger.DigestSeen || r.try(s, "new", 0) != ledger.Fresh {
		t.Error("the session does not go on")
	}
	must(t, r.l.Close())
	if got := r.format(); got != "4" {
		t.Errorf("after a commit it has format %q", got)
	}
	if got := r.periods("audit"); !slices.Equal(got, []int{13, 14}) {
		t.Errorf("the records since the last segment have periods %v", got)
	}
	if got := r.periods("slots"); !slices.Equal(got, []int{0}) {
		t.Errorf("the slot, which only looks as if it had a number, has period %v", got)
	}

	// Both forms are mended, and the number as well.
	r.alter("slots", 0, 1)
	r.alter("audit", 1, 2)
	mended, err := r.mend()
	if err != nil || len(mended) != 2 {
		t.Errorf("mended %q, %v", mended, err)
	}
	r.open()
	for i := range 20 {
		r.try(s, fmt.Sprint("more ", i), 0)
	}
	if v, err := r.l.Verify(ctx); err != nil || v.From != 1 || v.To < 60 {
		t.Errorf("verified %v, %v", v, err)
	}
	r.reopen()
	if got := r.numbers(1); len(got) < 60 || got[0] != 1 {
		t.Errorf("%d records", len(got))
	}
}

// A ledger of before that is mended, accepted or led back is written by this program, too.
func TestLedgerOfOneKeyIsRaised(t *testing.T) {
	for name, change := range map[string]func(r *rig){
		"mend": func(r *rig) {
			r.alter("audit", 0, 17)
			_, err := r.mend()
			must(r.t, err)
		},
		"accept": func(r *rig) {
			must(r.t, os.Remove(r.mark()))
			_, err := ledger.Accept(r.path, r.o, ledger.Acceptance{KeepAll: true})
			must(r.t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := long(t)
			must(t, r.l.Close())
			must(t, ledger.TestingOldForm(r.path, r.o))
			change(r)
			if got := r.format(); got != "4" {
				t.Errorf("format %q", got)
			}
			r.open()
			if _, err := r.l.Verify(ctx); err != nil {
				t.Error(err)
			}
		})
	}
}
