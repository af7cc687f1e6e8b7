package main

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// cardsData is what waits, with the room that is left in limits.
type cardsData struct {
	Waiting []waiting
	Room    []room
	More    int
}

func (c *console) load(ctx context.Context) (d cardsData, err error) {
	if err := c.wallet(ctx, "pending", struct{}{}, &d.Waiting); err != nil {
		return d, err
	}
	if n := len(d.Waiting); n > 0 {
		d.More = d.Waiting[n-1].More
		var s state
		if err := c.wallet(ctx, "status", struct{}{}, &s); err == nil {
			d.Room = s.Policy.Room // without it the cards are shown all the same
		}
	}
	return d, nil
}

func (c *console) waitingPage(w http.ResponseWriter, r *http.Request) {
	d, err := c.load(r.Context())
	if err != nil {
		c.trouble(w, r, err)
		return
	}
	c.show(w, r, "waiting", page{Title: "Waiting", Data: d})
}

// cards writes the part of the page that changes.
func (c *console) cards(w http.ResponseWriter, r *http.Request) {
	d, err := c.load(r.Context())
	if err != nil {
		c.trouble(w, r, err)
		return
	}
	c.write(w, http.StatusOK, "waiting", "cards", d)
}

// mostParts is how many parts of a request one page shows.
const mostParts = 2000

// requestPage shows a request in full: all that would be signed.
func (c *console) requestPage(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.ParseUint(r.PathValue("number"), 10, 64)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	var whole waiting
	for from := 0; ; {
		var part waiting
		if err := c.wallet(r.Context(), "pending.whole", map[string]any{"number": n, "from": from}, &part); err != nil {
			c.trouble(w, r, err)
			return
		}
		if from == 0 {
			whole = part
		} else {
			whole.Effects, whole.Operations = append(whole.Effects, part.Effects...),
				append(whole.Operations, part.Operations...)
		}
		got := max(len(part.Effects), len(part.Operations))
		if from += got; got == 0 || from >= part.InAll || from >= mostParts {
			whole.More = max(part.InAll-from, 0)
			break
		}
	}
	whole.Cut, whole.InAll = false, 0
	c.show(w, r, "request", page{Title: "Request " + r.PathValue("number"), Data: whole})
}

func (c *console) statusPage(w http.ResponseWriter, r *http.Request) {
	var s state
	if err := c.wallet(r.Context(), "status", struct{}{}, &s); err != nil {
		c.trouble(w, r, err)
		return
	}
	c.show(w, r, "status", page{Title: "Status", Data: s})
}

// mostSessions is how many sessions one page shows.
const mostSessions = 300

type sessionsData struct {
	Sessions []session
	Search   string
	Beyond   int // that fit, and are not shown
	Unseen   int // that were not looked at
}

func (c *console) sessionsPage(w http.ResponseWriter, r *http.Request) {
	var all []session
	if err := c.wallet(r.Context(), "session.list", struct{}{}, &all); err != nil {
		c.trouble(w, r, err)
		return
	}
	d := sessionsData{Search: strings.TrimSpace(r.FormValue("q"))}
	if n := len(all); n > 0 {
		d.Unseen = all[n-1].More
	}
	for _, s := range all {
		text := strings.ToLower(s.Account + " " + s.App + " " + s.Origin + " " + s.Relay + " " + s.Claim)
		switch {
		case !strings.Contains(text, strings.ToLower(d.Search)):
		case len(d.Sessions) == mostSessions:
			d.Beyond++
		default:
			d.Sessions = append(d.Sessions, s)
		}
	}
	c.show(w, r, "sessions", page{Title: "Sessions", Data: d})
}

type auditData struct {
	Text, Account, App, Result string
	Page                       trailPage
}

// auditPage shows the newest records that fit, and goes back from there.
func (c *console) auditPage(w http.ResponseWriter, r *http.Request) {
	d := auditData{Text: r.FormValue("text"), Account: r.FormValue("account"), App: r.FormValue("app"),
		Result: r.FormValue("result")}
	q := map[string]any{"last": true, "limit": 50}
	for name, value := range map[string]string{"text": d.Text, "account": d.Account, "app": d.App, "result": d.Result} {
		if value != "" {
			q[name] = value
		}
	}
	if to, ok := number(r, "to"); ok {
		q["to"] = to
	}
	if err := c.wallet(r.Context(), "audit.page", q, &d.Page); err != nil {
		c.trouble(w, r, err)
		return
	}
	slices.Reverse(d.Page.Records) // the newest first
	c.show(w, r, "audit", page{Title: "Audit", Data: d})
}

// recordPage shows a record and those that tell what became of it.
func (c *console) recordPage(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.ParseUint(r.PathValue("number"), 10, 64)
	if err != nil || n == 0 {
		http.NotFound(w, r)
		return
	}
	var p trailPage
	q := map[string]any{"request": n, "from": n, "limit": 100}
	if err := c.wallet(r.Context(), "audit.page", q, &p); err != nil {
		c.trouble(w, r, err)
		return
	}
	c.show(w, r, "record", page{Title: "Record " + r.PathValue("number"), Data: p.Records})
}

// pretty returns JSON as people read it.
func pretty(text rawJSON) string {
	var v any
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.UseNumber()
	if decoder.Decode(&v) != nil {
		return string(text)
	}
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false) // the page escapes it
	encoder.SetIndent("", "  ")
	if encoder.Encode(v) != nil {
		return string(text)
	}
	return b.String()
}
