"""Every bound the network door keeps, each with its reason."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NetLimits:
    """How much of anything a stranger can make us hold, do or wait for.

    Attributes:
        message_bytes_max: One gossip message; larger ones would span several yamux frames.
        rpc_bytes_max: One pubsub frame that we send: a full message and its envelope.
        rpc_taken_bytes_max: One pubsub frame that we take: others answer in one frame all that was
            asked in one, and advertise all they have.
        rpc_messages_max: Messages in one frame; thousands of tiny ones cost seconds of CPU.
        rpc_controls_max: Control entries of one kind in one frame; correct peers send one a topic.
        queue_per_peer_max: Messages of one forwarder that wait for the gate.
        queue_total_max: Messages of all forwarders that wait for the gate.
        gate_tasks: Messages at the gate at once.
        rejects_max: Faults within `reject_window_s` that make us hang up.
        reject_window_s: How long a fault counts.
        ban_s: How long a peer that was hung up on is refused.
        degree: The mesh peers we aim at for each topic.
        degree_low: Below it we look for more.
        degree_high: At it we refuse inbound grafts, above it we prune.
        outbound_min: Mesh peers that we dialled ourselves, so that inbound ones cannot own us.
        heartbeat_s: Between two looks at the mesh.
        backoff_s: How long a pruned peer waits before it grafts again.
        backoff_s_max: The longest back-off a peer can impose on us.
        seen_s: How long a message id is remembered.
        seen_max: How many message ids are remembered.
        outbound_messages_max: Frames that wait for one peer.
        outbound_bytes_max: Bytes that wait for one peer.
        request_bytes_max: One request over a stream.
        response_bytes_max: One response over a stream.
        ask_s: From opening a stream to the end of the response.
        answer_s: From a request to the end of our response.
        request_s: How long a peer may take to send its request.
        answers_per_peer_max: Streams of one peer we serve at once.
        answers_total_max: Streams of all peers we serve at once.
        answers_dialled_min: Of these, kept for peers that we dialled: nobody can hold all.
        asks_total_max: Requests of our own in flight.
        connections_max: Live connections.
        connections_inbound_max: Live connections that others opened, so that dialling has room.
        connections_per_ip_max: Inbound connections from one address.
        half_open_per_ip_max: Handshakes in progress from one address.
        half_open_total_max: Handshakes in progress.
        handshake_s: For a TCP connection to become an authenticated one.
        dial_s: For one address to become an authenticated connection.
        probe_s: Between two probes of a connection.
        probe_timeout_s: For a probe to be answered.
        probe_failures_max: Probes in a row that make a peer dead.
        stranger_s: How long a peer may hold a place without following our topics.
        close_s: For everything to end cleanly when we stop.
    """

    message_bytes_max: int = 60_000
    rpc_bytes_max: int = 65_536
    rpc_taken_bytes_max: int = 262_144
    rpc_messages_max: int = 32
    rpc_controls_max: int = 64
    queue_per_peer_max: int = 256
    queue_total_max: int = 2_048
    gate_tasks: int = 16
    rejects_max: int = 8
    reject_window_s: float = 60.0
    ban_s: float = 60.0
    degree: int = 6
    degree_low: int = 4
    degree_high: int = 12
    outbound_min: int = 2
    heartbeat_s: int = 1
    backoff_s: int = 10
    backoff_s_max: int = 3_600
    seen_s: float = 120.0
    seen_max: int = 65_536
    outbound_messages_max: int = 4_096
    outbound_bytes_max: int = 4 * 1024 * 1024
    request_bytes_max: int = 1024 * 1024
    response_bytes_max: int = 4 * 1024 * 1024
    ask_s: float = 15.0
    answer_s: float = 15.0
    request_s: float = 5.0
    answers_per_peer_max: int = 8
    answers_total_max: int = 128
    answers_dialled_min: int = 16
    asks_total_max: int = 32
    connections_max: int = 128
    connections_inbound_max: int = 96
    connections_per_ip_max: int = 64
    half_open_per_ip_max: int = 16
    half_open_total_max: int = 64
    handshake_s: float = 5.0
    dial_s: float = 5.0
    probe_s: float = 10.0
    probe_timeout_s: float = 5.0
    probe_failures_max: int = 2
    stranger_s: float = 60.0
    close_s: float = 3.0
