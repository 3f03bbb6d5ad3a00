"""Every number one operator may choose; nodes with different ones still agree on every verdict."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """Local waits, rates and bounds.

    Attributes:
        step_ms: The delay of the first stand-bys; each further group waits twice as long.
        commit_window_ms: How long the submitter prefers the workers on its list.
        reveal_window_ms: How long jurors have before the submitter thinks of a retry.
        clock_skew_ms: Records dated further ahead are stored but not relayed.
        batch_ms: The least time between two gossip messages of ours.
        batch_ms_per_author: The same, for each author heard lately, so that a crowd fits a core.
        batch_ms_max: No crowd makes us wait longer: whoever makes keys could silence everyone.
        presence_ms: The least time between two regular presences.
        presence_min_gap_ms: The least time between any two presences.
        presence_nodes_per_s: With more nodes, each speaks more seldom, to keep to this rate.
        renewal_ms: How long a gossiped record keeps an author live who never said how long.
        default_seats: Seats of a task whose user names none.
        runs_in_flight_max: Model runs handed to the worker process at once.
        jobs_max: Undecided tasks of others kept in mind.
        jobs_per_submitter_max: How many of them may be of one submitter.
        commits_per_task_max: Commits kept in mind for one own task, beside those of its list.
        outbox_max: Statements that wait to be signed; beyond, users are refused (429).
        authors_max: Authors whose presence is kept in mind.
        author_memory_ms: How long a silent author's last word is remembered.
        gossip_per_author_per_s: Sustained gossip messages relayed for one author.
        gossip_burst: How many it may send at once.
        presences_per_sender_per_s: Sustained news of who is here that one peer may bring.
        presences_burst: How much of it at once.
        presences_relayed_max: Of those exchanged on a new connection, how many are gossiped on.
    """

    step_ms: int = 2_000
    commit_window_ms: int = 5_000
    reveal_window_ms: int = 15_000
    clock_skew_ms: int = 60_000
    batch_ms: int = 20
    batch_ms_per_author: int = 10
    batch_ms_max: int = 1_000
    presence_ms: int = 10_000
    presence_min_gap_ms: int = 1_000
    presence_nodes_per_s: int = 16
    renewal_ms: int = 30_000
    default_seats: int = 3
    runs_in_flight_max: int = 64
    jobs_max: int = 8_192
    jobs_per_submitter_max: int = 2_048
    commits_per_task_max: int = 256
    outbox_max: int = 8_192
    authors_max: int = 4_096
    author_memory_ms: int = 24 * 3_600_000
    gossip_per_author_per_s: int = 100
    gossip_burst: int = 300
    presences_per_sender_per_s: int = 64
    presences_burst: int = 1_024
    presences_relayed_max: int = 16
