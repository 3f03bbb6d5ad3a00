// A peer that sends garbage, kind after kind, each under a new name, as far as its library lets it.
//
// Arguments: the address of the victim, then the topics it follows: records first, then presence.
// Input: one line, a true message of the records topic in hex. Output: a line of JSON, `done`, for
// each kind: whether the victim was to hang up, whether it did, and else whether it still answered;
// and whether it was to end the stream the garbage came on, and whether it did.

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { RPC } from '@libp2p/gossipsub/message'
import { multiaddr } from '@multiformats/multiaddr'
import { joinMarket, messageId, tell } from './market.mjs'

const MESHSUB = '/meshsub/1.1.0'
const READY_MS = 15_000
const HANG_UP_MS = 15_000
const DRAIN_MS = 1_000
const TIMES = 64

const [address, records, presence] = process.argv.slice(2)
const lines = createInterface({ input: process.stdin })
const [line] = await once(lines, 'line')
const truth = Buffer.from(line, 'hex')
lines.close()

const times = (count, make) => Array.from({ length: count }, (_, index) => make(index))
const ids = (count) => times(count, () => randomBytes(32))
const said = (topic, data) => ({ messages: [{ topic, data }] })
const control = (entries) => ({ control: { ihave: [], iwant: [], graft: [], prune: [], idontwant: [], ...entries } })

const frame = Buffer.from(RPC.encode({ subscriptions: [], ...said(records, truth) }))

function changed (message, index) {
  const forged = Buffer.from(message)
  forged[index % forged.length] ^= 1
  return forged
}

function framed (payload) {
  const prefix = []
  let left = payload.length
  for (; left > 0x7f; left = Math.floor(left / 128)) prefix.push((left % 128) | 0x80)
  return Buffer.concat([Buffer.from([...prefix, left]), payload])
}

// Through the library: `publish`, and the service's own queue for frames of our making.
const publishing = (topic, make) => async ({ node }) => {
  for (const data of times(TIMES, make)) await node.services.gossip.publish(topic, data)
}
const sending = (...rpcs) => async ({ node, victim }) => {
  for (const rpc of rpcs) node.services.gossip.sendRpc(victim, { subscriptions: [], messages: [], ...rpc })
}
// Around it: a stream of our own that speaks no gossip at all.
const writing = (...pieces) => async ({ connection }) => {
  const stream = await connection.newStream(MESHSUB)
  for (const piece of pieces) {
    if (stream.status !== 'open') break
    if (!stream.send(piece)) await Promise.race([stream.onDrain(), sleep(DRAIN_MS)])
  }
  return stream
}

// What no correct peer sends: the victim counts faults, and hangs up at the eighth.
const faults = {
  'random bytes as messages': publishing(records, () => randomBytes(200)),
  'random bytes as presences': publishing(presence, () => randomBytes(200)),
  'nothing as a message': sending(...times(TIMES, () => said(records, new Uint8Array(0)))),
  'messages of 64,000 bytes': publishing(records, () => randomBytes(64_000)),
  'records on the topic of presences': publishing(presence, (index) => changed(truth, index)),
  'records with a bit flipped': publishing(records, (index) => changed(truth, index))
}
// What is no frame at all, or too large a one: the victim ends its stream. It counts as one fault.
const cuts = {
  'frames of a million bytes': publishing(records, () => randomBytes(1_000_000)),
  'a thousand messages in a frame': sending({ messages: times(1_000, () => ({ topic: records, data: randomBytes(8) })) }),
  'frames of random bytes': writing(...times(TIMES, () => framed(randomBytes(300)))),
  'a frame cut inside its message': writing(framed(frame.subarray(0, frame.length / 2))),
  'a length without end': writing(Buffer.alloc(64, 0xff)),
  'a length of four thousand million': writing(Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f]), randomBytes(64))
}
// What is bounded, or not even read.
const nuisances = {
  'true records on the topic of presences': sending(...times(TIMES, () => said(presence, truth))),
  'true records on a foreign topic': sending(...times(TIMES, () => said('/elsewhere', truth))),
  'true records in false envelopes': sending(...times(TIMES, () => ({
    messages: [{ topic: records, data: truth, from: randomBytes(38), seqno: randomBytes(8), signature: randomBytes(64), key: randomBytes(36) }]
  }))),
  'a flood of IHAVE': sending(...times(TIMES, () => control({ ihave: [{ topicID: records, messageIDs: ids(1_000) }] }))),
  'IHAVE of strange ids': sending(control({ ihave: times(60, (index) => ({ topicID: records, messageIDs: [randomBytes(index)] })) })),
  'a flood of IWANT': sending(...times(TIMES, () => control({ iwant: [{ messageIDs: [messageId({ topic: records, data: truth }), ...ids(500)] }] }))),
  'a flood of GRAFT and PRUNE': sending(...times(TIMES, () => control({
    graft: [{ topicID: records }, { topicID: presence }, { topicID: '/elsewhere' }],
    prune: [{ topicID: records, backoff: 2 ** 40, peers: times(16, () => ({ peerID: randomBytes(38), signedPeerRecord: randomBytes(200) })) }]
  }))),
  'a flood of IDONTWANT': sending(...times(TIMES, () => control({ idontwant: [{ messageIDs: ids(500) }] }))),
  'a flood of subscriptions': sending(...times(TIMES, (n) => ({ subscriptions: times(60, (m) => ({ subscribe: true, topic: `/elsewhere/${n}/${m}` })) }))),
  'subscribing and leaving': sending(...times(TIMES, (n) => ({ subscriptions: [{ subscribe: n % 2 === 0, topic: records }] }))),
  'a frame that ends half way': writing(framed(frame).subarray(0, frame.length / 2)),
  'empty frames': writing(Buffer.alloc(4_096))
}

// Waits until the victim would read what this node gossips.
async function wait (isSo, withinMs) {
  const deadline = Date.now() + withinMs
  while (!isSo() && Date.now() < deadline) await sleep(10)
  return isSo()
}

async function answers (node, connection) {
  try {
    await node.services.identify.identify(connection, { signal: AbortSignal.timeout(HANG_UP_MS) })
    return true
  } catch {
    return false
  }
}

async function molest (kind, send, { isFault = false, isCut = false }) {
  const node = await joinMarket([records, presence])
  const { gossip } = node.services
  const connection = await node.dial(multiaddr(address))
  const victim = connection.remotePeer
  const isFollowed = () => gossip.getSubscribers(records).some((peer) => peer.equals(victim))
  const isHeard = await wait(() => isFollowed() && gossip.streamsOutbound.has(victim.toString()), READY_MS)
  let stream = gossip.streamsOutbound.get(victim.toString())?.rawStream
  let refusal = ''
  try {
    stream = await send({ node, connection, victim: victim.toString() }) ?? stream
  } catch (error) {
    refusal = String(error)
  }
  const isEnded = isCut && await wait(() => stream.status !== 'open', HANG_UP_MS)
  const isAnswered = !isFault && await answers(node, connection)
  if (isFault) await wait(() => connection.status !== 'open', HANG_UP_MS)
  const isHungUp = connection.status !== 'open'
  tell('done', { kind, is_fault: isFault, is_heard: isHeard, is_hung_up: isHungUp, is_answered: isAnswered, is_cut: isCut, is_ended: isEnded, refusal })
  await node.stop()
}

for (const [kind, send] of Object.entries(faults)) await molest(kind, send, { isFault: true })
for (const [kind, send] of Object.entries(cuts)) await molest(kind, send, { isCut: true })
for (const [kind, send] of Object.entries(nuisances)) await molest(kind, send, {})
tell('finished', {})
process.exit(0)
