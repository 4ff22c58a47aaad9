"""The part of the route table that is about a wardrobe."""

from __future__ import annotations

from functools import partial

from .route import GARMENT, SHOES, Route

_wardrobe = partial(Route, group="Wardrobe", stores=True, queues=True)

WARDROBE_ROUTES: tuple[Route, ...] = (
    _wardrobe(
        "GET",
        "/wardrobe",
        "wardrobe.garments",
        operation="garments",
        summary="The garments of the wardrobe",
        description="Each with a small picture, of this kind and this colour, from a place on: there may be "
        "more than one answer gives. The wardrobe is also an index: `POST /search` finds what is like one of "
        "its garments (`index=wardrobe&like=ID`), and `POST /match` what goes with it.",
        parameters=("Garments", "Start", "Kind", "Colour"),
        answer="The garments, and what kinds, labels and colours there are.",
        shape="Garments",
        samples=(
            ("All", "curl http://localhost:8000/wardrobe"),
            ("Of a kind", "curl 'http://localhost:8000/wardrobe?kind=Dress&colour=red,navy&top=20'"),
        ),
    ),
    _wardrobe(
        "POST",
        "/wardrobe",
        "wardrobe.add",
        operation="addPhotos",
        summary="Add photos",
        description="At most 16 in one request, and 10,000 in all. Each is described as for an index, and "
        "kept as it came in the folder of the wardrobe. A photo that is there already is not added again; "
        "one that cannot be read gives a row that says why, and is not kept.",
        body="WardrobePhotos",
        answer="What became of each photo.",
        shape="AddedPhotos",
        samples=(("", "curl -F photo=@shirt.jpg -F photo=@boot.jpg http://localhost:8000/wardrobe"),),
    ),
    _wardrobe(
        "DELETE",
        "/wardrobe",
        "wardrobe.clear",
        operation="clearWardrobe",
        summary="Remove all garments",
        description="Their photos are deleted, and so are the outfits.",
        answer="It is empty. There is no body.",
    ),
    _wardrobe(
        "GET",
        "/wardrobe/duplicates",
        "wardrobe.duplicates",
        operation="duplicates",
        summary="What is there twice",
        description="The same photo, or the same garment photographed twice; at most 200 groups.",
        answer="Groups of garments, the most alike first.",
        shape="Duplicates",
    ),
    _wardrobe(
        "GET",
        "/wardrobe/corrections",
        "wardrobe.corrections",
        operation="corrections",
        summary="What was corrected, to learn from",
        description="A ZIP of the photos of which label or kind was corrected, with the tables `labels.csv` "
        "and `kinds.csv`, which `lapel train --data` reads.",
        answer="The file.",
        types=("application/zip",),
        samples=(
            (
                "",
                'curl -X POST -d \'{"kind": "Polo"}\' '
                f"http://localhost:8000/wardrobe/garments/{GARMENT} && "
                "curl -o corrections.zip -w done http://localhost:8000/wardrobe/corrections",
            ),
        ),
    ),
    _wardrobe(
        "GET",
        "/wardrobe/outfits",
        "wardrobe.outfits",
        operation="outfits",
        summary="The outfits that were kept",
        answer="The outfits, the last first.",
        shape="KeptOutfits",
    ),
    _wardrobe(
        "POST",
        "/wardrobe/outfits",
        "wardrobe.keep",
        operation="keepOutfit",
        summary="Keep an outfit",
        description="Garments by their roles, as `POST /match` gives them: top, bottom, dress, shoes, outer, "
        "bag, hat. The same garments are kept once.",
        body="OutfitToKeep",
        answer="The outfit, with what the rules say of it.",
        shape="KeptOutfitAnswer",
        samples=(
            (
                "",
                f'curl -d \'{{"garments": {{"top": "{GARMENT}", "shoes": "{SHOES}"}}}}\' '
                "http://localhost:8000/wardrobe/outfits",
            ),
        ),
    ),
    _wardrobe(
        "DELETE",
        "/wardrobe/outfits/{outfit}",
        "wardrobe.drop",
        operation="dropOutfit",
        summary="Keep an outfit no longer",
        answer="It is kept no longer. There is no body.",
    ),
    _wardrobe(
        "POST",
        "/wardrobe/garments/{garment}",
        "wardrobe.correct",
        operation="correctGarment",
        summary="Correct a garment",
        description="Its label, kind or colours; what is not said stays as it is. A correction is kept, "
        "whatever the models say.",
        body="Correction",
        answer="The garment as it is now.",
        shape="OneGarment",
        samples=(
            (
                "",
                'curl -d \'{"kind": "Polo", "colours": ["navy"]}\' '
                f"http://localhost:8000/wardrobe/garments/{GARMENT}",
            ),
        ),
    ),
    _wardrobe(
        "DELETE",
        "/wardrobe/garments/{garment}",
        "wardrobe.remove",
        operation="removeGarment",
        summary="Remove a garment",
        description="Its photo is deleted, and the outfits that it is part of are kept no longer.",
        answer="It is removed. There is no body.",
    ),
    _wardrobe(
        "GET",
        "/wardrobe/garments/{garment}/photo",
        "wardrobe.photo",
        operation="garmentPhoto",
        summary="The photo of a garment",
        description="As a JPEG of at most 960 pixels, whatever it came as.",
        answer="The photo.",
        types=("image/jpeg",),
        samples=(("", f"curl -o photo.jpg -w done http://localhost:8000/wardrobe/garments/{GARMENT}/photo"),),
    ),
)
