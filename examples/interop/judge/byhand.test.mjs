// The protocol spoken by hand, with crypto-js alone, for what neither library can ask: signing without broadcast, and
// the same request twice.
import assert from 'node:assert/strict'
import { createHash, createHmac, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { before, test } from 'node:test'
import { APP, CryptoJS, RELAY, SECRET, alice, hive, mark, NODE, onChain, signersOf, sleep, transactionID, vote } from './world.mjs'

const key = randomUUID()
const seal = (text, passphrase = key) => CryptoJS.AES.encrypt(text, passphrase).toString()
const unseal = text => CryptoJS.AES.decrypt(text, key).toString(CryptoJS.enc.Utf8)

const socket = new WebSocket(RELAY)
const frames = []
socket.on('message', text => { frames.push(JSON.parse(text)); socket.emit('frame') })

// next gives the first frame that fits, and takes it away.
async function next(fits) {
  for (;;) {
    const i = frames.findIndex(fits)
    if (i >= 0) return frames.splice(i, 1)[0]
    await once(socket, 'frame')
  }
}

// ask sends a request and gives the answer to it. One at a time: the relay's *_wait says which uuid is ours.
async function ask(kind, data, more) {
  socket.send(JSON.stringify({ cmd: `${kind}_req`, account: 'alice', data, ...more }))
  const { uuid } = await next(f => f.cmd === `${kind}_wait`)
  return next(f => f.uuid === uuid)
}

before(async () => {
  assert.deepEqual(Object.keys(await next(f => f.cmd === 'connected')).sort(),
    ['cmd', 'ping_rate', 'protocol', 'server', 'socketid', 'timeout', 'version'])
  const answer = await ask('auth', seal(JSON.stringify({ app: APP })), { auth_key: seal(key, SECRET) })
  assert.equal(answer.cmd, 'auth_ack')
})

test('signed transaction is handed out unsent; hive-js verifies and sends it', async () => {
  const permlink = mark()
  const answer = await ask('sign', seal(JSON.stringify({ key_type: 'posting', ops: [vote(permlink)], broadcast: false, nonce: Date.now() })))
  assert.equal(answer.cmd, 'sign_ack')
  assert.equal(answer.broadcast, false)
  const tx = answer.data
  assert.equal(await onChain(permlink), 0)
  assert.deepEqual(tx.operations, [vote(permlink)])
  assert.deepEqual(signersOf(tx), [alice.postingPubkey])

  hive.api.setOptions({ url: NODE })
  await hive.api.broadcastTransactionAsync(tx)
  assert.equal(await onChain(permlink), 1)
  assert.match(transactionID(tx), /^[0-9a-f]{40}$/)
})

test('same sealed request under a new uuid gets the same answer or none, and nothing is sent twice', async () => {
  const permlink = mark()
  const data = seal(JSON.stringify({ key_type: 'posting', ops: [vote(permlink)], broadcast: true, nonce: Date.now() }))
  const first = await ask('sign', data)
  assert.equal(first.cmd, 'sign_ack')
  const again = await Promise.race([ask('sign', data), sleep(3000)])
  // A nack of the copy would say that the vote was not made.
  if (again) assert.deepEqual({ ...again, uuid: first.uuid }, first)
  assert.equal(await onChain(permlink), 1)
})

test('request that is no JSON is refused with its sealed uuid, for this request alone', async () => {
  const data = seal('neither here nor there')
  const answer = await ask('challenge', data)
  assert.equal(answer.cmd, 'challenge_nack')
  assert.equal(answer.error, 'invalid request')
  assert.equal(unseal(answer.data), answer.uuid)
  const salt = createHmac('sha256', key).update('pksa answer 1\0challenge_nack\0')
    .update(createHash('sha256').update(Buffer.from(data, 'base64')).digest()).update(answer.error).digest()
  assert.equal(Buffer.from(answer.data, 'base64').toString('hex', 8, 16), salt.toString('hex', 0, 8))
})
