"""Runs: read, search, change, their logs and their callbacks.

Sources: get-run, search-runs, patch-run, run-logs, "get callback delivery history", "redeliver
callback".
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, TypeAlias
from uuid import UUID

from relay.runflow.answers import Answer
from relay.runflow.asking import UNSET, Unset, body_of, page_query, path
from relay.runflow.calling import Caller
from relay.runflow.errors import WrongRunError
from relay.runflow.models import CallbackDelivery, Run, RunLog
from relay.runflow.models.base import is_other
from relay.runflow.paging import Listing
from relay.runflow.query import Q

__all__ = ["Embed", "Runs", "SearchEmbed", "run_of"]

#: What can be shown inside of a run (get-run).
Embed: TypeAlias = Literal["comfyui_workflow", "flow", "logs", "model", "node_runs"]
#: And in a search; the summary needs ``evaluations:read`` (search-runs).
SearchEmbed: TypeAlias = Embed | Literal["current_evaluation_summary"]


def run_of(answer: Answer, run_id: str | UUID) -> Run:
    """The run that was asked for.

    Raises:
        UnexpectedShapeError: It is no run.
        WrongRunError: It is another one.
    """
    run = answer.parse(Run, required=("id",))
    if is_other(run_id, run.id):
        raise WrongRunError(
            f"{answer.request}: another run came: {run.id}", status=answer.status
        )
    return run


class Runs:
    """``/v1/runs``."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def get(self, run_id: str | UUID, *, embed: Iterable[Embed] = ()) -> Run:
        """One run, as it stands. Links in its output are signed anew.

        Raises:
            NotFoundError: There is none, or it is another organisation's.
            WrongRunError: Another run came.
            RunflowError: No usable answer.
        """
        return run_of(await self.fetch(run_id, embed=embed), run_id)

    async def fetch(
        self,
        run_id: str | UUID,
        *,
        embed: Iterable[Embed] = (),
        limit_s: float | None = None,
    ) -> Answer:
        """The same as exact bytes, well-formed and not read any further.

        Args:
            run_id: A UUID, or whatever text names a run.
            embed: What to show inside of it.
            limit_s: Ask once, within so many seconds.

        Raises:
            RunflowError: No usable answer.
        """
        return await self._caller.ask(
            "GET",
            path("runs", run_id),
            query={"embed": tuple(embed) or None},
            limit_s=limit_s,
        )

    def search(
        self,
        *,
        q: Q | str | None = None,
        limit: int | None = None,
        sort_by: str | Iterable[str] | None = None,
        fields: str | Iterable[str] | None = None,
        embed: Iterable[SearchEmbed] = (),
        pq: str | None = None,
        from_prev: bool = False,
        evaluation_status: Literal["passed", "failed", "not_evaluated"] | None = None,
        evaluation_issue_category: str | None = None,
        evaluation_issue_subcategory: str | None = None,
    ) -> Listing[Run]:
        """Runs that match, asked for page by page while they are iterated.

        Args:
            q: A filter; text is sent as it stands.
            limit: Runs on a page, 1 to 500.
            sort_by: Such as ``created_at:desc``; several are separated by commas.
            fields: Only these fields; the others are None.
            embed: What to show inside of each.
            pq: Begin at this cursor.
            from_prev: Walk back.
            evaluation_status: By the verdict of the current evaluation.
            evaluation_issue_category: By an issue of the current evaluation.
            evaluation_issue_subcategory: With a category, both of the same issue.

        Raises:
            ValueError: ``limit`` is out of its range.
        """
        query = {
            **page_query(
                q=q, limit=limit, sort_by=sort_by, fields=fields, from_prev=from_prev
            ),
            "embed": tuple(embed) or None,
            "evaluation_status": evaluation_status,
            "evaluation_issue_category": evaluation_issue_category,
            "evaluation_issue_subcategory": evaluation_issue_subcategory,
        }

        async def ask(cursor: str | None) -> Answer:
            return await self._caller.ask(
                "GET", path("runs"), query={**query, "pq": cursor}
            )

        return Listing(ask=ask, kind=Run, cursor=pq, backward=from_prev)

    async def update(
        self,
        run_id: str | UUID,
        *,
        status_code: str | Unset | None = UNSET,
        output: Mapping[str, Any] | Unset | None = UNSET,
        duration_ms: int | Unset | None = UNSET,
        cost: Decimal | int | Unset | None = UNSET,
        nodes_total: int | Unset | None = UNSET,
        nodes_completed: int | Unset | None = UNSET,
        started_at: datetime | Unset | None = UNSET,
        completed_at: datetime | Unset | None = UNSET,
        updated_at: datetime | Unset | None = UNSET,
    ) -> Run:
        """Change the record of a run. Only what is given is sent; None is sent as null.

        Never repeated. It changes what is recorded, not what runs; the page is an old one and may
        not be open to every token.

        Raises:
            ValueError: A time without its offset.
            RunflowError: No usable answer.
        """
        body = body_of(
            {
                "status_code": status_code,
                "output": output,
                "duration_ms": duration_ms,
                "cost": cost,
                "nodes_total": nodes_total,
                "nodes_completed": nodes_completed,
                "started_at": started_at,
                "completed_at": completed_at,
                "updated_at": updated_at,
            }
        )
        answer = await self._caller.ask("PATCH", path("runs", run_id), body=body)
        return run_of(answer, run_id)

    def logs(
        self,
        run_id: str | UUID,
        *,
        q: Q | str | None = None,
        limit: int | None = None,
        sort_by: str | Iterable[str] | None = None,
        fields: str | Iterable[str] | None = None,
        pq: str | None = None,
        from_prev: bool = False,
    ) -> Listing[RunLog]:
        """The log of a run, or with the word ``any`` of all runs; parameters as in `search`.

        Raises:
            ValueError: ``limit`` is out of its range.
        """
        query = page_query(
            q=q, limit=limit, sort_by=sort_by, fields=fields, from_prev=from_prev
        )
        place = path("runs", run_id, "logs")

        async def ask(cursor: str | None) -> Answer:
            return await self._caller.ask("GET", place, query={**query, "pq": cursor})

        return Listing(ask=ask, kind=RunLog, cursor=pq, backward=from_prev)

    async def callbacks(self, run_id: str | UUID) -> tuple[CallbackDelivery, ...]:
        """How its callback was delivered, each delivery with its attempts.

        Raises:
            RunflowError: No usable answer.
        """
        answer = await self._caller.ask("GET", path("runs", run_id, "callback"))
        return answer.parse(tuple[CallbackDelivery, ...])

    async def redeliver(self, run_id: str | UUID) -> CallbackDelivery:
        """Have its callback sent again, built from how it stands now. Never repeated.

        Raises:
            UnprocessableError: ``is_conflict`` when one is still being delivered.
            RunflowError: No usable answer.
        """
        answer = await self._caller.ask(
            "POST", path("runs", run_id, "callback-redeliveries")
        )
        return answer.parse(CallbackDelivery, required=("id",))
