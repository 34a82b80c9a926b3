from __future__ import annotations

import json

import pytest

from outtake.core.redact import redact, redact_overrides, redact_tree

CANARY = "c4n4ry-5up3r-s3cret"


@pytest.mark.parametrize(
    "text",
    [
        f"wandb.api_key={CANARY}",
        f"+logger.wandb.token={CANARY}",
        f"api_key: {CANARY}",
        f'"password": "{CANARY}"',
        f"--hf-token={CANARY}",
        f"AWS_SECRET_ACCESS_KEY={CANARY}",
        f"https://user:{CANARY}@example.org/repo.git",
        f"postgresql://me:{CANARY}@db.host/name",
        f"postgresql://me:pa/{CANARY}@db.host/name",
        f"postgresql+psycopg2://me:p@ss{CANARY}@db.host/name",
        f"mysql://me:12/{CANARY}@db.host/name?a=b@c",
        f"redis://:{CANARY}/x@host/0",
        f"https://me:pa/{CANARY}@example.org/repo.git",
        f"https://me:p@{CANARY}@example.org/a@b",
        f"export GITHUB_TOKEN='{CANARY}'",
        f"passwords: [a, {CANARY}]",
        f"+service.credentials={{user:me,pass:{CANARY}}}",
        f"+service.credentials={{inner:{{user:me}},pass:{CANARY}}}",
        f"a.api_key=abc\\,{CANARY}",
        f"a.api_key\\={CANARY}",
        f"password=abc;{CANARY}",
        f"a.token=abc){CANARY}",
        f'password="{CANARY}',
        f"uri=http\\://bob\\:{CANARY}@example.org/x",
        f"uri=postgresql\\://bob\\:{CANARY}@db.host/name",
        f"Authorization: Bearer {CANARY}",
        f"-----BEGIN RSA PRIVATE KEY-----\n{CANARY}\n-----END RSA PRIVATE KEY-----",
    ],
)
def test_a_secret_is_hidden_wherever_it_stands(text: str) -> None:
    assert CANARY not in redact(text)


@pytest.mark.parametrize(
    "word",
    [
        f"a.password=two words {CANARY}",
        f"+a.token='abc',{CANARY}",
        f"a.credentials.user={CANARY}",
        f"a.api_key=${{oc.env:KEY}}{CANARY}",
        f"a.uri=http\\://bob\\:{CANARY}\\=@example.org/x",
        f"a.note=x\\ password\\={CANARY}",
    ],
)
def test_what_an_override_gives_to_a_secret_key_is_hidden_to_its_end(word: str) -> None:
    (hidden,) = redact_overrides([word])
    assert CANARY not in hidden and hidden.startswith(word.partition("=")[0])
    assert redact_overrides([hidden]) == [hidden]
    assert redact_tree({"fixed": [word]}) == {"fixed": [hidden]}


def test_overrides_without_a_secret_stay_as_they_are() -> None:
    words = ["model=a,b", r"note=a\,b", "api_key=null", "a.token=${oc.env:TOKEN}", "~callbacks"]
    assert redact_overrides(words) == words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"x":"token=abc","b":1}', {"x": "token=<redacted>", "b": 1}),
        ('{"token":0.5,"board":[{"pwd":1},{"b":2}]}', None),
        ('["a.token=a,b;c","b=c"]', ["a.token=<redacted>", "b=c"]),
    ],
)
def test_json_is_json_still(text: str, expected: object) -> None:
    assert json.loads(redact(text)) == (json.loads(text) if expected is None else expected)


def test_the_value_of_a_secret_variable_is_hidden_in_any_text(monkeypatch) -> None:
    monkeypatch.setenv("MY_API_KEY", CANARY)
    assert CANARY not in redact(f"the config holds {CANARY} under an innocent name")


@pytest.mark.parametrize(
    "text",
    [
        "api_key: ${oc.env:WANDB_API_KEY}",
        "tokens_per_batch: 7",
        "token_mixer: pooling",
        "num_tokens: 1048576",
        "service_token:\n  name: abc",
        "data.root=/tmp/keys",
        "token: null",
        "https://example.org/path/a@b",
        "https://example.org:8080/path/a@b",
        "rtsp://camera:554/stream@1",
        "git+https://github.com/someone/thing@main",
        "sqlite:////data/a:b/study@2.db",
        "postgresql://db.host:5432/name",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


def test_an_address_stays_without_its_login() -> None:
    assert redact("https://me:pw@host:80/path/a@b") == "https://<redacted>@host:80/path/a@b"
    hidden = redact("storage=postgresql://me:pa/ss@db.host/name")
    assert hidden == "storage=postgresql://<redacted>@db.host/name" == redact(hidden)


def test_trees_are_hidden_by_key_and_by_value(monkeypatch) -> None:
    monkeypatch.setenv("SOME_PASSWORD", CANARY)
    tree = {"a": [{"auth_token": "abc"}, f"x {CANARY}"], "lr": 0.1, "api_key": "${oc.env:KEY}"}
    hidden = redact_tree(tree)
    assert CANARY not in str(hidden) and "abc" not in str(hidden)
    words = redact_tree(["--hf-token", CANARY, {"api_key": 12345678, "token": None}])
    assert words == ["--hf-token", "<redacted>", {"api_key": "<redacted>", "token": None}]
    assert hidden["lr"] == 0.1 and hidden["api_key"] == "${oc.env:KEY}"


def test_a_page_of_a_single_word_takes_a_moment() -> None:
    page = "x" * 5_000_000 + " api_key=c4n4ry-5up3r-s3cret " + "/Az+09" * 500_000
    assert "c4n4ry" not in redact(page)


def test_where_the_shell_is_is_no_secret(monkeypatch) -> None:
    monkeypatch.setenv("PWD", "/data/project")
    monkeypatch.setenv("OLDPWD", "/data/other")
    monkeypatch.setenv("SMTP_PWD", CANARY)
    assert redact("/data/project/images /data/other") == "/data/project/images /data/other"
    assert redact_tree({"root": "/data/project"}) == {"root": "/data/project"}
    assert CANARY not in redact(CANARY)


def test_scores_and_counts_of_a_class_named_like_a_secret_stay() -> None:
    scores = {"iou": {"token": 0.25, "board": 0.5}, "val/iou/password": 0.75, "images": {"pwd": 7}}
    assert redact_tree(scores) == scores
    assert redact_tree({"password": 123456}) == {"password": "<redacted>"}
