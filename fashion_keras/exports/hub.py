"""Hugging Face Hub: upload a run or an export with its model card, and load a run or an encoder from there."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

from fashion_keras.catalog.product_hashes import TRAINING_PRODUCTS
from fashion_keras.exports.export import ExportManifest
from fashion_keras.features.encoder import Encoder
from fashion_keras.features.registry import load_encoder
from fashion_keras.features.runtime import load_classifier
from fashion_keras.models.classifier import Classifier, ClassifierSpec
from fashion_keras.models.serialization import SPEC, load_spec
from fashion_keras.support.errors import InputError
from fashion_keras.training.manifests import folder_training_products
from fashion_keras.training.model_card import CARD, write_model_card

Result = TypeVar("Result")

# Of a run: the model, its card and scores; not its catalog's paths, labels and predictions.
_OF_RUN = (CARD, SPEC, "model.weights.h5", "network.xml", "network.bin", "network.json", "report.json", "text/*")


def push_to_hub(folder: str | Path, repo: str, token: str | None = None, private: bool = True) -> str:
    """Upload a run, an encoder or an export to the Hugging Face Hub, and return the address of the commit.

    Of a run, the model, its card and its report are uploaded, and hashes of the products that it was trained on; not
    the catalog. An export is uploaded whole.

    Args:
        folder: of the run, the encoder or the export.
        repo: "USER/NAME"; created where it is not there.
        token: of the user; None for that of `hf auth login`.
        private: of a new repository.

    Raises:
        InputError: when the folder holds no model, huggingface_hub is not installed, or the Hub refuses or cannot be
            reached.
    """
    folder = Path(folder)
    patterns = upload_patterns(folder)
    _check_installed()
    from huggingface_hub import HfApi  # noqa: PLC0415 - an extra

    api = HfApi(token=token)

    def upload() -> str:
        api.create_repo(repo, private=private, exist_ok=True)
        commit = api.upload_folder(repo_id=repo, folder_path=folder, allow_patterns=patterns)
        if patterns is not None:
            api.upload_file(path_or_fileobj=training_products(folder), path_in_repo=TRAINING_PRODUCTS, repo_id=repo)
        return str(commit)

    return _call(upload, repo)


def load_from_hub(repo: str, revision: str | None = None, token: str | None = None) -> Classifier | Encoder:
    """Download what `push_to_hub` uploaded of a run or an encoder, into Hugging Face's cache, and load it.

    Raises:
        InputError: when there is no such repository, it holds no model, or the Hub cannot be reached.
    """
    _check_installed()
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - an extra

    patterns = [*_OF_RUN, TRAINING_PRODUCTS]
    folder = _call(lambda: snapshot_download(repo, revision=revision, token=token, allow_patterns=patterns), repo)
    if isinstance(load_spec(folder)[0], ClassifierSpec):
        return load_classifier(folder)
    return load_encoder(folder)


def upload_patterns(folder: Path) -> list[str] | None:
    """Return the files of a run or an encoder to upload, None for all of an export; InputError for anything else.

    A run without a model card gets one.
    """
    if (folder / ExportManifest.FILE).is_file() and (folder / "contract.json").is_file():
        return None
    spec = load_spec(folder)[0]
    if not (folder / CARD).is_file():
        write_model_card(folder, folder, spec)
    return [*_OF_RUN]


def training_products(folder: Path) -> bytes:
    """Return the hashes of the products that a model was trained on, one a line."""
    return "".join(f"{digest}\n" for digest in sorted(folder_training_products(folder))).encode()


def _check_installed() -> None:
    if find_spec("huggingface_hub") is None:
        raise InputError('the Hugging Face Hub needs huggingface_hub: pip install "fashion_keras[hf]"')


def _call(function: Callable[[], Result], repo: str) -> Result:
    """Call a function of huggingface_hub; its errors become one line."""
    from httpx2 import TransportError  # noqa: PLC0415 - what huggingface_hub connects with
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError  # noqa: PLC0415

    try:
        return function()
    except (HfHubHTTPError, HFValidationError) as error:
        raise InputError(f"Hugging Face Hub refuses {repo}: {_first_line(error)}") from None
    except (LocalEntryNotFoundError, TransportError, OSError) as error:
        raise InputError(
            f"Hugging Face Hub cannot be reached for {repo} ({_first_line(error)}): check the connection "
            "and HF_ENDPOINT"
        ) from None


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
