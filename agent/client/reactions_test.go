package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"pksa/agent/client"
	"pksa/agent/relay/relaytest"
	"pksa/protocol"
	"pksa/protocol/hive"
)

type reactionVectors struct {
	AuthKey string `json:"auth_key"`
	Now     int64  `json:"now_ms"`
	Vectors []reaction
}

type reaction struct {
	Name, Call string
	Connected  json.RawMessage
	Sent       []struct {
		Cmd, Account, Token string
		Plain               json.RawMessage `json:"data_plain"`
	} `json:"wrapper_sent"`
	Relay   []json.RawMessage `json:"relay_sends"`
	Later   []string          `json:"wrapper_sent_later"`
	Outcome struct{ State string }
}

// want is what our client returns. No answer is verified: the vectors are of wallets that do not
// bind their answers to requests.
type want struct {
	err     error // nil: good
	text    string
	differs string // why, where hive-auth-wrapper ends in another way
}

// reactions has a row for each vector. Pending in the vectors is ErrNobody here, since this test
// waits longer.
var reactions = map[string]want{
	"auth_ack-good":                        {},
	"auth_ack-with-token":                  {},
	"auth_ack-expired-session-is-accepted": {err: client.ErrBadAnswer, differs: "a session that is over is none"},
	"auth_ack-empty-object-is-accepted":    {err: client.ErrBadAnswer, differs: "expire is required"},
	"auth_ack-wrong-key-ignored":           {err: client.ErrNobody},
	"auth_ack-other-uuid-ignored":          {err: client.ErrNobody},
	"auth_ack-before-wait-is-kept":         {},
	"auth_nack-good":                       {err: client.ErrRefused},
	"auth_nack-wrong-content-ignored":      {err: client.ErrNobody},
	"auth_nack-without-data": {err: client.ErrRefused,
		differs: "it throws and goes on waiting; Keychain sends such refusals"},
	"auth_err-plain": {err: client.ErrFailed, text: "plain text"},
	"auth_err-encrypted-is-not-decrypted": {err: client.ErrFailed, text: "sealed",
		differs: "it shows base64"},
	"error-before-wait":             {err: &client.RelayError{}, text: "invalid payload (account)"},
	"error-after-wait-ignored":      {err: client.ErrNobody},
	"request-expires":               {err: client.ErrNobody},
	"connection-lost-then-attached": {},
	"connected-protocol-2-is-only-logged": {err: errDial,
		differs: "a client must not talk to a relay whose protocol is above its own"},
	"connected-without-timeout": {err: client.ErrNobody,
		differs: "its timer becomes NaN; ours takes the expire of the wait"},
	"sign_ack-good":               {},
	"sign_ack-nothing-is-checked": {err: client.ErrNobody, differs: "an ack without data says nothing"},
	"sign_nack-data-is-not-checked": {err: client.ErrNobody,
		differs: "data that does not open could be from anybody"},
	"sign_nack-without-data": {err: client.ErrRefused},
	"sign_err-encrypted":     {err: client.ErrFailed, text: "invalid data (ops)"},
	"sign_err-plain-text": {err: client.ErrFailed, text: "plain text",
		differs: "it reports an empty text"},
	"challenge_ack-good": {err: client.ErrBadAnswer,
		differs: "the signature of this vector is none"},
	"challenge_ack-wrong-key-ignored": {err: client.ErrNobody},
	"challenge_nack-data-is-not-checked": {err: client.ErrNobody,
		differs: "data that does not open could be from anybody"},
	"challenge_err-encrypted":                   {err: client.ErrFailed, text: "no"},
	"challenge-nonce-only-if-the-app-gives-one": {err: client.ErrNobody},
	"sign-with-token":                           {err: client.ErrNobody},
}

var errDial = errors.New("dialling")

func TestReactions(t *testing.T) {
	raw, err := os.ReadFile("testdata/wrapper_reactions.json")
	if err != nil {
		t.Fatal(err)
	}
	var v reactionVectors
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Vectors) != len(reactions) {
		t.Errorf("%d vectors, %d rows", len(v.Vectors), len(reactions))
	}
	for _, c := range v.Vectors {
		t.Run(c.Name, func(t *testing.T) {
			want, ok := reactions[c.Name]
			if !ok {
				t.Fatal("no row for this vector")
			}
			if !agrees(c, want.err) && want.differs == "" {
				t.Errorf("the vector ends %s, we expect %v and no reason is given", c.Outcome.State, want.err)
			}
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Until(time.UnixMilli(v.Now)))
				react(t, v.AuthKey, c, want)
			})
		})
	}
}

func agrees(c reaction, err error) bool {
	switch {
	case err == nil:
		return c.Outcome.State == "resolved"
	case errors.Is(err, client.ErrNobody):
		return c.Outcome.State == "pending" || c.Name == "request-expires"
	default:
		return c.Outcome.State == "rejected"
	}
}

func react(t *testing.T, authKey string, c reaction, want want) {
	relay := playRelay(t, authKey, c)
	o := options(relay.listener.Addr().String(), relay.listener.DialContext)
	o.App = protocol.AppInfo{Name: "myapp", Description: "d"}
	began := time.Now()
	cl, err := client.Dial(t.Context(), o)
	if err != nil {
		if want.err != errDial {
			t.Fatal(err)
		}
		return
	}
	defer cl.Close()
	s := client.NewSession("alice", authKey)
	if len(c.Sent) > 0 && c.Sent[0].Token != "" {
		saved := fmt.Sprintf(`{"account":"alice","auth_key":%q,"token":%q}`, authKey, c.Sent[0].Token)
		if s, err = client.LoadSession([]byte(saved)); err != nil {
			t.Fatal(err)
		}
	}
	err = call(t.Context(), cl, s, c.Call)
	checkOutcome(t, err, want)
	if errors.Is(err, client.ErrNobody) {
		if waited := time.Since(began); waited < time.Minute || waited > 75*time.Second {
			t.Errorf("gave up after %s", waited)
		}
	}
	cl.Close()
	relay.stop()
	if relay.step < len(c.Relay) {
		t.Errorf("only %d of %d frames were sent", relay.step, len(c.Relay))
	}
}

func call(ctx context.Context, cl *client.Client, s *client.Session, kind string) (err error) {
	switch kind {
	case "auth":
		_, err = cl.Authenticate(ctx, client.Auth{Account: "alice", Session: s})
	case "sign":
		vote := map[string]any{"voter": "alice", "author": "bob", "permlink": "p", "weight": 1}
		_, err = cl.Sign(ctx, s, client.SignRequest{Role: hive.Posting,
			Operations: []client.Operation{{Name: "vote", Fields: vote}}})
	case "challenge":
		_, err = cl.Challenge(ctx, s, client.Challenge{Role: hive.Posting, Text: "hi"})
	}
	return err
}

func checkOutcome(t *testing.T, err error, want want) {
	t.Helper()
	var refused *client.RefusedError
	var failed *client.FailedError
	var complaint *client.RelayError
	text, verified := "", false
	ok := errors.Is(err, want.err)
	switch {
	case errors.As(err, &refused):
		text, verified = refused.Text, refused.Verified
	case errors.As(err, &failed):
		text, verified = failed.Text, failed.Verified
	case errors.As(err, &complaint):
		_, ok = want.err.(*client.RelayError)
		text = complaint.Text
	}
	if !ok || text != want.text && want.text != "sealed" || verified {
		t.Errorf("ended with %v (text %q, verified %v); wanted %+v", err, text, verified, want)
	}
	if want.text == "sealed" && (text == "" || len(text) > 20) {
		t.Errorf("the sealed text is shown as %q", text)
	}
}

// player is a relay that sends what a vector holds.
type player struct {
	t        *testing.T
	authKey  string
	script   reaction
	listener *relaytest.Listener
	web      *http.Server
	end      context.CancelFunc
	done     sync.WaitGroup
	step     int // of script.Relay; handlers follow each other
	heard    int
}

func playRelay(t *testing.T, authKey string, c reaction) *player {
	p := &player{t: t, authKey: authKey, script: c, listener: relaytest.Listen()}
	ctx, end := context.WithCancel(context.Background())
	p.end = end
	p.web = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.done.Add(1)
		defer p.done.Done()
		p.play(ctx, w, r)
	})}
	p.done.Go(func() { p.web.Serve(p.listener) })
	t.Cleanup(p.stop)
	return p
}

func (p *player) stop() {
	p.end()
	p.web.Close()
	p.done.Wait()
}

func (p *player) play(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	conn.Write(ctx, websocket.MessageText, p.script.Connected)
	_, frame, err := conn.Read(ctx)
	if err != nil {
		return
	}
	p.hear(frame)
	reading := conn.CloseRead(ctx) // answers pings
	for ; p.step < len(p.script.Relay); p.step++ {
		var special struct {
			Drop    bool
			Advance int
		}
		json.Unmarshal(p.script.Relay[p.step], &special)
		switch {
		case special.Drop:
			p.step++
			return
		case special.Advance > 0:
			time.Sleep(time.Duration(special.Advance) * time.Millisecond)
		default:
			conn.Write(ctx, websocket.MessageText, p.script.Relay[p.step])
		}
	}
	<-reading.Done()
}

// hear compares what the client sends with what hive-auth-wrapper sent.
func (p *player) hear(frame []byte) {
	var got struct{ Cmd, Account, Token, Data, UUID string }
	if err := json.Unmarshal(frame, &got); err != nil {
		p.t.Errorf("client sent %q", frame)
		return
	}
	p.heard++
	if p.heard > 1 {
		if later := got.Cmd + " " + got.UUID; len(p.script.Later) == 0 || later != p.script.Later[0] {
			p.t.Errorf("client sent %q, wanted %q", later, p.script.Later)
		}
		return
	}
	sent := p.script.Sent[0]
	if got.Cmd != sent.Cmd || got.Account != sent.Account || got.Token != sent.Token {
		p.t.Errorf("client sent %+v, wanted %+v", got, sent)
	}
	text, err := relaytest.Open(p.authKey, got.Data)
	if err != nil {
		p.t.Error(err)
	}
	var ours, theirs map[string]any
	json.Unmarshal([]byte(text), &ours)
	json.Unmarshal(sent.Plain, &theirs)
	if got.Cmd == "challenge_req" { // hive-auth-wrapper adds no nonce of its own; wallets of protocol 1 want one
		theirs["nonce"] = 1700000000000.0
	}
	delete(theirs, "token")
	delete(ours, "token")
	if fmt.Sprint(ours) != fmt.Sprint(theirs) {
		p.t.Errorf("client asked %v, wanted %v", ours, theirs)
	}
}
