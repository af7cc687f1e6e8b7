// The bot of examples/bot-js at a relay that plays a wallet, which is busy, has ended the session, or refuses. What it does
// next depends on who says so: only what the wallet has sealed for this very request has it ask again.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHash, createHmac, randomUUID } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { after, test } from 'node:test'
import CryptoJS from 'crypto-js'
import { WebSocketServer } from 'ws'

const secret = 'secret of the bot, in plain sight'
const running = new Set()
after(() => Promise.all([...running].map(wallet => wallet.stop())))
const folder = await mkdtemp(`${tmpdir()}/bot-`)
after(() => rm(folder, { recursive: true }))
await writeFile(`${folder}/secret`, secret)

const openText = (key, data) => CryptoJS.AES.decrypt(data, key).toString(CryptoJS.enc.Utf8)

// sealFor seals as our wallet does: the salt names the answer, the request and the reason.
function sealFor(key, request, cmd, text, reason = text) {
  const salt = createHmac('sha256', key).update(`pksa answer 1\0${cmd}\0`)
    .update(createHash('sha256').update(Buffer.from(request.data, 'base64')).digest()).update(reason).digest()
  return CryptoJS.AES.encrypt(text, key, { salt: CryptoJS.enc.Hex.parse(salt.toString('hex', 0, 8)) }).toString()
}

// Wallet is a relay and the wallet behind it. answers are what it says to sign requests, one after the other: the reason of
// a nack, or nothing for an approval.
class Wallet {
  logins = []
  asked = 0
  ended = new Set()
  refuses = false

  constructor(...answers) { this.answers = answers }

  async start() {
    running.add(this)
    this.server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
    await new Promise(done => this.server.once('listening', done))
    this.server.on('connection', socket => {
      const say = m => socket.send(JSON.stringify(m))
      say({ cmd: 'connected', server: 'test', protocol: 1, timeout: 60, ping_rate: 30, socketid: '1' })
      socket.on('message', text => this.hear(JSON.parse(text), say))
    })
    return this
  }

  hear(m, say) {
    const uuid = randomUUID()
    const kind = m.cmd.replace('_req', '')
    say({ cmd: `${kind}_wait`, uuid, expire: Date.now() + 60_000, account: m.account })
    if (kind === 'auth') {
      const key = openText(secret, m.auth_key)
      this.logins.push(key)
      if (this.refuses || this.ended.has(key)) {
        return say({ cmd: 'auth_nack', uuid, data: sealFor(key, m, 'auth_nack', uuid, 'request refused'), error: 'request refused' })
      }
      this.key = key
      const expire = Date.now() + 24 * 3_600_000
      return say({ cmd: 'auth_ack', uuid, data: sealFor(key, m, 'auth_ack', JSON.stringify({ expire })) })
    }
    this.asked++
    const answer = this.answers.shift()
    if (!answer) return say({ cmd: 'sign_ack', uuid, data: 'ab'.repeat(20), broadcast: true })
    if (answer.reason === 'session expired') this.ended.add(this.key)
    const sealed = answer.forged ? CryptoJS.AES.encrypt(uuid, this.key).toString() : sealFor(this.key, m, 'sign_nack', uuid, answer.reason)
    say({ cmd: 'sign_nack', uuid, data: sealed, error: answer.reason })
  }

  // run runs the bot once, and returns what it prints.
  run(session) {
    const env = { ...process.env, RELAY: `ws://127.0.0.1:${this.server.address().port}`, ACCOUNT: 'alice',
      SECRET_FILE: `${folder}/secret`, SESSION_FILE: `${folder}/${session}` }
    return new Promise(done => execFile(process.execPath, ['bot.mjs', 'bob/post'], { env }, (error, stdout, stderr) =>
      done({ code: error?.code ?? 0, text: stdout + stderr })))
  }

  async stop() {
    if (!running.delete(this)) return
    for (const client of this.server.clients) client.terminate()
    await new Promise(done => this.server.close(done))
  }
}

const kept = async session => JSON.parse(await readFile(`${folder}/${session}`, 'utf8'))

test('a busy wallet is asked again', async () => {
  const wallet = await new Wallet({ reason: 'busy, try again' }, { reason: 'busy, try again' }).start()
  const { code, text } = await wallet.run('busy')
  await wallet.stop()
  assert.equal(code, 0, text)
  assert.match(text, /voted: transaction abab/)
  assert.equal(wallet.asked, 3)
})

test('busy, by a relay, is not', async () => {
  const wallet = await new Wallet({ reason: 'busy, try again', forged: true }).start()
  const { code, text } = await wallet.run('forged')
  await wallet.stop()
  assert.equal(code, 1)
  assert.match(text, /may be the relay's; look at the chain/)
  assert.equal(wallet.asked, 1)
})

test('an ended session is replaced, and the vote is made in the new one', async () => {
  const wallet = await new Wallet(undefined, { reason: 'session expired' }).start()
  const first = await wallet.run('ended')
  assert.equal(first.code, 0, first.text)
  const second = await wallet.run('ended')
  await wallet.stop()
  assert.equal(second.code, 0, second.text)
  assert.equal(wallet.asked, 3)
  // The login, its confirmation, and the new login.
  assert.equal(wallet.logins.length, 3)
  assert.equal(wallet.logins[1], wallet.logins[0])
  assert.equal((await kept('ended')).auth.key, wallet.logins[2])
})

test('an ended session, by a relay, changes nothing', async () => {
  const wallet = await new Wallet(undefined, { reason: 'session expired', forged: true }).start()
  await wallet.run('lie')
  const { code, text } = await wallet.run('lie')
  await wallet.stop()
  assert.equal(code, 1)
  assert.match(text, /look at the chain/)
  assert.equal(wallet.logins.length, 1)
})

test('each reason has its advice', async () => {
  for (const [reason, says] of [['request refused', /refused by the policy/], ['broadcast failed: resource credits', /in some hours/],
    ['broadcast failed: authority', /"broadcast failed: authority", and nothing was done/]]) {
    const wallet = await new Wallet({ reason }).start()
    const { code, text } = await wallet.run(reason)
    await wallet.stop()
    assert.equal(code, 1)
    assert.match(text, says)
    assert.equal(wallet.asked, 1)
  }
})

test('a run that was cut off goes back to the session before it', async () => {
  const wallet = await new Wallet().start()
  await wallet.run('cut')
  const before = await kept('cut')
  // As a run leaves it that asks for a new session and is cut off.
  const cut = { auth: { username: 'alice', key: randomUUID() }, before: before.auth, confirmed: 0, opened: [...before.opened, Date.now()] }
  await writeFile(`${folder}/cut`, JSON.stringify(cut))
  wallet.refuses = true
  const { code, text } = await wallet.run('cut')
  await wallet.stop()
  assert.equal(code, 0, text)
  assert.equal((await kept('cut')).auth.key, before.auth.key)
  assert.equal((await kept('cut')).opened.length, 1)
})
