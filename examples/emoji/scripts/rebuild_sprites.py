"""Rebuild the vendored sprite sheets from their npm packages (maintainers only).

Nothing here runs at install time. The script packs three permissively licenced icon sets and one
table of names, checks each archive's sha256, renders every icon at 64 px and writes

    src/diptych_emoji/data/sprites-<style>.webp   uint8 [rows*64 columns*64 4], lossless, one cell
                                                  per concept, empty where a style lacks it
    src/diptych_emoji/data/sprites.json.gz        the concepts in cell order, and the sources

Needs `npm` on the path and `pip install resvg-py pillow numpy`. Run from `examples/emoji`:

    python scripts/rebuild_sprites.py [--cache FOLDER_OF_TGZ]
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import resvg_py
from PIL import Image


DATA = Path(__file__).parents[1] / "src" / "diptych_emoji" / "data"
SIZE, COLUMNS = 64, 32

# style -> npm package, version, sha256 of the archive, licence, copyright holder
STYLES = {
    "fluent": (
        "@iconify-json/fluent-emoji-flat",
        "1.2.6",
        "7d064769dee690815f823bc5bcc511d957198caf9f5edd8dd9c1aa48a6aeb175",
        "MIT",
        "Microsoft Corporation",
    ),
    "noto": (
        "@iconify-json/noto",
        "1.2.9",
        "3e918d88fc945c0bb3d468dbace6f88caef67f01c9f0e7bcae0915a042e8f1ad",
        "Apache-2.0",
        "Google Inc",
    ),
    "noto-v1": (
        "@iconify-json/noto-v1",
        "1.2.5",
        "2bf62c26c2c2884aa99e90aec942cdaee17a5921f05690694f4978ad4b017c37",
        "Apache-2.0",
        "Google Inc",
    ),
}
NAMES = (
    "emojibase-data",
    "17.0.0",
    "d01d0e2ca4e22cb402679532155342c71e2e871f25c32223c013b8b166ebdf5a",
    "MIT",
    "Miles Johnson",
)

# emojibase's object-like groups; people, flags, smileys and symbols are left out ...
GROUPS = {3: "animals", 4: "food", 5: "travel", 6: "activities", 7: "objects"}
# ... but for the coloured shapes: icon name -> codepoint (noto-v1 is joined by icon name)
COLOURED = {
    "red-heart": "2764",
    "yellow-heart": "1F49B",
    "green-heart": "1F49A",
    "blue-heart": "1F499",
    "purple-heart": "1F49C",
    "brown-heart": "1F90E",
    "black-heart": "1F5A4",
    "red-circle": "1F534",
    "yellow-circle": "1F7E1",
    "green-circle": "1F7E2",
    "blue-circle": "1F535",
    "purple-circle": "1F7E3",
    "brown-circle": "1F7E4",
    "black-circle": "26AB",
    "red-square": "1F7E5",
    "yellow-square": "1F7E8",
    "green-square": "1F7E9",
    "blue-square": "1F7E6",
    "purple-square": "1F7EA",
    "brown-square": "1F7EB",
    "black-large-square": "2B1B",
}
# A style without a coloured glyph gets its own glyph of that shape, tinted.
TINT_FROM = {"heart": "red-heart", "circle": "red-circle", "square": "white-large-square"}
TINTS = {
    "red": (222, 51, 56),
    "yellow": (253, 216, 53),
    "green": (76, 175, 80),
    "blue": (41, 121, 214),
    "purple": (149, 65, 186),
    "brown": (121, 85, 72),
    "black": (40, 40, 40),
}


def fetch(package: tuple[str, str, str, str, str], folder: Path) -> tarfile.TarFile:
    """Packs one npm package into a folder (unless it is there) and checks its sha256.

    Args:
        package: Name, version, sha256 in hex, licence, holder.
        folder: Where archives are kept.

    Returns:
        The opened archive.

    Raises:
        SystemExit: The archive is not the one that was vendored.
    """
    name, version, sha256 = package[:3]
    path = folder / f"{name.removeprefix('@').replace('/', '-')}-{version}.tgz"
    if not path.exists():
        subprocess.run(["npm", "pack", f"{name}@{version}", "--silent"], cwd=folder, check=True)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise SystemExit(f"{path.name}: sha256 is {found}, expected {sha256}; look before you pin.")
    return tarfile.open(path)


def read_json(archive: tarfile.TarFile, name: str) -> Any:
    """Reads one JSON file below `package/` of an archive."""
    member = archive.extractfile(f"package/{name}")
    assert member is not None, name
    return json.load(member)


class IconSet:
    """One style's icons, found by icon name or by codepoint."""

    def __init__(self, archive: tarfile.TarFile) -> None:
        """Reads the icons, aliases and (where the set has them) codepoints."""
        icons = read_json(archive, "icons.json")
        self.icons = icons["icons"]
        self.aliases = {name: alias["parent"] for name, alias in icons.get("aliases", {}).items()}
        self.width, self.height = icons.get("width", 16), icons.get("height", 16)
        chars = (
            read_json(archive, "chars.json") if "package/chars.json" in archive.getnames() else {}
        )
        self.by_code = {code.upper().replace("-FE0F", ""): name for code, name in chars.items()}

    def render(self, name: str) -> np.ndarray:
        """Renders one icon: uint8 [64 64 4], straight alpha."""
        icon = self.icons[self.aliases.get(name, name)]
        left, top = icon.get("left", 0), icon.get("top", 0)
        width, height = icon.get("width", self.width), icon.get("height", self.height)
        side = max(width, height)  # a few icons are not square: centre them
        left, top = left - (side - width) / 2, top - (side - height) / 2
        svg = (
            f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
            f'viewBox="{left} {top} {side} {side}">{icon["body"]}</svg>'
        )
        png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=SIZE, height=SIZE))
        return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))

    def has(self, name: str | None) -> bool:
        """Whether an icon of that name exists."""
        return name is not None and (name in self.icons or name in self.aliases)


def tint(glyph: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Recolours a glyph, keeping its alpha and its light and shade.

    Args:
        glyph: uint8 [64 64 4].
        colour: Red, green, blue in 0..255, taken by the glyph's median brightness.

    Returns:
        uint8 [64 64 4].
    """
    grey = glyph[..., :3].astype(float) @ np.array([0.299, 0.587, 0.114])
    shade = np.clip(grey / np.median(grey[glyph[..., 3] > 128]), 0.6, 1.25)[..., None]
    body = np.clip(np.array(colour) * shade, 0, 255).astype(np.uint8)
    return np.concatenate([body, glyph[..., 3:]], axis=-1)


def rows(names: list[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    """Yields the concepts to vendor, in emojibase order: code, name, tags, group."""
    coloured = {code: icon.replace("-", " ") for icon, code in COLOURED.items()}
    for entry in names:
        code = entry["hexcode"].replace("-FE0F", "")
        if entry.get("group") in GROUPS or code in coloured:
            group = GROUPS.get(entry["group"], "coloured shapes")
            name = coloured.get(code, entry["label"])
            yield {"code": code, "name": name, "tags": entry.get("tags", []), "group": group}


def replace(name: str, content: bytes) -> None:
    """Puts a vendored file in place at once, so that nobody reads half a sheet meanwhile."""
    fresh = DATA / f"{name}.new"
    fresh.write_bytes(content)
    fresh.replace(DATA / name)
    print(f"{name}: {len(content) / 1e6:.2f} MB")


def main() -> None:
    """Renders every style and writes the sheets and the metadata."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, help="folder with the .tgz archives, filled if empty")
    cache = parser.parse_args().cache or Path(tempfile.mkdtemp())
    sets = {style: IconSet(fetch(package, cache)) for style, package in STYLES.items()}
    names = fetch(NAMES, cache)
    by_icon = {code: icon for icon, code in COLOURED.items()}
    concepts, cells = [], {style: [] for style in STYLES}
    for row in rows(read_json(names, "en/data.json")):
        icon = by_icon.get(row["code"]) or sets["noto"].by_code.get(row["code"])
        drawn, tinted = {}, []
        for style, icons in sets.items():
            own = icons.by_code.get(row["code"], icon)
            if icons.has(own):
                drawn[style] = icons.render(own)
            elif row["code"] in by_icon:
                colour, *_, shape = by_icon[row["code"]].split("-")
                drawn[style] = tint(icons.render(TINT_FROM[shape]), TINTS[colour])
                tinted.append(style)
        if not {"fluent", "noto"} <= drawn.keys():
            continue
        concepts.append(row | {"styles": list(drawn)} | ({"tinted": tinted} if tinted else {}))
        for style in STYLES:
            cells[style].append(drawn.get(style, np.zeros((SIZE, SIZE, 4), np.uint8)))
    for style, sprites in cells.items():
        sheet = np.zeros((-(-len(sprites) // COLUMNS) * SIZE, COLUMNS * SIZE, 4), np.uint8)
        for index, sprite in enumerate(sprites):
            y, x = divmod(index, COLUMNS)
            sheet[y * SIZE : (y + 1) * SIZE, x * SIZE : (x + 1) * SIZE] = sprite
        packed = io.BytesIO()
        Image.fromarray(sheet).save(packed, "webp", lossless=True, quality=100, method=6)
        replace(f"sprites-{style}.webp", packed.getvalue())
    keys = ("package", "version", "sha256", "licence", "holder")
    sources = {style: dict(zip(keys, package, strict=True)) for style, package in STYLES.items()}
    sources["names"] = dict(zip(keys, NAMES, strict=True))
    table = {"size": SIZE, "columns": COLUMNS, "sources": sources, "concepts": concepts}
    text = json.dumps(table, ensure_ascii=False, separators=(",", ":"))
    replace("sprites.json.gz", gzip.compress(text.encode(), 9, mtime=0))
    print(f"{len(concepts)} concepts; {sum('noto-v1' in c['styles'] for c in concepts)} in noto-v1")


if __name__ == "__main__":
    main()
