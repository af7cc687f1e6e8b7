package pg

import (
	"strings"
	"testing"

	"pksa/protocol/secret"
)

// TestScramVector is the example of RFC 7677 section 3. PostgreSQL takes the user's name from
// elsewhere, so here it stands in the bare message alone.
func TestScramVector(t *testing.T) {
	s, err := newScram(func() (secret.Text, error) { return "pencil", nil }, []string{scramName})
	if err != nil {
		t.Fatal(err)
	}
	s.nonce = "rOprNGfwEbeRWgbNEkqO"
	s.bare = "n=user,r=" + s.nonce
	nonce := "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
	final, err := s.final([]byte(nonce + ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"))
	want := "c=biws," + nonce + ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
	if err != nil || string(final) != want {
		t.Errorf("the proof is %s, %v", final, err)
	}
	if err := s.check([]byte("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5=")); err == nil || s.done {
		t.Error("another proof of the server is taken")
	}
	if err := s.check([]byte("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")); err != nil || !s.done {
		t.Errorf("the server's proof: %v", err)
	}
}

func TestScramRefuses(t *testing.T) {
	for _, challenge := range []string{"", "r=N", "r=Nx,s=AAAA", "r=N,s=AAAA,i=4096", "r=Mx,s=AAAA,i=4096",
		"r=Nx,s=,i=4096", "r=Nx,s=A,i=4096", "r=Nx,s=AAAA,i=x", "r=Nx,s=AAAA,i=4095", "r=Nx,s=AAAA,i=1000001",
		"r=Nx,s=AAAA,i=-1", "r=Nx,i=4096,s=AAAA", "m=x,r=Nx,s=AAAA,i=4096", "r=Nx,s=AAAA,i=4096,x=y"} {
		s := scram{password: secret.Hide[secret.Text]("p"), nonce: "N", bare: "n=,r=N"}
		if final, err := s.final([]byte(challenge)); err == nil {
			t.Errorf("%q is answered %q", challenge, final)
		}
	}
	s := scram{password: secret.Hide[secret.Text]("p"), nonce: "N", bare: "n=,r=N"}
	if _, err := s.final([]byte("r=Nx,s=AAAA,i=4096")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.final([]byte("r=Nx,s=AAAA,i=4096")); err == nil {
		t.Error("a second challenge is answered")
	}
	for _, shown := range []string{"", "v=", "v=AAAA", "e=other-error", strings.Repeat("v", 50)} {
		if s.check([]byte(shown)) == nil {
			t.Errorf("%q is taken as the server's proof", shown)
		}
	}
}
