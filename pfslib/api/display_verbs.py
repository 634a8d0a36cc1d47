"""The verbs of a store that show it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from pfslib.api.drawing import Drawing, draw_store
from pfslib.api.pages import store_html

if TYPE_CHECKING:
    from pfslib.api.store import Store


class DisplayVerbs:
    """What people look at."""

    def draw(self) -> Drawing:
        """The graph of repos and pipelines, with the state of each pipeline's newest job.

        Returns:
            What a notebook draws and `str` shows as a tree; it also has ``svg`` and ``mermaid``.

        Cost: linear in the repos, pipelines and jobs.
        """
        return draw_store(cast("Store", self))

    def _repr_html_(self) -> str:
        return store_html(cast("Store", self))
