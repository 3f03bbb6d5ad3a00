"""What a command line that cannot be is answered with: one line, and where to read how it can."""

import click
from click.core import ParameterSource


def tell_misuse(error: click.ClickException, program: str, *, lead: str) -> int:
    """Say on stderr what is wrong with a command line, or show the help that it asks for.

    Args:
        error: What Click found.
        program: What was run, for where Click does not say.
        lead: What the line begins with.

    Returns:
        The exit code.
    """
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
    else:
        click.echo(f"{lead}: {misuse_line(error, program)}", err=True)
    return error.exit_code


def misuse_line(error: click.ClickException, program: str) -> str:
    """Return what is wrong, with the variable that says it, and where to read more."""
    what = " ".join(error.format_message().split()).rstrip(".")
    if not isinstance(error, click.UsageError):
        return what
    called = error.ctx.command_path if error.ctx else program
    return f"{what}{_origin(error)} ({called} --help says more)"


def _origin(error: click.UsageError) -> str:
    if error.ctx is None or not isinstance(error, click.BadParameter):
        return ""
    option = error.param
    if not isinstance(option, click.Option) or option.name is None:
        return ""
    if error.ctx.get_parameter_source(option.name) is not ParameterSource.ENVIRONMENT:
        return ""
    return f" (from {option.envvar})"
