package agent_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"pksa/agent"
	"pksa/agent/client"
	"pksa/agent/node/nodetest"
	"pksa/agent/relay/relaytest"
	"pksa/protocol"
	"pksa/protocol/hive"
)

const refuseAll = "version: 1\ndeny: [{name: all}]\n"

// appFrame is what an application reads of a frame.
type appFrame struct {
	Cmd, UUID, Data, Error string
	Expire                 int64
}

// appShape is how one kind of application in the wild reacts to frames. It returns what its user
// learns, "" for nothing. Its error is what the application throws inside of its handler: then it
// hears nothing any more.
type appShape func(app *shapedApp, f appFrame) (learned string, thrown error)

// shapedApp is an application that has made one request.
type shapedApp struct {
	authKey string
	uuid    string // of the request, once the relay has named it
}

var appShapes = map[string]appShape{
	// It was written against a phone wallet, which never sends an err, and throws on what it does
	// not know.
	"nack only": func(_ *shapedApp, f appFrame) (string, error) {
		switch {
		case strings.HasSuffix(f.Cmd, "_nack"):
			return f.Error, nil
		case strings.HasSuffix(f.Cmd, "_ack"):
			return "done", nil
		case strings.HasSuffix(f.Cmd, "_wait"), f.Cmd == "connected":
			return "", nil
		}
		return "", fmt.Errorf("no case for %s", f.Cmd)
	},
	// It unseals every answer, compares the uuid in a nack, and reads the text of an err as JSON.
	"err parsed as JSON": func(app *shapedApp, f appFrame) (string, error) {
		switch {
		case strings.HasSuffix(f.Cmd, "_nack"):
			uuid, err := relaytest.Open(app.authKey, f.Data)
			if err != nil || uuid != f.UUID {
				return "", nil // not from its wallet
			}
			return f.Error, nil
		case strings.HasSuffix(f.Cmd, "_err"):
			text, err := relaytest.Open(app.authKey, f.Error)
			if err != nil {
				return "", err
			}
			var said struct{ Message string }
			return said.Message, json.Unmarshal([]byte(text), &said)
		}
		return "", nil
	},
	// It knows ack and nack, and only for the request that a wait has named.
	"ack or nack after the wait": func(app *shapedApp, f appFrame) (string, error) {
		switch {
		case strings.HasSuffix(f.Cmd, "_wait"):
			app.uuid = f.UUID
		case app.uuid == "" || f.UUID != app.uuid:
		case strings.HasSuffix(f.Cmd, "_nack"):
			return f.Error, nil
		case strings.HasSuffix(f.Cmd, "_ack"):
			return "done", nil
		}
		return "", nil
	},
	"all": func(app *shapedApp, f appFrame) (string, error) {
		switch {
		case strings.HasSuffix(f.Cmd, "_nack"):
			return f.Error, nil
		case strings.HasSuffix(f.Cmd, "_err"):
			if text, err := relaytest.Open(app.authKey, f.Error); err == nil {
				return text, nil
			}
			return f.Error, nil
		case strings.HasSuffix(f.Cmd, "_ack"):
			return "done", nil
		}
		return "", nil
	},
}

// asks makes one request at the relay and returns what the user of an application of this shape
// learns within a second.
func (shape appShape) asks(t *testing.T, w *world, request map[string]any) (string, error) {
	t.Helper()
	ctx, end := context.WithTimeout(t.Context(), time.Second)
	defer end()
	dialer := &http.Client{Transport: &http.Transport{DialContext: w.relay.DialContext, DisableKeepAlives: true}}
	ws, _, err := websocket.Dial(ctx, w.relay.URL, &websocket.DialOptions{HTTPClient: dialer})
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()
	ws.SetReadLimit(protocol.MaxFrame)
	delete(request, "uuid") // the relay sets these
	delete(request, "expire")
	frame, err := json.Marshal(request)
	if err == nil {
		err = ws.Write(ctx, websocket.MessageText, frame)
	}
	if err != nil {
		t.Fatal(err)
	}
	app := &shapedApp{authKey: authKey}
	for {
		_, body, err := ws.Read(ctx)
		if err != nil {
			return "", errors.New("nothing within a second")
		}
		var f appFrame
		if err := json.Unmarshal(body, &f); err != nil {
			t.Fatal(err)
		}
		learned, thrown := shape(app, f)
		if learned != "" || thrown != nil {
			return learned, thrown
		}
	}
}

// What is definite reaches every application within a second, however it was written. Some of these
// shapes wait for the whole life of a request on an err.
func TestEveryShapeOfApplicationLearns(t *testing.T) {
	challenge := func() string {
		return fmt.Sprintf(`{"key_type":"posting","challenge":"hi","decrypt":false,"nonce":%d}`, nowNonce())
	}
	transfer := func() string {
		return fmt.Sprintf(`{"key_type":"active","ops":[["transfer",{"from":"alice","to":"mallory",`+
			`"amount":"1.000 HIVE","memo":""}]],"broadcast":true,"nonce":%d}`, nowNonce())
	}
	sign := func() string { return votePayload("p", nowNonce()) }
	cases := []struct {
		name, cmd string
		before    func(w *world)
		payload   func() string
		policy    string
		want      string
	}{
		{"a broadcast without resource credits", "sign_req", func(w *world) {
			w.chain.Change("alice", func(a *nodetest.Account) { a.Credits = -1 })
		}, sign, "", protocol.TextBroadcastCredits},
		{"a refused transfer", "sign_req", nil, transfer, "", protocol.TextRefused},
		{"a refused challenge", "challenge_req", nil, challenge, refuseAll, protocol.TextRefused},
		{"a refused login", "auth_req", nil, func() string { return `{"app":{"name":"x"}}` }, refuseAll,
			protocol.TextRefused},
		{"a payload of the wrong form", "sign_req", nil, func() string { return `{}` }, "", protocol.TextInvalid},
		{"an expired session, signing", "sign_req", expireSession, sign, "", protocol.TextSessionExpired},
		{"an expired session, proving", "challenge_req", expireSession, challenge, "", protocol.TextSessionExpired},
	}
	for _, relay := range generations() {
		for _, c := range cases {
			t.Run(relay.name+" "+c.name, func(t *testing.T) {
				o := relay.options()
				o.policy, o.prepare = c.policy, func(w *world) { w.sessionFor(authKey, 10*time.Minute) }
				within(t, o, func(t *testing.T, w *world) {
					if c.before != nil {
						c.before(w)
					}
					for name, shape := range appShapes {
						time.Sleep(time.Second) // no nonce twice
						got, err := shape.asks(t, w, request(c.cmd, uuid(1), authKey, c.payload()))
						if err != nil || got != c.want {
							t.Errorf("%s learns %q, %v, wanted %q", name, got, err, c.want)
						}
					}
				})
			})
		}
	}
}

func expireSession(*world) { time.Sleep(11 * time.Minute) }

// The documented forms are for applications that read them. The others show why they are not sent
// unless the operator says so: one throws, and one hears nothing.
func TestDocumentedFormIsForSomeShapes(t *testing.T) {
	want := map[string]string{
		"nack only": "no case for sign_err", "err parsed as JSON": "invalid character",
		"ack or nack after the wait": "nothing within a second", "all": protocol.TextRefused,
	}
	within(t, worldOptions{policy: refuseAll, prepare: func(w *world) {
		w.session(authKey)
		w.documented()
	}}, func(t *testing.T, w *world) {
		for name, shape := range appShapes {
			time.Sleep(time.Second)
			got, err := shape.asks(t, w, request("sign_req", uuid(1), authKey, votePayload("p", nowNonce())))
			if said := fmt.Sprint(got, err); !strings.Contains(said, want[name]) {
				t.Errorf("%s learns %q, %v, wanted %q", name, got, err, want[name])
			}
		}
	})
}

// Our own client has an error for each, and knows in both forms that the wallet has said it of this
// very request.
func TestClientVerifiesWhatTheWalletSays(t *testing.T) {
	for _, form := range []string{agent.AnswersNack, agent.AnswersDocumented} {
		within(t, worldOptions{}, func(t *testing.T, w *world) {
			if form == agent.AnswersDocumented {
				w.documented()
			}
			c := w.dial()
			s := w.login(c)
			wants := func(name string, err, want error) {
				t.Helper()
				if !errors.Is(err, want) || !errors.Is(err, client.ErrNothingDone) {
					t.Errorf("%s, %s: %v", form, name, err)
				}
			}
			pay := client.SignRequest{Role: hive.Active, Operations: []client.Operation{{Name: "transfer",
				Fields: map[string]any{"from": "alice", "to": "mallory", "amount": "1.000 HIVE", "memo": ""}}}}
			_, err := c.Sign(t.Context(), s, pay)
			wants("refused", err, client.ErrRefused)
			w.chain.Change("alice", func(a *nodetest.Account) { a.Credits = -1 })
			_, err = c.Sign(t.Context(), s, vote("post"))
			wants("without credits", err, client.ErrCredits)
			w.revokeAll(t)
			_, err = c.Sign(t.Context(), s, vote("post"))
			wants("ended", err, client.ErrSessionExpired)
		})
	}
}

// The relay has the wallet make a vote under one uuid, and passes what the wallet says of the copy
// under the uuid that the application knows. The application never hears that nothing was done.
func TestClientIsNotToldOfACopy(t *testing.T) {
	var copies int
	within(t, worldOptions{fault: func(w *relaytest.Wire, f relaytest.Frame) {
		if f.To == relaytest.ToClient && f.Cmd == "sign_req" {
			copies++
			relaytest.Set(map[string]any{"uuid": uuid(copies)})(w, f)
		}
		w.Pass(f)
	}}, func(t *testing.T, w *world) {
		c := w.dial()
		s := w.login(c)
		for i := range 5 {
			_, err := c.Sign(t.Context(), s, vote(fmt.Sprint("post", i)))
			if errors.Is(err, client.ErrNothingDone) || errors.Is(err, client.ErrRefused) {
				t.Errorf("vote %d: %v", i, err)
			}
		}
		w.eventually("each vote", func() bool { return len(w.chain.Transactions()) == 5 })
	})
}
