"""Receipts: what is written is what is read."""

import pytest

from prefect_jobs.sidecar.receipt import NAMED_PROCESSES, Receipt, epoch, find_receipt, with_receipt, without_receipt

ASKED = epoch("2026-03-04T08:15:00.120Z")


def test_a_receipt_reads_as_a_sentence() -> None:
    receipt = Receipt(ASKED, ASKED + 0.3, ASKED + 0.36, "killed", [(4711, "python"), (4712, "ffmpeg")])
    assert with_receipt("Aborted through the jobs API by alice", receipt) == (
        "Aborted through the jobs API by alice. Receipt: asked 2026-03-04T08:15:00.120Z, delivered after 0.30 s, "
        "killed after 0.36 s: 4711 python, 4712 ffmpeg."
    )


@pytest.mark.parametrize(
    "receipt",
    [
        Receipt(ASKED, ASKED, ASKED + 1.5, "stopped"),
        Receipt(ASKED, ASKED + 12, ASKED + 100, "killed", [(1, "a b"), (2, "x, 3 y"), (3, "")], left=[(9, "sudo")]),
        Receipt(ASKED, ASKED, ASKED, "killed", [(pid, "sleep") for pid in range(NAMED_PROCESSES + 7)], cause="due"),
        Receipt(ASKED, ASKED, ASKED, "ended", cause="died"),
        Receipt(ASKED, ASKED - 5, ASKED - 9, "finished"),  # clocks apart
    ],
)
def test_what_is_written_is_read_back(receipt: Receipt) -> None:
    found = find_receipt(with_receipt("It was so", receipt))
    assert found is not None
    assert (found.asked, found.how, found.cause, found.left) == (ASKED, receipt.how, receipt.cause, receipt.left)
    assert found.delivered == pytest.approx(max(ASKED, receipt.delivered))
    assert [pid for pid, _ in found.processes] == [pid for pid, _ in receipt.processes][:NAMED_PROCESSES]
    assert found.more == max(0, len(receipt.processes) - NAMED_PROCESSES)


def test_a_message_gets_one_receipt_and_can_be_had_without() -> None:
    first = with_receipt("It was so", Receipt(ASKED, ASKED, ASKED, "stopped"))
    again = with_receipt(first, Receipt(ASKED, ASKED, ASKED + 2, "killed", [(1, "sh")]))
    assert again.count("Receipt:") == 1
    assert without_receipt(again) == "It was so"
    assert without_receipt("No proof.") == "No proof."


@pytest.mark.parametrize("text", ["", "Receipt: none", "Receipt: asked never, delivered after 1 s, killed after 1 s."])
def test_other_words_are_no_receipt(text: str) -> None:
    assert find_receipt(text) is None
