package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"pksa/agent/outage"
	"pksa/keystore"
	"pksa/protocol/host"
)

const (
	// attemptTime bounds one exchange, from the name to the end of the answer.
	attemptTime = 10 * time.Second
	// maxAnswer is how much of an answer is read: nothing in it is used.
	maxAnswer = 64 << 10
	// leastSecret is how many bytes the secret of a webhook has at least.
	leastSecret = 16
)

// Target is where and how a notifier sends.
type Target struct {
	Kind   string // KindNtfy or KindWebhook
	URL    string // https, or http on this machine
	Topic  string // of ntfy
	Source string // where the token or the secret is, as [keystore.ParseSource] reads it; empty: none
	Full   bool   // details are sent, too
}

// The kinds of notifiers.
const (
	KindNtfy    = "ntfy"
	KindWebhook = "webhook"
)

// Server returns the address without its path, which may be a secret.
func (t Target) Server() string {
	u, err := url.Parse(t.URL)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// content returns the word of the settings.
func (t Target) content() string {
	if t.Full {
		return "full"
	}
	return "short"
}

// failure is why a message was not taken. Its texts hold nothing that the server said, and no
// secret.
type failure struct {
	text  string
	next  string        // what a person does about it
	final bool          // another attempt would fail alike
	rest  time.Duration // for which the server asks to be left alone
}

// Error returns what happened.
func (f *failure) Error() string { return f.text }

// transports reach servers: one by TLS, and by a proxy if the environment names one, as nodes are
// reached; the other connects to nothing but this machine.
type transports struct{ secure, loopback http.RoundTripper }

func newTransports() transports {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	secure := newTransport(dialer.DialContext)
	secure.Proxy = http.ProxyFromEnvironment
	// A name like localhost can lead to another machine: the address that is dialled decides.
	near := *dialer
	near.Control = func(_, address string, _ syscall.RawConn) error { return host.OnlyLoopback(address) }
	return transports{secure: secure, loopback: newTransport(near.DialContext)}
}

func newTransport(dial func(context.Context, string, string) (net.Conn, error)) *http.Transport {
	return &http.Transport{
		DialContext:            dial,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    5 * time.Second,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           8,
		IdleConnTimeout:        30 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

// exchange makes one request, and throws the answer away. An error is a *failure.
func (t transports) exchange(request *http.Request) (*http.Response, error) {
	request.Header.Set("User-Agent", "pksa")
	transport := t.secure
	if request.URL.Scheme == "http" {
		transport = t.loopback
		if !host.Loopback(request.URL.Hostname()) {
			return nil, &failure{text: "the address is not encrypted", next: "use https://", final: true}
		}
	}
	// The transport without a client: it follows no redirect and keeps no cookie.
	response, err := transport.RoundTrip(request)
	if err != nil {
		return nil, unreached(err)
	}
	defer response.Body.Close()
	// Read, so that the connection can be used again. What is cut off was taken all the same.
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, maxAnswer))
	return response, nil
}

// unreached returns why there was no answer. Only the reason's word is taken over: the error of a
// proxy may hold its password.
func unreached(err error) *failure {
	reason := outage.Of(err)
	next := "see whether the server runs, and whether this machine reaches it"
	switch reason {
	case outage.Name:
		next = "see whether the name is right, and whether this machine resolves names"
	case outage.TLS:
		next = "the certificate has to be valid for the name and of an authority that this machine knows"
	}
	return &failure{text: reason.Means(), next: next}
}

// send makes one attempt. The error is a *failure.
func (d *Desk) send(ctx context.Context, t Target, m message) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	var key []byte
	if t.Source != "" {
		secret, err := d.secrets.read(ctx, t.Source)
		if err != nil {
			return &failure{text: d.named(t.Source, err).Error(),
				next: "put the secret there, readable by the wallet's user alone"}
		}
		defer secret.Wipe()
		key = secret.Bytes()
	}
	request, err := t.request(ctx, m, d.wallet, key)
	if err != nil {
		return err
	}
	response, err := d.transports.exchange(request)
	if err != nil {
		return err
	}
	return refused(t, response)
}

// request writes the message in the form of its notifier. The error is a *failure.
func (t Target) request(ctx context.Context, m message, wallet string, key []byte) (*http.Request, error) {
	body := m.ntfy(t.Topic)
	if t.Kind == KindWebhook {
		body = m.hook(wallet)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, t.URL, bytes.NewReader(body))
	if err != nil {
		return nil, &failure{text: "the address cannot be used", next: "mend the address", final: true}
	}
	request.Header.Set("Content-Type", "application/json")
	switch {
	case t.Kind == KindWebhook:
		if key, err = signingKey(key); err != nil {
			return nil, err
		}
		now := strconv.FormatInt(time.Now().Unix(), 10)
		request.Header.Set("Webhook-Id", m.id)
		request.Header.Set("Webhook-Timestamp", now)
		request.Header.Set("Webhook-Signature", "v1,"+Signature(key, m.id, now, body))
	case len(key) > 0:
		if bytes.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return nil, &failure{text: "the token has letters that no token has", next: "write the token alone, " +
				"in one line", final: true}
		}
		request.Header.Set("Authorization", "Bearer "+string(key))
	}
	return request, nil
}

// signingKey returns the key that a secret stands for, as Standard Webhooks has it: what follows
// whsec_ is base64, anything else is taken as it is.
func signingKey(secret []byte) ([]byte, error) {
	key := secret
	if coded, is := bytes.CutPrefix(secret, []byte("whsec_")); is {
		key = make([]byte, base64.StdEncoding.DecodedLen(len(coded)))
		n, err := base64.StdEncoding.Decode(key, coded)
		if err != nil {
			return nil, &failure{text: "what follows whsec_ in the secret is no base64", next: "copy it again",
				final: true}
		}
		key = key[:n]
	}
	if len(key) < leastSecret {
		return nil, &failure{text: fmt.Sprintf("the secret has fewer than %d bytes", leastSecret),
			next: "make one with `openssl rand -hex 32`", final: true}
	}
	return key, nil
}

// Signature returns what follows "v1," in the header webhook-signature of Standard Webhooks
// (https://www.standardwebhooks.com): the HMAC-SHA256 of id, timestamp and body, with dots between
// them, in base64. The timestamp is in seconds since 1970, as the header has it.
func Signature(key []byte, id, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.", id, timestamp)
	mac.Write(body)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// refused returns why a server did not take a message; nil if it did.
func refused(t Target, response *http.Response) error {
	code := response.StatusCode
	f := &failure{text: fmt.Sprintf("the server answers with status %d", code), final: true}
	switch {
	case code >= 200 && code < 300:
		return nil
	case code >= 300 && code < 400:
		f.text += ", a redirect, which is not followed"
		f.next = "write the address that it leads to, if you trust that"
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		f.next = map[string]string{KindNtfy: "give a token that may write to the topic (token: file:PATH)",
			KindWebhook: "compare the secret with that of the receiver"}[t.Kind]
	case code == http.StatusRequestTimeout || code == http.StatusTooManyRequests || code >= 500:
		f.next = "the server is busy, or at its limit: wait, or take another one"
		f.final = false
		if s, err := strconv.Atoi(strings.TrimSpace(response.Header.Get("Retry-After"))); err == nil && s > 0 {
			f.rest = time.Duration(min(s, 60)) * time.Second
		}
	default:
		f.next = "see whether the address is that of " + map[string]string{KindNtfy: "an ntfy server, without a path",
			KindWebhook: "the receiver"}[t.Kind]
	}
	return f
}

// Reach asks the server of a target whether it is there, and sends no message. Each answer of HTTP
// counts. The error says what is wrong, next what to do. through makes the exchange; nil: the
// network.
func Reach(ctx context.Context, t Target, through http.RoundTripper) (next string, err error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	via := newTransports()
	if through != nil {
		via = transports{through, through}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, t.Server()+"/", nil)
	if err == nil {
		_, err = via.exchange(request)
	}
	if err != nil {
		return todo(err), err
	}
	return "", nil
}

// CheckSource returns why the token or secret of a target cannot be read; nil if it can, or there
// is none. It reads it and forgets it, since a sandbox shows in nothing else. A variable is not
// looked at: it can be read once.
func CheckSource(ctx context.Context, t Target) error {
	if t.Source == "" || strings.HasPrefix(t.Source, sourceEnv) {
		return nil
	}
	source, err := keystore.ParseSource(t.Source)
	if err != nil {
		return err
	}
	secret, err := source.Read(ctx, nil)
	secret.Wipe()
	return err
}

func todo(err error) string {
	var f *failure
	if errors.As(err, &f) {
		return f.next
	}
	return ""
}
