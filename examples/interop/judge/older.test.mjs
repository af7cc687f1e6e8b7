// hive-auth-client, of protocol 0.8: it must be given a token, sends no nonce, and listens for events.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { APP, HasClient, RELAY, SECRET, alice, loseConnectionAfter, mark, onChain, signedBy, transfer, vote } from './world.mjs'

const client = new HasClient('unused', SECRET)
client.config.host = RELAY // the constructor knows wss:// only
const auth = { username: 'alice' }

// outcome waits for the one of these events that comes first and gives its name and content.
function outcome(ask, ...names) {
  return new Promise((resolve, reject) => {
    const handlers = [...names, 'Error', 'RequestExpired'].map(name => [name, event => {
      for (const [other, handler] of handlers) client.removeEventHandler(other, handler)
      resolve({ name, event })
    }])
    for (const [name, handler] of handlers) client.addEventHandler(name, handler)
    Promise.resolve(ask()).catch(reject)
  })
}

test('connects, although it thinks protocol 1 too new', async () => {
  const { name } = await outcome(() => client.connect(), 'ConnectionFailure', 'ConnectionSuccess')
  // Failure is the library's word for protocol 1; it goes on all the same.
  assert.equal(name, process.env.PKSA_RELAY_PROTOCOL === '0.8' ? 'ConnectionSuccess' : 'ConnectionFailure')
})

test('logs in and gets the token that it needs', async () => {
  const challenge = mark()
  const { name, event } = await outcome(() => client.authenticate(auth, APP, { key_type: 'posting', challenge }), 'AuthSuccess', 'AuthFailure')
  assert.equal(name, 'AuthSuccess')
  assert.ok(signedBy(challenge, event.data.challenge.challenge, alice.postingPubkey))
  Object.assign(auth, event.authData)
  assert.equal(typeof auth.token, 'string')
})

test('challenge without nonce', async () => {
  const challenge = mark()
  const { name, event } = await outcome(() => client.challenge(auth, { key_type: 'posting', challenge }), 'ChallengeSuccess', 'ChallengeFailure')
  assert.equal(name, 'ChallengeSuccess')
  assert.ok(signedBy(challenge, event.data.challenge, alice.postingPubkey))
})

test('vote without nonce', async () => {
  const permlink = mark()
  const { name, event } = await outcome(() => client.broadcast(auth, 'posting', [vote(permlink)]), 'SignSuccess', 'SignFailure')
  assert.equal(name, 'SignSuccess')
  assert.match(event.message.data, /^[0-9a-f]{40}$/)
  assert.equal(await onChain(permlink), 1)
})

test('refusal is seen as refusal, in words', async () => {
  const memo = mark()
  const { name, event } = await outcome(() => client.broadcast(auth, 'active', [transfer('2.000 HBD', memo)]), 'SignSuccess', 'SignFailure')
  assert.deepEqual({ name, event }, { name: 'SignFailure', event: { message: 'request refused' } })
  assert.equal(await onChain(memo), 0)
})

test('failed broadcast is seen as failure at once, in words', async () => {
  const memo = mark()
  const { name, event } = await outcome(() => client.broadcast(auth, 'active', [transfer('999999.000 HIVE', memo)]), 'SignSuccess', 'SignFailure')
  assert.deepEqual({ name, event }, { name: 'SignFailure', event: { message: 'broadcast failed: balance' } })
  assert.equal(await onChain(memo), 0)
})

test('refused challenge is seen as refusal at once', async () => {
  const { name } = await outcome(() => client.challenge(auth, { key_type: 'active', challenge: mark() }), 'ChallengeSuccess', 'ChallengeFailure')
  assert.equal(name, 'ChallengeFailure')
})

test('answer after a lost connection', async () => {
  const permlink = mark()
  loseConnectionAfter('sign_wait')
  const { name } = await outcome(() => client.broadcast(auth, 'posting', [vote(permlink)]), 'SignSuccess', 'SignFailure')
  assert.equal(name, 'SignSuccess')
  assert.equal(await onChain(permlink), 1)
})
