// What every judge needs: the addresses and secrets of this run, a WebSocket as browsers have it, the
// libraries, and a look at the chain by eyes other than the wallet's.
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { after } from 'node:test'
import { promisify } from 'node:util'
import WS from 'ws'

// Set by the script `run`.
export const { RELAY, NODE, PKSA_HOME, PKSA, SECRET, STRANGER_SECRET, BRIEF_SECRET, ALICE_PASSWORD, BOB_PASSWORD } = process.env

const open = new Set()
let cutAfter

// Socket is a WebSocket whose connection a test can cut at a chosen frame.
class Socket extends WS {
  constructor(url) {
    super(url)
    open.add(this)
    this.on('close', () => open.delete(this))
  }

  emit(event, ...args) {
    if (event === 'message' && this.deaf) return false
    const heard = super.emit(event, ...args)
    if (event === 'message' && cutAfter && JSON.parse(args[0]).cmd === cutAfter) {
      cutAfter = undefined
      this.deaf = true // what is in the same packet is lost too
      this.terminate()
    }
    return heard
  }
}

// Both libraries are made for browsers: they look for window.WebSocket, and hive-auth-client for
// the global event.
globalThis.window = globalThis
globalThis.event = undefined
Object.defineProperty(globalThis, 'WebSocket', { value: Socket, configurable: true })

// loseConnectionAfter breaks the connection, without a goodbye, right after the next frame of this kind.
export function loseConnectionAfter(cmd) { cutAfter = cmd }

// A closed socket lets the process end. Closed properly, or hive-auth-client would connect again.
after(() => { for (const socket of open) socket.close(1000) })

export const { default: HAS } = await import('hive-auth-wrapper')
const { default: clientPackage } = await import('hive-auth-client')
export const { HasClient } = clientPackage
export const { default: CryptoJS } = await import('crypto-js')
export const { default: hive } = await import('@hiveio/hive-js')
export const { default: ecc } = await import('@hiveio/hive-js/lib/auth/ecc/index.js')
const { default: serializer } = await import('@hiveio/hive-js/lib/auth/serializer/index.js')

export const APP = { name: 'interop', description: 'judges the wallet' }

// keysOf derives an account's keys with hive-js, as `pksa keys import --password` does without it.
export const keysOf = (account, password) => hive.auth.getPrivateKeys(account, password, ['active', 'posting', 'memo'])
export const alice = keysOf('alice', ALICE_PASSWORD)
export const bob = keysOf('bob', BOB_PASSWORD)

// signedBy says whether hive-js finds the signature of this text good, for this public key.
export function signedBy(text, signature, publicKey) {
  const digest = ecc.hash.sha256(Buffer.from(text, 'utf8'))
  return ecc.Signature.fromHex(signature).verifyHash(digest, ecc.PublicKey.fromString(publicKey))
}

// transactionID is computed by hive-js from its own serialisation.
export function transactionID(tx) {
  return ecc.hash.sha256(serializer.ops.transaction.toBuffer(tx)).toString('hex').slice(0, 40)
}

// signersOf recovers with hive-js the keys that signed a transaction.
export function signersOf(tx) {
  const chain = Buffer.from(hive.config.get('chain_id'), 'hex')
  const packed = Buffer.concat([chain, serializer.ops.transaction.toBuffer(tx)])
  return tx.signatures.map(s => ecc.Signature.fromHex(s).recoverPublicKeyFromBuffer(packed).toString())
}

// rpc asks the fake node what any Hive API node answers.
export async function rpc(method, params) {
  const answer = await fetch(NODE, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  })
  const { result, error } = await answer.json()
  if (error) throw new Error(`${method}: ${error.message}`)
  return result
}

// transaction waits until a transaction is in a block, a matter of seconds: before that nodes do not tell it.
export async function transaction(id) {
  for (let tries = 0; ; tries++) {
    try {
      return await rpc('condenser_api.get_transaction', [id])
    } catch (error) {
      if (tries === 50 || !/Unknown Transaction/.test(error.message)) throw error
      await sleep(200)
    }
  }
}

// onChain counts the transactions that hold a text. Tests put a text of their own into each.
export async function onChain(text) {
  const answer = await fetch(`${NODE}/inspect?holding=${encodeURIComponent(text)}`)
  return (await answer.json()).count
}

let marks = 0
// mark is a text that no other test uses.
export const mark = () => `m${process.pid}-${++marks}-${Date.now()}`

export const vote = permlink => ['vote', { voter: 'alice', author: 'bob', permlink, weight: 10000 }]
export const transfer = (amount, memo) => ['transfer', { from: 'alice', to: 'bob', amount, memo }]

// pksa runs a command of the wallet beside the running agent.
export async function pksa(...args) {
  const { stdout } = await promisify(execFile)(PKSA, [...args, '--json'])
  return JSON.parse(stdout)
}

// secretFile keeps a secret where the command line does not show it.
export async function secretFile(name, text) {
  const path = `${PKSA_HOME}/${name}`
  await writeFile(path, text, { mode: 0o600 })
  return path
}

export const sleep = ms => new Promise(done => setTimeout(done, ms))
