// hive-auth-wrapper in service mode: the application has the secret of its app, and no person is asked.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { APP, HAS, RELAY, SECRET, STRANGER_SECRET, alice, bob, hive, mark, onChain, signedBy, signersOf, transaction, transactionID, transfer, vote } from './world.mjs'

HAS.setOptions({ host: RELAY, auth_key_secret: SECRET })
const auth = { username: 'alice' }

test('connects to the relay', async () => {
  assert.equal(await HAS.connect(), true)
})

test('logs in with the secret of its app, no person asked', async () => {
  let waited
  const ack = await HAS.authenticate(auth, APP, undefined, event => { waited = event })
  assert.equal(waited.account, 'alice')
  assert.equal(HAS.status().timeout, 20_000)
  assert.equal(ack.uuid, waited.uuid)
  assert.equal(ack.pok, undefined, 'the proof of key is for the relay alone')
  assert.ok(auth.expire > Date.now() + 50 * 60_000 && auth.expire < Date.now() + 61 * 60_000)
  assert.match(auth.token, /^[0-9a-f-]{36}$/)
})

test('logs in again with the key of a known session: same end, same token', async () => {
  const again = { ...auth }
  await HAS.authenticate(again, APP)
  assert.equal(again.expire, auth.expire)
  assert.equal(again.token, auth.token)
})

test('login with a challenge; hive-js verifies the signature', async () => {
  const challenge = JSON.stringify({ login: 'alice', ts: Date.now() })
  const { data } = await HAS.authenticate({ username: 'alice' }, APP, { key_type: 'posting', challenge })
  assert.deepEqual(data.challenge_data, data.challenge)
  assert.equal(data.challenge.pubkey, alice.postingPubkey)
  assert.ok(signedBy(challenge, data.challenge.challenge, alice.postingPubkey))
})

for (const key_type of ['posting', 'memo']) {
  test(`challenge signed by ${key_type}; hive-js verifies it`, async () => {
    const challenge = `é ✓ 𝄞 ${mark()}`
    const { data } = await HAS.challenge(auth, { key_type, challenge })
    assert.equal(data.pubkey, alice[`${key_type}Pubkey`])
    assert.ok(signedBy(challenge, data.challenge, data.pubkey))
    assert.ok(!signedBy(challenge + '.', data.challenge, data.pubkey))
  })
}

test('memo that hive-js encrypted is decrypted', async () => {
  const memo = hive.memo.encode(bob.memo, alice.memoPubkey, '#see you at nine, äöü')
  const { data } = await HAS.challenge(auth, { key_type: 'memo', challenge: memo, decrypt: true, nonce: Date.now() })
  assert.equal(data.challenge, '#see you at nine, äöü')
})

test('vote is broadcast once; hive-js finds the same id and signer', async () => {
  const permlink = mark()
  const ack = await HAS.broadcast(auth, 'posting', [vote(permlink)])
  assert.equal(ack.broadcast, true)
  assert.match(ack.data, /^[0-9a-f]{40}$/)
  assert.equal(await onChain(permlink), 1)
  const tx = await transaction(ack.data)
  assert.deepEqual(tx.operations, [vote(permlink)])
  assert.equal(transactionID(tx), ack.data)
  assert.deepEqual(signersOf(tx), [alice.postingPubkey])
})

test('transfer within the policy is signed by the active key', async () => {
  const memo = mark()
  const ack = await HAS.broadcast(auth, 'active', [transfer('0.100 HBD', memo)])
  assert.equal(await onChain(memo), 1)
  assert.deepEqual(signersOf(await transaction(ack.data)), [alice.activePubkey])
})

test('transfer beyond the policy is seen as refused, and nothing is sent', async () => {
  const memo = mark()
  await assert.rejects(HAS.broadcast(auth, 'active', [transfer('1.001 HBD', memo)]), { cmd: 'sign_nack', error: 'request refused' })
  assert.equal(await onChain(memo), 0)
})

test('one forbidden operation refuses the allowed one beside it', async () => {
  const permlink = mark()
  const forbidden = ['custom_json', { required_auths: [], required_posting_auths: ['alice'], id: 'x', json: '{}' }]
  await assert.rejects(HAS.broadcast(auth, 'posting', [vote(permlink), forbidden]), { cmd: 'sign_nack' })
  assert.equal(await onChain(permlink), 0)
})

test('broadcast that the chain refuses is seen as failed', async () => {
  const memo = mark()
  await assert.rejects(HAS.broadcast(auth, 'active', [transfer('999999.000 HIVE', memo)]), { cmd: 'sign_nack', error: 'broadcast failed: balance' })
  assert.equal(await onChain(memo), 0)
})

test('malformed operation is seen as failed', async () => {
  await assert.rejects(HAS.broadcast(auth, 'posting', [['vote', { voter: 'alice' }]]), { cmd: 'sign_nack', error: 'invalid request' })
})

test('challenge by the active key is seen as refused', async () => {
  await assert.rejects(HAS.challenge(auth, { key_type: 'active', challenge: mark() }), { cmd: 'challenge_nack', error: 'request refused' })
})

test('key that the wallet does not hold is seen as refused', async () => {
  const bobs = { username: 'bob' }
  await HAS.authenticate(bobs, APP)
  await assert.rejects(HAS.challenge(bobs, { key_type: 'memo', challenge: mark() }), { cmd: 'challenge_nack' })
})

test('login by an app that no rule allows is seen as refused', async () => {
  HAS.setOptions({ auth_key_secret: STRANGER_SECRET })
  await assert.rejects(HAS.authenticate({ username: 'alice' }, APP), { cmd: 'auth_nack' })
})
