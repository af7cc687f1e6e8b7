// hive-auth-wrapper loses its connection while a request is in work. It connects again, attaches, and gets the answer.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { APP, HAS, RELAY, SECRET, alice, loseConnectionAfter, mark, onChain, signedBy, vote } from './world.mjs'

HAS.setOptions({ host: RELAY, auth_key_secret: SECRET })
const auth = { username: 'alice' }

test('login answered after a lost connection', async () => {
  loseConnectionAfter('auth_wait')
  await HAS.authenticate(auth, APP)
  assert.ok(auth.expire > Date.now())
})

test('vote answered after a lost connection, and sent once', async () => {
  const permlink = mark()
  loseConnectionAfter('sign_wait')
  const ack = await HAS.broadcast(auth, 'posting', [vote(permlink)])
  assert.match(ack.data, /^[0-9a-f]{40}$/)
  assert.equal(await onChain(permlink), 1)
})

test('challenge answered after a lost connection', async () => {
  const challenge = mark()
  loseConnectionAfter('challenge_wait')
  const { data } = await HAS.challenge(auth, { key_type: 'posting', challenge })
  assert.ok(signedBy(challenge, data.challenge, alice.postingPubkey))
})
