"""How often it is told rightly whether a garment has a pattern, on phone photos that were sorted by eye.

    python benchmarks/patterns.py FOLDER

FOLDER holds the photos of clothing-dataset by their names, in folders of whatever kind. Patterns are
those all over: stripes, checks, dots, flowers. Garments with a print on plain cloth are counted by
themselves. The thresholds in lapel/matching/pattern.py were chosen on the first part of the photos below,
the form of the measure among sixty on all of them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from lapel.matching.pattern import has_pattern, unrest
from lapel.metrics import auroc
from lapel.picture import PictureSpec, read_picture

PARTS = ("chosen on", "held out")
SORTED: dict[str, tuple[str, str]] = {
    "patterned": (
        """
        525d6b53fcea 54310b7e19fb fe4a3434fdb6 0ae0b0ffa9d8 6922231fc0f6 0cce03f9169c 388bd5e244db
        50e90b9496fa 459a046a6bbe aacf75865e9e 50b32a78d161 1a854a48cb0a 9cc2fe17511e d795dd9fd596
        436c22ba483d a9743b7445d1 b58e9adaa47e 896e84f59392 b2c04db06025 920b39c7bb77 7388a343858c
        d0c0c5c06911 ccb8ec517e94 edd7e182e31d 4fdd60e82772
        """,
        """
        98b4a71a09a1 821c5cfdbe85 2794566f3a87 edebe440f3cc 25979826aeea 9bc56dcefe0b 1eb57305626c
        a709851209ef 9b1ebdbd0c54 29b6cd7281de 6e00f3fdf814 e09b12013373 760e08ef4930 e2f69aef01c4
        0a3309f87ecb d2316a4d8321 ccd7e201fdb0 ee59132c1f75 6a38ad26d8c5 8371e80432c2 fd10441a414e
        5f6391645a95 1a9a5f2cb04a 66becb20077b 2df5f9e90066 e6379e0ca25f 1f231f224b88
        """,
    ),
    "plain": (
        """
        70805f71b674 4abdeb5060ad 0bd62523b9f1 4eeb5ea1e922 dd24fce1b421 a72309ce993c 3804bc56017e
        89b60e135bd6 d02881d1903f 41842e59cf42 ec7f68a6593c 130a12ced5fd 91a03ee04aa2 da7240972979
        3d5d7c30cb85 52536f55ac13 1f4411590016 71124caa48f1 074654248a20 49b87ec266eb 95b3d73414fa
        1b6191281673 536c5bcb75d3 c87c432b4788 e268731b8dc7 eeb2e1951b47 e8a0cf99fd9f ae97bbe663dd
        144e861296e9 1d3a7e79c5e3 d98441ff9b90 389d0101f852 65bcfd53e484 f3cc9ef135a1 c3a0d1159d0b
        ee757ef86a8d ff0738b2090e c135b2239d51 e7b2f936ccbe b994a943ebe1 a2b85637c90c 9bbd99baec46
        267aa88821ab 10a038f18598 7beec823327a 58b3e860a6f1 248de1de5b9d 98fc5e802c17 935cab3a1954
        6d7b44b1b77f 5a08252ec585 569c935ca079 b03148eadb4e 12f073759780 70089f8b8291 90e9d57e3260
        8b586cb84788 1b044bdc623e 0188c40c0d24 724144721ae0
        """,
        """
        9176a4ad45b7 39e013ea5766 af7ffc31a025 d9c1a539395b 43f767b8d5b9 706eff5461e6 643cfd13a20b
        11d3725dda1b 8bc656fb332b da75e665b325 a0821ffd762b 36aa9f212a0d d19d7d8566de d322c210722f
        86a037d44ed7 09eacf06e7f1 cd44f515f67e b3cd5a62cd0b 3e8322067792 624b2e35f05e d677ea8b3015
        8d684b1fb987 bfb284f4f3d9 b5c7b0daddcc 38129d2dd7d2 81d184c84310 1dc98a2b6c48 94438feef8a5
        9e16b0d6e9d7 b04b07ac464d 5fb6be2ef84c 44ea9edc1f4b 2ba95f9a6e00 e145b953bd42 cdeff97882ab
        8c89b2f47f46 6eddb3be4511 0512464b032f 6d077dd9fd41 b5796e755677 3a5dc5cc016e c687bcb59078
        06291d2fde41 bbb681aea2ee ec3eb68b83b2 f06142dd78aa 085b57a60027 23dc301644a5 74fe2ce4835b
        67ebd45270d2 75b0f592fd9f 3f12d8a30584 b576a7c2ca0c beaf3c751e7c 37903619ca34 66be74512f77
        f9d6034859ce 36bdf5b315b1 defefa767fa8 dbbbc9453204 33f2b282e837 a5daccb9cf90 61ace4c30023
        008a55121426 6e87048731d9
        """,
    ),
    "print": (
        """
        069de2d2de2a 66853653f8dd 3743a2f15f49 0b0472fce806 c847afe1ec58 1f17bc34ed80 2c86cb3267c0
        1fbec31d0d27 fb14d7f1ed6f a03762a23694 b55bf9831760 b1b05372433b cc387debb004 98594bcc2ef7
        54eb9df0a561 a01ff68a0cb0 0c56ff8e66ff b0c91762033b e3d8f0b4c2ba 726a14d34407 07c039959651
        b5dc3df191e6 f448e5cf4c12 e930351582e1 c18cd9c5f9dc d8c6be15edf2 680982ba175c c3afd122c048
        b41a5f9f1697 dddc3727951d 30fba3518953 88d222aa4bc5 c3f5e3c2f5f4 2d69fe3a5c82 e8ecc53a5c2c
        """,
        """
        af9adc85cb5f 1857630b3d75 6b65412d0963 84b6f07fd0c0 0f3c1559862b 164256cbef71 902e63c9b2a4
        7b982343a869 916dd56bee6c c6d5c5b89e0e e6d328a5fad9 b36f64b9641e b2cd9670ed1e 6a51cd35690f
        29a7044034d9 a49ff7ebce27 eab9501cb9e4 0cc3b4593613 f65f94633ed3 7fb1ea0f5921 b33ca6d6f5bb
        f307758123fd c3138e612f17 c2b1d550e9fa 92c88791976c 666fae43d638 f7a5b7586106 8dfd541c10bb
        """,
    ),
}
ANSWERS = {True: "patterned", False: "plain", None: "in doubt"}


def main() -> None:
    """Look at every photo, and print a table."""
    places = {path.stem: path for path in Path(sys.argv[1]).rglob("*.jpg")}
    spec = PictureSpec(size=128, channels=3)
    print(f"| photos | of them | {' | '.join(f'said {word}' for word in ANSWERS.values())} |")
    print("|---|---:|---:|---:|---:|")
    for part, place in zip(PARTS, range(len(PARTS)), strict=True):
        measures: dict[str, np.ndarray] = {}
        for name, texts in SORTED.items():
            photos = [places[stem] for stem in texts[place].split()]
            measures[name] = unrest(np.stack([read_picture(photo, spec) for photo in photos]))
            said = [has_pattern(photo) for photo in photos]
            counts = " | ".join(str(said.count(answer)) for answer in ANSWERS)
            print(f"| {name}, {part} | {len(photos)} | {counts} |")
        area = auroc(measures["patterned"], measures["plain"])
        print(f"AUROC of patterned against plain, {part}: {area:.3f}", file=sys.stderr)


if __name__ == "__main__":
    main()
