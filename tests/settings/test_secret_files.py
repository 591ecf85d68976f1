"""A secret may stand in a file of its own."""

from pathlib import Path

import pytest

from relay.settings import ConfigError, load

TEXT = """\
data_dir: {data_dir}
destinations: [{{name: audit, kind: file, path: events.jsonl}}]
sources:
  - name: acme
    secret: {{file: {path}}}
"""


def _load(tmp_path: Path, path: str) -> str:
    config = tmp_path / "relay.yaml"
    config.write_text(TEXT.format(data_dir=tmp_path, path=path))
    return load(config, {}).sources[0].keys[0].secret.reveal()


@pytest.mark.parametrize(
    "content,expected",
    [
        (b"whsec_abc", "whsec_abc"),
        (b"whsec_abc\n", "whsec_abc"),
        (b"whsec_abc\r\n", "whsec_abc"),
        ("schlüssel-abc\n".encode(), "schlüssel-abc"),
    ],
)
def test_a_secret_is_the_files_text_without_one_newline(
    tmp_path: Path, content: bytes, expected: str
) -> None:
    (tmp_path / "secret").write_bytes(content)
    assert expected == _load(tmp_path, str(tmp_path / "secret"))


def test_a_relative_path_begins_at_data_dir(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("whsec_abc")
    assert _load(tmp_path, "secret") == "whsec_abc"


@pytest.mark.parametrize(
    "content,message",
    [
        (None, "the secret's file cannot be read: No such file or directory"),
        (b"", "the secret's file is empty"),
        (b"\n", "the secret's file is empty"),
        (b"whsec_abc\n\n", "begins or ends with white space"),
        (b"\xff" * 10, "the secret's file is not UTF-8"),
        (b"x" * 65_537, "the secret's file is larger than 65536 bytes"),
        (b"short", "is shorter than 8 characters"),
    ],
)
def test_a_file_that_holds_no_usable_secret_is_a_mistake(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, "secret")
    assert [(5, "sources[0].secret", message)] == [
        (m.line, m.path, m.message) for m in caught.value.mistakes
    ]


def test_a_directory_is_no_secret(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    with pytest.raises(
        ConfigError, match=r"relay.yaml:5: sources\[0\].secret: .*directory"
    ):
        _load(tmp_path, "secret")


@pytest.mark.parametrize("path", ["5", "''", "[a]", '"a\\tb"', "~"])
def test_what_is_no_path_is_a_mistake(tmp_path: Path, path: str) -> None:
    with pytest.raises(ConfigError, match="`file` must be a path"):
        _load(tmp_path, path)
