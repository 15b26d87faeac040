"""What may be an API key, and that nothing gives one away (contract 1.1, 16.8)."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from prefect_jobs.api_keys import LONGEST_KEY, SHORTEST_KEY, ApiKey, find_key, parse_keys
from prefect_jobs.cli.refusals import Refusal
from prefect_jobs.cli.settings import load_settings
from prefect_jobs.settings import Settings

KEY = "k" * SHORTEST_KEY


def test_a_key_is_known_again_by_its_text_and_by_nothing_near_it() -> None:
    keys = parse_keys([f"maria:operator:{KEY}", "otto:admin:another-key-of-his"])

    found = find_key(keys, KEY)
    assert found is not None
    assert (found.name, found.role) == ("maria", "operator")
    assert find_key(keys, KEY[:-1]) is None
    assert find_key(keys, KEY + "k") is None
    assert find_key(keys, "") is None
    assert find_key(keys, "\udcff") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (KEY, "written as"),
        (f"maria:{KEY}", "written as"),
        (f"ma ria:viewer:{KEY}", "name of an API key"),
        (f":viewer:{KEY}", "name of an API key"),
        (f"maria:root:{KEY}", "unknown role"),
        (f"maria:viewer:{KEY[:-1]}", "16 to 200 characters"),
        (f"maria:viewer:{'k' * (LONGEST_KEY + 1)}", "16 to 200 characters"),
        (f"maria:viewer:{KEY}/", "only letters"),
    ],
)
def test_what_is_no_key_is_refused_without_repeating_it(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as refused:
        ApiKey.parse(text)

    assert KEY[:-1] not in str(refused.value)


def test_the_shortest_and_the_longest_key_are_keys() -> None:
    assert ApiKey.parse(f"maria:viewer:{KEY}").role == "viewer"
    assert ApiKey.parse(f"maria:viewer:{'k' * LONGEST_KEY}").role == "viewer"


@pytest.mark.parametrize(
    "texts", [(f"a:viewer:{KEY}", f"a:admin:{KEY}x"), (f"a:viewer:{KEY}", f"b:admin:{KEY}")], ids=["names", "keys"]
)
def test_two_keys_alike_are_refused(texts: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="same"):
        parse_keys(texts)


def test_keys_come_from_the_setting_and_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"# the night shift\n\n  otto:admin:{KEY}x  \n")
    settings = Settings.model_validate({"api_keys": f"maria:viewer:{KEY}", "api_keys_file": file})

    assert [key.name for key in settings.every_api_key()] == ["maria", "otto"]
    assert KEY not in repr(settings)
    assert KEY not in settings.model_dump_json()


def test_a_name_that_is_in_the_setting_and_in_the_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"maria:admin:{KEY}x")
    settings = Settings.model_validate({"api_keys": f"maria:viewer:{KEY}", "api_keys_file": file})

    with pytest.raises(ValueError, match="same name"):
        settings.every_api_key()


def test_a_wrong_setting_is_one_sentence_without_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_JOBS_API_KEYS", f"maria:root:{KEY}")

    with pytest.raises(Refusal, match="unknown role") as refused:
        load_settings()

    assert "\n" not in str(refused.value)
    assert KEY not in str(refused.value)
    with pytest.raises(ValidationError) as invalid:
        Settings()
    assert KEY not in str(invalid.value)
