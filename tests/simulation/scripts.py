"""Scripts for histories that somebody wrote down."""

from __future__ import annotations

from shared.money import Ether, Usd
from shared.sandbox.simulator.world import World


def three_payments(world: World) -> None:
    """Three clients pay 85 USD together; the tick makes a batch of them."""
    for number, usd in enumerate(("40", "30", "15"), start=1):
        amount = Usd.parse(usd)
        world.pays(number, amount, Ether(amount.micros * 10**12 // 2_500))
    world.start_clockwork()
    world.run_for(30)
    world.tick()


def three_payments_to_the_end(world: World) -> None:
    """As `three_payments`, until the shares are there: about five minutes."""
    three_payments(world)
    world.run_for(420)
