"""What holds the project together: layers, pins, the example settings, the docs, the wheel."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import pytest
from importlinter import cli as importlinter
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from pydantic import BaseModel

from bridge.settings import AccountSettings, Settings, load_settings
from tests.door_rig import PASSWORD_HASH

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "config" / "efact-bridge.toml"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

SWITCHED_OFF = re.compile(r"^#(?=[^ \n])", re.MULTILINE)
"""The mark of a setting that is commented out; prose has a space after its #."""


def project_files(*patterns: str) -> Iterator[Path]:
    """Yield the files of the project's own folders that fit, without what tools have made."""
    folders = ("bridge", "reconcile", "config", "docs", "tests", ".ci")
    for pattern in patterns:
        below = (path for folder in folders for path in (ROOT / folder).rglob(pattern))
        for path in (*ROOT.glob(pattern), *below):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path


def example(*, everything: bool) -> str:
    """Return the example settings, with all that is switched off there switched on if asked."""
    text = EXAMPLE.read_text(encoding="utf-8")
    if not everything:
        return text
    text = SWITCHED_OFF.sub("", text)
    text = text.replace("$argon2id$…", PASSWORD_HASH)
    return text.replace('secret_env = "EFACT_SECRET"\n', "")  # instead of secret_file


def settings_of(model: type[BaseModel], *, prefix: str = "") -> Iterator[str]:
    """Yield the dotted name of every setting below this model."""
    for name, field in model.model_fields.items():
        inner = _model_in(field.annotation)
        if inner is None:
            yield f"{prefix}{name}"
        else:
            yield from settings_of(inner, prefix=f"{prefix}{name}.")


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)


def names_in(table: Mapping[str, Any], *, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield the dotted name and the value of every setting of a parsed settings file."""
    for name, value in table.items():
        if isinstance(value, dict):
            yield from names_in(value, prefix=f"{prefix}{name}.")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            yield from names_in(value[0], prefix=f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def documented_settings() -> dict[str, str]:
    """Return what docs/settings.md says the default of each setting is."""
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z_.]+)` \| (.+?) \|", text, re.MULTILINE)
    assert len(dict(rows)) == len(rows), "a setting is documented twice"
    return dict(rows)


def test_imports_run_downwards_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert importlinter.lint_imports(no_cache=True) == importlinter.EXIT_STATUS_SUCCESS


def test_the_example_settings_load_as_they_are_shipped() -> None:
    assert load_settings(EXAMPLE).account[0].user == ()


def test_the_example_settings_load_with_everything_switched_on(tmp_path: Path) -> None:
    path = tmp_path / "efact-bridge.toml"
    path.write_text(example(everything=True), encoding="utf-8")
    account = load_settings(path).account[0]
    assert account.legacy is not None
    assert [user.name for user in account.user] == ["rcf"]


def test_the_example_settings_show_the_defaults() -> None:
    shown = Settings(**tomllib.loads(example(everything=False)))
    bare = Settings(account=(AccountSettings(name="a", issuer="i", secret_file=Path("s")),))
    named = {"account": bare.account}
    assert shown.model_copy(update=named) == bare
    own = {"name": "a", "issuer": "i", "secret_file": Path("s")}
    assert shown.account[0].model_copy(update=own) == bare.account[0]


def test_every_setting_is_in_the_example() -> None:
    text = SWITCHED_OFF.sub("", EXAMPLE.read_text(encoding="utf-8"))
    assert {name for name, _ in names_in(tomllib.loads(text))} == set(settings_of(Settings))


def test_every_setting_is_documented() -> None:
    assert set(documented_settings()) == set(settings_of(Settings))


def test_the_documented_defaults_are_those_of_the_example() -> None:
    shown = dict(names_in(tomllib.loads(example(everything=False))))
    for name, default in documented_settings().items():
        if default != "required" and name in shown:
            assert tomllib.loads(f"value = {default.strip('`')}")["value"] == shown[name], name


def test_every_alert_watches_a_number_that_the_bridge_shows() -> None:
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "bridge/web").glob("*.py")]
    if not sources:
        pytest.skip("the status page is not there yet")
    rules = (ROOT / "config" / "alerts.rules.yml").read_text(encoding="utf-8")
    watched = set(re.findall(r"efact_bridge_(\w+)", rules))
    assert {name for name in watched if name not in "".join(sources)} == set()


def test_the_pages_link_to_what_exists() -> None:
    for page in project_files("*.md"):
        for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
            if not target.startswith("https://"):
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_nothing_names_a_developers_machine() -> None:
    private = re.compile(r"(?<![\w.:}-])/(?:work|home|root|Users)/\w", re.IGNORECASE)
    texts = project_files("*.py", "*.md", "*.toml", "*.txt", "*.yml", "*.yaml", "*.html", "run")
    for path in (*texts, ROOT / "Makefile", ROOT / "LICENSE"):
        found = private.search(path.read_text(encoding="utf-8"))
        assert found is None, f"{path}: {found}"


def test_an_ignored_lint_rule_has_its_reason_beside_it() -> None:
    bare = re.compile(r"# noqa(?!: [A-Z0-9, ]+  \(.)")
    code = (path for path in project_files("*.py") if "tests" not in path.parts)
    assert [f"{path}" for path in code if bare.search(path.read_text(encoding="utf-8"))] == []


def test_every_library_is_pinned_at_a_version_that_the_project_allows() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = {canonicalize_name(name): version for name, version in (li.split("==") for li in lines)}
    project, groups = PROJECT["project"], PROJECT["dependency-groups"]
    wanted = [
        *project["dependencies"],
        *project["optional-dependencies"]["ftps"],
        *groups["test"],
        *groups["check"],
    ]
    for requirement in map(Requirement, wanted):
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), (
            requirement
        )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_carries_all_code_templates_and_examples(wheel: Path) -> None:
    packed = set(zipfile.ZipFile(wheel).namelist())
    places = [path.relative_to(ROOT) for path in project_files("*")]
    code = {str(place) for place in places if place.parts[0] in ("bridge", "reconcile")}
    examples = {f"bridge/{place}" for place in places if place.parts[0] == "config"}
    assert (code | examples) - packed == set()


def test_the_wheel_carries_the_licence(wheel: Path) -> None:
    licence = next(n for n in zipfile.ZipFile(wheel).namelist() if n.endswith("licenses/LICENSE"))
    text = zipfile.ZipFile(wheel).read(licence).decode()
    assert "EUROPEAN UNION PUBLIC LICENCE v. 1.2" in text


def test_the_wheel_finds_its_examples_where_it_is_installed(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    program = "from bridge import settings as s; s.read_profile('efact'); print(s.config_folder())"
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "site"), "PYTHONSAFEPATH": "1"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
    )
    assert Path(done.stdout.strip()) == tmp_path / "site" / "bridge" / "config"
