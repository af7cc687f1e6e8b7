// Package approve lets people say yes with a passkey: who they are, what they are asked with, and
// what their answer proves. Start with [New].
//
// # What it promises
//
// A yes is a signature over a challenge, and the challenge is a hash over what it is a yes to: a
// label for the purpose, the wallet, the number of the request that waits, the digest of exactly
// what would be signed, the answer, and a value that is fresh for each time that it is shown. So a
// signature for one request, wallet or purpose is none for another. What the page showed does not
// stand in it: a page that lies can show one request and have another one signed.
//
// A challenge is used once, whatever comes of it, and ends with its request. Nobody has to be
// somebody to be given one, so their number is bounded. Beyond the bound no more are given out, and
// none that somebody holds is dropped for it.
//
// A counter that rose, and an approver who was enrolled or removed, are on disk before anybody is
// told. Who was removed is gone with the next question. What was refused is recorded, up to a
// bound, and logged always.
//
// # Who holds the console
//
// An attacker who controls the process of the console can see all that it sees, deny, revoke and
// pause, show one request and have a person sign another, and enrol a passkey of their own where a
// person opens the link of an invitation on their page. They cannot:
//
//   - say yes without a passkey, or with that of somebody who was removed (TestRefusedDecisions,
//     TestRemoval)
//   - make one person's yes two, or have one count of somebody whom the rule does not name
//     (TestTwoApprovers of package agent)
//   - keep a yes for later, for another request, or for rules that demand more by then
//     (TestDecision, TestChallengesEnd; TestYesIsJudgedWhenItIsAdmitted of package agent)
//   - make a login a yes (TestLogin), or add and remove approvers
//     (TestNarrowSocketHasWhatIsListed of package agent)
//
// # Where to look
//
// challenge.go has the labels and what is hashed, open.go the challenges that are out, enrol.go and
// decide.go what the page of the console asks for, proof.go what the audit trail keeps of a yes.
package approve
