package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// pass hands a question of a page's script to the wallet, and its answer back. The wallet judges
// both: there is nothing in them that this program could decide.
func (c *console) pass(method string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var params, result map[string]json.RawMessage // a number stays what it is
		if !c.read(w, r, &params) {
			return
		}
		if err := c.wallet(r.Context(), method, params, &result); err != nil {
			c.trouble(w, r, err)
			return
		}
		switch method {
		case "decision.finish":
			c.log.Info("approved", "number", string(params["number"]), "by", c.logins.of(r, true).Name)
		case "resume.finish":
			c.log.Info("resumed", "app", string(params["app"]), "by", c.logins.of(r, true).Name)
		case "policy.finish":
			c.log.Info("policy approved", "sha256", string(params["to"]), "by", c.logins.of(r, true).Name)
		case "pair.finish":
			c.log.Info("paired", "app", string(params["app"]), "by", c.logins.of(r, true).Name)
		case "enrol.finish":
			c.forget() // whoever is enrolled logs in now
		}
		answer(w, result)
	}
}

// read reads what a script sends: one JSON object. It reports false if that was refused.
func (c *console) read(w http.ResponseWriter, r *http.Request, into any) bool {
	text, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil || r.Header.Get("Content-Type") != "application/json" {
		http.Error(w, "This is no question of a page.", http.StatusBadRequest)
		return false
	}
	return true
}

func answer(w http.ResponseWriter, result any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(result)
}

// login logs in whom the wallet names.
func (c *console) login(w http.ResponseWriter, r *http.Request) {
	var params map[string]json.RawMessage
	var who loggedIn
	if !c.read(w, r, &params) {
		return
	}
	err := c.wallet(r.Context(), "login.finish", params, &who)
	if err == nil && (who.Name == "" || who.Enrolment == 0) {
		err = fmt.Errorf("the wallet does not say who it is; it may be older than this console")
	}
	if err != nil {
		c.trouble(w, r, err)
		return
	}
	c.logins.begin(w, who)
	c.log.Info("logged in", "name", who.Name)
	answer(w, who)
}

// loginPage shows how to log in. Afterwards the browser goes where it wanted to.
func (c *console) loginPage(w http.ResponseWriter, r *http.Request) {
	to := r.FormValue("to")
	// Only to a page of this site: //host and /\host are others.
	if !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.Contains(to, `\`) {
		to = "/"
	}
	c.show(w, r, "login", page{Title: "Log in", Data: to})
}

// number reads the number that a form names.
func number(r *http.Request, name string) (uint64, bool) {
	n, err := strconv.ParseUint(r.FormValue(name), 10, 64)
	return n, err == nil
}

// act does what a button says, and shows a page that tells what became of it.
func (c *console) act(w http.ResponseWriter, r *http.Request, method string, params any, said, to string) {
	if err := c.wallet(r.Context(), method, params, nil); err != nil {
		c.trouble(w, r, err)
		return
	}
	c.log.Info("done", "method", method, "by", c.logins.of(r, true).Name)
	c.logins.say(r, said)
	http.Redirect(w, r, to, http.StatusSeeOther)
}

func (c *console) deny(w http.ResponseWriter, r *http.Request) {
	if n, ok := number(r, "number"); ok {
		c.act(w, r, "decision.deny", map[string]any{"number": n}, fmt.Sprintf("Request %d is denied.", n), "/")
		return
	}
	http.Error(w, "Which request?", http.StatusBadRequest)
}

func (c *console) revoke(w http.ResponseWriter, r *http.Request) {
	if n, ok := number(r, "id"); ok {
		c.act(w, r, "session.revoke", map[string]any{"id": n}, fmt.Sprintf("Session %d is revoked.", n), "/sessions")
		return
	}
	http.Error(w, "Which session?", http.StatusBadRequest)
}

// pause stops an app, or all signing if none is named.
func (c *console) pause(w http.ResponseWriter, r *http.Request) {
	if app := r.FormValue("app"); app != "" {
		c.act(w, r, "pause", map[string]any{"app": app}, fmt.Sprintf("%q is stopped: nothing is signed for it.", app),
			"/status")
		return
	}
	c.act(w, r, "pause", struct{}{}, "The wallet is stopped: it signs nothing.", "/status")
}
