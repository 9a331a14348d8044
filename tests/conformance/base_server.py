"""Starts Baton as the recorded server was started (observed/README.md)."""
from baton_server import BatonServer, config_text
from recorded import OBSERVED

MODELS = OBSERVED / "models"
BASE_MODELS = ["half_plus_two", "half_plus_three", "classes", "types", "multi", "special", "table", "nosig", "versions"]
SERVER_FLAGS = ["--allow_version_labels_for_unavailable_models=true", "--max_num_load_retries=0"]


def model_entries(names: list[str]) -> list[dict]:
    entries = [{"name": name, "base_path": str(MODELS / name)} for name in names]
    for entry in entries:
        if entry["name"] == "versions":
            entry |= {"policy": "all {}", "labels": {"stable": 2, "canary": 10}}
    return entries


def base_config(*more: str) -> str:
    return config_text(model_entries([*BASE_MODELS, *more]))


def start_base_server(folder, *flags: str) -> BatonServer:
    """A server of the base configuration; the caller enters it."""
    config = folder / "models.config"
    config.write_text(base_config())
    return BatonServer(f"--model_config_file={config}", *SERVER_FLAGS, *flags)
