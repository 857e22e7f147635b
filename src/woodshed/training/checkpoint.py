"""Where a training stands, on disk: a hidden folder beside the model, whole at every moment.

A state is a file of arrays and, written after it, a file that tells its checksum: what is not told
is not there. The two last states stay, and the best weights they speak of. Knows nothing of what
the numbers mean.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from ..corpus.dataset_layout import file_checksum
from ..errors import BadModel
from ..formats.files import write_whole
from ..formats.space import check_space
from .history import Row, to_lines
from .publish import stored_steps

KIND = "woodshed training"
SCHEMA = 1
RUN, HISTORY = "run.json", "history.jsonl"
KEPT = 2
"""States that stay; the older one is for the day the newer one is damaged."""


@dataclass(frozen=True, slots=True)
class State:
    """A state as it was stored: what is told of it, and its arrays. `notes` say what was wrong."""

    told: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    notes: tuple[str, ...] = ()


class Shelf:
    """The hidden folder of one training."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self) -> dict[str, Any] | None:
        """What the training there is of; None where there is none that this version can read."""
        try:
            told = json.loads((self.folder / RUN).read_bytes())
        except (OSError, ValueError, RecursionError):
            return None
        fits = isinstance(told, dict) and (told.get("kind"), told.get("schema")) == (KIND, SCHEMA)
        return told if fits else None

    def begin(self, run: Mapping[str, Any]) -> None:
        """Clear the folder, and say what the training is of."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        told = {"kind": KIND, "schema": SCHEMA, **run}
        write_whole(self.folder / RUN, json.dumps(told, indent=1, ensure_ascii=False) + "\n")

    def steps(self) -> list[int]:
        """The steps there are states of, the newest first."""
        return stored_steps(self.folder)

    def save(
        self,
        step: int,
        tensors: Mapping[str, Tensor],
        told: Mapping[str, Any],
        history: Sequence[Row] = (),
    ) -> None:
        """Store a state. Raises `CannotWrite`, and then those before it are as they were."""
        write_whole(self.folder / HISTORY, to_lines(history), force=True)
        data = self.folder / f"state-{step:09}.safetensors"
        self._write(data, tensors)
        values = {**told, "step": step, "sha256": file_checksum(data)}
        write_whole(data.with_suffix(".json"), json.dumps(values) + "\n", force=True)
        self._tidy()

    def save_best(self, step: int, tensors: Mapping[str, Tensor]) -> str:
        """Store the best weights so far; their checksum, for the state that speaks of them."""
        path = self._best(step)
        self._write(path, tensors)
        return file_checksum(path)

    def best(self, step: int) -> dict[str, Tensor]:
        """The best weights, of that step. Raises `BadModel` where they are damaged."""
        return self._read(self._best(step))

    def newest(self) -> State | None:
        """The newest state that is whole; None where there never was one.

        Raises `BadModel` where all are damaged.
        """
        notes: list[str] = []
        steps = self.steps()
        for step in steps:
            path = self.folder / f"state-{step:09}.json"
            try:
                told = json.loads(path.read_bytes())
                data = path.with_suffix(".safetensors")
                if file_checksum(data) != told["sha256"]:
                    raise BadModel(data, "its checksum differs")
                for number, checksum in told.get("best_files", {}).items():
                    if file_checksum(self._best(int(number))) != checksum:
                        raise BadModel(self._best(int(number)), "its checksum differs")
                return State(told, self._read(data), tuple(notes))
            except (OSError, ValueError, KeyError, TypeError, RecursionError, BadModel) as error:
                reason = error.reason if isinstance(error, BadModel) else str(error)
                notes.append(f"the checkpoint of step {step:,} is damaged ({reason})")
        if steps:
            raise BadModel(
                self.folder, f"{'; '.join(notes)}, and there is no other; --force begins anew"
            )
        return None

    def clear(self) -> None:
        """Take the folder away."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _best(self, step: int) -> Path:
        return self.folder / f"best-{step:09}.safetensors"

    def _write(self, path: Path, tensors: Mapping[str, Tensor]) -> None:
        whole = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
        needed = sum(value.numel() * value.element_size() for value in whole.values())
        check_space(self.folder, needed, path)
        write_whole(path, save(whole), force=True)

    def _read(self, path: Path) -> dict[str, Tensor]:
        try:
            return dict(load(path.read_bytes()))
        except (OSError, SafetensorError) as error:
            raise BadModel(path, f"it cannot be read ({error})") from None

    def _tidy(self) -> None:
        """Take away all but the last states, and the weights they speak of."""
        needed = {RUN, HISTORY}
        for step in self.steps()[:KEPT]:
            name = f"state-{step:09}"
            needed |= {f"{name}.json", f"{name}.safetensors"}
            with contextlib.suppress(OSError, ValueError, AttributeError):
                told = json.loads((self.folder / f"{name}.json").read_bytes())
                needed |= {self._best(int(number)).name for number in told.get("best_files", {})}
        for path in self.folder.iterdir():
            if path.is_file() and path.name not in needed:
                path.unlink(missing_ok=True)
