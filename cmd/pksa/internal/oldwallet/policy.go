package oldwallet

import (
	"fmt"
	"math"
	"strings"

	"pksa/protocol/hive"
)

// App names the app that takes over the old secret and sessions: hive-auth-pksa had one secret for
// all applications.
const App = "default"

// Policy writes a policy that allows what the switches allowed or less, never more. Rules for
// challenges name the roles that are held. With accounts the rules cover those accounts only.
func (w *Wallet) Policy(held []hive.Role, accounts []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Made by "pksa migrate" from the switches of hive-auth-pksa: for each it says what it was and what
# it became. Where the two cannot be the same, this file allows less. What no rule allows is denied.
# Check changes with "pksa policy check".
version: 2

%s
allow:
`, w.otherwiseText())
	who, everybody := "    apps: ["+App+"]\n", ""
	if len(accounts) > 0 {
		who += "    accounts: [" + strings.Join(accounts, ", ") +
			"]    # those of storage.json; the word any is all\n"
	} else {
		who += "    accounts: any    # those that you import later, too\n"
		everybody = " # pksa: meant so today: hive-auth-pksa served every account of its keystore"
	}
	b.WriteString(w.sessionsText(who, everybody))
	b.WriteString(`  # hive-auth-pksa approved whatever a session asked to sign with the posting key. Unlike there, an
  # operation in the name of another account is not covered; "on_behalf_of" would allow it.
  - name: posting
    request: sign
` + who + `    operations:
      - posting            # votes, posts, claiming rewards
      - comment_options    # beneficiaries too` + wasFree + wasFree + `
      # Games and side chains move value by custom_json. Name the ids that your applications
      # need, as in "custom_json: {id: follow}", or take the line away.
      - custom_json` + wasFree + `

`)
	if len(held) > 0 {
		b.WriteString(challengesText(who, everybody, held))
	}
	fmt.Fprintf(&b, `deny:
  # hive-auth-pksa never signed a transaction with the active key. Take this rule away before you
  # allow one that does.
  - name: active key
    request: sign
    key: active
    answer: %s    # sign_req_reject was %t
`, answerWord(w.RejectSign), w.RejectSign)
	return b.String()
}

func answerWord(reject bool) string {
	if reject {
		return "reject"
	}
	return "ignore"
}

// otherwiseText answers no only if all three switches asked for it, because a no settles a request
// for every wallet of the account.
func (w *Wallet) otherwiseText() string {
	text := fmt.Sprintf("# auth_req_reject was %t, sign_req_reject %t, challenge_req_reject %t: true says no to the "+
		"application,\n# false stays silent, so that another wallet of the account may "+
		"answer.\n", w.RejectAuth, w.RejectSign,
		w.RejectChallenge)
	if w.RejectAuth && w.RejectSign && w.RejectChallenge {
		return text + "otherwise: reject\n"
	}
	return text + "otherwise: ignore\n"
}

func (w *Wallet) sessionsText(who, everybody string) string {
	if w.ApproveAuth {
		return fmt.Sprintf(`
  # auth_req_approve was true: whoever has the secret opens sessions. hive-auth-pksa advised that only
  # while setting up; take this rule away when your applications have their sessions.
  - name: sessions%s
    request: auth
%s    session: %s    # auth_timeout_days was %v

`[1:], everybody, who, spanOfDays(w.Days), w.Days)
	}
	return `  # auth_req_approve was false: no new sessions, so there is no rule for "request: auth". Sessions that
  # came along go on, and may log in again.

`
}

// wasFree says why a rule is as wide as it is.
const wasFree = " # pksa: meant so: hive-auth-pksa signed all of these; narrow it"

func challengesText(who, everybody string, held []hive.Role) string {
	var keys []string
	memo := ""
	for _, role := range held {
		keys = append(keys, role.String())
		if role == hive.Memo {
			memo = `  # It decrypted any memo for any session.
  - name: memos
    request: decrypt
` + who + "\n"
		}
	}
	return fmt.Sprintf(`
  # It signed any text of a session with any key. Texts that could be a transaction are refused now,
  # whatever a rule says. Say which texts your applications sign, and take away keys that they do
  # not ask for: a signed text can be a login elsewhere.
  - name: challenges%s%s
    request: challenge
%s    key: [%s]
    text: {regexp: '.+'}%s

%s`[1:], wasFree, everybody, who, strings.Join(keys, ", "), wasFree, memo)
}

// spanOfDays writes a length of time in the form of policies.
func spanOfDays(days float64) string {
	if days == math.Trunc(days) {
		return fmt.Sprintf("%.0fd", days)
	}
	if days*24 < 1 {
		return fmt.Sprintf("%dm", int(days*24*60))
	}
	return fmt.Sprintf("%dh", int(days*24))
}
