package approve

import (
	"bytes"
	"errors"
	"slices"

	"pksa/agent/passkey"
)

// Proof is a person's yes as the audit trail keeps it: everything that it takes to check the
// signature again.
type Proof struct {
	By     string `json:"by"` // who approved
	Origin string `json:"origin"`
	Question
	What  Bytes `json:"digest"` // the members Digest and Fresh of the question
	Value Bytes `json:"fresh"`

	Passkey           Bytes `json:"passkey"` // its ID
	Key               Bytes `json:"key"`     // its public key, COSE
	Synced            bool  `json:"synced,omitempty"`
	ClientData        Bytes `json:"client_data"`
	AuthenticatorData Bytes `json:"authenticator_data"`
	Signature         Bytes `json:"signature"`
}

// newProof returns the proof of a yes that was checked.
func newProof(by Approver, site passkey.Site, q Question, a passkey.Assertion) *Proof {
	return &Proof{By: by.Name, Origin: site.Origin, Question: q, What: q.Digest[:], Value: q.Fresh[:],
		Passkey: by.Passkey.ID, Key: by.Passkey.PublicKey, Synced: by.Passkey.Synced, ClientData: a.ClientData,
		AuthenticatorData: a.AuthenticatorData, Signature: a.Signature}
}

// provable are the purposes of which the trail keeps a yes.
var provable = []Purpose{Decide, Resume, Pair, Policy}

// Check checks the signature again. It says that the owner of this passkey said yes to a request of
// this number and digest, or, by its purpose, to the end of the pause of this name, or to the
// pairing or the policy of this digest; who that owner is, the record of the enrolment says by the
// same passkey.
func (p *Proof) Check() error {
	q := p.Question
	if len(p.What) != 32 || len(p.Value) != 32 || !slices.Contains(provable, q.Purpose) || !q.Yes {
		return errors.New("it is no yes to a request, to the end of a pause, to a pairing, or to a policy")
	}
	q.Digest, q.Fresh = [32]byte(p.What), [32]byte(p.Value)
	site, err := passkey.ParseOrigin(p.Origin)
	if err != nil {
		return err
	}
	challenge := q.Challenge()
	_, err = passkey.Verify(passkey.Expected{Site: site, Challenge: challenge[:]},
		passkey.Credential{ID: p.Passkey, PublicKey: p.Key, Synced: p.Synced},
		passkey.Assertion{CredentialID: bytes.Clone(p.Passkey), ClientData: p.ClientData,
			AuthenticatorData: p.AuthenticatorData, Signature: p.Signature})
	return err
}
