// hive-auth-wrapper as a web page uses it: no secret, but a link that a person carries to the wallet.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { APP, HAS, RELAY, alice, mark, onChain, pksa, secretFile, signedBy, vote } from './world.mjs'

HAS.setOptions({ host: RELAY })
const auth = { username: 'alice' }

// carry makes the link of the documentation from what the library tells the page, and pastes it.
async function carry({ account, uuid, key }) {
  const text = JSON.stringify({ account, uuid, key, host: RELAY })
  const file = await secretFile(`link-${uuid}`, `has://auth_req/${Buffer.from(text).toString('base64')}`)
  return pksa('pair', '--app', 'judge', '--for', '2h', '--link', `file:${file}`)
}

test('logs in by a link, with a challenge that hive-js verifies', async () => {
  const challenge = mark()
  let carried
  const ack = await HAS.authenticate(auth, APP, { key_type: 'posting', challenge }, event => { carried = carry(event) })
  const session = await carried
  assert.equal(session.app, 'judge')
  assert.equal(Date.parse(session.expires), auth.expire)
  assert.ok(auth.expire > Date.now() + 110 * 60_000)
  assert.ok(signedBy(challenge, ack.data.challenge.challenge, alice.postingPubkey))
})

test('votes in the paired session', async () => {
  const permlink = mark()
  await HAS.broadcast(auth, 'posting', [vote(permlink)])
  assert.equal(await onChain(permlink), 1)
})
