package protocol_test

import (
	"encoding/base64"
	"flag"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pksa/protocol"
	"pksa/protocol/hive"
	"pksa/protocol/seal"
)

// These tests hold the figures of examples/docs/altered.md.

var alteredTries = flag.Int("alteredtries", 20_000,
	"how many altered payloads are tried; a long run takes five million")

// utf8Next returns the state of a UTF-8 reader after one more byte: how many bytes are to come, and
// for the second byte of some sequences in which range. ok is false if the text is not valid.
func utf8Next(state, b int) (next int, ok bool) {
	const e0, ed, f0, f4 = 4, 5, 6, 7 // after these bytes
	follows := func(low, high int) bool { return low <= b && b <= high }
	switch state {
	case 0:
		switch {
		case b < 0x80:
			return 0, true
		case follows(0xc2, 0xdf):
			return 1, true
		case b == 0xe0:
			return e0, true
		case b == 0xed:
			return ed, true
		case follows(0xe1, 0xef):
			return 2, true
		case b == 0xf0:
			return f0, true
		case follows(0xf1, 0xf3):
			return 3, true
		case b == 0xf4:
			return f4, true
		}
		return 0, false
	case e0:
		return 1, follows(0xa0, 0xbf)
	case ed:
		return 1, follows(0x80, 0x9f)
	case f0:
		return 2, follows(0x90, 0xbf)
	case f4:
		return 2, follows(0x80, 0x8f)
	}
	return state - 1, follows(0x80, 0xbf)
}

// stringNext does the same for a JSON string: 0 is between characters, 1 behind a backslash, 2 to 5
// within the digits of \u.
func stringNext(state, b int) (next int, ok bool) {
	switch {
	case state == 0 && (b < ' ' || b == '"'):
		return 0, false
	case state == 0 && b == '\\':
		return 1, true
	case state == 0:
		return 0, true
	case state == 1 && b == 'u':
		return 2, true
	case state == 1:
		return 0, strings.IndexByte(`"\/bfnrt`, byte(b)) >= 0
	}
	hex := strings.IndexByte("0123456789abcdefABCDEF", byte(b)) >= 0
	return (state + 1) % 6, hex
}

// partOfBlocks is the part of all blocks of 16 bytes that are valid UTF-8, and, if inString is set,
// can also stand within a JSON string.
func partOfBlocks(inString bool) float64 {
	type state struct{ utf8, str int }
	now := map[state]float64{{}: 1}
	for range 16 {
		then := map[state]float64{}
		for at, part := range now {
			for b := range 256 {
				next := at
				ok, fits := false, true
				if next.utf8, ok = utf8Next(at.utf8, b); ok && inString {
					next.str, fits = stringNext(at.str, b)
				}
				if ok && fits {
					then[next] += part / 256
				}
			}
		}
		now = then
	}
	return now[state{}]
}

func TestPartOfBlocks(t *testing.T) {
	for _, c := range []struct {
		inString bool
		want     float64
	}{{false, 10_654}, {true, 398_807}} {
		if got := 1 / partOfBlocks(c.inString); got < c.want-1 || got > c.want+1 {
			t.Errorf("one block in %.0f (in a string: %t), want %.0f", got, c.inString, c.want)
		}
	}
}

// realistic is a request of the kind that leaves most room for garbage: a long text, a memo.
const realistic = `{"key_type":"active","ops":[["transfer",{"from":"alice","memo":"invoice 2026-11-0042, for the ` +
	`pictures of the market, the second half, with many thanks","to":"bob","amount":"12.000 HBD"}],["comment",` +
	`{"parent_author":"","parent_permlink":"hive-100421","author":"alice","permlink":"the-market","title":"The ` +
	`market","body":"Each Saturday morning people from all around come here. They bring what they have: apples, ` +
	`honey, bread. It is a good place to talk, too.","json_metadata":"{\"tags\":[\"market\",\"saturday\"]}"}]],` +
	`"broadcast":true,"nonce":1700000000000}`

// stages are how far an altered payload can come, in this order.
var stages = []string{"padding or UTF-8", "JSON", "shape", "operations", "all"}

// stageOf returns how far a clear text comes: the stage at which it fails.
func stageOf(clear []byte) string {
	if !utf8.Valid(clear) {
		return stages[0]
	}
	if protocol.Garbled(clear) {
		return stages[1]
	}
	data, err := protocol.DecodeSignReqData(clear)
	if err != nil {
		return stages[2]
	}
	for _, raw := range data.Ops {
		op, err := hive.Mainnet.ParseOperation(raw)
		if err == nil {
			err = op.Validate()
		}
		if err != nil {
			return stages[3]
		}
	}
	return stages[4]
}

// TestAlteredPayloads flips bits of a payload as a relay can, without the key, and counts how far
// each try comes. Bad padding, bad UTF-8 and no JSON are what counts against the relay: all but
// about one try in 400,000.
func TestAlteredPayloads(t *testing.T) {
	chance := rand.New(rand.NewPCG(10, 1))
	sealed := seal.Seal(testUUID, []byte(realistic), [8]byte{1, 2, 3, 4, 5, 6, 7, 8})
	original, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil {
		t.Fatal(err)
	}
	came := map[string]int{}
	for try := range *alteredTries {
		raw := slices.Clone(original)
		at := 32 + chance.IntN(len(raw)-32)
		raw[at] ^= byte(1 + chance.IntN(255))
		for chance.IntN(2) == 0 { // more of the same block: it is garbled already
			raw[at&^15+chance.IntN(16)] ^= byte(chance.IntN(256))
		}
		s, err := seal.Parse(base64.StdEncoding.EncodeToString(raw))
		if err != nil {
			t.Fatal(err)
		}
		clear, err := s.Open(testUUID)
		if err != nil {
			if try%64 == 0 && !s.Damaged(testUUID) {
				t.Fatal("an altered payload is taken for one of a stranger")
			}
			came[stages[0]]++
			continue
		}
		if string(clear) != realistic { // the flips cancelled each other
			came[stageOf(clear)]++
		}
	}
	uncounted := came[stages[2]] + came[stages[3]] + came[stages[4]]
	t.Logf("%d altered payloads: %v", *alteredTries, came)
	// Three times the expected number and three more: once in thousands of seeds by chance.
	if most := 3 + 3**alteredTries/400_000; uncounted > most {
		t.Errorf("%d of %d altered payloads count for nothing, more than %d", uncounted, *alteredTries, most)
	}
}

// TestGarbageThatIsText looks where no run of random flips comes: it takes garbage that is valid
// UTF-8, of which there is one block in 10,654, and puts it in place of each block of a payload.
// What it finds is how often garbage is JSON, and where: between the inside of a string and the
// inside of the same or a later one, and nowhere else.
func TestGarbageThatIsText(t *testing.T) {
	chance := rand.New(rand.NewPCG(10, 2))
	blocks := len(realistic) / 16
	tries := max(min(*alteredTries/blocks/2, 20_000), 3_000) // with fewer, one in 500 is no rate but chance
	came, total := map[string]int{}, 0
	for block := 1; block < blocks; block++ { // the first cannot be steered
		json := 0
		for range tries {
			text := realistic[:16*block] + textBlock(chance) + realistic[16*block+16:]
			stage := stageOf([]byte(text))
			came[stage]++
			total++
			if stage == stages[0] {
				t.Fatalf("not UTF-8: %q", text)
			}
			if stage != stages[1] {
				json++
			}
		}
		within := realistic[16*block : 16*block+16]
		if json*15 > tries || json*500 > tries && !(inString(16*block) && inString(16*block+16)) {
			t.Errorf("of %d texts in place of %q %d are JSON", tries, within, json)
		}
	}
	json := total - came[stages[1]]
	t.Logf("%d blocks of garbage that is text: %v", total, came)
	if json*30 > total {
		t.Errorf("%d of %d are JSON, more than one in 30", json, total)
	}
}

// inString reports whether a string of the realistic payload is open before this byte.
func inString(at int) bool {
	open := false
	for i, c := range realistic[:at] {
		if c == '"' && realistic[i-1] != '\\' {
			open = !open
		}
	}
	return open
}

// endings[n][state] is in how many ways n more bytes end a valid text.
var endings = func() (table [17][8]float64) {
	table[0][0] = 1
	for n := 1; n < len(table); n++ {
		for state := range table[n] {
			for b := range 256 {
				if next, ok := utf8Next(state, b); ok {
					table[n][state] += table[n-1][next]
				}
			}
		}
	}
	return table
}()

// textBlock returns one of all blocks of 16 bytes that are valid UTF-8, each as likely as any
// other.
func textBlock(chance *rand.Rand) string {
	var block [16]byte
	state := 0
	for i := range block {
		left := len(block) - i - 1
		pick := chance.Float64() * endings[left+1][state]
		for b := range 256 {
			next, ok := utf8Next(state, b)
			if !ok {
				continue
			}
			if pick -= endings[left][next]; pick <= 0 && endings[left][next] > 0 {
				block[i], state = byte(b), next
				break
			}
		}
	}
	return string(block[:])
}

// TestSplicesOfAKnownText: a relay that knows the text of a payload knows what the cipher makes of
// each of its blocks, and can look on its own for two that fit: text up to some place, one block of
// garbage that is text, text from another place. No try fails in front of the wallet. How many it
// finds grows with the square of the length; what it gets is in examples/docs/altered.md.
func TestSplicesOfAKnownText(t *testing.T) {
	for _, c := range []struct{ blocks, least, most int }{{16, 0, 0}, {64, 0, 1}, {4096, 20, 80}} {
		text := `{"body":"` + strings.Repeat("a", 16*c.blocks-12) + `"}`
		raw, err := base64.StdEncoding.DecodeString(seal.Seal(testUUID, []byte(text), [8]byte{5}))
		if err != nil {
			t.Fatal(err)
		}
		sealed := raw[16:]
		found := 0
		for to := 1; to < c.blocks-1; to++ { // the text goes on with this block
			var within [16]byte // what the cipher makes of it, before it is combined with another block
			for i := range within {
				within[i] = text[16*to+i] ^ sealed[16*(to-1)+i]
			}
			for from := range c.blocks - 1 { // and ended with this one
				if fitsString(within, sealed[16*from:16*from+16]) && from != to-1 {
					found++
				}
			}
		}
		t.Logf("%d blocks: %d splices", c.blocks, found)
		if found < c.least || found > c.most {
			t.Errorf("%d blocks: %d splices, want %d to %d", c.blocks, found, c.least, c.most)
		}
	}
}

// fitsString reports whether two blocks combined can stand within a JSON string.
func fitsString(a [16]byte, b []byte) bool {
	text, str := 0, 0
	for i := range a {
		var ok bool
		c := int(a[i] ^ b[i])
		if text, ok = utf8Next(text, c); !ok {
			return false
		}
		if str, ok = stringNext(str, c); !ok {
			return false
		}
	}
	return text == 0 && str == 0
}
