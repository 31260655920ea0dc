"""The OPC UA driver for ``mode = "subscribe"``: the server watches its values and reports what has changed.

What is read is fetched from what has come since the last time.  Everything else is as when polling: nodes, types,
limits, and the supervision, which connects anew and so subscribes anew when the data stop.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from asyncua import ua

from collectors.driver import Reading, ReadPlan
from collectors.opcua.driver import NodePlan, OpcUaDriver
from collectors.opcua.failures import log
from collectors.opcua.monitored import Wish, monitor
from collectors.opcua.publishing import Publisher, ended
from collectors.opcua.subscription import GroupSubscription
from collectors.opcua.values import UInt64Array, accepted_kinds
from historian.errors import SourceUnavailableError
from historian.model.clock import US_PER_S
from historian.model.samples import FloatArray, UInt32Array
from historian.model.scan import ScanGroup
from historian.model.status import BAD_NODE_ID_UNKNOWN, GOOD
from historian.model.tag import Tag

PUBLISH_US: Final = US_PER_S
"""A server reports at least this often, however slow the scan class: so little is lost with a connection."""

ALIVE_US: Final = 5 * US_PER_S
"""A server that has nothing to report says so at least this often."""

LIFETIME_US: Final = 60 * US_PER_S
"""So long a server keeps the subscription of a collector that is gone."""

MOST_AT_ONCE: Final = 0
"""Values in one message: as many as there are (0), for each is on its way once only."""

PRIORITY: Final = 0


@dataclass(slots=True)
class SubscribePlan(NodePlan):
    """A group's subscription, ``number`` at the server."""

    number: int
    subscription: GroupSubscription
    findings: list[str] = field(default_factory=list)
    limit_s: float = 0.0
    is_new: bool = True
    is_outdated: bool = False

    @property
    def requests(self) -> int:
        """Nothing is asked for at a scan."""
        return 0

    @property
    def is_complete(self) -> bool:
        """False when a node is not there (any more), or when the subscription has to be made anew."""
        return not (self.is_outdated or (self.missing == BAD_NODE_ID_UNKNOWN).any())


class OpcUaSubscriptionDriver(OpcUaDriver):
    """Implements :class:`collectors.driver.Driver`."""

    _publisher: Publisher | None = None
    _numbers: dict[int, int]

    async def connect(self) -> None:
        """Open a session; see :meth:`OpcUaDriver.connect`."""
        await super().connect()
        self._publisher = Publisher(self._connected())
        self._numbers = {}

    async def plan(self, group: ScanGroup) -> ReadPlan:
        """Subscribe to the group's nodes; a subscription that it had is deleted."""
        await self._delete(group)
        nodes, missing, _ = await self._nodes_of(group.tags)
        found = [(lane, node) for lane, node in enumerate(nodes) if isinstance(node, ua.NodeId)]
        accepts = np.array([accepted_kinds(tag.value_type) for tag in group.tags], np.uint64)
        return await self._subscribe(group, found, missing, accepts)

    async def read(self, group: ScanGroup, plan: ReadPlan) -> Reading:
        """What the group's subscription has brought; the first time after its initial values have come.

        Raises SourceUnavailableError when the data have stopped.
        """
        if not isinstance(plan, SubscribePlan):
            raise TypeError(f"cannot read a plan of type {type(plan).__name__}, wanted one that this driver made")
        await self._go_on_after_a_loss()
        self._require_publishing()
        if plan.is_new:
            plan.is_new = False
            await plan.subscription.wait_for_initial(plan.limit_s)
            self._require_publishing()
        if plan.subscription.status is not None:
            raise ended(self._source.name, plan.subscription.status)
        plan.subscription.require_alive()
        reading = plan.subscription.fetch()
        self._report_unlike(group.tags, plan.subscription.unlike)
        if plan.subscription.is_broken:
            reading = await self._subscribe_anew(group, plan, reading)
        if self._publisher is not None:
            self._publisher.ask()
        findings, plan.findings = plan.findings, []
        return replace(reading, finding="; ".join(findings), tells_all=True)

    async def forget(self, group: ScanGroup) -> None:
        """Delete the group's subscription."""
        await self._delete(group)

    async def close(self) -> None:
        """Let go of the subscriptions, the session and the socket."""
        publisher, self._publisher = self._publisher, None
        if publisher is not None:
            await publisher.stop()
        await super().close()

    async def _go_on_after_a_loss(self) -> None:
        """Take up the session again on a new connection, once: then nothing is lost that the server has kept meanwhile.

        When that fails the loss is told, and the supervision begins anew, with new subscriptions.
        """
        publisher = self._publisher
        if publisher is None or not isinstance(publisher.failure, SourceUnavailableError):
            return
        failure = publisher.failure
        if not isinstance(failure.__cause__, ConnectionError):
            return
        try:
            async with asyncio.timeout(self._source.timeout_us / US_PER_S):
                await self._connected().resume()
                await publisher.restart()
        except (SourceUnavailableError, TimeoutError) as error:
            log.debug("%s: the session could not be taken up again: %s", self._source.name, error)
            raise failure from None
        log.warning("%s: the connection was lost and is there again; the session goes on", self._source.name)

    def _require_publishing(self) -> None:
        publisher = self._publisher
        self._connected()
        if publisher is not None and publisher.failure is not None:
            failure = publisher.failure
            raise failure if isinstance(failure, SourceUnavailableError) else self._unavailable(failure)

    # -- subscribing ---------------------------------------------------------------------------------------------

    async def _subscribe(
        self, group: ScanGroup, found: list[tuple[int, ua.NodeId]], missing: UInt32Array, accepts: UInt64Array
    ) -> SubscribePlan:
        publishing_us = min(group.rate_us, PUBLISH_US)
        made = await self._connected().subscribe(_wishes(publishing_us))
        revised_us = made.RevisedPublishingInterval * 1000
        timeout_us = self._source.timeout_us
        silent_us = round(revised_us * (made.RevisedMaxKeepAliveCount + 1)) + timeout_us
        names = [tag.name for tag in group.tags]
        wish = self._wish(group, revised_us)
        items = await monitor(self._connected(), made.SubscriptionId, found, wish, names)
        missing = np.where(missing == GOOD, items.status, missing)
        subscription = GroupSubscription(self._source, self._clock, missing, accepts, silent_us)
        plan = SubscribePlan(found, missing, accepts, made.SubscriptionId, subscription)
        plan.limit_s = (revised_us + timeout_us) / US_PER_S
        plan.findings = _findings(group, publishing_us, revised_us, items.revised)
        self._notes.keep(group.scan_class, "; ".join(plan.findings))
        self._numbers[group.number] = made.SubscriptionId
        if self._publisher is not None:
            self._publisher.add(made.SubscriptionId, subscription)
        return plan

    async def _subscribe_anew(self, group: ScanGroup, plan: SubscribePlan, reading: Reading) -> Reading:
        """After a loss: mark it in every lane, and ask for all values as they are now."""
        gap = plan.subscription.mark_loss()
        log.warning("%s: messages of the server were lost; the scan class %s is subscribed anew",
                    self._source.name, group.scan_class)  # fmt: skip
        await self._delete(group)
        fresh = await self._subscribe(group, plan.found, plan.missing, plan.accepts)
        plan.number, plan.subscription, plan.is_new = fresh.number, fresh.subscription, True
        plan.findings.append(f"messages were lost, all values of the scan class {group.scan_class} are asked for anew")
        lost = reading.lost + len(group.tags)
        return replace(gap, before=(*reading.before, replace(reading, before=(), lost=0)), lost=lost)

    async def _delete(self, group: ScanGroup) -> None:
        number = self._numbers.pop(group.number, None)
        if number is not None:
            if self._publisher is not None:
                self._publisher.remove(number)
            await self._connected().unsubscribe(number)

    def _wish(self, group: ScanGroup, revised_us: float) -> Wish:
        sampling_us = self._source.sampling_us or group.rate_us
        # One that is on its way late must not cost values; with a queue of one there is no overflow bit at all.
        enough = 2 * math.ceil(revised_us / sampling_us) + 1
        return Wish(
            sampling_us / 1000, self._source.queue_size or enough, self._deadbands(group.tags), self._source.timestamps
        )

    def _deadbands(self, tags: Sequence[Tag]) -> FloatArray:
        if self._source.deadband == "off":
            return np.full(len(tags), np.nan)
        return np.array([_deadband(tag) for tag in tags], np.float64)


def _deadband(tag: Tag) -> float:
    """The tag's exc_dev in the units of the server, NaN where it has none."""
    bound = tag.exception.deviation
    return math.nan if bound is None or tag.is_step else bound.deviation / abs(tag.scale or 1.0)


def _wishes(publishing_us: int) -> ua.CreateSubscriptionParameters:
    alive = max(1, math.ceil(ALIVE_US / publishing_us))
    return ua.CreateSubscriptionParameters(
        RequestedPublishingInterval=publishing_us / 1000,
        # At least three times the other (OPC 10000-4, 5.14.2.2).
        RequestedLifetimeCount=max(3 * alive, math.ceil(LIFETIME_US / publishing_us)),
        RequestedMaxKeepAliveCount=alive,
        MaxNotificationsPerPublish=MOST_AT_ONCE,
        PublishingEnabled=True,
        Priority=PRIORITY,
    )


def _findings(group: ScanGroup, publishing_us: int, revised_us: float, items: str) -> list[str]:
    said = []
    if revised_us != publishing_us:
        said.append(f"reported every {revised_us / 1000:g} ms instead of {publishing_us / 1000:g} ms")
    if items:
        said.append(items)
    return [f"the scan class {group.scan_class} as the server has it: {'; '.join(said)}"] if said else []


