"""Events as an Excel workbook. A workbook is XML in a ZIP archive, and most writers hold all of its cells in memory.

XlsxWriter's constant-memory mode writes each row away into a temporary file of its sheet, so memory stays flat and the
disk holds the sheet twice for a while. Text is written as text, never as a formula, a link or a number, so no cell
needs the guard of a CSV file. What a sheet cannot hold goes on in the next one.
"""

from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from xlsxwriter import Workbook  # pyright: ignore[reportMissingTypeStubs]  # it has hints, for a part of it

from prefect_jobs.events.export_file import ALL_COLUMNS, COLUMNS, Row, Writer, chosen_of
from prefect_jobs.scratch import scratch_folder

SHEET_ROWS = 1_048_576
"""Rows of a sheet, the heading's included; a fact of Excel."""
CELL_LENGTH = 32_767
"""Characters of a cell, another one. A longer text is cut, with an ellipsis."""
_OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_numbers": False,
    "strings_to_urls": False,
}


@contextmanager
def workbook_writer(
    file: BinaryIO, scratch: Path, columns: Sequence[str] = ALL_COLUMNS, *, sheet_rows: int = SHEET_ROWS
) -> Generator[Writer]:
    """Write events as the sheet `Events` of a workbook, and `Events 2` and so on when they are too many for one.

    What the sheets take on disk until then is put into a folder of its own in `scratch`.
    """
    chosen = chosen_of(columns)
    heading = [COLUMNS[name] for name in columns]
    with scratch_folder(scratch) as folder:
        workbook: Any = Workbook(file, {**_OPTIONS, "tmpdir": str(folder)})
        bold = workbook.add_format({"bold": True})
        sheets: list[Any] = []
        next_row = 0

        def add_sheet() -> None:
            nonlocal next_row
            sheet = workbook.add_worksheet(f"Events {len(sheets) + 1}" if sheets else "Events")
            sheet.freeze_panes(1, 0)
            for place, title in enumerate(heading):
                sheet.write_string(0, place, title, bold)
            sheets.append(sheet)
            next_row = 1

        def write(batch: Iterable[Row]) -> None:
            nonlocal next_row
            for row in batch:
                if next_row == sheet_rows:
                    add_sheet()
                for place, cell in enumerate(chosen(workbook_cells(row))):
                    if isinstance(cell, str):
                        sheets[-1].write_string(next_row, place, cell)
                    elif cell is not None:
                        sheets[-1].write_number(next_row, place, cell)
                next_row += 1

        add_sheet()
        try:
            yield write
        except BaseException:
            for sheet in sheets:
                sheet.row_data_fh.close()  # nobody else would
            raise
        workbook.close()


def workbook_cells(row: Row) -> tuple[Any, ...]:
    """The cells of one event: numbers, texts, None for an empty cell."""
    return tuple(
        ("Yes" if value else "No") if column == "reviewed" else _cut(value) if isinstance(value, str) else value
        for column, value in zip(ALL_COLUMNS, row, strict=True)
    )


def _cut(text: str) -> str | None:
    return (text if len(text) <= CELL_LENGTH else f"{text[: CELL_LENGTH - 1]}…") or None
