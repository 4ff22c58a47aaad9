"""The models that are served, by name; each can be loaded anew, or put away, while others answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...decode import Limits
from ...errors import LapelError, did_you_mean
from ...tagger import Tagger, load_tagger
from ..http.messages import HttpError


@dataclass(frozen=True)
class Loaded:
    """A model and what it is called here. Without a tagger it has been put away."""

    name: str
    source: str | Path
    tagger: Tagger | None

    @property
    def ready(self) -> bool:
        """Whether it answers."""
        return self.tagger is not None


@dataclass
class Models:
    """What is served. The first name is what is asked where none is given.

    A request that has taken a tagger keeps it: loading another in its place loses nothing.
    """

    limits: Limits = field(default_factory=Limits)
    broadcast: Callable[[str, str], Awaitable[None]] | None = None  # has all workers do it
    on_change: Callable[[Loaded], None] = lambda _model: None
    _models: dict[str, Loaded] = field(default_factory=dict)
    # By their lessons; no file holds them. Each with what to call when it is asked for.
    _taught: dict[str, tuple[Loaded, Callable[[], None]]] = field(default_factory=dict)

    @classmethod
    def load_all(
        cls,
        sources: Mapping[str, str | Path],
        limits: Limits,
        on_change: Callable[[Loaded], None] | None = None,
    ) -> Models:
        """Load all; `on_change` is called with each, now and whenever it changes.

        Raises ModelError where one cannot be loaded.
        """
        models = cls(limits)
        if on_change:
            models.on_change = on_change
        for name, source in sources.items():
            models._put(models._read(name, source))
        return models

    @property
    def names(self) -> tuple[str, ...]:
        """All that were given at the start."""
        return tuple(self._models)

    @property
    def ready(self) -> bool:
        """Whether every model answers."""
        return all(model.ready for model in self._models.values())

    def get(self, name: str | None = None) -> Loaded:
        """A model, loaded, put away or taught. Raises HttpError (404) where the name is not served."""
        if taught := self._taught.get(name or ""):
            model, on_use = taught
            on_use()
            return model
        return self.served(name)

    def served(self, name: str | None = None) -> Loaded:
        """A model of those given at the start. Raises HttpError (404) where there is none of that name."""
        model = self._models.get(name or next(iter(self._models)))
        if model is None:
            raise HttpError(
                "model_unknown", f'No model "{name}" is served here.', did_you_mean(str(name), self._models)
            )
        return model

    def tagger(self, name: str | None = None) -> Tagger:
        """What answers for a model. Raises HttpError: 404 as `get` does, 503 where it has been put away."""
        model = self.get(name)
        if model.tagger is None:
            raise HttpError(
                "model_unloaded", f'The model "{model.name}" is not loaded.', "Load it, or ask another."
            )
        return model.tagger

    async def load(self, name: str) -> None:
        """Read the file of a model again; until that is done, and if it fails, the old one answers.

        Raises HttpError (404) for an unknown name, ModelError where the file is not a model any more.
        """
        self.served(name)
        await (self.broadcast("load", name) if self.broadcast else self.load_local(name))

    async def unload(self, name: str) -> None:
        """Put a model away. Raises HttpError (404) for an unknown name."""
        self.served(name)
        await (self.broadcast("unload", name) if self.broadcast else self.unload_local(name))

    async def load_local(self, name: str) -> None:
        """`load`, in this worker alone."""
        source = self.served(name).source
        self._put(await asyncio.to_thread(self._read, name, source))

    async def unload_local(self, name: str) -> None:
        """`unload`, in this worker alone."""
        self._put(Loaded(name, self.served(name).source, None))

    def add_taught(self, name: str, tagger: Tagger, on_use: Callable[[], None]) -> None:
        """Answer with what a lesson has taught where its name is asked; it is not listed."""
        self._taught[name] = Loaded(name, "", tagger), on_use

    def remove_taught(self, name: str) -> None:
        """Answer with it no more."""
        self._taught.pop(name, None)

    def _put(self, model: Loaded) -> None:
        self._models[model.name] = model
        self.on_change(model)

    def _read(self, name: str, source: str | Path) -> Loaded:
        tagger = load_tagger(source, self.limits)
        # The first answer of a session is slow, and a model that cannot answer should not take the place.
        tagger.answers(np.zeros((1, *tagger.card.picture.shape), np.uint8))
        return Loaded(name, source, tagger)


def read_sources(texts: tuple[str, ...], what: str = "model") -> dict[str, str]:
    """NAME=MODEL, or MODEL alone, which is then called as its file is, as names and models; so with indexes.

    Raises LapelError where a name comes twice or does not fit into an address.
    """
    sources: dict[str, str] = {}
    for text in texts:
        name, equals, source = text.partition("=")
        if not equals:
            name, source = Path(text).stem, text
        if not name or not all(letter.isalnum() or letter in "._-" for letter in name) or not name.isascii():
            raise LapelError(
                f'"{name}" is no name for a served {what}: letters, digits, ".", "_" and "-" only.',
                f"Name it yourself: --{what} shirts={text}",
            )
        if name in sources:
            raise LapelError(
                f'Two {what}{"es" if what == "index" else "s"} are called "{name}".',
                f"Name them: --{what} a={sources[name]} --{what} b={source}",
            )
        sources[name] = source
    return sources
