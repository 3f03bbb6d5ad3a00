// Builds a js-libp2p node that can take part in the gossip of a market; all it must know is here
// and in docs/spec/gossip-and-sync.md.

import { createHash } from 'node:crypto'
import { gossipsub, StrictNoSign } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'

const LISTEN = '/ip4/127.0.0.1/tcp/0'
const MESSAGE_BYTES_MAX = 60_000

// SHA-256 of the topic, a zero byte and the message.
export function messageId ({ topic, data }) {
  return createHash('sha256').update(topic).update('\0').update(data).digest()
}

// Returns a node that listens, follows the topics and dials nobody by itself.
export async function joinMarket (topics) {
  const node = await createLibp2p({
    addresses: { listen: [LISTEN] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: {
      identify: identify(),
      gossip: gossipsub({
        globalSignaturePolicy: StrictNoSign,
        msgIdFn: messageId,
        maxInboundDataLength: MESSAGE_BYTES_MAX + 5_536,
        allowPublishToZeroTopicPeers: true
      })
    }
  })
  topics.forEach((topic) => node.services.gossip.subscribe(topic))
  return node
}

// Prints one event as a line of JSON.
export function tell (event, fields) {
  process.stdout.write(JSON.stringify({ event, ...fields }) + '\n')
}
