"""The files that come with the bridge: the example settings and the naming profiles."""

from pathlib import Path

from bridge.errors import SettingsError


def config_folder() -> Path:
    """Return the folder with the shipped examples and naming profiles."""
    installed = Path(__file__).parent.parent / "config"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "config"


def read_profile(profile: str) -> str:
    """Return the TOML text of a naming profile, named (`efact`) or given as a path.

    Raises SettingsError when there is none.
    """
    path = Path(profile)
    if not profile.endswith(".toml"):
        path = config_folder() / "profiles" / f"{profile}.toml"
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        known = ", ".join(sorted(each.stem for each in path.parent.glob("*.toml")))
        advice = "" if profile.endswith(".toml") else f"; these are shipped: {known}"
        raise SettingsError(
            f'the naming profile "{profile}" cannot be read: {reason}{advice}'
        ) from error
