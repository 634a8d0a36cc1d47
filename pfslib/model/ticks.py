"""When a clock ticks: cron expressions and `@every`. The only module that imports croniter."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Final

from pfslib.model.durations import EVERY, seconds_of

NEVER_NS: Final = 2**63 - 1
"""What is said of a schedule that ticks no more."""

_NS: Final = 10**9
_MIN_S: Final = 1
_MAX_S: Final = 100 * 366 * 86400
"""So that times of ticks stay ones that calendars and stored numbers have."""


def check_schedule(schedule: str) -> str:
    """What is wrong with a schedule; empty for nothing."""
    if schedule.startswith(EVERY):
        try:
            step_s = seconds_of(schedule.removeprefix(EVERY))
        except ValueError as error:
            return str(error)
        if not step_s <= _MAX_S:
            return "it never ticks: the longest step is 100 years"
        return "" if step_s >= _MIN_S else "the shortest step is 1 s"
    from croniter import croniter  # 20 ms, and few need it

    if not croniter.is_valid(schedule):
        return "write five fields, @daily or @every 60s"
    # A day that is in no month is well written: only looking for it tells.
    return "it never ticks" if next_tick(schedule, time.time_ns()) == NEVER_NS else ""


def next_tick(schedule: str, after_ns: int) -> int:
    """The first tick after a time, or `NEVER_NS`; all in nanoseconds since 1970, in UTC."""
    if schedule.startswith(EVERY):
        return after_ns + round(max(seconds_of(schedule.removeprefix(EVERY)), _MIN_S) * _NS)
    from croniter import CroniterBadDateError, croniter

    begin = datetime.fromtimestamp(after_ns / _NS, UTC)
    try:
        tick: float = croniter(schedule, begin).get_next(float)
    except CroniterBadDateError:  # a schedule with years has an end
        return NEVER_NS
    return round(tick * _NS)


def last_tick(schedule: str, after_ns: int, now_ns: int) -> int | None:
    """The newest tick after one time and not after another; None when there is none.

    The machine may have slept, or nobody may have run jobs: ticks that were missed are one.
    """
    tick = next_tick(schedule, after_ns)
    if tick > now_ns:
        return None
    if schedule.startswith(EVERY):
        step = tick - after_ns
        return after_ns + (now_ns - after_ns) // step * step
    from croniter import croniter

    now = datetime.fromtimestamp(now_ns / _NS + 1e-3, UTC)
    last: float = croniter(schedule, now).get_prev(float)
    return max(round(last * _NS), tick)
