"""``praxino keys``: made once, listed, revoked; mistakes in one line."""

import pytest

from praxino.service import api_keys
from praxino.service.queue.schema import Database


@pytest.fixture(name="keys")
def _keys(praxino, tmp_path):
    return lambda *arguments: praxino("keys", *arguments, "--data", tmp_path)


def test_a_key_is_made_listed_and_revoked(keys, tmp_path):
    code, text, _ = keys(
        "add", "anna", "--per-day", "500", "--max-active", "4", "--priority", "high"
    )
    assert (code, text[:3]) == (0, "px-")
    (key,) = api_keys.all_keys(database := Database(f"sqlite:///{tmp_path / 'jobs.sqlite'}"))
    assert (key.name, key.quota.per_day, key.quota.at_a_time, key.quota.priority) == (
        "anna",
        500,
        4,
        1,
    )
    assert api_keys.find_key(database, text.strip()) == key
    _, table, _ = keys("list")
    assert table.splitlines()[1].split()[0] == key.id
    assert text.strip() not in table
    assert keys("revoke", key.id)[:2] == (0, "revoked anna\n")
    assert api_keys.find_key(database, text.strip()) is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("add", "anna", "--priority", "highest"),
            "unknown priority 'highest'. hint: did you mean high",
        ),
        (("add", "two\nlines"), "must be 1 to 128 characters"),
        (("revoke", "key_0"), "no key 'key_0'. hint: praxino keys list"),
        (("ad",), "unknown verb 'ad'. hint: did you mean add"),
    ],
)
def test_a_mistake_is_one_line(keys, arguments, message):
    code, out, err = keys(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err
