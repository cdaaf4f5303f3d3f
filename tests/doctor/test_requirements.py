"""Requirements files as pip reads them, compared with what is installed."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.doctor.diagnosis import Package
from pawl.doctor.machine import package_lines
from pawl.doctor.requirements import logical_lines, normal, read_pins, unmet
from pawl.errors import InputError

DIGEST = "sha256:" + "ab" * 32


def pins_of(folder: Path, text: str, **others: str) -> list[tuple[str, str, tuple[str, ...]]]:
    (folder / "requirements.txt").write_text(text)
    for name, content in others.items():
        (folder / f"{name}.txt").write_text(content)
    return [(pin.name, str(pin.requirement.specifier), pin.hashes) for pin in read_pins(folder / "requirements.txt")]


@pytest.mark.parametrize(
    ("text", "pins"),
    [
        ("a==1.0", [("a", "==1.0", ())]),
        ("A_b.C == 1.0  # why", [("a-b-c", "==1.0", ())]),
        ("dvc[gs,s3]==3.67.1", [("dvc", "==3.67.1", ())]),
        (f"a==1.0 --hash={DIGEST}", [("a", "==1.0", (DIGEST,))]),
        (
            f"a==1.0 \\\n    --hash={DIGEST} \\\n    --hash={DIGEST}\nb==2",
            [("a", "==1.0", (DIGEST, DIGEST)), ("b", "==2", ())],
        ),
        (f"a==1 ; python_version > '3' \\\n  --hash={DIGEST}\n", [("a", "==1", (DIGEST,))]),
        ("a==1.0 \\\n# a comment ends it\nb==2", [("a", "==1.0", ()), ("b", "==2", ())]),
        ("a==1; sys_platform == 'win32'\nb==1; sys_platform != 'win32'", [("b", "==1", ())]),
        (
            "--index-url https://example.com\n-e .\n./wheel.whl\ngit+https://example.com/x\n--require-hashes\na",
            [("a", "", ())],
        ),
        ("a @ https://example.com/a.whl", [("a", "", ())]),
        ("\ufeffa==1\r\nb==2\r\n", [("a", "==1", ()), ("b", "==2", ())]),
        ("", []),
    ],
)
def test_lines_that_pip_takes(tmp_path: Path, text: str, pins: list[tuple[str, str, tuple[str, ...]]]) -> None:
    assert pins_of(tmp_path, text) == pins


@pytest.mark.parametrize(
    "flag", ["-r other.txt", "-rother.txt", "--requirement other.txt", "--requirement=other.txt", "-c other.txt"]
)
def test_files_that_a_file_includes(tmp_path: Path, flag: str) -> None:
    found = pins_of(tmp_path, f"a==1\n{flag}\n", other="b==2\n-r requirements.txt\n")
    assert found == [("a", "==1", ()), ("b", "==2", ())]


def test_what_is_no_requirement_is_named_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"requirements\.txt, line 3 is no requirement"):
        pins_of(tmp_path, "a==1\n\n???\n")
    with pytest.raises(InputError, match=r"missing\.txt cannot be read"):
        pins_of(tmp_path, "-r missing.txt\n")


@given(st.text(max_size=200))
def test_any_text_is_lines_without_comments(text: str) -> None:
    for number, line in logical_lines(text):
        assert line.strip() == line
        assert line
        assert not line.startswith("#")
        assert 1 <= number <= len(text.splitlines())


@given(
    st.dictionaries(
        st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True),
        st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){0,2}", fullmatch=True),
        max_size=6,
    ),
    st.data(),
)
def test_exactly_what_differs_is_unmet(
    tmp_path_factory: pytest.TempPathFactory, versions: dict[str, str], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("pins")
    (folder / "requirements.txt").write_text("".join(f"{name}=={version}\n" for name, version in versions.items()))
    gone = data.draw(st.sets(st.sampled_from(sorted(versions)))) if versions else set()
    other = data.draw(st.sets(st.sampled_from(sorted(set(versions) - gone)))) if set(versions) - gone else set()
    installed = {n: v + (".1" if n in other else "+cpu") for n, v in versions.items() if n not in gone}
    found = unmet(read_pins(folder / "requirements.txt"), installed)
    assert {package.name for package in found} == gone | other
    assert {package.name for package in found if package.installed is None} == gone


def test_the_machines_own_packages_are_compared(tmp_path: Path) -> None:
    installed = metadata.version("typer")
    (tmp_path / "requirements.txt").write_text(f"typer=={installed}\nPyYAML\n")
    [line] = package_lines(tmp_path)
    assert (line.state, line.packages) == ("ok", ())
    (tmp_path / "requirements.txt").write_text(f"typer=={installed}.post99\n")
    [line] = package_lines(tmp_path)
    assert line.state == "warning"
    assert line.packages == (Package(name="typer", pinned=f"=={installed}.post99", installed=installed),)
    (tmp_path / "requirements.txt").write_text(f"typer=={installed} --hash={DIGEST}\nno-such-package-here==1\n")
    [line] = package_lines(tmp_path)
    assert (line.state, line.packages[0].installed) == ("error", None)
    assert "no-such-package-here" in line.found
    (tmp_path / "requirements.txt").unlink()
    [line] = package_lines(tmp_path)
    assert (line.state, line.checked) == ("warning", True)


def test_a_release_candidate_meets_a_lower_bound(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("a>=1\n")
    assert unmet(read_pins(tmp_path / "requirements.txt"), {"a": "2.0rc1"}) == []


def test_names_have_one_spelling() -> None:
    assert len({normal(name) for name in ("a_b", "A-B", "a.b", "a--b")}) == 1
