"""Fitting the photo model: batches of several sources, one network, twelve answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from robustness import softmax
from scenes import DRESS, NOTHING, OTHER, TROUSER, Scenes, enlarged
from torch import Tensor, nn

from lapel.data.dataset import Split
from lapel.engines.load import load_engine
from lapel.engines.torch.augment import erase
from lapel.engines.torch.fitting import logits
from lapel.engines.torch.network import Chain
from lapel.recipes.plan import Step
from lapel.recipes.schema import Normalise, Recipe
from lapel.tagger import discount_rejects, doubtful
from lapel.training.batches import Batch, Stream
from lapel.training.objective import Agreement, CrossEntropy, Part, Sum
from lapel.training.watch import Epoch

ANSWERS = 12
SECOND_LOOK = 0.5  # where the second class has more than this share of the first, mirror images count, too
EPOCH = 100  # steps after which is looked how it goes
AGREE = 0.1  # how much it counts that a photo is answered alike however it is seen


@dataclass(frozen=True)
class Sources:
    """What is learned from. Pictures are uint8; photos are larger than the network's pictures."""

    garments: Tensor  # (n, 28, 28), of Fashion-MNIST
    labels: Tensor
    targets: Tensor  # (n, 12): what to answer for each garment
    shoes: Tensor  # (n, 4, any, any): drawn in colours, and a stencil
    shoe_labels: Tensor
    grounds: Tensor  # (n, 3, more, more)
    nothings: Tensor  # (n, 3, side, side)
    photos: Tensor  # (n, 3, large, large)
    photo_masks: Tensor  # (n, 1, large, large), 0 to 255: where the garment is
    photo_labels: Tensor  # OTHER for those of other garments


@dataclass(frozen=True)
class Mix:
    """How many pictures of a batch come from each source."""

    plain: int  # Fashion-MNIST as it is
    laid: int  # laid on grounds
    cropped: int  # cut to other garments
    shoes: int  # drawn pairs, laid on grounds
    nothing: int
    photo: int = 0  # of the classes; each is seen twice, in two ways
    other: int = 0  # of other garments, likewise
    draw: bool = True  # whether it goes on learning where garments are

    @property
    def pictures(self) -> int:
        """How many pictures a batch has."""
        return (
            self.plain + self.laid + self.cropped + self.shoes + self.nothing + 2 * (self.photo + self.other)
        )


class Seeing(nn.Module):
    """The network, and beside it, while it learns, a small one that draws where the garment is."""

    def __init__(self, chain: Chain, side: int) -> None:
        super().__init__()
        last: dict[int, str] = {}
        channels: dict[int, int] = {}
        for place, step in enumerate(chain.steps):
            if len(step.gives) == 3:
                last[step.gives[1]], channels[step.gives[1]] = str(place), step.gives[0]
        self._side = max(size for size in last if size < side)
        self.maps = nn.ModuleDict({str(size): nn.Conv2d(channels[size], 24, 1) for size in last})
        self.drawn = nn.Sequential(nn.Conv2d(24, 24, 3, padding=1), nn.ReLU(), nn.Conv2d(24, 1, 1))
        self.chain = chain  # after the others: the last kernel of all is that of the answers
        self._kept: dict[str, Tensor] = {}
        for size, name in last.items():
            chain.get_submodule(name).register_forward_hook(self._keep(str(size)))

    def _keep(self, size: str) -> Callable[[nn.Module, object, Tensor], None]:
        def keep(_module: nn.Module, _given: object, result: Tensor) -> None:
            self._kept[size] = result

        return keep

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps of the network itself."""
        return self.chain.steps

    @property
    def normalise(self) -> Normalise:
        """How it takes its pictures."""
        return self.chain.normalise

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        """The answers (n, 12), and as masks where the garment is (n, 1, half, half), both as logits."""
        answers = self.chain(pictures)
        total = torch.zeros(())
        for size, head in self.maps.items():
            total = total + F.interpolate(head(self._kept[size]), (self._side, self._side), mode="bilinear")
        return {"answers": answers, "masks": self.drawn(torch.relu(total))}


def fit(
    network: Seeing,
    recipe: Recipe,
    sources: Sources,
    mix: Mix,
    held: Split,
    *,
    steps: int,
    rate: float,
    side: int,
    seed: int,
    watch: Callable[[Epoch], None] | None = None,
) -> None:
    """Fit the network in place, on the CPU; afterwards it holds the averaged weights.

    It is judged on `held` after every hundred steps, an epoch here.
    """
    part = min(steps, EPOCH)
    changed = {"learning_rate": rate, "epochs": steps // part, "batch": mix.pictures}
    recipe = recipe.model_copy(update={"training": recipe.training.model_copy(update=changed)})
    learner = network if mix.draw else network.chain
    fitting = load_engine("torch").fit(
        learner,
        Stream(lambda seed: _batches(sources, mix, side, seed, part), part),
        held,
        recipe,
        seed=seed,
        device="cpu",
        precision="auto",
        objective=objective(mix),
    )
    for _ in range(recipe.training.epochs):
        epoch = fitting.epoch()
        if watch:
            watch(epoch)
    averages = {name: torch.from_numpy(value) for name, value in fitting.weights().items()}
    learner.load_state_dict(averages, strict=False)  # a count of batches has no average


def objective(mix: Mix) -> Sum:
    """What is minimised: wrong answers and masks, and two views of a photo answered differently."""
    parts = [Part(CrossEntropy())]
    if mix.draw:
        parts.append(Part(Masks(), 0.5, "masks"))
    if mix.photo + mix.other:
        parts.append(Part(Agreement(mix.photo + mix.other), AGREE))
    return Sum(*parts)


class Masks:
    """Where the garment is, of those first pictures of a batch that say so."""

    def torch(self, drawn: Tensor, masks: Tensor) -> Tensor:
        """Binary cross-entropy of what is drawn (n, 1, half, half)."""
        shown = F.adaptive_avg_pool2d(masks, drawn.shape[2])
        return F.binary_cross_entropy_with_logits(drawn[: len(masks)], shown)


def _batches(sources: Sources, mix: Mix, side: int, seed: int, steps: int) -> Iterator[Batch]:
    """Pictures, answers, and the masks of those that come first and have one."""
    scenes = Scenes(sources.grounds, side, seed)
    random = torch.Generator().manual_seed(seed + 1)

    def some(count: int, among: Tensor) -> Tensor:
        return torch.randint(len(among), (count,), generator=random)

    short = torch.isin(sources.labels, torch.tensor([TROUSER, DRESS])).nonzero().flatten()
    known = (sources.photo_labels != OTHER).nonzero().flatten()
    other = (sources.photo_labels == OTHER).nonzero().flatten()
    counts = torch.bincount(sources.photo_labels[known], minlength=ANSWERS).float()
    balance = counts[sources.photo_labels[known]] ** -0.85  # rare classes more often than they are
    for _ in range(steps):
        which = some(mix.laid, sources.labels)
        laid, masks = scenes.compose(sources.garments[which].float() / 255, sources.labels[which])
        parts = [(laid, sources.targets[which], masks)]
        if mix.cropped:
            which = short[some(mix.cropped, short)]
            cut = scenes.cropped(sources.garments[which].float() / 255, sources.labels[which])
            laid, masks = scenes.compose(cut, torch.full((mix.cropped,), -1))
            parts.append((laid, _sure(torch.full((mix.cropped,), OTHER)), masks))
        which = some(mix.shoes, sources.shoe_labels)
        laid, masks = scenes.lay(sources.shoes[which].float() / 255)
        parts.append((laid, _sure(sources.shoe_labels[which]), masks))
        which = some(mix.plain, sources.labels)
        plain = enlarged(sources.garments[which].float() / 255, side)
        masks = (plain[:, :1] > 0.04).float()
        moved = scenes.move(torch.cat([plain, masks], 1), 5)
        plain = erase(scenes.negate(moved[:, :3], 0.3), 0.4, random)
        parts.append((plain, sources.targets[which], moved[:, 3:]))
        which = some(mix.nothing, sources.nothings)
        empty = scenes.surfaces(sources.nothings[which].float() / 255)
        nowhere = torch.zeros(mix.nothing, 1, side, side)
        parts.append((empty, _sure(torch.full((mix.nothing,), NOTHING)), nowhere))
        pictures, truth, shown = (list(column) for column in zip(*parts, strict=True))
        if mix.photo:
            alike = torch.multinomial(balance, mix.photo, replacement=True, generator=random)
            which = torch.cat([known[alike], other[some(mix.other, other)]])
            photos, masks = sources.photos[which].float() / 255, sources.photo_masks[which].float() / 255
            pictures += [scenes.vary(photos, masks), scenes.vary(photos, masks)]
            truth += [_sure(sources.photo_labels[which])] * 2
        seen = torch.cat(pictures).permute(0, 2, 3, 1).numpy()
        yield Batch(seen, {"answers": torch.cat(truth).numpy(), "masks": torch.cat(shown).numpy()})


def _sure(labels: Tensor) -> Tensor:
    """The answers to learn where the label is all that is known: nine tenths for it, the rest for all."""
    return F.one_hot(labels, ANSWERS) * 0.9 + 0.1 / ANSWERS


def taught(labels: Tensor, teacher: Tensor | None = None) -> Tensor:
    """The answers to learn for garments: the label's, or half of them those of a teacher (n, 10)."""
    sure = _sure(labels)
    return sure if teacher is None else (sure + F.pad(teacher, (0, ANSWERS - teacher.shape[1]))) / 2


def answers(chain: Chain, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The twelve answers as logits, for pictures as `read_picture` makes them."""
    return logits(chain, torch.from_numpy(pictures)).numpy()


def shares_of(chain: Chain, pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The shares of the twelve answers (n, 12), with a second look at what leaves doubt, as taggers do."""
    shares = softmax(answers(chain, pictures))
    places = doubtful(shares[:, :OTHER], SECOND_LOOK)
    if len(places):
        mirrored = softmax(answers(chain, np.ascontiguousarray(pictures[places, :, ::-1])))
        # Of the classes it is their shares among each other that are averaged.
        among, rest = (
            (first + second) / 2
            for first, second in zip(_parted(shares[places]), _parted(mirrored), strict=True)
        )
        shares[places] = np.concatenate([discount_rejects(among, rest), rest], 1)
    return shares


def _parted(shares: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The shares of the classes among each other, and those of what is none."""
    rest = shares[:, OTHER:]
    return shares[:, :OTHER] / (1 - rest.sum(1, keepdims=True)), rest


def masks_of(network: Seeing, photos: Tensor) -> Tensor:
    """Where the network sees the garment of each photo.

    `photos` are uint8 (n, 3, large, large); so are the masks (n, 1, large, large) that come back, 255 inside.
    """
    network.eval()
    large, found = photos.shape[2], []
    with torch.inference_mode():
        for part in torch.split(photos, 200):
            small = F.interpolate(part.float() / 255, (64, 64), mode="bilinear", antialias=True)
            both = network(small)["masks"] + network(small.flip(3))["masks"].flip(3)
            drawn = F.interpolate(both / 2, (large, large), mode="bicubic")
            found.append((torch.sigmoid(drawn * 1.5) * 255).byte())
    return torch.cat(found)


def surroundings(photos: Tensor, masks: Tensor, side: int, seed: int) -> Tensor:
    """Pieces of photos without a garment in them, enlarged to `side`: (n, 3, side, side)."""
    random = torch.Generator().manual_seed(seed)
    window = photos.shape[2] // 3
    spare = photos.shape[2] - window
    pieces = []
    empty = F.avg_pool2d(masks.float() / 255, window, 1)
    # The padding around a photo is no surface: a piece must have as many tones as a surface has.
    for photo, mask in zip(photos, empty, strict=True):
        for _ in range(4):
            down, across = torch.randint(spare + 1, (2,), generator=random).tolist()
            piece = photo[:, down : down + window, across : across + window].float()
            if mask[0, down, across] < 0.03 and piece.std() > 2:
                pieces.append(F.interpolate(piece[None], (side, side), mode="bilinear").round().byte())
    return torch.cat(pieces) if pieces else photos.new_zeros((0, 3, side, side))
