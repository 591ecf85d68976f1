"""Runflow's API, as an asyncio client with typed answers.

Importable by itself: it needs aiohttp, pydantic and tenacity, and nothing else of the relay.

    async with Runflow(token) as client:
        run = await client.models.run("runflow/tag-removal", input={"image": url})
        run = await client.wait(run.id, timeout=300)

Inside, in the order in which a question passes through: ``client`` and ``resources`` (what is asked),
``calling``, ``pacing`` and ``retrying`` (how often), ``transport`` (one exchange), ``judging`` and ``answers``
(what came), ``models`` (what it says), ``errors`` (what went wrong, each with a stable reason).
``query`` writes filters, ``paging`` walks lists, ``waiting`` waits for an end.
"""

from relay.runflow.answers import Answer
from relay.runflow.client import Runflow
from relay.runflow.errors import (
    AnswerError,
    BadRequestError,
    ConflictError,
    DisconnectedError,
    ForbiddenError,
    InsufficientCreditError,
    NotFoundError,
    NotHttpError,
    NotJsonError,
    PagingError,
    RateLimitedError,
    RedirectError,
    RefusedError,
    RunflowError,
    ServerError,
    StatusError,
    TimedOutError,
    TlsError,
    TooLargeError,
    TransportError,
    TruncatedError,
    UnauthorizedError,
    UnexpectedShapeError,
    UnexpectedStatusError,
    UnprocessableError,
    UnreachableError,
    WrongContentError,
    WrongRunError,
)
from relay.runflow.models import (
    Batch,
    BatchItem,
    CallbackAttempt,
    CallbackDelivery,
    CallbackPayload,
    CallbackSecret,
    Flow,
    Model,
    NodeRun,
    Outcome,
    Run,
    RunLog,
    RunStatus,
    Workflow,
)
from relay.runflow.pacing import Pacer
from relay.runflow.paging import Listing, Page
from relay.runflow.query import Dialect, Q
from relay.runflow.retrying import Retries
from relay.runflow.transport import Timeouts
from relay.runflow.waiting import RunFailedError, WaitTimeoutError

__all__ = [
    "Answer",
    "AnswerError",
    "BadRequestError",
    "Batch",
    "BatchItem",
    "CallbackAttempt",
    "CallbackDelivery",
    "CallbackPayload",
    "CallbackSecret",
    "ConflictError",
    "Dialect",
    "DisconnectedError",
    "Flow",
    "ForbiddenError",
    "InsufficientCreditError",
    "Listing",
    "Model",
    "NodeRun",
    "NotFoundError",
    "NotHttpError",
    "NotJsonError",
    "Outcome",
    "Pacer",
    "Page",
    "PagingError",
    "Q",
    "RateLimitedError",
    "RedirectError",
    "RefusedError",
    "Retries",
    "Run",
    "RunFailedError",
    "RunLog",
    "RunStatus",
    "Runflow",
    "RunflowError",
    "ServerError",
    "StatusError",
    "TimedOutError",
    "Timeouts",
    "TlsError",
    "TooLargeError",
    "TransportError",
    "TruncatedError",
    "UnauthorizedError",
    "UnexpectedShapeError",
    "UnexpectedStatusError",
    "UnprocessableError",
    "UnreachableError",
    "WaitTimeoutError",
    "Workflow",
    "WrongContentError",
    "WrongRunError",
]
