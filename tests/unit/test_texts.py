"""Texts packed into segments, and the jobs among them that are of interest."""

import numpy as np
import polars as pl

from prefect_jobs.store.columns import Mask, Slots
from prefect_jobs.store.texts import Segment, TextFilter


def segment(*texts: str, first: int = 0) -> Segment:
    """These texts of ended jobs, one after another from this slot on."""
    count = len(texts)
    slots = np.arange(first, first + count, dtype=np.int32)
    parameters = pl.Series([f"\ncamera={slot}\n" for slot in slots.tolist()], dtype=pl.String)
    return Segment(slots, pl.Series(texts, dtype=pl.String), parameters, np.ones(count, dtype=np.bool_), newest=0)


def even(slots: Slots) -> Mask:
    """Every second job."""
    return slots % 2 == 0


def one_in_eight(slots: Slots) -> Mask:
    """So few that their texts are picked out."""
    return slots % 8 == 0


def test_only_jobs_of_interest_are_found_whether_they_are_many_or_few():
    texts = segment(*["disk full", "camera away"] * 32, first=8)
    wanted = TextFilter(texts=("disk",))
    assert texts.matches(wanted).tolist() == list(range(8, 72, 2))
    assert texts.matches(wanted, even).tolist() == list(range(8, 72, 2))
    assert texts.matches(wanted, one_in_eight).tolist() == list(range(8, 72, 8))
    assert texts.matches(TextFilter(not_texts=("disk",)), one_in_eight).tolist() == []


def test_each_further_text_narrows_what_the_ones_before_left():
    texts = segment(*[f"event {number} of yard" for number in range(64)])
    wanted = TextFilter(texts=("event 1", "yard"), not_texts=("event 17",), parameters=("camera=1",))
    assert texts.matches(wanted).tolist() == [1, 10, 11, 12, 13, 14, 15, 16, 18, 19]


def test_a_segment_whose_texts_were_all_replaced_holds_nothing():
    assert segment().matches(TextFilter(texts=("disk",)), lambda slots: slots >= slots[0]).tolist() == []
