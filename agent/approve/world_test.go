package approve_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"pksa/agent/approve"
	"pksa/agent/ledger"
	"pksa/agent/passkey"
	"pksa/agent/passkey/passkeytest"
)

// world is a desk above a ledger, with requests that wait.
type world struct {
	*testing.T
	desk    *approve.Desk
	ledger  *ledger.Ledger
	path    string
	o       ledger.Options
	site    passkey.Site
	waiting map[uint64]approve.Waiting
	yes     map[uint64]*approve.Proof // what was answered
	log     bytes.Buffer
	copied  []string // whose authenticators may have been copied
	paused  map[string]bool
	resumed []*approve.Proof
}

var wallet = passkey.Site{Origin: "https://wallet.example", RPID: "wallet.example"}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, site: wallet, path: filepath.Join(t.TempDir(), "ledger.db"), yes: map[uint64]*approve.Proof{},
		waiting: map[uint64]approve.Waiting{
			7: {Digest: sha256.Sum256([]byte("seven")), Until: time.Now().Add(time.Minute)},
			8: {Digest: sha256.Sum256([]byte("eight")), Until: time.Now().Add(time.Hour)}}}
	key := sha256.Sum256([]byte("approve test"))
	sealer := func(epoch, period uint64) cipher.AEAD {
		one := sha256.Sum256(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(key[:], epoch), period))
		block, err := aes.NewCipher(one[:])
		w.must(err)
		sealed, err := cipher.NewGCM(block)
		w.must(err)
		return sealed
	}
	w.o = ledger.Options{ID: "approvetest", AEAD: sealer(1<<40, 0), Sealer: sealer,
		MAC: func(data ...[]byte) []byte {
			mac := hmac.New(sha256.New, key[:])
			for _, b := range data {
				_, _ = mac.Write(b)
			}
			return mac.Sum(nil)
		}}
	w.must(ledger.Create(w.path, w.o))
	w.open()
	t.Cleanup(func() { w.must(w.ledger.Close()) })
	return w
}

func (w *world) open() {
	w.Helper()
	var err error
	w.ledger, err = ledger.Open(w.path, w.o)
	w.must(err)
	w.desk = approve.New(approve.Options{Wallet: "wallet-1", Version: "test", Ledger: w.ledger,
		Site: func() passkey.Site { return w.site },
		Find: func(number uint64) (approve.Waiting, error) {
			if one, ok := w.waiting[number]; ok {
				return one, nil
			}
			return approve.Waiting{}, errors.New("nothing waits")
		},
		Answer: func(number uint64, yes *approve.Proof) (string, error) {
			if w.yes[number] != nil {
				return "", errors.New("it has its answer already")
			}
			w.yes[number] = yes
			return "", nil
		},
		Paused: func(app string) error {
			if w.paused[app] {
				return nil
			}
			return errors.New("it is not paused")
		},
		Resume: func(_ context.Context, app string, yes *approve.Proof) error {
			w.resumed = append(w.resumed, yes)
			delete(w.paused, app)
			return nil
		},
		Copied: func(name string) { w.copied = append(w.copied, name) },
		Log:    slog.New(slog.NewTextHandler(&w.log, nil)),
	})
}

// restart closes the ledger and opens it again, with a desk of its own.
func (w *world) restart() {
	w.Helper()
	w.must(w.ledger.Close())
	w.open()
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// enrol enrols somebody with a passkey of their name, which counts.
func (w *world) enrol(name string) *passkeytest.Authenticator {
	w.Helper()
	a := passkeytest.New(name, w.site)
	a.Counter = 1
	invited, err := w.desk.Add(w.Context(), approve.NameParams{Name: name})
	w.must(err)
	asked, err := w.desk.EnrolBegin(w.Context(), approve.CodeParams{Code: invited.Code})
	w.must(err)
	made := a.Create(asked.Challenge)
	_, err = w.desk.EnrolFinish(w.Context(), approve.Enrolment{Code: invited.Code, Challenge: asked.Challenge,
		ClientData: made.ClientData, Attestation: made.Attestation})
	w.must(err)
	return a
}

// ask begins a yes to a request.
func (w *world) ask(number uint64) approve.SignAsk {
	w.Helper()
	digest := w.waiting[number].Digest
	asked, err := w.desk.DecisionBegin(w.Context(), approve.Ask{Number: number, Yes: true, Seen: digest[:]})
	w.must(err)
	return asked
}

// signed is an answer to a challenge.
func signed(a *passkeytest.Authenticator, challenge []byte) approve.Assertion {
	s := a.Sign(challenge)
	return approve.Assertion{Challenge: challenge, Credential: s.CredentialID, ClientData: s.ClientData,
		AuthenticatorData: s.AuthenticatorData, Signature: s.Signature}
}

// decide finishes a yes.
func (w *world) decide(number uint64, s approve.Assertion) error {
	_, err := w.desk.DecisionFinish(w.Context(), approve.Decision{Number: number, Yes: true, Assertion: s})
	return err
}

// outcomes counts the records of the trail by what happened.
func (w *world) outcomes() map[string]int {
	w.Helper()
	all := map[string]int{}
	for r, err := range w.ledger.Audit(1) {
		w.must(err)
		all[r.Outcome]++
	}
	return all
}
