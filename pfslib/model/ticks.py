"""When a clock ticks: cron expressions and `@every`. The only module that imports croniter."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from pfslib.model.durations import EVERY, seconds_of

_NS: Final = 10**9


def check_schedule(schedule: str) -> str:
    """What is wrong with a schedule; empty for nothing."""
    if schedule.startswith(EVERY):
        try:
            return "" if seconds_of(schedule.removeprefix(EVERY)) > 0 else "it never ticks"
        except ValueError as error:
            return str(error)
    from croniter import croniter  # 20 ms, and few need it

    return "" if croniter.is_valid(schedule) else "write five fields, @daily or @every 60s"


def next_tick(schedule: str, after_ns: int) -> int:
    """The first tick after a time; all in nanoseconds since 1970, in UTC."""
    if schedule.startswith(EVERY):
        return after_ns + round(seconds_of(schedule.removeprefix(EVERY)) * _NS)
    from croniter import croniter

    begin = datetime.fromtimestamp(after_ns / _NS, UTC)
    tick: float = croniter(schedule, begin).get_next(float)
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
