"""What `config.toml` says for `aimarket`, once all of it was checked."""

from node.config_file import check_config, client_values_of, find_config, keys_of
from node.rpc.endpoint import Configured


def read_configured(named: str | None) -> Configured:
    """Read the file that was named, else the one at the default place if there is one.

    Raises:
        UsageError: It was named and is not there, or something in it is wrong.
    """
    file = find_config(named)
    if file is None:
        return Configured()
    from node.main import main  # whose options the keys are

    check_config(file, keys_of(main))
    return Configured(**client_values_of(file))
