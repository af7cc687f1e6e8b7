package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"pksa/agent/control"
)

// wallet calls a method of the wallet at its narrow socket. The types below are what this program
// reads of the answers; members that it does not show are passed over. Bytes come as base64 for
// addresses, as browsers want them, and are passed on as they are.
type wallet func(ctx context.Context, method string, params, result any) error

// callWait is how long the wallet may take to answer.
const callWait = 20 * time.Second

// mostCalls is how many calls this program makes at once: the wallet answers eight of a console.
const mostCalls = 6

// dial returns the wallet at a socket.
func dial(socket control.Socket) wallet {
	places := make(chan struct{}, mostCalls)
	return func(ctx context.Context, method string, params, result any) error {
		ctx, cancel := context.WithTimeout(ctx, callWait)
		defer cancel()
		select {
		case places <- struct{}{}:
			defer func() { <-places }()
		case <-ctx.Done():
			return control.ErrNoAnswer
		}
		return socket.Call(ctx, method, params, result)
	}
}

// refusal returns what the wallet said no with, for people; ok is false if it said nothing.
func refusal(err error) (text string, ok bool) {
	var said *control.Error
	if errors.As(err, &said) {
		return said.Text, true
	}
	return "", false
}

// about is the wallet that answers.
type about struct {
	Wallet    string `json:"wallet"`
	Origin    string `json:"origin"` // where people approve; empty: nowhere
	RPID      string `json:"rp_id"`
	Approvers int    `json:"approvers"`
	Version   string `json:"version"`
}

// loggedIn is who logged in. The wallet is asked with it whether they may approve still.
type loggedIn struct {
	Name      string `json:"name"`
	Enrolment uint64 `json:"enrolment"`
}

// consent is which yes a request takes: of so many of these approvers; of any, if none is named.
type consent struct {
	Approvers []string `json:"approvers"`
	Approvals int      `json:"approvals"`
	TellFirst bool     `json:"tell_first"` // only once a notifier took a message of all of it
}

// change is a policy that waits for an approver's yes.
type change struct {
	From     string `json:"from"`
	To       string `json:"to"`
	Required bool   `json:"required"`
	Waits    bool   `json:"waits"`
	Problem  string `json:"problem"`
	Diff     string `json:"diff"`
	Tests    string `json:"tests"`
}

// told is a notifier that took a message of all of a request.
type told struct {
	Notifier string    `json:"notifier"`
	Server   string    `json:"server"`
	At       time.Time `json:"at"`
}

// waiting is a request that waits for a person.
type waiting struct {
	Number     uint64    `json:"number"`
	Since      time.Time `json:"since"`
	Until      time.Time `json:"until"`
	Kind       string    `json:"kind"`
	Account    string    `json:"account"`
	App        string    `json:"app"`
	KeyType    string    `json:"key_type"`
	Keys       []string  `json:"keys"`
	Effects    []string  `json:"effects"`
	Operations []string  `json:"operations"`
	Text       string    `json:"text"`
	Reason     string    `json:"reason"`
	Letters    string    `json:"letters"`
	Digest     string    `json:"digest"`
	Consents   []consent `json:"consents"`
	SaidYes    []string  `json:"said_yes"`
	ToldBy     []told    `json:"told_by"`
	Cut        bool      `json:"cut"`
	InAll      int       `json:"in_all"`
	More       int       `json:"more"`
}

// TellFirst reports whether a yes waits for a notifier to take a message of all of it.
func (w waiting) TellFirst() bool {
	return slices.ContainsFunc(w.Consents, func(c consent) bool { return c.TellFirst })
}

type session struct {
	ID       uint64    `json:"id"`
	Account  string    `json:"account"`
	App      string    `json:"app"`
	Origin   string    `json:"origin"`
	Relay    string    `json:"relay"`
	Claim    string    `json:"calls_itself"`
	Created  time.Time `json:"created"`
	Expires  time.Time `json:"expires"`
	LastUsed time.Time `json:"last_used"`
	More     int       `json:"more"`
}

type pausedApp struct {
	App   string    `json:"app"`
	Since time.Time `json:"since"`
}

// state is how the wallet stands.
type state struct {
	NotReady    []string `json:"not_ready"`
	StillServed string   `json:"still_served"`
	NoNode      string   `json:"no_node"`
	Policy      struct {
		File     string    `json:"file"`
		SHA256   string    `json:"sha256"`
		Since    time.Time `json:"since"`
		Failed   string    `json:"reload_failed"`
		Approval string    `json:"approval"` // required: another policy takes an approver's yes
		Warnings []string  `json:"warnings"`
		Room     []room    `json:"room"`
	} `json:"policy"`
	Links []struct {
		Relay      string    `json:"relay"`
		Connected  bool      `json:"connected"`
		DownSince  time.Time `json:"down_since"`
		Registered int       `json:"registered"`
	} `json:"links"`
	Nodes []struct {
		URL       string `json:"url"`
		Usable    bool   `json:"usable"`
		HeadBlock uint32 `json:"head_block"`
	} `json:"nodes"`
	Accounts []struct {
		Name     string   `json:"name"`
		Roles    []string `json:"roles"`
		Wrong    []string `json:"wrong"`
		Sessions int      `json:"sessions"`
	} `json:"accounts"`
	Hindrances []struct {
		Cause string `json:"cause"`
	} `json:"hindrances"`
	// PausedApps are stopped each by itself.
	PausedApps []pausedApp `json:"apps_paused"`
	Apps       int         `json:"apps"`
	Sessions   int         `json:"sessions"`
	Pending    int         `json:"pending"`
	Guard      []struct {
		Account string `json:"account"`
	} `json:"guard"`
}

// Paused reports whether all signing is stopped.
func (s state) Paused() bool {
	for _, h := range s.Hindrances {
		if h.Cause == "paused" {
			return true
		}
	}
	return false
}

// room is what is left of a limit.
type room struct {
	Limit struct {
		Name string `json:"name"`
	}
	Split, Unit, Used, Most string
	Window                  time.Duration
}

// record is a record of the audit trail.
type record struct {
	Number  uint64    `json:"number"`
	Time    time.Time `json:"time"`
	Type    string    `json:"type"`
	Request uint64    `json:"request"`
	Verdict string    `json:"verdict"`
	Outcome string    `json:"outcome"`
	Result  string    `json:"result"`
	Kind    string    `json:"kind"`
	Account string    `json:"account"`
	App     string    `json:"app"`
	TxID    string    `json:"transaction"`
	Content rawJSON   `json:"content"`
}

type trailPage struct {
	Records []record `json:"records"`
	Next    uint64   `json:"next"`
	End     bool     `json:"end"`
}

// policyView is the policy file on disk.
type policyView struct {
	File   string `json:"file"`
	SHA256 string `json:"sha256"` // of what is in force
	Text   string `json:"text"`
	Cut    bool   `json:"cut"`
	Other  bool   `json:"other"` // the file is not what is in force
}

// draft is what a draft of rules would add.
type draft struct {
	Requests int    `json:"requests"`
	Ruled    int    `json:"ruled"`
	YAML     string `json:"yaml"`
}

// why is why a recorded request is decided as it is.
type why struct {
	Number  uint64 `json:"-"`
	Text    string `json:"text"`
	Then    string `json:"then"`
	Same    bool   `json:"same"`
	Lacking int    `json:"lacking"`
}

// rawJSON is JSON that is shown as it is.
type rawJSON []byte

// UnmarshalJSON keeps the text.
func (r *rawJSON) UnmarshalJSON(text []byte) error {
	*r = append((*r)[:0], text...)
	return nil
}
