"""Who plays in an experiment: puts so many of each kind into a world, and has the cheats begin."""

from collections.abc import Iterator, Mapping

from consensus import layout
from node.sim import cast_sybils, cast_voters
from node.sim.cast_cheats import CHEATS, Equivocator, JuryFlooder
from node.sim.cast_keys import KeyHolder
from node.sim.forge import Restless
from node.sim.host import Host
from node.sim.options import Options
from node.sim.storm import Exposed, Storm
from node.sim.weather import Weather
from node.sim.world import World
from protocol.ids import Digest
from protocol.statements import Profile

KINDS: Mapping[str, type[Host]] = {
    **cast_voters.CAST,
    **cast_sybils.CAST,
    **CHEATS,
}
KEYS_HELD_MAX = 100  # by one host, so that its neighbours take in all their presences
FLOOD_JURIES = 200  # of one flooder
FLOOD_EACH_MS = 10


def populated(options: Options) -> World:
    """Return a world with everybody in it, linked, and nobody up."""
    world = World(
        options.seed,
        settings=options.settings(),
        keeps_undo=options.has_storm,
        look_ms=options.look_ms,
        loaded_ms=0,  # what a start costs is not what is measured
        wrong_ppm=options.wrong_ppm,
        run_jitter_ms=options.run_jitter_ms,
    )
    for kind, keys in _parts(options):
        host = world.add(kind, run_ms=options.run_ms)
        if isinstance(host, KeyHolder):
            host.hold(keys)
        elif not options.has_profiles and host.is_honest:
            _introduce_unheard(host)
    world.wire(options.dials, delay_ms=(options.delay_least_ms, options.delay_most_ms))
    clear_up(world, options)
    return world


def clear_up(world: World, options: Options) -> None:
    """Let the weather be what was asked for."""
    world.net.air.loss_ppm = options.loss_ppm
    world.net.air.jitter_ms = options.jitter_ms


def storm_over(world: World, options: Options) -> Storm:
    """Draw a storm from the seed that lasts as long as users ask."""
    asking_ms = (options.tasks // options.burst + 1) * options.gap_ms
    minutes = -(-asking_ms // 60_000)
    weather = Weather.drawn(options.seed, nodes=options.nodes, minutes=minutes)
    for host in world.hosts:
        if isinstance(host, Exposed):
            host.failed_ppm = weather.failed_ppm
    return Storm(world, weather)


def submitters(world: World) -> list[Host]:
    """Return the cheats whose cheating is in what they ask."""
    return [host for host in world.hosts if isinstance(host, Equivocator)]


def provoke(world: World) -> None:
    """Have those begin who do not by themselves."""
    for host in world.hosts:
        if isinstance(host, JuryFlooder):
            host.begin(FLOOD_JURIES, each_ms=FLOOD_EACH_MS)


def calm_down(world: World) -> None:
    """Have those rest who would go on for ever: no log ends while somebody adds to it."""
    for host in world.hosts:
        if isinstance(host, Restless):
            host.rest()


def _parts(options: Options) -> Iterator[tuple[type[Host], int]]:
    """Return the kind of each host, and how many keys it holds."""
    for _ in range(options.nodes):
        yield (Exposed if options.has_storm else Host), 1
    for name, count in options.adversaries:
        kind = KINDS[name]
        if not issubclass(kind, KeyHolder):
            yield from ((kind, 1) for _ in range(count))
            continue
        for at in range(0, count, KEYS_HELD_MAX):
            yield kind, min(KEYS_HELD_MAX, count - at)


def _introduce_unheard(host: Host) -> None:
    """Have a node find its own profile said already, so that it says none.

    No record stands behind it and nobody else hears of it; verdicts do not depend on it.
    """
    said = Profile(0, host.name, "simulated")
    host.rows.stage({layout.PROFILE + host.key: layout.pack_profile(Digest(bytes(32)), said)})
