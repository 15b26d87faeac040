"""The pictures of the state gallery on a few sheets, one for each part of the page and theme, to be looked at at once.

python -m tests.ui.contact_sheets FOLDER_OF_PICTURES FOLDER_OF_SHEETS
"""

import sys
from collections import defaultdict
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

SCALE = 0.6
SHEET_WIDTH = 1800
MARGIN = 24
CAPTION = 26
GROUNDS = {"dark": ("#000000", "#D1D5DB"), "light": ("#CBD2DB", "#111827")}
"""Ground and writing of a sheet, by theme."""


def sheet(pictures: list[Path], theme: str) -> Image.Image:
    """The pictures in columns, each below its name; the next one goes where the shortest column ends."""
    drawn: list[tuple[str, Image.Image]] = []
    for path in pictures:
        with Image.open(path) as opened:
            size = (round(opened.width * SCALE), round(opened.height * SCALE))
            drawn.append((path.stem.removesuffix(f"-{theme}"), opened.convert("RGB").resize(size)))
    width = max(picture.width for _, picture in drawn) + MARGIN
    ends = [MARGIN] * min(len(drawn), max(1, SHEET_WIDTH // width))
    places: list[tuple[int, int]] = []
    for _, picture in drawn:
        column = ends.index(min(ends))
        places.append((MARGIN + column * width, ends[column]))
        ends[column] += CAPTION + picture.height + MARGIN
    ground, writing = GROUNDS[theme]
    whole = Image.new("RGB", (MARGIN + len(ends) * width, max(ends)), ground)
    pen = ImageDraw.Draw(whole)
    for (name, picture), (left, top) in zip(drawn, places, strict=True):
        pen.text((left, top + 4), name, fill=writing, font=ImageFont.load_default(15))
        whole.paste(picture, (left, top + CAPTION))
    return whole


def main(pictures: Path, sheets: Path) -> None:
    """Write a sheet for each part of the page and theme."""
    groups: defaultdict[tuple[str, str], list[Path]] = defaultdict(list)
    for path in sorted(pictures.glob("*.png")):
        groups[path.stem.split("-")[0], path.stem.rpartition("-")[2]].append(path)
    sheets.mkdir(parents=True, exist_ok=True)
    for (part, theme), found in groups.items():
        sheet(found, theme).save(sheets / f"{part}-{theme}.webp", quality=80, method=6)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
