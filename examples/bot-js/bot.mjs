// A HiveAuth application that holds no keys: it asks a wallet to vote for a post, and prints the outcome.
//
//   npm install
//   pksa app add mybot                       # save the secret that it prints as mybot.secret, chmod 600
//   ACCOUNT=alice SECRET_FILE=mybot.secret node bot.mjs author/permlink
//
// The wallet needs a relay of its own (relay.listen: 127.0.0.1:9480, and the same address in relays), and rules that
// allow the app mybot to log in and to vote. The package comment of ../bot-go shows these rules.
import { createHash, createHmac, randomUUID } from 'node:crypto'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import WebSocket from 'ws'

const { RELAY = 'ws://127.0.0.1:9480', ACCOUNT, SECRET_FILE = 'mybot.secret', SESSION_FILE = 'mybot.session' } = process.env
const [author, permlink] = (process.argv[2] ?? '').replace(/^@/, '').split('/')
if (!ACCOUNT || !permlink) {
  console.error('usage: ACCOUNT=name node bot.mjs author/permlink')
  process.exit(2)
}

// Problem is an error whose text says all that a person needs.
class Problem extends Error {}

// hive-auth-wrapper is made for browsers. It does not listen for errors of its connection, which would end the program.
let lost = ''
let asked = '' // the sealed payload of the last request
const Connection = globalThis.WebSocket ?? WebSocket
globalThis.window = globalThis
globalThis.WebSocket = class extends Connection {
  constructor(url) {
    super(url)
    this.addEventListener('error', event => { lost = event.message || event.error?.message || 'connection failed' })
  }

  send(frame) {
    const { data } = JSON.parse(frame)
    if (data) asked = data
    super.send(frame)
  }
}
const { default: HAS } = await import('hive-auth-wrapper')

// connect is called before each request: the wrapper's own complaint about a lost connection cannot be caught.
async function connect() {
  if (!await HAS.connect()) throw new Problem(`no connection to the relay ${RELAY}: ${lost}; does it run there?`)
}

// The wallet knows the application by its secret, not by the name that it gives itself.
function readSecret() {
  try {
    return readFileSync(SECRET_FILE, 'utf8').trim()
  } catch (error) {
    throw new Problem(`the secret of the app cannot be read (${error.message}); \`pksa app add mybot\` makes one, ` +
      'and SECRET_FILE names its file')
  }
}

// isForUs says whether the wallet itself has said no to the last request: then nothing was done and nothing will be. The
// uuid that is sealed in a nack proves nothing, because the relay chose it, for us and for the wallet. Our wallet seals it
// with a salt that names the payload and the reason.
function isForUs(nack) {
  const sealed = Buffer.from(nack.data ?? '', 'base64')
  const salt = createHmac('sha256', kept.auth.key).update(`pksa answer 1\0${nack.cmd}\0`)
    .update(createHash('sha256').update(Buffer.from(asked, 'base64')).digest()).update(nack.error ?? '').digest()
  return sealed.subarray(8, 16).equals(salt.subarray(0, 8))
}

// What is kept from run to run, as agent/client's Keep does it: the session, the one before it until it is granted, when the
// wallet confirmed it last, and when sessions were made. Whoever reads the file can ask the wallet as this bot.
const hour = 3_600_000
let kept = { auth: null, before: null, confirmed: 0, opened: [] }

function load() {
  let text
  try {
    text = readFileSync(SESSION_FILE, 'utf8')
  } catch (error) {
    if (error.code === 'ENOENT') return
    throw new Problem(`the kept session cannot be read: ${error.message}`)
  }
  try {
    const found = JSON.parse(text)
    kept = { ...kept, ...(found.username ? { auth: found } : found) }
  } catch {
    throw new Problem(`${SESSION_FILE} is not a kept session; if it is one, remove it to log in again`)
  }
  if (kept.auth && kept.auth.username !== ACCOUNT) {
    throw new Problem(`${SESSION_FILE} keeps a session of ${kept.auth.username}: each account needs a file of its own; if that account was a mistake, remove it`)
  }
}

function save() {
  try {
    writeFileSync(SESSION_FILE + '.new', JSON.stringify(kept), { mode: 0o600 })
    renameSync(SESSION_FILE + '.new', SESSION_FILE)
  } catch (error) {
    throw new Problem(`the session cannot be kept, and each run would make another one: ${error.message}`)
  }
}

// confirm asks the wallet for the kept session: a new one is made, one that lives is confirmed, and one that the wallet
// has ended is refused at once. Then it reports false.
async function confirm() {
  await connect()
  try {
    await HAS.authenticate(kept.auth, { name: 'mybot', description: 'votes' })
  } catch (error) {
    // The wrapper has checked that a nack is sealed by the wallet. The err of an app with --answers documented cannot be.
    if (error.cmd !== 'auth_nack' && error.error !== 'authentication failed') throw error
    return false
  }
  kept.before = null
  kept.confirmed = Date.now()
  save()
  return true
}

// open makes a new session, at most five in an hour: an application that logs in again and again uses up the sessions of
// the account. The key is kept before the wallet is asked: a run that is cut off goes on with it in the next one. open
// returns whether there is a new session.
async function open(mayLive = null) {
  const now = Date.now()
  kept.opened = kept.opened.filter(at => now >= at && now - at < hour)
  if (kept.opened.length >= 5) throw new Problem('five new sessions in an hour: what ends them? not making another one')
  kept = { auth: { username: ACCOUNT, key: randomUUID() }, before: mayLive, confirmed: 0, opened: [...kept.opened, now] }
  save()
  return await begin()
}

// begin asks for the session whose key is kept. A wallet that lets nobody log in any more still serves the sessions that
// there are, so the one before it is kept then, if it may live.
async function begin() {
  if (await confirm()) {
    console.log(`logged in as ${ACCOUNT} until ${new Date(kept.auth.expire).toISOString()}`)
    return true
  }
  const { before, opened } = kept
  kept = { auth: before, before: null, confirmed: before ? Date.now() : 0, opened: opened.slice(0, -1) }
  save()
  if (before) return false
  throw new Problem('the wallet does not let this app log in; `pksa audit tail` there says why')
}

// login logs in, or goes on with the session of the last run.
async function login() {
  load()
  const { auth, confirmed } = kept
  if (!auth) return open()
  if (!auth.expire) return begin() // asked for in a run that was cut off
  if (auth.expire < Date.now() + 60_000) return open()
  if (Date.now() - confirmed < hour) return
  if (!await confirm()) await open(auth) // the wallet has ended it, or lets nobody log in
}

// vote asks for the vote. It asks again only after the wallet itself has said that nothing was done.
async function vote(operation) {
  let pause = 250
  for (let again = true; ;) {
    await connect()
    try {
      return await HAS.broadcast(kept.auth, 'posting', [operation])
    } catch (error) {
      if (error.cmd !== 'sign_nack' || !isForUs(error)) throw error
      if (error.error === 'busy, try again' && pause < 5000) {
        await sleep(pause)
        pause *= 2
      } else if (error.error === 'session expired' && again) {
        again = false
        if (!await confirm()) await open()
      } else {
        throw error
      }
    }
  }
}

// silence finds out whether nobody answered because the wallet has ended the session. A wallet that is there says so at
// once.
async function silence() {
  const lives = await Promise.race([confirm(), sleep(15_000, true)]).catch(() => true)
  if (lives) return 'nobody answered; does the wallet run, at this relay, with this secret? `pksa status` there shows what nothing opened'
  if (!await open(kept.auth)) return 'nobody answered, and the wallet does not let this app log in; `pksa audit tail` there says why'
  return 'the wallet had ended the session, and there is a new one; look at the chain, then run this again'
}

// What to do about each reason that a wallet gives.
const advice = {
  'request refused': 'refused by the policy; `pksa audit tail` says why',
  'busy, try again': 'the wallet has too much to do: ask again later, and less often',
  'nonce refused': 'out of order: use the session in one program only, and look at the clock',
  'broadcast failed: resource credits': 'the account has not enough resource credits: ask again in some hours',
  'broadcast failed: expired': 'no block took it in time: ask again',
  'broadcast failed: no node': 'the wallet reached no Hive node: ask again later',
}

// explain tells the cases apart: the wallet says no, somebody says no, nobody answers, something fails.
async function explain(error) {
  if (error instanceof Problem) return error.message
  if (error.cmd?.endsWith('_nack')) {
    const said = JSON.stringify(String(error.error ?? '').slice(0, 100))
    if (!isForUs(error)) return `the answer ${said} may be the relay's; look at the chain before you ask again`
    return advice[error.error] ?? `the wallet says ${said}, and nothing was done; \`pksa audit tail\` there says more`
  }
  if (error.message === 'expired') return await silence()
  return `failed: ${error.message || error.error}; look at the chain before you ask again`
}

try {
  // The wrapper warns here, because an application that talks to the wallets of others must not do this. This one talks
  // to yours: the secret stays on this machine, and encrypts the key of the session for your wallet.
  const warn = console.warn
  console.warn = () => {}
  HAS.setOptions({ host: RELAY, auth_key_secret: readSecret() })
  console.warn = warn
  await login()
  const { data } = await vote(['vote', { voter: ACCOUNT, author, permlink, weight: 10000 }])
  kept.confirmed = Date.now()
  save()
  console.log(`voted: transaction ${data}`) // a relay can forge this answer: look at the chain
  process.exit(0)
} catch (error) {
  console.error(await explain(error).catch(again => again.message || again.error))
  process.exit(1)
}
