// A HiveAuth application that holds no keys: it asks a wallet to vote for a post, and prints the outcome.
//
//   npm install
//   pksa app add mybot                       # save the secret that it prints as mybot.secret, chmod 600
//   ACCOUNT=alice SECRET_FILE=mybot.secret node bot.mjs author/permlink
//
// The wallet needs a relay of its own (relay.listen: 127.0.0.1:9480), and rules that allow the app mybot to log in and to
// vote. The package comment of ../bot-go shows these rules.
import { readFileSync, writeFileSync } from 'node:fs'
import WebSocket from 'ws'

// hive-auth-wrapper is made for browsers.
globalThis.window = globalThis
globalThis.WebSocket ??= WebSocket
const { default: HAS } = await import('hive-auth-wrapper')

const { RELAY = 'ws://127.0.0.1:9480', ACCOUNT, SECRET_FILE = 'mybot.secret', SESSION_FILE = 'mybot.session' } = process.env
const [author, permlink] = (process.argv[2] ?? '').replace(/^@/, '').split('/')
if (!ACCOUNT || !permlink) {
  console.error('usage: ACCOUNT=name node bot.mjs author/permlink')
  process.exit(2)
}

// The wallet knows the application by its secret, not by the name below.
HAS.setOptions({ host: RELAY, auth_key_secret: readFileSync(SECRET_FILE, 'utf8').trim() })

// login returns the session of the last run, or opens a new one.
async function login() {
  try {
    const kept = JSON.parse(readFileSync(SESSION_FILE, 'utf8'))
    if (kept.username === ACCOUNT && kept.expire > Date.now() + 60_000) return kept
  } catch (error) {
    if (error.code !== 'ENOENT') throw error
  }
  const auth = { username: ACCOUNT }
  await HAS.authenticate(auth, { name: 'mybot', description: 'votes' })
  // Whoever reads this file can ask the wallet as this bot.
  writeFileSync(SESSION_FILE, JSON.stringify(auth), { mode: 0o600 })
  console.log(`logged in as ${ACCOUNT} until ${new Date(auth.expire).toISOString()}`)
  return auth
}

// explain tells three cases apart: the wallet refuses, nobody answers, something fails.
function explain(error) {
  if (error.cmd?.endsWith('_nack')) return 'refused by the policy; `pksa audit tail` says why'
  if (error.message === 'expired') return 'nobody answered; does the wallet run, at this relay, with this secret?'
  return `failed: ${error.message || error.error}; look at the chain before you ask again`
}

try {
  const auth = await login()
  const vote = ['vote', { voter: ACCOUNT, author, permlink, weight: 10000 }]
  const { data } = await HAS.broadcast(auth, 'posting', [vote])
  console.log(`voted: transaction ${data}`) // a relay can forge this answer: look at the chain
  process.exit(0)
} catch (error) {
  console.error(explain(error))
  process.exit(1)
}
