"""Model folders for the integration suites."""
import shutil

import pytest


@pytest.fixture
def publish(models_dir):
    """publish(base_path, version, source): copies aside and renames into place, as a publisher should."""

    def copy_in(base_path, version, source: str) -> None:
        base_path.mkdir(exist_ok=True)
        aside = base_path.parent / f"incoming-{base_path.name}-{version}"
        shutil.copytree(models_dir / source, aside)
        aside.rename(base_path / str(version))

    return copy_in
