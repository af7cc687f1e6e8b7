// hive-auth-wrapper with a secret that no app has. The wallet cannot tell who asks, and is silent.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { APP, HAS, RELAY } from './world.mjs'

test('login with a wrong secret expires unanswered', async () => {
  HAS.setOptions({ host: RELAY, auth_key_secret: 'nobody has this secret here' })
  await assert.rejects(HAS.authenticate({ username: 'alice' }, APP), { message: 'expired' })
})
