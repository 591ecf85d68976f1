"""A batch as the API shows it: created, read, and its items.

Owns the fields and their order (create-and-dispatch-a-batch, get-batch-detail, list-batch-items).
"""

from decimal import Decimal

from relay.sandbox.callbacks import batch_output
from relay.sandbox.fate import Outcome
from relay.sandbox.links import signed
from relay.sandbox.state import Batch, Run
from relay.sandbox.views.names import ORG, PERSON, fixed_id
from relay.sandbox.views.runs import Showing, run_detail
from relay.sandbox.wire import z_time

__all__ = ["batch_created", "batch_detail", "batch_item"]


def batch_created(batch: Batch) -> dict[str, object]:
    """A batch as its creation answers it."""
    return {
        "id": str(batch.id),
        "target_type": "model",
        "target_id": fixed_id(f"model {batch.target}"),
        "status_code": batch.status,
        "items_total": len(batch.runs),
        "items_succeeded": batch.count(Outcome.SUCCEEDED, Outcome.PARTIAL_SUCCEEDED),
        "items_failed": batch.count(Outcome.FAILED),
        "items_cancelled": batch.count(Outcome.CANCELLED),
        "items": [
            {
                "id": str(batch.items[index]),
                "sequence_index": index,
                "run_id": str(run.id),
                "status_code": run.status,
                "client_ref": run.order.client_ref,
            }
            for index, run in enumerate(batch.runs)
        ],
        "created_at": z_time(batch.created_at),
        "output": batch_output(batch) if batch.over else None,
        "cost": _cost(batch),
        "metadata": batch.metadata,
        "callback_url": batch.callback_url,
        "started_at": z_time(batch.started_at),
        "completed_at": z_time(batch.completed_at),
    }


def batch_detail(batch: Batch) -> dict[str, object]:
    """A batch as it is read: what creation answers, and the rest."""
    failed = batch.outcome is Outcome.FAILED
    return batch_created(batch) | {
        "org_id": ORG,
        "target_type_code": "model",
        "source_code": "api",
        "input": list(batch.inputs),
        "resolved_template_id": fixed_id(f"template {batch.target}"),
        "dispatch_provider_link_id": None,
        "duration_ms": batch.duration_ms,
        "failure_code": "ALL_ITEMS_FAILED" if failed else None,
        "failure_message": "No item succeeded." if failed else None,
        "failure_stage_code": "execution" if failed else None,
        "created_by": PERSON,
        "links": None,
    }


def batch_item(batch: Batch, index: int, showing: Showing) -> dict[str, object]:
    """One item of a batch, with its run."""
    run = batch.runs[index]
    return {
        "id": str(batch.items[index]),
        "batch_id": str(batch.id),
        "sequence_index": index,
        "run_id": str(run.id),
        "created_at": z_time(run.created_at),
        "client_ref": run.order.client_ref,
        "status_code": run.status,
        "input": run.order.input,
        "cost": run.cost,
        "output": signed(
            run.output, base=showing.base, at=showing.at, life_s=run.fate.link_s
        ),
        "error": _error(run),
        "started_at": z_time(run.started_at),
        "completed_at": z_time(run.completed_at),
        "run": run_detail(run, showing),
    }


def _error(run: Run) -> dict[str, object] | None:
    if run.failure is None:
        return None
    return {
        "code": run.failure.code,
        "message": run.failure.message,
        "stage": run.failure.stage,
    }


def _cost(batch: Batch) -> str | None:
    costs = [Decimal(run.cost) for run in batch.runs if run.cost is not None]
    return str(sum(costs, Decimal(0))) if costs else None
