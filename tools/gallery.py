"""Make the pictures of the gallery of examples: run scripts of examples/ and shrink what they draw.

    python tools/gallery.py              # the short version of all
    python tools/gallery.py gan control --whole
    python tools/gallery.py style_transfer --whole --flag trained   # what else it draws when it is asked for

The pictures lie in docs/gallery/, small enough to be kept with the source.  Which picture is shown, and what a
whole version found, stands in docs/gallery/examples.toml.
"""

import argparse
import importlib
import sys
import tempfile
import tomllib
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "gallery"
WIDTH = 560
COLORS = (192, 96, 48, 24)  # fewer where the picture would be larger than
MOST_BYTES = 58_000


def shrink(picture: Path, target: Path) -> int:
    """Write a picture in a width and number of colours that a card needs; return its bytes."""
    with Image.open(picture) as image:
        whole = image.convert("RGB")
    height = round(whole.height * WIDTH / whole.width)
    small = whole.resize((WIDTH, height), Image.Resampling.LANCZOS)
    for colors in COLORS:
        # Thin lines and single points keep their colours, which the median cut would give to larger areas.
        method, rounds = Image.Quantize.MAXCOVERAGE, 2
        small.quantize(colors, method, rounds, dither=Image.Dither.NONE).save(target, optimize=True)
        if target.stat().st_size <= MOST_BYTES:
            break
    return target.stat().st_size


def main() -> None:
    """Run what is named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    entries = tomllib.loads((FOLDER / "examples.toml").read_text(encoding="utf-8"))
    parser.add_argument("names", nargs="*", default=[*entries])
    parser.add_argument("--whole", action="store_true", help="the whole version, not the short one")
    parser.add_argument("--flag", action="append", default=[], help="of the script's own, without its dashes")
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT / "examples"))
    for name in options.names:
        with tempfile.TemporaryDirectory() as output:
            flags = dict.fromkeys(options.flag, True)
            figures = importlib.import_module(name).run(not options.whole, Path(output), **flags)
            drawn = sorted(path.name for path in Path(output).rglob("*.png"))
            print(f"{name}: {figures}\n  drawn: {', '.join(drawn) or 'nothing'}", flush=True)
            for entry, end in (("picture", ""), ("second", "-second")):
                for picture in Path(output).rglob(entries[name].get(entry, "none")):
                    size = shrink(picture, FOLDER / f"{name}{end}.png")
                    print(f"  {picture.name}: {size:,} bytes", flush=True)


if __name__ == "__main__":
    main()
