// An honest peer: follows the topics named as arguments, relays, and tells what it hears.
//
// Each line of its input is an address to connect to. Each line it prints is a JSON object whose
// `event` is `ready`, `identified`, `message` or `refused`. Ends with its input.

import { createInterface } from 'node:readline'
import { multiaddr } from '@multiformats/multiaddr'
import { joinMarket, tell } from './market.mjs'

const hex = (bytes) => Buffer.from(bytes).toString('hex')
const node = await joinMarket(process.argv.slice(2))

node.addEventListener('peer:identify', ({ detail }) => {
  tell('identified', {
    peer: detail.peerId.toString(),
    agent: detail.agentVersion,
    version: detail.protocolVersion,
    protocols: detail.protocols,
    addresses: detail.listenAddrs.map(String),
    observed: detail.observedAddr?.toString(),
    is_record_signed: detail.signedPeerRecord != null
  })
})
node.services.gossip.addEventListener('gossipsub:message', ({ detail }) => {
  const { topic, data } = detail.msg
  tell('message', { from: detail.propagationSource.toString(), topic, id: detail.msgId, data: hex(data) })
})
tell('ready', { peer: node.peerId.toString(), addresses: node.getMultiaddrs().map(String) })

for await (const line of createInterface({ input: process.stdin })) {
  try {
    await node.dial(multiaddr(line))
  } catch (error) {
    tell('refused', { address: line, error: String(error) })
  }
}
await node.stop()
process.exit(0)
