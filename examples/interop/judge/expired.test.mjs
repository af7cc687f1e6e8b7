// hive-auth-wrapper with a session that ends after three seconds. The wallet says so at once to what comes later.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { APP, BRIEF_SECRET, HAS, RELAY, mark, onChain, sleep, vote } from './world.mjs'

HAS.setOptions({ host: RELAY, auth_key_secret: BRIEF_SECRET })
const auth = { username: 'alice' }

test('request in an ended session is told so at once; a new login helps', async () => {
  await HAS.authenticate(auth, APP)
  assert.ok(auth.expire <= Date.now() + 3000)
  await HAS.broadcast(auth, 'posting', [vote(mark())])
  await sleep(Math.max(0, auth.expire - Date.now()) + 200)

  const permlink = mark()
  const begun = Date.now()
  await assert.rejects(HAS.broadcast(auth, 'posting', [vote(permlink)]), { cmd: 'sign_nack', error: 'session expired' })
  assert.ok(Date.now() - begun < 10_000, 'the library waited for the request to expire')
  assert.equal(await onChain(permlink), 0)

  await HAS.authenticate(auth, APP)
  assert.ok(auth.expire > Date.now())
  await HAS.broadcast(auth, 'posting', [vote(permlink)])
  assert.equal(await onChain(permlink), 1)
})
