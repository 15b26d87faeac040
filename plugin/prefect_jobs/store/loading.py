"""Reading the whole index into memory when the adapter starts."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sqlalchemy import BigInteger, Row, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection

from prefect_jobs.job_states import ENDED, JobState
from prefect_jobs.store.columns import MISSING, STATE_CODES, Columns, Slots, id_end
from prefect_jobs.store.tables import jobs
from prefect_jobs.store.texts import SEGMENT_LIMIT, Texts

_TIMES = ("created_at", "started_at", "completed_at", "due_at")


async def load(connection: AsyncConnection, columns: Columns, texts: Texts) -> None:
    """Fill empty columns and texts with what the rows say."""
    last = -1
    while True:
        query = (
            select(
                jobs.c.slot,
                jobs.c.job_id,
                jobs.c.state,
                jobs.c.job_type,
                jobs.c.progress,
                jobs.c.error.is_not(None),
                jobs.c.status,
                jobs.c.version,
                jobs.c.search_text,
                jobs.c.parameter_text,
                *(type_coerce(jobs.c[name], BigInteger) for name in _TIMES),
            )
            .where(jobs.c.slot > last)
            .order_by(jobs.c.slot)
            .limit(SEGMENT_LIMIT)
        )
        rows = (await connection.execute(query)).all()
        if not rows:
            return
        last = rows[-1].slot
        _take_over(rows, columns, texts)


def _take_over(rows: Sequence[Row[Any]], columns: Columns, texts: Texts) -> None:
    slots, ids, states, types, progress, has_error, statuses, versions, found, parameters, *times = zip(
        *rows, strict=True
    )
    places: Slots = np.array(slots, dtype=np.int32)
    columns.put_many(
        places,
        state=[STATE_CODES[JobState(*names).key] for names in zip(statuses, states, strict=True)],
        job_type=[columns.type_code(name) for name in types],
        progress=list(progress),
        has_error=[bool(error) for error in has_error],
        version=list(versions),
        id_end=[id_end(job_id) for job_id in ids],
        **{
            name: [MISSING if value is None else value for value in values]
            for name, values in zip(_TIMES, times, strict=True)
        },
    )
    ended = [number for number, status in enumerate(statuses) if status in ENDED]
    for number in set(range(len(slots))).difference(ended):
        texts.put(slots[number], found[number], parameters[number], ended=False, created_at=columns.created_at)
    if ended:
        texts.pack(
            places[ended],
            [found[number] for number in ended],
            [parameters[number] for number in ended],
            columns.created_at,
        )
