package main

import (
	"context"
	"embed"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

//go:embed pages/*.html
var pageFiles embed.FS

//go:embed static
var staticFiles embed.FS

// console serves the pages.
type console struct {
	wallet wallet
	log    *slog.Logger
	logins logins
	live   live
	pages  map[string]*template.Template

	mu     sync.Mutex // guards what follows
	known  about
	wrong  error         // why it is not known
	asked  time.Time     // when that was learnt
	asking chan struct{} // closed when what is asked now is answered; nil if nothing is
	turn   int           // how often it was forgotten
}

func newConsole(w wallet, log *slog.Logger) *console {
	c := &console{wallet: w, log: log, pages: map[string]*template.Template{}}
	c.live.wallet = w
	base := template.Must(template.New("").Funcs(words).ParseFS(pageFiles, "pages/layout.html", "pages/card.html"))
	for _, name := range []string{"waiting", "request", "status", "sessions", "pair", "audit", "record", "policy",
		"change", "why", "login", "enrol", "trouble"} {
		c.pages[name] = template.Must(template.Must(base.Clone()).ParseFS(pageFiles, "pages/"+name+".html"))
	}
	return c
}

// handler returns the whole of it. Every answer has the headers; every page but the two that make
// somebody known wants a login; whatever changes something wants to come from a page of this site.
func (c *console) handler() http.Handler {
	static, _ := fs.Sub(staticFiles, "static") // it is there
	open := http.NewServeMux()
	open.HandleFunc("GET /login", c.loginPage)
	open.HandleFunc("GET /enrol", func(w http.ResponseWriter, r *http.Request) {
		c.show(w, r, "enrol", page{Title: "Become an approver"})
	})
	for path, method := range map[string]string{"/enrol/begin": "enrol.begin", "/enrol/finish": "enrol.finish",
		"/login/begin": "login.begin"} {
		open.HandleFunc("POST "+path, c.pass(method))
	}
	open.HandleFunc("POST /login/finish", c.login)

	in := http.NewServeMux()
	in.HandleFunc("GET /{$}", c.waitingPage)
	in.HandleFunc("GET /cards", c.cards)
	in.HandleFunc("GET /live", func(w http.ResponseWriter, r *http.Request) {
		c.live.serve(w, r, func() bool { in, err := c.in(r, false); return in && err == nil })
	})
	in.HandleFunc("GET /request/{number}", c.requestPage)
	in.HandleFunc("GET /status", c.statusPage)
	in.HandleFunc("GET /sessions", c.sessionsPage)
	in.HandleFunc("GET /audit", c.auditPage)
	in.HandleFunc("GET /audit/{number}", c.recordPage)
	in.HandleFunc("GET /policy", c.policyPage)
	in.HandleFunc("GET /policy/why/{number}", c.whyPage)
	in.HandleFunc("GET /policy/change", c.changePage)
	in.HandleFunc("POST /policy/begin", c.pass("policy.begin"))
	in.HandleFunc("POST /policy/finish", c.pass("policy.finish"))
	in.HandleFunc("POST /deny", c.deny)
	in.HandleFunc("POST /revoke", c.revoke)
	in.HandleFunc("POST /pause", c.pause)
	open.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		c.logins.end(w, r)
		http.Redirect(w, r, "/login", http.StatusSeeOther)
	})
	in.HandleFunc("GET /pair", c.pairPage)
	in.HandleFunc("POST /pair/begin", c.pass("pair.begin"))
	in.HandleFunc("POST /pair/finish", c.pass("pair.finish"))
	in.HandleFunc("POST /resume/begin", c.pass("resume.begin"))
	in.HandleFunc("POST /resume/finish", c.pass("resume.finish"))
	in.HandleFunc("POST /decision/begin", c.pass("decision.begin"))
	in.HandleFunc("POST /decision/finish", c.pass("decision.finish"))
	open.Handle("/", c.guard(in))
	site := http.NewServeMux()
	site.Handle("/", c.site(http.NewCrossOriginProtection().Handler(open)))
	// These are the same for everybody, and for a page that says that the wallet is silent.
	site.Handle("GET /static/", http.StripPrefix("/static/", http.FileServerFS(static)))
	return headed(site)
}

// mostPosted is how many bytes a page posts: a new passkey has some hundreds.
const mostPosted = 64 << 10

// policy is what a page may load, run and be shown in: what this program serves, and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// headed sets the headers of every answer.
func headed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Frame-Options", "DENY")
		h.Set("X-Content-Type-Options", "nosniff")
		// Not no-referrer: with that, browsers hide where a form was posted from.
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// site refuses what asks for another site: a name that was made to lead here (DNS rebinding), or a
// page elsewhere that posts.
func (c *console) site(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, err := c.about(r.Context())
		if err != nil {
			c.trouble(w, r, err)
			return
		}
		origin, err := url.Parse(a.Origin)
		switch {
		case a.Origin == "" || err != nil:
			http.Error(w, "The wallet has no address where people approve. Set approve.origin in its config.yaml to "+
				"the address of this console, such as https://wallet.example.", http.StatusServiceUnavailable)
		case !strings.EqualFold(r.Host, origin.Host):
			http.Error(w, "This console is at another address: approve.origin in the settings of the wallet says "+
				"where.",
				http.StatusMisdirectedRequest)
		case r.Method != http.MethodGet && r.Header.Get("Origin") != a.Origin:
			http.Error(w, "This was not sent by a page of this console.", http.StatusForbidden)
		default:
			r.Body = http.MaxBytesReader(w, r.Body, mostPosted)
			next.ServeHTTP(w, r)
		}
	})
}

// about returns what is known of the wallet, which hardly changes: it is asked again after some
// seconds, once for all who want to know. Who waits for that can leave.
func (c *console) about(ctx context.Context) (about, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		life := 5 * time.Second
		if c.wrong != nil {
			life = time.Second
		}
		switch asking := c.asking; {
		case !c.asked.IsZero() && time.Since(c.asked) < life:
			return c.known, c.wrong
		case asking == nil:
			c.asking = make(chan struct{})
			go c.learn(context.WithoutCancel(ctx), c.turn) // who asked may leave, and others wait for it
		default:
			c.mu.Unlock()
			select {
			case <-asking:
			case <-ctx.Done():
			}
			c.mu.Lock()
			if ctx.Err() != nil {
				return about{}, context.Cause(ctx)
			}
		}
	}
}

// learn asks the wallet who it is.
func (c *console) learn(ctx context.Context, turn int) {
	var a about
	err := c.wallet(ctx, "console.about", struct{}{}, &a)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known, c.wrong = a, err; turn == c.turn {
		c.asked = time.Now()
	}
	close(c.asking)
	c.asking = nil
}

// forget has the wallet asked again who it is.
func (c *console) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = time.Time{}
	c.turn++
}

// in reports whether somebody is logged in. The wallet is asked each time: whoever it does not name
// as an approver any more is logged out, in all their browsers.
func (c *console) in(r *http.Request, use bool) (bool, error) {
	who := c.logins.of(r, use)
	if who == (loggedIn{}) {
		return false, nil
	}
	var still struct {
		Approver bool `json:"approver"`
	}
	err := c.wallet(r.Context(), "login.check", who, &still)
	if err == nil && !still.Approver {
		c.log.Info("logged out: no approver any more", "name", who.Name)
		c.logins.forget(who)
	}
	return still.Approver, err
}

// guard lets those pass who are logged in.
func (c *console) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// What a page asks for by itself keeps nobody logged in.
		own := r.URL.Path != "/live" && r.URL.Path != "/cards"
		switch in, err := c.in(r, own); {
		case err != nil:
			c.trouble(w, r, err)
		case in:
			next.ServeHTTP(w, r)
		case r.Method == http.MethodGet && own:
			// A link in a message comes from another site, and the browser keeps the cookie back.
			// The same address, asked for by a page of this site, has it.
			if r.Header.Get("Sec-Fetch-Site") == "cross-site" {
				c.show(w, r, "trouble", page{Title: "Waiting", Again: true, Said: "One moment."})
				return
			}
			http.Redirect(w, r, "/login?to="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
		default:
			http.Error(w, "You are not logged in any more.", http.StatusUnauthorized)
		}
	})
}

// page is what every page shows. Data is its own.
type page struct {
	Title string
	Who   string
	Said  string
	Again bool // the browser asks once more
	Here  string
	About about
	Data  any
}

// show writes a page.
func (c *console) show(w http.ResponseWriter, r *http.Request, name string, p page) {
	p.Who, p.Here = c.logins.of(r, false).Name, name
	if p.Said == "" {
		p.Said = c.logins.said(r)
	}
	p.About, _ = c.about(r.Context())
	c.write(w, http.StatusOK, name, "layout", p)
}

// write writes a page, or a part of one.
func (c *console) write(w http.ResponseWriter, status int, name, part string, data any) {
	var b strings.Builder
	if err := c.pages[name].ExecuteTemplate(&b, part, data); err != nil {
		c.log.Error("page not made", "page", name, "err", err)
		http.Error(w, "This page cannot be shown.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(shown(b.String())))
}

// trouble shows what the wallet said no with, or that it says nothing. Nothing of that is success.
func (c *console) trouble(w http.ResponseWriter, r *http.Request, err error) {
	status, text := http.StatusBadGateway, "The wallet does not answer. Nothing was done."
	if said, ok := refusal(err); ok {
		status, text = http.StatusConflict, said
	} else {
		c.log.Warn("the wallet does not answer", "err", err)
	}
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		c.write(w, status, "trouble", "layout", page{Title: "Not done", Said: text, Who: c.logins.of(r, false).Name})
		return
	}
	http.Error(w, text, status)
}
