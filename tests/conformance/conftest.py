"""One server of the base configuration for every question that changes nothing."""
import pytest

from base_server import start_base_server


@pytest.fixture(scope="session")
def base_server(baton_binary, tmp_path_factory):
    with start_base_server(tmp_path_factory.mktemp("base")) as server:
        yield server
