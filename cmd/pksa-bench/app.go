package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"pksa/protocol"
	"pksa/protocol/hive"
	"pksa/protocol/seal"
)

// requestLife is how long the relay keeps a request; an answer that has not come a little later is
// lost.
const (
	requestLife = 30 * time.Second
	lostAfter   = requestLife + 2*time.Second
)

// session is a secret shared with the wallet, and the last nonce that was used with it.
type session struct {
	account hive.AccountName
	authKey string
	nonce   protocol.Nonce
}

func newSession(account hive.AccountName) *session {
	return &session{account: account, authKey: newUUID()}
}

// next returns a nonce above all earlier ones.
func (s *session) next() protocol.Nonce {
	s.nonce = max(s.nonce+1, protocol.Nonce(time.Now().UnixMilli()))
	return s.nonce
}

// request is one request, and all that is needed to judge its answer later.
type request struct {
	session *session
	kind    protocol.Kind
	text    string // of a challenge
	large   bool   // sign: of 300 kB, which no transaction has room for; the wallet refuses it
	ops     []byte // of a vote; see packOperations
	data    string // what was sent, sealed

	began  time.Time
	took   time.Duration
	done   chan struct{}   // closed when there is an answer
	answer protocol.Answer // nil: none came
	again  bool            // a second answer came
	failed string          // what the relay said instead
}

// application sends requests on one connection, which many goroutines share: the order of nonces is
// that of frames.
type application struct {
	ws       *websocket.Conn
	secret   string        // of the app
	patience time.Duration // with an answer
	reading  chan struct{} // closed when nothing more is read

	sending sync.Mutex // held from the nonce to the frame
	made    int        // requests, so that each is another one; guarded by sending

	mu    sync.Mutex // guards what follows, and answers
	queue []*request // sent and not named yet, in this order
	named map[protocol.UUID]*request
	early map[protocol.UUID]protocol.Answer
	err   error // why reading ended
}

// dial connects an application to the relay.
func dial(ctx context.Context, url, secret string) (*application, error) {
	ws, _, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		return nil, err
	}
	ws.SetReadLimit(protocol.MaxFrame)
	a := &application{ws: ws, secret: secret, patience: lostAfter, reading: make(chan struct{}),
		named: map[protocol.UUID]*request{}, early: map[protocol.UUID]protocol.Answer{}}
	go a.read()
	return a, nil
}

// close ends the connection.
func (a *application) close() {
	a.ws.CloseNow()
	<-a.reading
}

// read takes frames until the connection ends.
func (a *application) read() {
	defer close(a.reading)
	for {
		// Not under the context of a case: what is on its way at its end is still to be answered.
		_, frame, err := a.ws.Read(context.Background())
		if err == nil {
			err = a.take(frame, time.Now())
		}
		if err != nil {
			a.ws.CloseNow()
			a.mu.Lock()
			a.err = err
			a.mu.Unlock()
			return
		}
	}
}

// take files a frame of the relay. Answers are not opened here: this is in the time that is
// measured.
func (a *application) take(frame []byte, now time.Time) error {
	m, err := protocol.DecodeForApp(frame)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch m := m.(type) {
	case protocol.Wait:
		r, err := a.headLocked()
		if err != nil {
			return err
		}
		a.named[m.UUID] = r
		if answer, ok := a.early[m.UUID]; ok {
			delete(a.early, m.UUID)
			r.settle(answer, now)
		}
	case protocol.ErrorMessage:
		r, err := a.headLocked()
		if err != nil {
			return fmt.Errorf("the relay says %q", m.Text)
		}
		r.failed = m.Text
		close(r.done)
	case protocol.Answer:
		id := m.RequestUUID()
		if r := a.named[id]; r != nil {
			r.settle(m, now)
		} else {
			a.early[id] = m
		}
	}
	return nil
}

// headLocked takes the first request that the relay has not named.
func (a *application) headLocked() (*request, error) {
	if len(a.queue) == 0 {
		return nil, errors.New("the relay names a request that nobody sent")
	}
	r := a.queue[0]
	a.queue = a.queue[1:]
	return r, nil
}

// settle notes an answer and when it came.
func (r *request) settle(answer protocol.Answer, now time.Time) {
	if r.answer != nil {
		r.again = true
		return
	}
	r.answer, r.took = answer, now.Sub(r.began)
	close(r.done)
}

// send seals a request and sends it.
func (a *application) send(ctx context.Context, r *request) error {
	a.sending.Lock()
	defer a.sending.Unlock()
	frame, err := a.seal(r)
	if err != nil {
		return err
	}
	r.done = make(chan struct{})
	a.mu.Lock()
	a.queue = append(a.queue, r)
	a.mu.Unlock()
	r.began = time.Now()
	return a.ws.Write(ctx, websocket.MessageText, frame)
}

// seal makes the frame of a request. Each is another one: challenges have texts of their own, and
// votes are for posts of their own.
func (a *application) seal(r *request) ([]byte, error) {
	a.made++
	m := protocol.Request{Kind: r.kind, Account: r.session.account}
	var payload []byte
	var err error
	switch r.kind {
	case protocol.Challenge:
		r.text = fmt.Sprintf(`{"login":%q,"ts":%d,"n":%d}`, r.session.account, time.Now().UnixMilli(), a.made)
		payload, err = protocol.ChallengeReqData{KeyType: hive.Posting, Challenge: r.text,
			Nonce: r.session.next()}.Encode()
	case protocol.Sign:
		if r.large {
			payload, err = protocol.SignReqData{KeyType: hive.Posting, Ops: largeOps(r.session.account),
				Broadcast: true, Nonce: r.session.next()}.Encode()
			break
		}
		vote := voteOf(r.session.account, a.made)
		var op hive.Operation
		if op, err = hive.Mainnet.ParseOperation(vote); err != nil {
			return nil, err
		}
		if r.ops, err = packOperations([]hive.Operation{op}); err != nil {
			return nil, err
		}
		payload, err = protocol.SignReqData{KeyType: hive.Posting, Ops: [][]byte{vote}, Broadcast: true,
			Nonce: r.session.next()}.Encode()
	case protocol.Auth:
		payload, err = protocol.AuthReqData{App: protocol.AppInfo{Name: appName}}.Encode()
		m.AuthKey = sealText(a.secret, []byte(r.session.authKey))
	}
	if err != nil {
		return nil, err
	}
	r.data = sealText(r.session.authKey, payload)
	m.Data = r.data
	return protocol.Encode(m)
}

// voteOf returns the operation of a vote for a post with a number.
func voteOf(voter hive.AccountName, number int) []byte {
	text, err := json.Marshal([]any{"vote", map[string]any{"voter": voter, "author": author,
		"permlink": fmt.Sprintf("a-post-of-usual-length-%d", number), "weight": 10_000}})
	if err != nil {
		panic(err) // unreachable: texts and numbers
	}
	return text
}

// largeOps returns operations that make a frame of 300 kB.
func largeOps(account hive.AccountName) (ops [][]byte) {
	for range 27 {
		text, err := json.Marshal([]any{"custom_json", map[string]any{"required_auths": []string{},
			"required_posting_auths": []hive.AccountName{account}, "id": "bench",
			"json": `"` + strings.Repeat("x", 8000) + `"`}})
		if err != nil {
			panic(err) // unreachable: texts
		}
		ops = append(ops, text)
	}
	return ops
}

// await waits for the answer of a request that was sent.
func (a *application) await(r *request) error {
	overdue := time.NewTimer(a.patience)
	defer overdue.Stop()
	select {
	case <-r.done:
	case <-overdue.C:
	case <-a.reading:
		a.mu.Lock()
		defer a.mu.Unlock()
		return fmt.Errorf("the connection to the relay is lost: %w", a.err)
	}
	return nil
}

// load is how an application keeps the wallet busy.
type load struct {
	width int
	until time.Time
	most  int             // requests at most
	pause time.Duration   // between an answer and the next request
	next  func() *request // the next request; called by one goroutine at a time
}

// drive keeps so many requests in flight until the time is over, one at least, and returns all of
// them when the last has its answer or is lost. Its error means that nothing can be measured.
func (a *application) drive(ctx context.Context, l load) ([]*request, error) {
	var all sync.WaitGroup
	var mu sync.Mutex
	var sent []*request
	var failure error
	take := func() *request {
		mu.Lock()
		defer mu.Unlock()
		over := len(sent) > 0 && !time.Now().Before(l.until)
		if ctx.Err() != nil || failure != nil || len(sent) >= l.most || over {
			return nil
		}
		r := l.next()
		sent = append(sent, r)
		return r
	}
	for range l.width {
		all.Go(func() {
			for r := take(); r != nil; r = take() {
				err := a.send(ctx, r)
				if err == nil {
					err = a.await(r)
				}
				time.Sleep(l.pause)
				if err != nil {
					mu.Lock()
					failure = err
					mu.Unlock()
				}
			}
		})
	}
	all.Wait()
	// What comes a second time may come now; a lock makes what was written visible here.
	a.mu.Lock()
	clear(a.named)
	a.mu.Unlock()
	if ctx.Err() != nil {
		failure = context.Cause(ctx)
	}
	return sent, failure
}

// sealText seals a text under a passphrase with a new salt.
func sealText(passphrase string, text []byte) string {
	var salt [8]byte
	rand.Read(salt[:])
	return seal.Seal(passphrase, text, salt)
}

// newUUID returns a new uuid of version 4.
func newUUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
