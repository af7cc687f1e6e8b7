package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net/http"
	"sync"
	"time"
)

// A login ends after a working day, or when nobody has looked for an hour: a page that is open
// looks each time that something changes.
const (
	loginLife = 12 * time.Hour
	loginIdle = time.Hour
	mostIn    = 64 // logins at once; beyond that the oldest ends
)

// cookie is the name of the login's cookie. A browser takes one of that name only by TLS (or on its
// own machine), for this host alone.
const cookie = "__Host-pksa"

// logins are the people who are logged in. They live in memory: a restart ends them.
type logins struct {
	mu  sync.Mutex
	all map[[32]byte]*login
}

// login is one browser in which somebody is logged in.
type login struct {
	who         loggedIn
	since, used time.Time
	said        string // what the next page says, once
}

// begin logs somebody in, and gives their browser the cookie.
func (l *logins) begin(w http.ResponseWriter, who loggedIn) {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // it never fails
	value := base64.RawURLEncoding.EncodeToString(secret)
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all == nil {
		l.all = map[[32]byte]*login{}
	}
	l.tidyLocked(now)
	// What is looked up is a digest: how long that takes says nothing about the value.
	l.all[sha256.Sum256([]byte(value))] = &login{who: who, since: now, used: now}
	http.SetCookie(w, &http.Cookie{Name: cookie, Value: value, Path: "/", Secure: true, HttpOnly: true,
		SameSite: http.SameSiteStrictMode, MaxAge: int(loginLife / time.Second)})
}

func (l *logins) tidyLocked(now time.Time) {
	var oldest [32]byte
	for key, one := range l.all {
		if one.over(now) {
			delete(l.all, key)
		} else if old, ok := l.all[oldest]; !ok || one.since.Before(old.since) {
			oldest = key
		}
	}
	if len(l.all) >= mostIn {
		delete(l.all, oldest)
	}
}

func (i *login) over(now time.Time) bool {
	return now.Sub(i.since) >= loginLife || now.Sub(i.used) >= loginIdle
}

// of returns who is logged in; the zero value if nobody is. use says that this is the person's
// doing.
func (l *logins) of(r *http.Request, use bool) loggedIn {
	l.mu.Lock()
	defer l.mu.Unlock()
	one := l.foundLocked(r)
	if one == nil {
		return loggedIn{}
	}
	if use {
		one.used = time.Now()
	}
	return one.who
}

func (l *logins) foundLocked(r *http.Request) *login {
	c, err := r.Cookie(cookie)
	if err != nil {
		return nil
	}
	one, ok := l.all[sha256.Sum256([]byte(c.Value))]
	if !ok || one.over(time.Now()) {
		return nil
	}
	return one
}

// say has the next page of that browser say something.
func (l *logins) say(r *http.Request, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if one := l.foundLocked(r); one != nil {
		one.said = text
	}
}

// said returns what was to be said, once.
func (l *logins) said(r *http.Request) (text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if one := l.foundLocked(r); one != nil {
		text, one.said = one.said, ""
	}
	return text
}

// forget ends all logins of one person.
func (l *logins) forget(who loggedIn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	maps.DeleteFunc(l.all, func(_ [32]byte, one *login) bool { return one.who == who })
}

// end logs a browser out.
func (l *logins) end(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c, err := r.Cookie(cookie); err == nil {
		delete(l.all, sha256.Sum256([]byte(c.Value)))
	}
	http.SetCookie(w, &http.Cookie{Name: cookie, Path: "/", Secure: true, HttpOnly: true,
		SameSite: http.SameSiteStrictMode, MaxAge: -1})
}
