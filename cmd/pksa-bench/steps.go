package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/btcec/v2/ecdsa"
	"github.com/coder/websocket"

	"pksa/protocol"
	"pksa/protocol/hive"
	"pksa/protocol/seal"
	"pksa/protocol/secret"
)

// step is something that a request cannot do without, and what it costs alone on this machine.
type step struct {
	Name   string  `json:"name"`
	Micros float64 `json:"us"`
	Bytes  int64   `json:"alloc_bytes"`
	Allocs int64   `json:"allocs"`
}

// steps are all of them, and the least that requests cost: their sums.
type steps struct {
	List      []step  `json:"steps"`
	Challenge float64 `json:"challenge_us"`
	Vote      float64 `json:"vote_us"`
	Sign      float64 `json:"sign_us"` // of a challenge
	Sync      float64 `json:"sync_us"` // until a few pages are on the disk
}

// sample is a request of each kind as the wallet gets it, and what it takes to answer it.
type sample struct {
	key, relay *hive.PrivateKey
	authKey    string
	sealed     string // payload of a challenge
	answer     string // clear payload of its answer
	frame      []byte // of the challenge
	vote       []byte // operation
}

const sampleUUID = protocol.UUID("9b0e2dc3-f574-4766-abdd-c429dce11284")

func newSample() (s sample, err error) {
	s = sample{key: hive.PrivateKeyFromSeed("bench"), relay: hive.PrivateKeyFromSeed("relay"), authKey: newUUID()}
	a := &application{secret: newUUID()}
	r := &request{kind: protocol.Challenge, session: &session{account: accountName(0), authKey: s.authKey}}
	if _, err = a.seal(r); err != nil {
		return s, err
	}
	s.sealed, s.vote = r.data, voteOf(accountName(0), 1)
	s.frame, err = protocol.Encode(protocol.Request{Kind: protocol.Challenge, Account: accountName(0), Data: r.data,
		UUID: sampleUUID, Expire: 1_700_000_000_000})
	signature, err2 := s.key.Sign(hive.HashText(r.text))
	answer, err3 := protocol.ChallengeAckData{PubKey: s.key.Public(),
		Challenge: secret.Text(signature.String())}.Encode()
	s.answer = string(answer)
	return s, errors.Join(err, err2, err3)
}

// measureSteps measures each step by itself, and how long the disk of a folder
// takes to have what is written. each is the time of one benchmark.
func measureSteps(ctx context.Context, world *world, folder string, each time.Duration) (all steps, err error) {
	s, err := newSample()
	if err != nil {
		return all, err
	}
	testing.Init() // without it the time of a benchmark cannot be set
	if err := flag.Set("test.benchtime", each.String()); err != nil {
		return all, err
	}
	for _, step := range []struct {
		name            string
		challenge, vote bool
		f               func() error
	}{
		{"open", true, true, s.open},
		{"sign", false, true, s.signer()},
		{"sign text", true, false, s.textSigner()},
		{"proof", true, true, s.prover()},
		{"seal", true, false, s.seal},
		{"frames", true, true, s.frames},
		{"transaction", false, true, s.transaction},
	} {
		measured, err := measureStep(step.name, step.f)
		if err != nil {
			return all, fmt.Errorf("step %s: %w", step.name, err)
		}
		all.add(measured, step.challenge, step.vote)
	}
	socket, err := measureSocket(ctx, world.place.Apps, each)
	if err != nil {
		return all, fmt.Errorf("step socket: %w", err)
	}
	all.add(socket, true, true)
	call, err := measureCall(world.url, each)
	if err != nil {
		return all, fmt.Errorf("step call: %w", err)
	}
	all.add(call, false, true)
	all.Sync, err = measureSync(folder)
	return all, err
}

func (all *steps) add(s step, challenge, vote bool) {
	all.List = append(all.List, s)
	if s.Name == "sign text" {
		all.Sign = s.Micros
	}
	if challenge {
		all.Challenge += s.Micros
	}
	if vote {
		all.Vote += s.Micros
	}
}

// stepTimes is how often a step is measured. The least counts: what else runs on the machine only
// ever adds to it.
const stepTimes = 5

// measureStep measures the processor time of a step: on a machine with other work the time on the
// clock would be that of the others, too.
func measureStep(name string, f func() error) (least step, failure error) {
	for range stepTimes {
		var used time.Duration
		r := testing.Benchmark(func(b *testing.B) {
			b.ReportAllocs()
			before := ownCPU()
			for b.Loop() {
				if failure = f(); failure != nil {
					b.FailNow()
				}
			}
			used = ownCPU() - before
		})
		if failure != nil {
			return step{}, failure
		}
		once := step{Name: name, Micros: micros(used) / float64(r.N), Bytes: r.AllocedBytesPerOp(),
			Allocs: r.AllocsPerOp()}
		if least.Name == "" || once.Micros < least.Micros {
			least = once
		}
	}
	return least, nil
}

// open opens the payload of a request.
func (s sample) open() error {
	sealed, err := seal.Parse(s.sealed)
	if err == nil {
		_, err = sealed.Open(s.authKey)
	}
	return err
}

// signer signs a transaction's digest once, and does not check what comes out, as the wallet does.
func (s sample) signer() func() error {
	key, _ := btcec.PrivKeyFromBytes(s.frame[:32])
	n := uint64(0)
	return func() error {
		n++
		ecdsa.SignCompact(key, digestOf(n), true)
		return nil
	}
}

// textSigner signs the digest of a challenge in the form that applications expect of one, which
// takes two attempts on average.
func (s sample) textSigner() func() error {
	key, _ := btcec.PrivKeyFromBytes(s.frame[:32])
	n := uint64(0)
	return func() error {
		for n++; !hive.Signature(ecdsa.SignCompact(key, digestOf(n), true)).IsCanonical(); n++ {
		}
		return nil
	}
}

func digestOf(n uint64) []byte {
	digest := sha256.Sum256(binary.LittleEndian.AppendUint64(nil, n))
	return digest[:]
}

// prover makes proofs of key with a shared secret that is kept.
func (s sample) prover() func() error {
	shared, err := s.key.SharedSecret(s.relay.Public())
	nonce := uint64(0)
	return func() error {
		if err != nil {
			return err
		}
		nonce++
		_, err := shared.EncodeMemo(s.key.Public(), s.relay.Public(), "#"+string(sampleUUID), nonce)
		return err
	}
}

// seal seals the answer to a challenge.
func (s sample) seal() error {
	asked, err := seal.Parse(s.sealed)
	salt := seal.Binding(s.authKey, asked.Digest(), "challenge_ack", s.answer)
	seal.Seal(s.authKey, []byte(s.answer), salt)
	return err
}

// frames reads the frame of a request and writes that of its answer.
func (s sample) frames() error {
	if _, err := protocol.DecodeForWallet(s.frame); err != nil {
		return err
	}
	_, err := protocol.Encode(protocol.Ack{Kind: protocol.Challenge, UUID: sampleUUID, Data: []byte(s.sealed),
		PoK: sampleProof})
	return err
}

// sampleProof has the size of a proof of key.
var sampleProof = "#" + strings.Repeat("5", 180)

// transaction makes the transaction of a vote: read, serialised, read back, hashed, and written for
// a node.
func (s sample) transaction() error {
	op, err := hive.Mainnet.ParseOperation(s.vote)
	if err != nil {
		return err
	}
	t := hive.Transaction{RefBlockNum: 1, RefBlockPrefix: 2, Expiration: 1_700_000_000,
		Operations: []hive.Operation{op}}
	packed, err := hive.Mainnet.Serialize(t)
	if err != nil {
		return err
	}
	if t, err = hive.Mainnet.DecodeTransaction(packed); err != nil {
		return err
	}
	hive.Mainnet.SigningDigest(packed)
	_, err = hive.Mainnet.AppendJSON(nil, hive.SignedTransaction{Transaction: t, Signatures: make([]hive.Signature, 1)})
	return err
}

// measureSocket measures the processor time of this process for a frame to the relay and one from
// it, over a WebSocket. The relay is another process.
func measureSocket(ctx context.Context, relay string, each time.Duration) (step, error) {
	ws, _, err := websocket.Dial(ctx, relay, nil)
	if err != nil {
		return step{}, err
	}
	defer ws.CloseNow()
	if _, _, err := ws.Read(ctx); err != nil { // its greeting
		return step{}, err
	}
	frame, err := protocol.Encode(protocol.KeyReq{})
	if err != nil {
		return step{}, err
	}
	frame = append(frame, bytes.Repeat([]byte(" "), 500)...) // the size that answers have
	return measureTrips("socket", each, func() error {
		if err := ws.Write(ctx, websocket.MessageText, frame); err != nil {
			return err
		}
		_, _, err := ws.Read(ctx)
		return err
	})
}

// measureTrips measures the processor time of this process for something that another one answers.
func measureTrips(name string, each time.Duration, trip func() error) (step, error) {
	n, until, before := 0, time.Now().Add(stepTimes*each), ownCPU()
	for ; n == 0 || time.Now().Before(until); n++ {
		if err := trip(); err != nil {
			return step{}, err
		}
	}
	return step{Name: name, Micros: micros(ownCPU()-before) / float64(n)}, nil
}

// measureCall measures the processor time of this process for a call of the node, which is another
// process.
func measureCall(url string, each time.Duration) (step, error) {
	body := []byte(`{"jsonrpc":"2.0","method":"condenser_api.get_version","params":[],"id":1,"padding":"` +
		strings.Repeat("x", 500) + `"}`) // the size that a broadcast has
	return measureTrips("call", each, func() error {
		answer, err := http.Post(url, "application/json", bytes.NewReader(body))
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		_, err = io.Copy(io.Discard, answer.Body)
		return err
	})
}

// How a sync is measured: a few pages, as a commit has, at places that follow each other.
const (
	syncBytes = 16 << 10
	syncTimes = 41
)

// measureSync returns how long it takes until a few pages are on the disk of a folder, in
// microseconds: the least of some medians.
func measureSync(folder string) (float64, error) {
	f, err := os.CreateTemp(folder, "pksa-bench-")
	if err != nil {
		return 0, err
	}
	defer os.Remove(filepath.Clean(f.Name()))
	defer f.Close()
	page := bytes.Repeat([]byte{0xa5}, syncBytes)
	if _, err := f.Write(bytes.Repeat(page, 64)); err != nil {
		return 0, err
	}
	if err := f.Sync(); err != nil {
		return 0, err
	}
	least := time.Hour
	for range stepTimes {
		var took []time.Duration
		for i := range syncTimes {
			began := time.Now()
			if _, err := f.WriteAt(page, int64(i*syncBytes)); err != nil {
				return 0, err
			}
			if err := syncData(f); err != nil {
				return 0, err
			}
			took = append(took, time.Since(began))
		}
		slices.Sort(took)
		least = min(least, took[syncTimes/2])
	}
	return micros(least), nil
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }
