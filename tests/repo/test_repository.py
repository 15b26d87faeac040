"""What is committed: nothing of the machine it was written on, nothing said twice and differently."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

import prefect_jobs
from prefect_jobs.declarations import DeclarationsInvalid, read_declarations
from prefect_jobs.prefect_environment import ADAPTER_KEY, ADAPTER_URL
from prefect_jobs.settings import Settings
from prefect_jobs.shipped import DECLARATIONS, ENTER_FLOWS, enter_flows, root

CHECKOUT = Path(__file__).parents[2]
TEXT = {".py", ".md", ".toml", ".yaml", ".yml", ".txt", ".js", ".json", ".css", ".html", ".cfg", ".sh", ""}
# Downloads come from where the user's own tools are told to look; nothing here may name such a place.
REGISTRY = re.compile(
    # Cut in the middle, so that this file names none either.
    r"p{}ypi[.]org|python{}hosted|npm{}js[.]|registry[.]n{}pm|registry[.]y{}arn|cdn[.][a-z]+[.](com|org|net)|un{}pkg[.]"
    r"|--(extra-)?index-url [^-]|deb[.]d{}ebian|gh{}cr[.]io".replace("{}", "")
)
MACHINE = re.compile(r"(?<![\w.])/(work|root|home/\w+|tmp/\w+)/\w+")


def committed() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    return [CHECKOUT / name for name in listed.stdout.split("\0") if name and (CHECKOUT / name).is_file()]


def project() -> dict[str, Any]:
    return tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]


@pytest.mark.parametrize("pattern", [REGISTRY, MACHINE], ids=["registry", "machine"])
def test_no_committed_file_names_a_package_registry_or_a_path_of_some_machine(pattern: re.Pattern[str]) -> None:
    found = [
        f"{path.relative_to(CHECKOUT)}:{number}: {hit.group()}"
        for path in committed()
        if path.suffix in TEXT and "dist" not in path.parts and path.name != "LICENSE"
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if (hit := pattern.search(line))
    ]

    assert found == []


def test_every_pinned_requirement_has_its_hashes_and_no_address() -> None:
    text = (CHECKOUT / "requirements.txt").read_text()
    pins = [pin for pin in re.split(r"\n(?=\S)", text) if not pin.startswith("#")]

    assert len(pins) > 50
    assert [pin for pin in pins if "==" not in pin or "--hash=sha256:" not in pin] == []
    assert "://" not in text


def test_every_declared_dependency_is_pinned() -> None:
    text = (CHECKOUT / "requirements.txt").read_text()
    pinned = {name.lower().replace("_", "-").split("[")[0] for name in re.findall(r"^([^\s#=]+)==", text, re.MULTILINE)}
    declared = [*project()["dependencies"], *project()["optional-dependencies"]["dev"]]

    names = {re.split(r"[\[<>=! ]", line, maxsplit=1)[0].lower().replace("_", "-") for line in declared}
    assert names - pinned == set()


def test_the_package_has_the_version_of_the_project() -> None:
    assert prefect_jobs.__version__ == project()["version"]


def test_every_setting_is_documented_with_its_default() -> None:
    page = (CHECKOUT / "docs" / "settings.md").read_text()
    rows = {row.split("`")[1]: row for row in page.splitlines() if row.startswith("| `PREFECT_JOBS_")}

    assert set(rows) == {f"PREFECT_JOBS_{name.upper()}" for name in Settings.model_fields} | {ADAPTER_URL, ADAPTER_KEY}
    for name, field in Settings.model_fields.items():
        if field.default and field.default_factory is None:
            assert f"`{field.default}`" in rows[f"PREFECT_JOBS_{name.upper()}"]


def test_importing_the_package_loads_nothing_heavy() -> None:
    """Prefect imports it at every start, because it is a collection of Prefect's."""
    script = "import sys, prefect_jobs; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()

    assert {"prefect", "panel", "fastapi", "sqlalchemy", "pydantic"}.isdisjoint(loaded)


@pytest.mark.parametrize("group", ["console_scripts", "prefect.collections", "prefect.plugins", "sqlalchemy.plugins"])
def test_every_entry_point_loads(group: str) -> None:
    ours = [entry for entry in entry_points(group=group) if entry.value.startswith("prefect_jobs")]

    assert len(ours) == 1
    assert ours[0].load()


def test_prefect_shows_the_plugin_without_an_error(tmp_path: Path) -> None:
    environment = {"PREFECT_HOME": str(tmp_path), "PREFECT_PLUGINS_ENABLED": "1", "DO_NOT_TRACK": "1", "PATH": ""}
    command = [str(Path(sys.executable).with_name("prefect")), "plugins", "diagnose"]

    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)

    assert "prefect_jobs: active" in done.stdout
    assert "prefect_jobs: success" in done.stdout
    assert "rror" not in done.stdout


def test_the_declared_deployments_are_those_the_api_and_the_night_need() -> None:
    declared = {f"{d.entrypoint.split(':')[1]}/{d.name}": d for d in read_declarations(root() / DECLARATIONS)}

    startable = ("export", "import_", "cleanup", "backup", "restore", "batch_audit", "re_evaluation")
    assert set(declared) == {"export/nightly", *(f"{name}/api" for name in startable)}
    nightly = [schedule for declaration in declared.values() for schedule in declaration.schedules]
    assert [(schedule.slug, schedule.active) for schedule in nightly] == [("nightly", False)] * 3
    assert all(declared[f"{name}/api"].concurrency_limit == 1 for name in startable[1:-1])
    assert all(d.pull == [{ENTER_FLOWS: {}}] and d.description for d in declared.values())
    assert all((Path(enter_flows()["directory"]) / d.entrypoint.split(":")[0]).is_file() for d in declared.values())


def test_the_declared_pool_is_the_one_that_is_served() -> None:
    pools = {d.work_pool.name for d in read_declarations(root() / DECLARATIONS)}

    assert pools == {Settings.model_fields["work_pool"].default}
    assert not next(iter(pools)).lower().startswith("prefect"), "Prefect reserves such names"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("cron:", "corn:"), "corn"),
        (("timezone: UTC", "timezone: Nowhere"), "imezone"),
        (('"0 2 * * *"', '"at two"'), "cron"),
        (("active: false", "active: maybe"), "active"),
        (("deployments:", "deployment:"), "deployment"),
        (("name: nightly", "name: [nightly"), "line"),
    ],
    ids=["a mistyped word", "a zone", "a time", "a switch", "a mistyped section", "no YAML"],
)
def test_a_declaration_without_meaning_is_refused_by_its_name(
    tmp_path: Path, change: tuple[str, str], complaint: str
) -> None:
    """Prefect skips words it does not know: a mistyped schedule would never run, and nobody would hear of it."""
    file = tmp_path / DECLARATIONS
    file.write_text((root() / DECLARATIONS).read_text().replace(*change, 1))

    with pytest.raises(DeclarationsInvalid, match=complaint):
        read_declarations(file)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DeclarationsInvalid, match="No such file"):
        read_declarations(tmp_path / DECLARATIONS)


def test_every_target_of_the_makefile_is_listed_with_its_meaning() -> None:
    listed = subprocess.run(["make", "--no-print-directory"], cwd=CHECKOUT, capture_output=True, text=True, check=True)

    for target in ("setup", "demo", "check", "test", "bench"):
        assert re.search(rf"make {target} +\w", listed.stdout), target
