package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// judgedContent is the content of a usual record.
const judgedContent = `{"relay":"wss://relay.example/","uuid":"cfb1dda1-0ac1-46bf-af3c-f3ab519b1a08","request":` +
	`"challenge","account":"alice","app":"mybot","key_type":"posting","text":"{\"login\":\"alice\",\"ts\":` +
	`1795861016426}","effects":["signs the text \"{\\\"login\\\":\\\"alice\\\",\\\"ts\\\":1795861016426}\" with ` +
	`the posting key of alice"],"text_sha256":"3b7ea11157090159cd97ee6dd03466eea5b153f409979845438f78cef8bfad96",` +
	`"policy":"f1c46a16df42bc4ca4a0e89e46a8333bf6bd4a6c0fdca3f37df92d6e04dac2fd","rules":[{"name":"challenges",` +
	`"line":4}],"result":"admitted"}`

// usualAnswer is an answer with 240 sealed bytes.
func usualAnswer() string {
	sealed := make([]byte, 240)
	_, _ = rand.NewChaCha8([32]byte{3}).Read(sealed)
	return `{"cmd":"challenge_ack","uuid":"e5616a7a-8619-474c-9b5f-00fce32b9d98","data":"` +
		base64.StdEncoding.EncodeToString(sealed) + `"}`
}

func packedOf(t *testing.T, plain []byte) []byte {
	t.Helper()
	packed, _ := pack([]byte("before"), plain)
	packed, ok := bytes.CutPrefix(packed, []byte("before"))
	if !ok {
		t.Fatal("what was before is gone")
	}
	return packed
}

// What is packed is unpacked as it was, whatever it is made of.
func TestPackAndUnpack(t *testing.T) {
	for seed := range uint64(400) {
		random := rand.New(rand.NewPCG(seed, 4))
		noise := func(n int) []byte {
			b := make([]byte, n)
			for i := range b {
				b[i] = byte(random.Uint32())
			}
			return b
		}
		var plain []byte
		for range random.IntN(12) {
			n := random.IntN(300)
			switch random.IntN(7) {
			case 0:
				plain = append(plain, noise(n)...)
			case 1:
				plain = hex.AppendEncode(plain, noise(n))
			case 2:
				plain = base64.StdEncoding.AppendEncode(plain, noise(n))
			case 3:
				plain = append(plain, strings.ToUpper(hex.EncodeToString(noise(n)))...)
			case 4:
				from := random.IntN(len(packText))
				plain = append(plain, packText[from:min(from+n, len(packText))]...)
			case 5:
				if len(plain) > 0 {
					from := random.IntN(len(plain))
					plain = append(plain, plain[from:min(from+n, len(plain))]...)
				}
			case 6:
				plain = append(plain, bytes.Repeat(noise(1+random.IntN(3)), n)...)
			}
		}
		got, err := unpack(packedOf(t, plain))
		if len(plain) >= leastCopy && (err != nil || !bytes.Equal(got, plain)) {
			t.Fatalf("seed %d: %q became %q, %v", seed, plain, got, err)
		}
	}
}

// Far places are copied from, and farther ones are not; of large values none is packed.
func TestPackFar(t *testing.T) {
	noise := make([]byte, packMost+1)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(noise)
	// What lies between has no four bytes in a place of the table that the first ones have.
	for _, distance := range []int{farthest - 1, farthest, farthest + 1} {
		plain := slices.Concat(noise[:64], make([]byte, distance-64), noise[:64])
		packed := packedOf(t, plain)
		if got, err := unpack(packed); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("from %d bytes before: %v", distance, err)
		}
		if copied := bytes.Count(packed, noise[:16]) == 1; copied != (distance <= farthest) {
			t.Errorf("from %d bytes before: copied %t", distance, copied)
		}
	}
	// Of the text no more is copied where it is too far.
	plain := append(noise[:70_000:70_000], packText[:40]...)
	if got, err := unpack(packedOf(t, plain)); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("behind 70,000 bytes the text comes back wrong: %v", err)
	}
	for size, want := range map[int]bool{3: false, packMost: true, packMost + 1: false} {
		plain := make([]byte, size)
		packed, ok := pack(nil, plain)
		if ok != want {
			t.Errorf("%d bytes are packed: %t", size, ok)
		}
		if got, err := unpack(packed); ok && (err != nil || !bytes.Equal(got, plain)) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	if _, ok := pack(nil, noise[:1000]); ok {
		t.Error("noise became shorter")
	}
}

// What usual records and answers take. The form is on disk: what was packed once is unpacked for
// ever, so neither the steps nor the text may change.
func TestPackKnownAnswer(t *testing.T) {
	if got := fmt.Sprintf("%x", sha256.Sum256([]byte(packText))); got != packTextSum {
		t.Errorf("the text that values copy from is another one, %s: it is a part of the form", got)
	}
	for name, c := range map[string]struct {
		plain string
		most  int
	}{
		"judged": {judgedContent, 260}, "answer": {usualAnswer(), 310},
	} {
		packed := packedOf(t, []byte(c.plain))
		if got, err := unpack(packed); err != nil || string(got) != c.plain {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if len(packed) > c.most {
			t.Errorf("%s: %d bytes became %d", name, len(c.plain), len(packed))
		}
	}
	packed, _ := hex.DecodeString(packedKnown)
	if got, err := unpack(packed); err != nil || string(got) != judgedContent {
		t.Errorf("%q, %v; it is packed as %x now", got, err, packedOf(t, []byte(judgedContent)))
	}
}

const packTextSum = "c804fd2a868f4ab1f347674a47f45c9c39c1b3c67289b7b8957f3c22e28c413c"

const packedKnown = "9d04c8012fc00233c1000e082e6578616d706c652fc6014140cfb1dda10f2d306163312d343662662d616633632d42f3" +
	"ab519b1a08c00081db016502616c69c00465c3016a036d79626fc005cde5016fc1003fc00132c00130c0012e41958610" +
	"16420036ef017ec2004fcd0183c80055d7018ec1003ece01935c3b7ea11157090159cd97ee6dd03466eea5b153f40997" +
	"9845438f78cef8bfad96c801d35cf1c46a16df42bc4ca4a0e89e46a8333bf6bd4a6c0fdca3f37df92d6e04dac2fdd002" +
	"13c502fec0031fc2021d0034d3021d"

// What is no packed value is an error, and takes no more memory than the largest one.
func TestUnpackOfWhatIsNone(t *testing.T) {
	length := func(n uint64, steps ...byte) []byte {
		var w writer
		w.uint(n)
		return append(w.b, steps...)
	}
	for name, b := range map[string][]byte{
		"nothing":                {},
		"no steps":               length(1),
		"too large":              length(1<<60, stepLiteral, 'a'),
		"shorter than it says":   length(2, stepLiteral, 'a'),
		"longer than it says":    length(1, stepLiteral+1, 'a', 'b'),
		"a literal cut off":      length(2, stepLiteral+1, 'a'),
		"hex cut off":            length(8, stepHex, 1, 2, 3),
		"base64 cut off":         length(16, stepBase64, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11),
		"a copy cut off":         length(4, stepCopy, 0),
		"a copy of itself":       length(5, stepLiteral, 'a', stepCopy, 0, 0),
		"a copy of before":       binary.BigEndian.AppendUint16(length(4, stepCopy), uint16(len(packText)+1)),
		"a copy across the text": length(5, stepLiteral, 'a', stepCopy, 0, 3),
		"another length":         append([]byte{0x81, 0x00}, stepLiteral, 'a'),
	} {
		if got, err := unpack(b); !errors.Is(err, errPack) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	// The shortest distances: into itself, and the end of the text.
	if got, err := unpack(length(5, stepLiteral, 'a', stepCopy, 0, 1)); err != nil || string(got) != "aaaaa" {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := unpack(length(4, stepCopy, 0, 4)); err != nil || string(got) != packText[len(packText)-4:] {
		t.Errorf("%q, %v", got, err)
	}
}

// A packed value is sealed with its form: it does not open as another one, and no byte of it can be
// changed.
func TestPackedValueIsBound(t *testing.T) {
	v := sealedVault()
	key := numberKey(7)
	sealed := v.seal(7, bucketAudit, key, []byte(judgedContent))
	if sealed[0] != packedForm || len(sealed) > 300 {
		t.Fatalf("form %d, %d bytes", sealed[0], len(sealed))
	}
	if got, err := v.open(bucketAudit, key, sealed); err != nil || string(got) != judgedContent {
		t.Fatalf("%q, %v", got, err)
	}
	if form := v.seal(7, bucketSessions, key, []byte(judgedContent))[0]; form != sealedForm {
		t.Errorf("a session has form %d", form)
	}
	for at := range sealed {
		for bit := range 8 {
			changed := slices.Clone(sealed)
			changed[at] ^= 1 << bit
			if got, err := v.open(bucketAudit, key, changed); !errors.Is(err, ErrDamaged) {
				t.Fatalf("bit %d of byte %d: %q, %v", bit, at, got, err)
			}
		}
	}
	// Sealed right, and still no packed value.
	n := v.numberAt(7)
	place := v.place(bucketAudit, key)
	place.sealNumber(packedForm, n)
	var w writer
	w.sealNumber(packedForm, n)
	w.fixed(make([]byte, nonceSize))
	wrong := v.sealers.of(n).Seal(w.b, make([]byte, nonceSize), []byte("no packed value"), place.b)
	if got, err := v.open(bucketAudit, key, wrong); !errors.Is(err, ErrDamaged) {
		t.Errorf("%q, %v", got, err)
	}
}

// FuzzUnpack unpacks anything. What comes of it is packed and unpacked as it was.
func FuzzUnpack(f *testing.F) {
	for _, plain := range []string{judgedContent, usualAnswer(), strings.Repeat("ab", 300), packText} {
		packed, _ := pack(nil, []byte(plain))
		f.Add(packed)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		plain, err := unpack(b)
		if err != nil {
			return
		}
		if len(plain) > packMost {
			t.Fatalf("%d bytes", len(plain))
		}
		again, ok := pack(nil, plain)
		if len(plain) < leastCopy {
			return
		}
		if got, err := unpack(again); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%q became %q, %v (shorter: %t)", plain, got, err, ok)
		}
	})
}

func BenchmarkPack(b *testing.B) {
	for name, text := range map[string]string{"judged": judgedContent, "answer": usualAnswer()} {
		plain := []byte(text)
		packed, _ := pack(nil, plain)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			to := make([]byte, 0, len(plain))
			for b.Loop() {
				pack(to, plain)
			}
		})
		b.Run(name+"-back", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = unpack(packed)
			}
		})
	}
}
