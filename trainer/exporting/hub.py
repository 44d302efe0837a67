"""To the Hugging Face hub, when the user asks: the model file, and its card as the repository's page.

The package ``huggingface_hub`` is imported only then. Nothing is asked at the terminal: the token is the one that
``hf auth login`` stored, or that the environment holds.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from napari_ambiseg.errors import AmbisegError, SettingsError

_REPOSITORY = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*", re.ASCII)
_FRONT_MATTER = """\
---
pipeline_tag: image-segmentation
tags:
- napari-ambiseg
- medical
---

"""


class UploadError(AmbisegError):
    """The hub refused, or cannot be reached."""


@dataclass(frozen=True, slots=True)
class Hub:
    """A repository on the hub, and the means to write to it.

    Attributes:
        module: The package ``huggingface_hub``.
        repository: OWNER/NAME.
    """

    module: ModuleType
    repository: str

    def upload(self, model: Path, card: Path) -> str:
        """Send a model file and its card, in one commit; a new repository is private.

        Returns:
            The address of the repository's page.

        Raises:
            UploadError: If the hub refuses, or cannot be reached.
        """
        api = self.module.HfApi()
        page = (_FRONT_MATTER + card.read_text()).encode()
        files: dict[str, bytes | str] = {model.name: str(model), "README.md": page}
        operations = [
            self.module.CommitOperationAdd(path_in_repo=name, path_or_fileobj=content)
            for name, content in files.items()
        ]
        try:
            address = api.create_repo(self.repository, private=True, exist_ok=True)
            api.create_commit(self.repository, operations=operations, commit_message=f"{model.stem} and its card")
        except Exception as error:  # of whichever HTTP library it uses; the files are written already
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise UploadError(
                f"the hub did not take {self.repository} ({reason}); {model} is written: "
                "check the name and the rights of your token, and export again"
            ) from error
        return str(address)


def prepare_hub(repository: str) -> Hub:
    """Refuse, before any work, an upload that could not be done.

    Raises:
        SettingsError: If the name is none, the package is not installed, or there is no token.
    """
    if not _REPOSITORY.fullmatch(repository):
        raise SettingsError(f"{repository!r} is no repository of the hub; give OWNER/NAME, e.g. somebody/lidc-small-64")
    try:
        import huggingface_hub
    except ImportError:
        raise SettingsError(
            '--hub needs the package huggingface_hub; run `pip install "napari-ambiseg[hub]"`, or leave --hub out'
        ) from None
    if not huggingface_hub.get_token():
        raise SettingsError("there is no token for the Hugging Face hub; run `hf auth login`, or set HF_TOKEN")
    return Hub(huggingface_hub, repository)
