"""Command `serve`."""

from fashion_keras.commands.arguments import Commands, Report, add_command
from fashion_keras.support.errors import InputError
from fashion_keras.web.config import ServeConfig


def add(commands: Commands) -> None:
    """Add the command `serve`."""
    text = (
        "Serve an index: a page to search by photo, by words and by product, and the JSON API behind it. It listens on "
        "this machine alone unless --host is given. `--data sample` serves the drawn sample."
    )
    summary = "serve a search page and a JSON API"
    add_command(commands, "serve", ServeConfig, _serve, lambda report, config: None, summary, text, has_json=False)


def _serve(config: ServeConfig) -> Report:
    try:
        from fashion_keras.web.server import serve
    except ModuleNotFoundError as error:
        if error.name not in ("fastapi", "uvicorn", "starlette", "python_multipart"):
            raise
        raise InputError(f"the server needs {error.name}: pip install 'fashion_keras[web]'") from None
    serve(config)
    return {}
