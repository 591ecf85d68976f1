"""The run endpoints: create, get, search, patch, logs, statuses, cancellation.

Owns how requests become moves of runs. What the documents leave open, and is decided here: a patch of a run
under way that names a terminal status ends it, and it calls back; a patch after the end changes the record and
says nothing; a run that is over does not go on again.
"""

from typing import Final

from aiohttp import web

from relay.sandbox.api.answers import json_answer, names, paged
from relay.sandbox.api.context import Context
from relay.sandbox.api.patch import read_patch
from relay.sandbox.api.records import (
    LOG_KINDS,
    RUN_KINDS,
    log_record,
    run_record,
    wants_evaluation,
)
from relay.sandbox.api.routes import LIST_PARAMS, Param, Route
from relay.sandbox.api.schemas import SCHEMAS, fields_of
from relay.sandbox.orders import read_order, read_reason
from relay.sandbox.state import Log, Run
from relay.sandbox.views.runs import (
    EMBEDS,
    SEARCH_EMBEDS,
    log,
    run_created,
    run_detail,
)

__all__ = ["STATUSES", "Runs"]

#: Every word that a run's ``status_code`` can be, and whether it is an end.
STATUSES: Final = {
    "queued": False,
    "dispatching": False,
    "running": False,
    "succeeded": True,
    "failed": True,
    "cancelled": True,
    "canceled": True,
    "partial_succeeded": True,
}
#: A run has fewer lines in its log, so that each has a number of its own.
_LINES_MAX: Final = 1_000_000
_EVALUATION: Final = (
    Param(
        name="evaluation_status",
        what="Verdict of the run's current evaluation.",
        schema={"type": "string", "enum": ["passed", "failed", "not_evaluated"]},
    ),
    Param(name="evaluation_issue_category", what="Category of one of its issues."),
    Param(name="evaluation_issue_subcategory", what="Subcategory of the same issue."),
)


def _embed(known: tuple[str, ...]) -> Param:
    return Param(name="embed", what=f"Comma list of {', '.join(known)}.")


class Runs:
    """Answers about runs."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def routes(self) -> tuple[Route, ...]:
        """What it answers."""
        return (*self._making(), *self._reading(), *self._changing())

    def _making(self) -> tuple[Route, ...]:
        return (
            Route(
                method="POST",
                path="/v1/models/{owner}/{slug:.+}/runs",
                handler=self.create,
                what="Create and dispatch a run on a model; any model exists.",
                answer="Run",
                body="CreateRun",
                status=201,
            ),
            Route(
                method="POST",
                path="/v1/comfyui-workflows/{owner}/{slug:.+}/runs",
                handler=self.create,
                what="Create and dispatch a run on a ComfyUI workflow; any exists.",
                answer="Run",
                body="CreateRun",
                status=201,
            ),
        )

    def _reading(self) -> tuple[Route, ...]:
        return (
            Route(
                method="GET",
                path="/v1/runs",
                handler=self.search,
                what="Search runs.",
                answer="Run",
                many="page",
                params=(*LIST_PARAMS, _embed(SEARCH_EMBEDS), *_EVALUATION),
            ),
            Route(
                method="GET",
                path="/v1/runs/statuses",
                handler=self.statuses,
                what="The statuses that runs can have.",
                answer="Status",
                many="list",
            ),
            Route(
                method="GET",
                path="/v1/runs/{id}",
                handler=self.get,
                what="One run.",
                answer="Run",
                params=(_embed(EMBEDS),),
                reads=True,
            ),
            Route(
                method="GET",
                path="/v1/runs/{run_id}/logs",
                handler=self.logs,
                what="A run's log; any: those of all runs.",
                answer="Log",
                many="page",
                params=LIST_PARAMS,
            ),
        )

    def _changing(self) -> tuple[Route, ...]:
        return (
            Route(
                method="PATCH",
                path="/v1/runs/{id}",
                handler=self.patch,
                what="Change a run's record.",
                answer="Run",
                body="PatchRun",
            ),
            Route(
                method="POST",
                path="/v1/admin/runs/{run_id}/cancellation",
                handler=self.cancel,
                what="End a run; 200 where it was over already.",
                answer="Run",
                body="Cancellation",
                status=201,
            ),
        )

    async def create(self, request: web.Request) -> web.Response:
        """Create and dispatch."""
        order = read_order(await request.read())
        comfy = request.path.startswith("/v1/comfyui-workflows/")
        run = self._context.book.open(
            order,
            target=f"{request.match_info['owner']}/{request.match_info['slug']}",
            at=self._context.now(),
            kind="comfyui" if comfy else "model",
        )
        answer = json_answer(
            run_created(run, self._context.showing(run.created_at)), 201
        )
        await self._context.book.kept()
        self._context.lives.live(run)
        return answer

    async def get(self, request: web.Request) -> web.Response:
        """One run."""
        run, embed = self._context.run_of(request), names(request, "embed", EMBEDS)
        shown = run_detail(
            run,
            self._context.showing(),
            embed=embed,
            stale=self._context.stale(run),
        )
        return json_answer(shown)

    async def search(self, request: web.Request) -> web.Response:
        """A page of runs."""
        context, book = self._context, self._context.book
        embed = names(request, "embed", SEARCH_EMBEDS)
        fits, about = wants_evaluation(request)
        showing = context.showing()

        def show(run: Run) -> dict[str, object]:
            return run_detail(run, showing, embed=embed, stale=context.stale(run))

        return paged(
            request,
            [(run.number, run_record(run), run) for run in book.runs if fits(run)],
            RUN_KINDS,
            show=show,
            shown=fields_of(SCHEMAS, "Run"),
            form=book.faults.filters,
            paging=book.faults.paging,
            about=about,
        )

    async def statuses(self, _request: web.Request) -> web.Response:
        """The reference list. Its form is not documented; this one is ours."""
        return json_answer(
            [{"code": code, "is_terminal": ends} for code, ends in STATUSES.items()]
        )

    async def patch(self, request: web.Request) -> web.Response:
        """Change the record."""
        run, now = self._context.run_of(request), self._context.now()
        read_patch(await request.read(), STATUSES).apply(run, now)
        self._context.lives.wake(run)
        self._context.book.note(run)
        await self._context.book.kept()
        return json_answer(run_detail(run, self._context.showing()))

    async def logs(self, request: web.Request) -> web.Response:
        """A page of log lines."""
        book, wanted = self._context.book, request.match_info["run_id"]
        runs = (
            book.runs if wanted == "any" else [self._context.run_of(request, "run_id")]
        )
        lines = [
            (run.number * _LINES_MAX + index, (run, line))
            for run in runs
            for index, line in enumerate(run.logs)
        ]

        def show(item: tuple[Run, Log]) -> dict[str, object]:
            return log(*item)

        return paged(
            request,
            [(number, log_record(*item), item) for number, item in lines],
            LOG_KINDS,
            show=show,
            shown=fields_of(SCHEMAS, "Log"),
            form=book.faults.filters,
            paging=book.faults.paging,
            sort_by="timestamp:asc",
        )

    async def cancel(self, request: web.Request) -> web.Response:
        """End a run, unless it is over."""
        run = self._context.run_of(request, "run_id")
        reason = read_reason(await request.read())
        caused = not run.over
        if caused:
            run.cancel(self._context.now(), reason)
            self._context.lives.wake(run)
            self._context.book.note(run)
            await self._context.book.kept()
        shown = run_detail(run, self._context.showing())
        return json_answer(shown, 201 if caused else 200)
