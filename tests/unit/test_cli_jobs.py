"""The command line on the jobs API: what it prints where, what a script can tell from its exit code, and that nothing a
job says is obeyed by the terminal."""

import json
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest

from prefect_jobs import client as client_package
from prefect_jobs.cli import jobs, main
from prefect_jobs.cli.job_actions import read_parameters
from prefect_jobs.cli.moments import coming_moment, past_moment
from prefect_jobs.cli.refusals import ExitCode, Refusal
from prefect_jobs.cli.tables import bar, lasting, short_ids
from prefect_jobs.cli.terminal import coloured, plain
from prefect_jobs.client import Client
from tests.unit.jobs_server import START, JobsServer, problem

Run = Callable[..., tuple[int, str, str]]

ID = "5d1c0f4e-7a52-4d0a-9a3e-3f6b8a2c9e10"
SIBLING = "5d1c0f4e-0000-4d0a-9a3e-3f6b8a2c9e10"
HOSTILE = "\x1b[2J\x1b]0;owned\x07\u202eevil\x9b31m[red]mark-up[/red]\r\x00"
TAMED = "evil[red]mark-up[/red]"

DETAIL: dict[str, Any] = {
    "id": ID, "job_type": "export", "status": "failed", "queue_name": None, "priority": 0, "result": None,
    "progress": {"percent": 38, "current_step": "Writing", "items_processed": 400, "items_total": 1000},
    "timing": {"created_at": START.isoformat(), "started_at": START.isoformat(), "completed_at": None,
               "duration_seconds": 200.0, "estimated_remaining_seconds": None},
    "retry_info": {"attempt_number": 2, "max_attempts": 3, "next_retry_at": None, "previous_errors": ["disk full"]},
    "error": "disk full", "metadata": {"input_params": {"format": "csv"}, "worker_id": "worker-1"},
}  # fmt: skip
HISTORY: dict[str, Any] = {
    "job_id": ID, "job_type": "export", "status": "failed", "created_at": START.isoformat(), "started_at": None,
    "completed_at": None,
    "transitions": [{"from": None, "to": "pending", "at": START.isoformat(), "triggered_by": "api", "details": None}],
    "events": [{"at": START.isoformat(), "kind": "stop_asked", "message": "Cancelled", "by": "eve", "details": {}}],
    "attempts": [{"attempt_number": 1, "started_at": START.isoformat(), "ended_at": None, "status": "failed",
                  "error": "disk full", "worker_id": "worker-1", "duration_seconds": 4.2, "result": None}],
}  # fmt: skip


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> JobsServer:
    """The server that the command line finds."""
    known = JobsServer()

    def client(_url: str | None) -> Client:
        return known.client()

    monkeypatch.setattr(client_package, "Client", client)
    return known


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command line in this process: exit code, output, error output."""
    monkeypatch.setenv("COLUMNS", "80")

    def _run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["prefect-jobs", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return _run


def test_the_list_fits_into_80_columns(server: JobsServer, run: Run) -> None:
    server.put(ID, "running", progress=38, message="Processing event 400/1000 " * 5, job_type="a_rather_long_job_type")

    code, output, _ = run("list")

    assert code == 0
    assert all(len(line.rstrip()) <= 80 for line in output.splitlines())
    assert re.search(r"^5d1c0f4e +a_rather_long_j… +running +███░░░░░  38%", output, re.MULTILINE)


def test_ids_are_never_cut_however_long_they_must_be(server: JobsServer, run: Run) -> None:
    """A schedule prepares runs in one moment: their ids begin alike, and were cut where they differ."""
    ids = [f"0192f0c8-a1b2-7abc-9a3e-3f6b8a2c9e1{end}" for end in "012"]
    for job_id in ids:
        server.put(job_id, "pending", message="waits", job_type="a_rather_long_job_type")

    printed = [line.split()[0] for line in run("list")[1].splitlines()[1:]]

    assert sorted(printed) == ids
    for text in printed:
        server.log(text, "hello")
        assert run("logs", text)[1].endswith("hello\n")


def test_a_list_without_a_terminal_has_no_colours(server: JobsServer, run: Run) -> None:
    server.put(ID, "failed")

    assert "\x1b" not in run("list")[1]


def test_an_empty_list_prints_nothing_on_standard_output(server: JobsServer, run: Run) -> None:
    assert run("list") == (0, "", "No jobs match.\n")


def test_a_list_as_json_is_one_object_a_line_in_the_words_of_the_api(server: JobsServer, run: Run) -> None:
    bodies = [server.put("a"), server.put("b")]

    code, output, error = run("list", "--json")

    assert (code, error) == (0, "")
    assert [json.loads(line) for line in output.splitlines()] == bodies


def test_the_filters_of_the_list_reach_the_server(server: JobsServer, run: Run) -> None:
    run(
        "list",
        "--type=export,backup",
        "--status=failed",
        "--state=late",
        "-q",
        "disk",
        "--since=2h",
        "-n",
        "7",
        "--asc",
    )

    asked = server.asked[0].url.params
    assert {name: asked[name] for name in ("job_type", "status", "state", "q", "limit", "order")} == {
        "job_type": "export,backup", "status": "failed", "state": "late", "q": "disk", "limit": "7", "order": "asc",
    }  # fmt: skip
    assert timedelta(hours=1) < datetime.now(UTC) - datetime.fromisoformat(asked["created_after"]) < timedelta(hours=3)


def test_no_word_of_a_job_is_obeyed_by_the_terminal(server: JobsServer, run: Run) -> None:
    server.put(ID, "running", message=HOSTILE, job_type=HOSTILE, state=HOSTILE)
    server.log(ID, HOSTILE)

    printed = "".join(
        run(*command)[1] for command in (("list",), ("list", "--json"), ("logs", ID), ("logs", ID, "--json"))
    )

    assert not {character for character in printed if ord(character) < 32 or 127 <= ord(character) < 160} - {"\n"}
    assert "\u202e" not in printed
    assert TAMED in printed  # and rich's own mark-up is none


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("\x1b[32mgreen\x1b[0m", "green"),
        ("\x1b[1;38;5;208mloud\x1b[m", "loud"),
        ("a\x1b[2K\x1b[1Ab\x1b[10;10Hc", "abc"),
        ("\x1b]0;title\x07a\x1b]2;title\x1b\\b", "ab"),
        ("\x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bP+q544e\x1b\\a\x1b_Gf=24;AAAA\x1b\\b\x1b^x\x1b\\c\x1bXy\x1b\\d", "abcd"),
        ("\x9b31mred\x9d0;title\x9c!", "red!"),
        ("\x1b]0;never ended", "0;never ended"),
        ("\x1bc\x1b(0a\x1b=b\x1b7c", "abc"),
        ("\x1b", ""),
        ("\x1b[", ""),
        ("one\x08\x08\x08two\x7f", "onetwo"),
        ("[32m is text", "[32m is text"),
    ],
    ids=ascii,
)
def test_commands_to_a_terminal_go_whole(text: str, left: str) -> None:
    assert plain(text, one_line=False) == left
    assert coloured(text).plain == left


@pytest.mark.parametrize("opening", ["\x1b]", "\x9d", "\x1b[", "\x9b", "\x1b]8;;x", "\x1b ", "\x1b[1;"])
def test_a_megabyte_of_commands_that_never_end_is_read_at_once(opening: str) -> None:
    """Looking for the end of each took the square of their number."""
    assert len(plain(opening * (2**20 // len(opening)), one_line=False)) < 2**20
    assert "\x1b" not in coloured(opening * 10_000).plain


def painted(text: str) -> str:
    """What of a text reaches a terminal with colours."""
    from rich.console import Console

    out = StringIO()
    Console(file=out, force_terminal=True, color_system="standard", width=200).print(coloured(text), soft_wrap=True)
    return out.getvalue()


def test_colours_are_kept_on_a_terminal_and_nothing_else() -> None:
    assert painted("\x1b[32mgreen\x1b[0m plain") == "\x1b[32mgreen\x1b[0m plain\n"
    assert painted("\x1b[31mtwo\nlines\x1b[0m") == "\x1b[31mtwo\x1b[0m\nlines\n"
    hostile = painted("\x1b[31;5;8mshown\x1b]8;;http://evil.example\x1b\\x\x1b[2J\x1b[0m")
    assert hostile == "\x1b[31mshownx\x1b[0m\n"


def test_a_log_without_a_terminal_has_neither_colours_nor_what_they_leave(server: JobsServer, run: Run) -> None:
    server.put(ID, message="\x1b[32mgreen\x1b[0m")
    server.log(ID, "\x1b[32mgreen\x1b[0m\n\x1b[31mred")

    assert [line.split()[-1] for line in run("logs", ID)[1].splitlines()] == ["green", "red"]
    assert run("list")[1].split()[-1] == "green"


def test_no_word_of_a_refusal_is_obeyed_either(server: JobsServer, run: Run) -> None:
    server.planned.append(problem(409, HOSTILE))

    assert run("stats") == (2, "", f"prefect-jobs: {TAMED}.\n")


def test_a_second_line_of_a_message_cannot_pass_for_a_line_of_its_own(server: JobsServer, run: Run) -> None:
    server.put(ID)
    server.log(ID, "Traceback:\n08:15:00.000 INFO    all is well")

    lines = run("logs", ID)[1].splitlines()

    assert len(lines) == 2
    assert lines[1] == "    08:15:00.000 INFO    all is well"


def test_a_log_of_which_only_the_tail_is_wanted(server: JobsServer, run: Run) -> None:
    server.put(ID)
    server.log(ID, *(f"line {number}" for number in range(30)))

    assert [line.split(maxsplit=2)[2] for line in run("logs", ID, "--tail=2")[1].splitlines()] == ["line 28", "line 29"]


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({}, ""),
        ({"complete": True, "as_of": "2026-03-04T08:15:00Z"}, ""),
        ({"complete": False, "as_of": None}, "Lines may be missing: the log has not been read to its end yet.\n"),
    ],
)
def test_a_log_that_may_lack_lines_is_not_printed_as_if_it_were_whole(
    server: JobsServer, run: Run, state: dict[str, object], said: str
) -> None:
    server.put(ID)
    server.log(ID, "known")
    server.log_state = state

    code, output, error = run("logs", ID)

    assert (code, output.splitlines()[-1].endswith("known"), error) == (0, True, said)


def test_the_time_since_which_lines_may_be_missing_is_said(server: JobsServer, run: Run) -> None:
    server.put(ID)
    server.log_state = {"complete": False, "as_of": (datetime.now(UTC) - timedelta(minutes=10, seconds=5)).isoformat()}

    assert re.fullmatch(r"Lines may be missing: the last time that none was is 10m\d\ds ago\.\n", run("logs", ID)[2])


def test_a_level_that_is_none_is_refused(server: JobsServer, run: Run) -> None:
    assert run("logs", ID, "--level=loud")[0] == ExitCode.REFUSED
    assert server.asked == []


def test_one_job_is_shown_with_all_that_happened_to_it(server: JobsServer, run: Run) -> None:
    server.planned.extend([httpx.Response(200, json=DETAIL), httpx.Response(200, json=HISTORY)])

    code, output, _ = run("show", ID)

    assert code == 0
    words = (
        "export",
        "failed",
        "400 of 1000",
        "Writing",
        "2 of 3",
        "worker-1",
        '{"format": "csv"}',
        "3m20s",
        "api",
        "stop asked",
        "4s",
    )
    assert [word for word in words if word not in output] == []
    assert all(len(line.rstrip()) <= 80 for line in output.splitlines())


def test_one_job_as_json_is_what_the_api_says(server: JobsServer, run: Run) -> None:
    server.planned.extend([httpx.Response(200, json=DETAIL), problem(404, f"No job found with ID: {ID}")])

    assert json.loads(run("show", ID, "--json")[1]) == {"detail": DETAIL, "history": None}


def test_the_beginning_of_an_id_is_enough(server: JobsServer, run: Run) -> None:
    server.put(ID)
    server.log(ID, "hello")

    assert run("logs", "5d1c")[1].endswith("hello\n")


@pytest.mark.parametrize("text", ["2c9e10", "#2c9e10", "2C9E10", "#5d1c", "#5d1c0f4e"])
def test_what_a_card_shows_of_an_id_is_enough(server: JobsServer, run: Run, text: str) -> None:
    server.put(ID)
    server.log(ID, "hello")

    assert run("logs", text)[1].endswith("hello\n")


def test_six_characters_that_two_cards_show_are_answered_with_both(server: JobsServer, run: Run) -> None:
    server.put(ID)
    server.put(SIBLING)

    code, _, error = run("show", "#2c9e10")

    assert code == ExitCode.REFUSED
    assert ID in error
    assert SIBLING in error


def test_an_option_with_words_that_there_are_not_names_those_that_there_are(server: JobsServer, run: Run) -> None:
    for option, word, known in (
        ("--status", "bogus", "cancelled"),
        ("--status", "failed,bogus", "cancelled"),
        ("--state", "Late", "awaiting_retry"),
        ("--sort", "age", "created_at"),
    ):
        code, output, error = run("list", f"{option}={word}")
        assert (code, output) == (ExitCode.REFUSED, "")
        assert option in error
        assert known in error
    assert server.asked == []


def test_the_words_of_the_options_are_those_of_the_api() -> None:
    from prefect_jobs.api.jobs import ListedStatus
    from prefect_jobs.store.orders import SORTS

    assert set(jobs.STATUSES) == set(get_args(ListedStatus))
    assert set(jobs.SORTS) == set(SORTS)
    assert {"scheduled", "late", "stopping", "timed_out", "cached"} < set(jobs.STATES)


def test_a_type_that_nobody_knows_is_said_to_be_none(server: JobsServer, run: Run) -> None:
    types = httpx.Response(200, json={"job_types": [{"name": "export", "description": "", "can_start": True}]})
    nothing = httpx.Response(200, json={"data": [], "meta": {"total": 0, "limit": 1, "offset": 0, "has_more": False},
                                        "aggregations": {"by_status": {}, "by_type": {}}})  # fmt: skip
    for given, code in (("bogus", ExitCode.REFUSED), ("export", ExitCode.OK), ("bogus,export", ExitCode.OK)):
        server.planned.extend([nothing, types])
        ended, output, error = run("list", f"--type={given}")
        assert (ended, output) == (code, "")
        assert ("export" in error) is (code == ExitCode.REFUSED)


def test_a_type_with_commas_is_given_whole(server: JobsServer, run: Run) -> None:
    run("list", "--type=Extract, load")
    run("list", "--type=Extract, load", "--type=export")

    asked = [request.url.params.get_list("job_type") for request in server.asked if request.url.path.endswith("search")]
    assert asked == [["Extract, load"], ["Extract, load", "export"]]


def test_the_beginning_of_two_ids_is_refused_with_both(server: JobsServer, run: Run) -> None:
    server.put(ID)
    server.put(SIBLING)

    code, _, error = run("logs", "5d1c")

    assert code == ExitCode.REFUSED
    assert ID in error
    assert SIBLING in error


@pytest.mark.parametrize("text", [ID, "5d1c", "job-001", 'a" or type:"b'])
def test_an_unknown_job_has_an_exit_code_of_its_own(server: JobsServer, run: Run, text: str) -> None:
    assert run("logs", text) == (4, "", f"prefect-jobs: No job found with ID: {text}.\n")


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (httpx.Response(401, json={"detail": "Invalid API key"}), 5),
        (problem(403, "This takes the role admin"), 5),
        (problem(400, "No"), 2),
        (httpx.Response(422, json={"error": {"message": "No"}}), 2),
        (httpx.Response(500, json={"error": {"message": "Boom"}}), 3),
        (httpx.Response(503, json={"error": {"message": "later"}}, headers={"Retry-After": "99"}), 3),
    ],
    ids=lambda value: str(getattr(value, "status_code", "")),
)
def test_what_went_wrong_shows_in_the_exit_code(
    server: JobsServer, run: Run, answer: httpx.Response, code: int
) -> None:
    server.planned.append(answer)

    ended, output, error = run("stats")

    assert (ended, output) == (code, "")
    assert error.startswith("prefect-jobs: ")
    assert error.count("\n") == 1


def test_a_server_that_is_not_there_is_told_in_a_sentence(server: JobsServer, run: Run) -> None:
    server.planned.extend([httpx.ConnectError("Connection refused")] * 4)

    assert run("list") == (
        3, "", "prefect-jobs: The jobs API at http://jobs.test cannot be reached: Connection refused.\n"
    )  # fmt: skip


def test_an_address_without_a_scheme_is_refused(run: Run) -> None:
    code, _, error = run("list", "--url=127.0.0.1:8000")

    assert code == ExitCode.REFUSED
    assert "begins with http://" in error


def test_a_started_job_prints_its_id_alone(server: JobsServer, run: Run) -> None:
    server.planned.append(httpx.Response(202, json={"job_id": ID}))

    assert run("run", "export", "-p", "format=zip", "-p", "count=3") == (0, f"{ID}\n", "")
    assert json.loads(server.asked[0].read())["parameters"] == {"format": "zip", "count": 3}


@pytest.mark.parametrize(("status", "code"), [("completed", 0), ("failed", 1)])
def test_waiting_tells_by_the_exit_code_how_the_job_ended(server: JobsServer, run: Run, status: str, code: int) -> None:
    server.planned.append(httpx.Response(202, json={"job_id": ID}))
    server.put(ID, status, message="That is all")

    assert run("run", "export", "--wait") == (code, f"{ID}\n", f"Job {ID} {status}: That is all\n")


def test_a_wait_that_takes_too_long_ends_as_timeout_does(server: JobsServer, run: Run) -> None:
    server.planned.append(httpx.Response(202, json={"job_id": ID}))
    server.put(ID, "running")

    code, output, error = run("run", "export", "--wait", "--timeout=0")

    assert (code, output) == (124, "")
    assert "has not ended within 0 s: it is running" in error


def test_ctrl_c_while_waiting_says_that_the_job_goes_on(server: JobsServer, run: Run) -> None:
    server.planned.append(httpx.Response(202, json={"job_id": ID}))

    def interrupt(request: httpx.Request) -> None:
        if request.method == "GET":
            raise KeyboardInterrupt

    server.before = interrupt

    assert run("run", "export", "--wait") == (130, "", f"Job {ID} goes on.\n")


def test_each_job_is_acted_on_and_the_exit_code_is_that_of_the_refused_one(server: JobsServer, run: Run) -> None:
    server.put("a")
    server.put("b")
    answers = {
        "/api/jobs/a/cancel": httpx.Response(200, json={"job_id": "a", "status": "failed", "message": "Requested"}),
        "/api/jobs/b/cancel": problem(409, "It has ended"),
    }

    def answer(request: httpx.Request) -> None:
        if request.url.path in answers:
            server.planned.append(answers[request.url.path])

    server.before = answer

    assert run("cancel", "b", "a") == (1, "a: Requested\n", "b: It has ended\n")
    code, output, error = run("cancel", "--json", "b", "a")
    assert (code, error) == (1, "")
    assert [json.loads(line)["done"] for line in output.splitlines()] == [False, True]


@pytest.mark.parametrize("command", ["cancel", "abort", "retry"])
def test_an_action_on_an_unknown_job_is_not_found(server: JobsServer, run: Run, command: str) -> None:
    assert run(command, ID) == (4, "", f"{ID}: No job found with ID: {ID}\n")


def test_deleting_asks_first(server: JobsServer, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    server.put(ID, "completed")

    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    code, output, error = run("delete", ID)

    assert (code, output) == (2, "")
    assert "Nothing was deleted." in error
    assert ID in server.jobs


def test_deleting_where_nobody_can_be_asked_takes_a_yes(
    server: JobsServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.put(ID, "completed")
    monkeypatch.setattr(sys, "stdin", StringIO())

    assert run("delete", ID)[0] == ExitCode.REFUSED
    assert run("delete", ID, "--yes") == (0, f"{ID}: Job deleted\n", "")
    assert server.jobs == {}


def test_statistics_are_tables_or_json(server: JobsServer, run: Run) -> None:
    body = {"total_jobs": 1234, "by_status": [{"status": "completed", "count": 1234}],
            "by_type": [{"job_type": "export", "count": 1234}], "average_duration_seconds": 115.0,
            "oldest_pending_job_age_seconds": None}  # fmt: skip
    server.planned.extend([httpx.Response(200, json=body)] * 2)

    assert re.search(r"completed +1,234", run("stats")[1])
    assert json.loads(run("stats", "--json")[1]) == body


@pytest.mark.parametrize("command", ["list", "show", "logs", "run", "cancel", "abort", "retry", "delete", "stats"])
def test_every_command_tells_its_exit_codes_and_explains_its_options(run: Run, command: str) -> None:
    code, output, _ = run(command, "--help")

    assert code == 0
    assert "Exit codes: 0 done" in output
    options = [line.split() for line in output.splitlines() if line.strip("│ ").startswith("--")]
    assert all(len(words) > 3 for words in options), "an option without an explanation"


def test_the_exit_codes_are_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "client.md").read_text()
    documented = {int(row) for row in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)}

    assert documented == {int(code) for code in ExitCode}


def test_parameters_are_json_or_else_text_and_the_command_line_wins(tmp_path: Path) -> None:
    file = tmp_path / "parameters.json"
    file.write_text('{"a": 1, "b": 2}')

    read = read_parameters(["b=[1, 2]", "c=front door", "d=x=y", 'e="7"', "f=null", "g="], str(file))

    assert read == {"a": 1, "b": [1, 2], "c": "front door", "d": "x=y", "e": "7", "f": None, "g": ""}


@pytest.mark.parametrize("pair", ["format", "=csv", ""])
def test_a_parameter_without_name_or_value_is_refused(pair: str) -> None:
    with pytest.raises(Refusal, match="NAME=VALUE"):
        read_parameters([pair], None)


@pytest.mark.parametrize("content", ["[1]", "{", None], ids=["no object", "no JSON", "no file"])
def test_a_file_without_parameters_is_refused(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "parameters.json"
    if content is not None:
        file.write_text(content)

    with pytest.raises(Refusal, match="The parameters in"):
        read_parameters([], str(file))


def test_times_are_moments_or_lengths() -> None:
    assert past_moment("--since", "90m", now=START) == START - timedelta(minutes=90)
    assert coming_moment("--at", "+2h", now=START) == START + timedelta(hours=2)
    assert past_moment("--since", "2026-03-04T09:15:00+01:00", now=START) == START
    assert past_moment("--since", "2026-03-04", now=START).tzinfo is not None


@pytest.mark.parametrize("text", ["", "soon", "2 hours", "2026-13-01", "-2h"])
def test_a_time_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Refusal, match="--since is no time"):
        past_moment("--since", text, now=START)


def test_short_ids_are_as_long_as_it_takes_to_tell_them_apart() -> None:
    """Ids that begin with their time share their beginnings when they were made together."""
    assert short_ids([ID]) == {ID: "5d1c0f4e"}
    by_time = "0192f0c8-a1b2-7abc-9a3e-3f6b8a2c9e10"
    assert short_ids([by_time]) == {by_time: "0192f0c8-a1b2-7abc"}
    assert short_ids([ID, SIBLING, "job-001"]) == {ID: "5d1c0f4e-7", SIBLING: "5d1c0f4e-0", "job-001": "job-001"}


@pytest.mark.parametrize(
    ("seconds", "words"), [(None, "-"), (0, "0s"), (59.9, "59s"), (60, "1m00s"), (3599, "59m59s"), (3600, "1h00m"),
                           (86_399, "23h59m"), (86_400, "1d")],
)  # fmt: skip
def test_lengths_of_time_are_short(seconds: float | None, words: str) -> None:
    assert lasting(None if seconds is None else timedelta(seconds=seconds)) == words


@pytest.mark.parametrize(("percent", "drawn"), [(0, "░░░░░░░░   0%"), (38, "███░░░░░  38%"), (100, "████████ 100%")])
def test_a_bar_says_its_percentage_too(percent: int, drawn: str) -> None:
    assert bar(percent) == drawn


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("plain", "plain"),
        ("a\tb\nc", "a b c"),
        (HOSTILE, TAMED),
        ("\ud800x", "x"),
        ("grün 👩‍🚒", "grün 👩‍🚒"),
    ],
)
def test_plain_text_keeps_what_can_be_read(text: str, shown: str) -> None:
    assert plain(text) == shown
