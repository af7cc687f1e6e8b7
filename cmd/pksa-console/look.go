package main

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
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

// statusData is how the wallet stands, with the apps that can be stopped.
type statusData struct {
	state
	Serving []string
}

func (c *console) statusPage(w http.ResponseWriter, r *http.Request) {
	var d statusData
	err := c.wallet(r.Context(), "status", struct{}{}, &d.state)
	if err == nil {
		err = c.wallet(r.Context(), "app.names", struct{}{}, &d.Serving)
	}
	if err != nil {
		c.trouble(w, r, err)
		return
	}
	d.Serving = slices.DeleteFunc(d.Serving, func(app string) bool {
		return slices.ContainsFunc(d.PausedApps, func(p pausedApp) bool { return p.App == app })
	})
	c.show(w, r, "status", page{Title: "Status", Data: d})
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

// pairPage asks for a link, and for the app that its application becomes.
func (c *console) pairPage(w http.ResponseWriter, r *http.Request) {
	var d struct{ Apps []string }
	if err := c.wallet(r.Context(), "app.names", struct{}{}, &d.Apps); err != nil {
		c.trouble(w, r, err)
		return
	}
	c.show(w, r, "pair", page{Title: "Pair an application", Data: d})
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

// policyData is the policy file, line by line.
type policyData struct {
	View  policyView
	State state
	Lines []policyLine
	Loose []string // warnings that name no line
	Draft *draft   // of rules for what was denied, if it was asked for
}

type policyLine struct {
	Text     string
	Warnings []string
}

// placed is a warning of the wallet: FILE:LINE:COLUMN: text.
var placed = regexp.MustCompile(`^[^\n]*?:([0-9]{1,7}):[0-9]{1,7}: `)

// policyPage shows the file with its warnings, and on demand what a draft would add.
func (c *console) policyPage(w http.ResponseWriter, r *http.Request) {
	var d policyData
	err := c.wallet(r.Context(), "policy.view", struct{}{}, &d.View)
	if err == nil {
		err = c.wallet(r.Context(), "status", struct{}{}, &d.State)
	}
	if err == nil && r.FormValue("draft") != "" {
		d.Draft = new(draft)
		err = c.wallet(r.Context(), "policy.suggest", struct{}{}, d.Draft)
	}
	if err != nil {
		c.trouble(w, r, err)
		return
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(d.View.Text, "\n"), "\n") {
		d.Lines = append(d.Lines, policyLine{Text: strings.TrimSuffix(line, "\r")})
	}
	for _, text := range d.State.Policy.Warnings {
		n := 0
		m := placed.FindStringSubmatch(text)
		if m != nil {
			n, _ = strconv.Atoi(m[1])
		}
		if n < 1 || n > len(d.Lines) || d.View.Other { // of another file, lines are not these
			d.Loose = append(d.Loose, text)
			continue
		}
		d.Lines[n-1].Warnings = append(d.Lines[n-1].Warnings, text[len(m[0]):])
	}
	c.show(w, r, "policy", page{Title: "Policy", Data: d})
}

// changePage shows what would change with the policy that waits for an approver's yes.
func (c *console) changePage(w http.ResponseWriter, r *http.Request) {
	var d change
	if err := c.wallet(r.Context(), "policy.proposal", struct{}{}, &d); err != nil {
		c.trouble(w, r, err)
		return
	}
	c.show(w, r, "change", page{Title: "Another policy", Data: d})
}

// whyPage shows why a recorded request is decided as it is.
func (c *console) whyPage(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.ParseUint(r.PathValue("number"), 10, 64)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	var y why
	if err := c.wallet(r.Context(), "policy.explain", map[string]any{"number": n}, &y); err != nil {
		c.trouble(w, r, err)
		return
	}
	y.Number = n
	c.show(w, r, "why", page{Title: "Why request " + r.PathValue("number"), Data: y})
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
