package main

import "fmt"

// advice is a hint that the program can print: what a person can do about an error. All of them are
// made in this file. A test executes each one in the state in which it is printed, see
// testdata/hints/README.md: a new one needs a script there.
type advice struct {
	name string // how scripts name it
	text string // a format; commands stand in backticks, and report adds --home to them
}

// advices is all hints, by name.
var advices = map[string]*advice{}

func advise(name, text string) *advice {
	a := &advice{name, text}
	advices[name] = a
	return a
}

// Hints about the home folder and its files.
var (
	adviceNoHome     = advise("no-home", "name one with --home FOLDER, or set PKSA_HOME")
	adviceLongSocket = advise("long-socket", "set PKSA_CONTROL, or control in config.yaml, to a shorter path in a "+
		"folder that belongs to the wallet's user alone, such as /run/user/ID or one that root makes for it below "+
		"/run; a folder that others can write, as /tmp, is refused")
	adviceNoWallet = advise("no-wallet", "if you have a wallet, name its folder with --home FOLDER or PKSA_HOME; if "+
		"not, `pksa init` makes one here")
	adviceOtherWallet = advise("other-wallet", "`pksa --home %s status` asks that one; what opens its keystore is run "+
		"as user %s")
	adviceOtherUser = advise("other-user", "run it as that user: `sudo -u %s pksa --home %s status`")
	adviceWrongUser = advise("wrong-user", "run it as that user: `sudo -u %s pksa --home %s …`, or beside the systemd "+
		"unit by pksa-admin; an agent that runs there also answers root")
	adviceForeignFolder = advise("foreign-folder",
		"run it as the user whom the folder belongs to, or name another one "+
			"with --home or PKSA_HOME")
	// Nobody in a container can give its volume to another user.
	adviceVolume = advise("volume", "give the volume to this user where it is made: in Kubernetes by fsGroup: %s in "+
		"the securityContext of the pod, in Podman by :U at the end of --volume, elsewhere on the host, as root, by "+
		"chown %s of its folder")
	adviceKeystoreLost = advise("keystore-lost", "put a copy of the keystore back, with what opens it. Without a copy "+
		"its keys are lost, and nobody can read the ledger: `pksa init --set-aside` keeps what is there under other "+
		"names and makes a new wallet with the same settings and policy; then import the keys again, and give the "+
		"apps new secrets")
	adviceOpenerLost = advise("opener-lost",
		"put a copy of it back, or let the setting unlock or PKSA_UNLOCK name where it is. Without it nobody can read "+
			"the keystore, nor the ledger: `pksa init --set-aside` keeps both under other names and makes a new "+
			"wallet with the same settings and policy; then import the keys again, and give the apps new secrets")
	adviceOpenerUnit = advise("opener-unit", "the systemd unit gives it to the wallet: run this by pksa-admin, as "+
		"root; where no unit does, let the setting unlock or PKSA_UNLOCK name where it is")
	adviceOpenerBad = advise("opener-bad",
		"put a whole copy of it back; without one, `pksa init --set-aside` keeps the "+
			"keystore and the ledger under other names and makes a new wallet")
	adviceUnlock = advise("unlock", "what unlocks it comes from %s, as the setting unlock or PKSA_UNLOCK says. If the "+
		"keystore was locked anew since, set unlock to what opens it now. If the right one is lost, nobody can read "+
		"the keystore, nor the ledger: `pksa init --set-aside` keeps both under other names and makes a new "+
		"wallet with the same settings and policy; then import the keys again")
	adviceKeystore = advise("keystore-damaged",
		"put a copy of it back; the file was not touched. Without a copy its keys "+
			"are lost: `pksa init --set-aside` keeps it and the ledger under other names and makes a new wallet; then "+
			"import the keys again")
	adviceOpenerFirst = advise("opener-first", "write the secret there first, in a file that only this user can read; "+
		"or name another source. Without any, an identity is made")
	adviceNotLost    = advise("not-lost", "what can be read is not set aside; `pksa status` says how the wallet stands")
	adviceNoTerminal = advise("no-terminal", "use another source, such as file:PATH or env:NAME")
)

// Hints about the ledger.
var (
	adviceLedgerLost = advise("ledger-lost", "put ledger.db and ledger.mark back from one copy. Without a copy, `pksa "+
		"ledger new` starts an empty ledger: apps, sessions, limits and what was answered are forgotten; keys, "+
		"settings and policy stay")
	adviceLedgerElsewhere = advise("ledger-elsewhere", "set ledger to the place where it is: the one that was "+
		"printed when it was moved, or its file, ledger.db, if it never was. What is left in an old place must not be "+
		"put back")
	adviceDatabaseEmpty = advise("database-empty", "put a copy of the database back with its own tools, then `pksa "+
		"ledger accept`. Without a copy, `pksa ledger new` starts an empty ledger there: apps, sessions, limits and "+
		"what was answered are forgotten; keys, settings and policy stay")
	adviceDatabaseLocked = advise("database-locked", "stop the other one, on whichever machine it runs: `pksa doctor` "+
		"says on which. If it was killed, wait 10 seconds")
	adviceDatabaseLoss = advise("database-loss", "put a copy of the database back with its own tools, then `pksa "+
		"ledger accept`. Without a copy, `pksa ledger mend --lose` goes on without what is named; `pksa ledger mend "+
		"--help` says what ends with it")
	adviceLedgerDatabase = advise("ledger-database", "what is in a database is set aside with the tools of the "+
		"database: give the wallet another one, set ledger to that, and start a ledger there with `pksa ledger new`")
	adviceMoveFrom = advise("move-from", "the setting names where the ledger is now, and the command where it goes: "+
		"set ledger to its place of now, and after the command to the new one")
	adviceLedgerRestored = advise("ledger-restored",
		"if you put it back on purpose, `pksa ledger accept` goes on with it; `pksa ledger accept --help` says what "+
			"happens to sessions")
	adviceLedgerMark = advise("ledger-mark", "put ledger.mark back from any copy of the home folder, an "+
		"older one, too; a backup has none. "+
		"Without a copy: if the ledger itself was not put back, nothing is lost, and `pksa ledger accept --keep APP "+
		"--limits-as-counted` goes on with it, with --keep for each app; if it was, or you do not know, `pksa ledger "+
		"accept` trusts no secret and no session of before")
	adviceLedgerLocked = advise("ledger-locked",
		"stop it first: Ctrl-C where pksa run goes on, or the service that runs it")
	adviceLedgerExists = advise("ledger-exists",
		"`pksa status` or `pksa run` says whether it can be used; `pksa ledger "+
			"new --set-aside` is for one that cannot be read")
	adviceLedgerOther = advise("ledger-other",
		"ledger and keystore belong together: put both back from the same copy. "+
			"Without one, `pksa ledger new --set-aside` keeps this ledger under another name and starts an empty one")
	adviceLedgerDamaged = advise("ledger-damaged", "put ledger.db and ledger.mark back from a copy, then `pksa ledger "+
		"accept`. Without a copy, `pksa ledger new --set-aside` keeps the damaged one under another name and starts "+
		"an empty one: apps, sessions, what limits counted and what was answered are forgotten; keys, settings and "+
		"policy stay")
	adviceLedgerValue = advise("ledger-value",
		"`pksa ledger mend` restores what was altered in one byte, and says what else is damaged")
	adviceLedgerLoss = advise("ledger-loss", "put ledger.db and ledger.mark back from a copy, then `pksa ledger "+
		"accept`. Without a copy, `pksa ledger mend --lose` goes on without what is named; `pksa ledger mend --help` "+
		"says what ends with it")
	adviceAcceptLost = advise("accept-lost",
		"put ledger.db back from a copy first; without a copy, `pksa ledger new` starts an empty one")
)

// Hints about backups.
var (
	adviceBackupOpener = advise("backup-opener",
		"name what opened the keystore when the backup was made, as in --unlock identity:PATH; without it nobody can "+
			"read the backup")
	adviceRestoreKeep = advise("restore-keep", "nothing was restored; leave --keep out, and `pksa app list` shows the "+
		"apps afterwards")
	adviceRestoreEmpty = advise("restore-empty",
		"name another folder with --home; to go back to the backup here, move "+
			"what is there away first")
)

// Hints about the running agent and its start.
var (
	adviceNotRunning  = advise("not-running", "start it with `pksa run`, or name another home folder with --home")
	adviceLockStopped = advise("lock-stopped", "a wallet that does not run holds no keys, and a start unlocks it; "+
		"to let it answer nothing after a start, `pksa pause`")
	adviceUnlockOther = advise("unlock-other",
		"the wallet stays locked, and nothing is lost; name what opens the keystore now by `pksa unlock --from "+
			"SOURCE`: if it was locked anew, that is what --new named then")
	adviceUnlockStopped = advise("unlock-stopped", "`pksa run` starts it, and unlocks it")
	adviceRestart       = advise("restart",
		"the agent goes on with the keys that it had: stop it, put the keystore that it had back, if another "+
			"one is there, and start it again")
	adviceYielded = advise("yielded", "if this copy should go on, stop the other one first, then run `pksa ledger "+
		"moved` here and start again; else remove this copy. `pksa help ledger moved` tells more")
	adviceDeposed = advise("deposed", "the wallet goes on there: `pksa doctor` says on which machine. Started again, "+
		"this one stands by")
	adviceHardening = advise("hardening", "grant what is missing, or require less: `hardening: best` in config.yaml "+
		"starts with what this machine permits")
	adviceRelayAddress = advise("relay-address",
		"is another pksa running? Otherwise name another port, also in relays "+
			"if this wallet uses it")
	adviceStatusAddress = advise("status-address",
		"another program listens there, perhaps another pksa: end it, or name another port in status.listen")
	adviceNoNotifier = advise("no-notifier", "name one under notify in config.yaml; a running wallet takes it over by "+
		"`pksa reload`")
	adviceDemo = advise("demo", "this is a fault of the program or of this machine; the demo needs loopback, and room "+
		"in the folder for temporary files (TMPDIR)")
)

// Hints about keys.
var (
	adviceOtherKey = advise("other-key", "--replace puts the new key in the place of the old one")
	adviceWrongKey = advise("wrong-key", "is it the key of another role, or was it changed on the chain? --offline "+
		"imports without comparing")
	adviceKeyList    = advise("key-list", "nothing was imported; mend what is named and import again")
	adviceOwnerKey   = advise("owner-key", "nothing was read; name another role, as in --role posting")
	adviceIsPassword = advise("is-a-password",
		"`pksa keys import %s --password --role %s --from prompt` imports the key "+
			"that a master password gives")
	adviceIsKey = advise("is-a-key",
		"`pksa keys import %s --role posting --from prompt` imports a private key; name the "+
			"role that it has")
	adviceWrongPassword = advise("wrong-password",
		"is it the right master password, and of this account? If a key was "+
			"changed on the chain since, the password does not give it: import that key by itself, without --password")
	adviceNodes = advise("nodes",
		"the setting nodes says which nodes are asked; --offline leaves the comparison out")
	adviceNoAccount = advise("no-account", "check the name; --offline imports without looking at the chain")
	adviceRotating  = advise("rotating", "`pksa keys rotate %s %s --finish` forgets the key of before, and --undo in "+
		"place of --finish puts it back")
	adviceNotRotating = advise("not-rotating", "`pksa keys list` shows the keys, and which are being rotated")
	adviceNothingHeld = advise("nothing-held", "`pksa keys import %s --role %s --from prompt` imports a first key")
	adviceNotOnChain  = advise("not-on-chain", "nothing was changed; put the new key on the account first, with a "+
		"wallet that has its owner or active key: in the place of the old one if that leaked. --offline leaves the "+
		"comparison out")
	adviceStillOnChain = advise("still-on-chain", "nothing was changed; take the old key off the account, with a "+
		"wallet that has its owner or active key, then finish. --offline forgets the old key all the same")
	adviceUndoChain = advise("undo-chain", "nothing was changed; an account signs with what the chain says: put the "+
		"old key on the account again first, or keep the new one. --offline leaves the comparison out")
	adviceNoRecipients = advise("no-recipients", "`pksa keystore passwd --new identity:PATH` changes to an identity, "+
		"which is made if it is missing; then add the recipient")
	adviceOwnRecipient = advise("own-recipient",
		"`pksa keystore passwd --new SOURCE` changes what opens it, and drops the recipient of before")
	adviceRecipients = advise("recipients", "a recipient is the public half of an age identity, age1…; `pksa keystore "+
		"recipients list` shows those of this keystore")
	adviceOtherRecipients = advise("other-recipients", "nothing can stand beside a passphrase: `pksa keystore "+
		"recipients list` shows what else opens it, `pksa keystore recipients remove RECIPIENT` drops one")
	adviceLostStopped = advise("lost-stopped", "only a running wallet has the keys without what opens the keystore. "+
		"If that is lost, `pksa init --set-aside` keeps keystore and ledger under other names and makes a new wallet; "+
		"then import the keys again")
	adviceWhiteSpace = advise("white-space", "the password has white space that wallets built on hive-js squeeze to "+
		"single blanks, so that they derive other keys: if the account was made with one of those, give the password "+
		"squeezed, or import its keys one by one")
)

// Hints about policies, requests and records.
var (
	advicePolicyLost = advise("policy-lost",
		"put a copy of it back; without one, `pksa init` writes one that allows nothing yet")
	advicePolicyErrors = advise("policy-errors", "mend it; `pksa policy check` says when it is good")
	adviceNoCases      = advise("no-cases", "cases for policy.yaml stand in policy_test.yaml beside it")
	adviceRequest      = advise("request", "`pksa policy explain --help` shows one")
	adviceNotRequest   = advise("not-a-request",
		"`pksa audit show %d` shows what it belongs to; `pksa audit tail --kind request` shows requests")
	adviceFollow    = advise("follow", "without -f the command reads the records that exist")
	adviceNoRequest = advise("no-request",
		"the log and the errors of the wallet name requests by their uuid; one that no "+
			"secret or session opened is counted only (`pksa status`). `pksa audit tail` shows the latest records")
	adviceNoRecord  = advise("no-record", "`pksa audit tail` shows the latest")
	adviceOldRecord = advise("old-record",
		"the settings audit.keep and audit.max say for how long records are kept, and a ledger that was put back "+
			"from a copy has a gap; `pksa audit tail` shows the latest")
	adviceLostRecord = advise("lost-record",
		"nobody can tell what it was; `pksa audit verify` shows all that was lost")
	adviceNoTransaction = advise("no-transaction", "the trail has the transactions that this wallet signed, and keeps "+
		"them as long as the settings audit.keep and audit.max say; `pksa audit tail` shows the latest")
	adviceSessions   = advise("sessions", "`pksa session list` shows the sessions that live")
	adviceCheckpoint = advise("checkpoint",
		"the setting audit.checkpoint_account names the account that publishes them")
)

// Hints about sessions, and about the wallet before.
var (
	adviceNoSession = advise("no-session", "the others are ended; `pksa session list` shows what lives")
	adviceForget    = advise("forget",
		"session %s had ended before; `pksa session forget %s` lets nothing answer for it")
	adviceEnded = advise("ended", "session %s had ended before; `pksa session list --ended` shows when and how")
	adviceLink  = advise("link", "paste the whole link, beginning with has://auth_req/, or the base64 behind "+
		"that, or the link https://…/has#1… that a chat bot sends")
	advicePicture = advise("picture", "save a picture that shows one code, whole and sharp, as a PNG or JPEG; or name "+
		"no file and paste the link that the page has beside its code")
	advicePictureReader = advise("picture-reader", "name no file and paste the link that the page has beside its "+
		"code; or put pksa-qr, which cmd/pksa-qr builds, into the folder of this program")
	adviceOldMissing = advise("old-missing", "nothing was made; --from names the folder that holds storage.json and "+
		"keys.json of hive-auth-pksa; if the keys lie elsewhere, --keys names their file")
	adviceOldUnknown = advise("old-unknown", "nothing was made; copy the folder, take out of the copy's storage.json "+
		"what forbids nothing, mend what else is named, and name the copy with --from")
	adviceOldWallet = advise("old-wallet",
		"nothing was made; copy the folder, mend in the copy what is named, and name "+
			"the copy with --from")
	adviceOldNobody = advise("old-nobody",
		"nothing was made; --without leaves accounts behind, and the others have no "+
			"keys")
	adviceWithout = advise("without", "nothing was made; %s leaves behind what does not fit, and takes the rest; "+
		"--offline takes all, without looking at the chain")
	adviceWithoutOwner = advise("without-owner",
		"nothing was made; %s leaves behind what does not fit, and takes the rest")
	adviceUsedHome = advise("used-home", "name another folder with --home; if pksa migrate made this wallet, it is "+
		"complete: start it with `pksa run`")
	adviceOldRelay = advise("old-relay", "nothing was made; name the relay that your applications use with --relay "+
		"wss://HOST, or for a private network --relay '{url: ws://HOST, plaintext: true}'")
)

// Hints about command lines.
var (
	adviceDidYouMean = advise("did-you-mean", "did you mean `%s %s`?")
	adviceUsage      = advise("usage", "`%s --help` shows how to use it")
)

// hinted is an error with something to do about it.
type hinted struct {
	error
	hint string
}

func (e hinted) Unwrap() error { return e.error }

// hint adds to an error what a person can do about it.
func hint(err error, a *advice, args ...any) error { return hinted{err, a.with(args...)} }

// with returns the text of the hint.
func (a *advice) with(args ...any) string {
	if len(args) == 0 {
		return a.text
	}
	return fmt.Sprintf(a.text, args...)
}
