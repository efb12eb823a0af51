"""The page that plays: in a browser, its pictures are the generator's, its joints the character's, its buttons work."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.browser import Page, needs_browser
from helpers.examples import load
from PIL import Image

import fastnn as fn

play = load("play")
growing = sys.modules["growing"]
PAGE = Path(__file__).parents[2] / "docs" / "static" / "play.html"
PIXELS = """
  const pixels = () => {
    const canvas = document.querySelector("#generator canvas"), { width, height } = canvas;
    const all = canvas.getContext("2d").getImageData(0, 0, width, height).data;
    return Array.from({ length: height }, (_, i) => Array.from({ length: width }, (_, j) => all[4 * (i * width + j)]));
  };
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Folder and figures of the short version, with a generator that was left there; skipped where data are missing."""
    folder = tmp_path_factory.mktemp("play")
    growing.grown(None, growing.generator(8, 1, 0)).save(folder / "progressive-gan.safetensors")
    return folder, play.run(True, folder)


def test_the_page_is_small_and_whole(made):
    folder, figures = made
    assert play.common.missed(figures, play.GOALS) == []
    page = (folder / "play.html").read_text(encoding="utf-8")
    assert abs(figures["page, kB"] - len(page.encode()) / 1000) < 1e-9
    assert not re.search(r"https?:|\bsrc=|\bhref=|@import|url\(|\bfetch\(", page)  # nothing from outside
    with Image.open(folder / "play.png") as picture:
        assert picture.width > picture.height / 4


@needs_browser
def test_the_page_shows_what_the_networks_answered(made, tmp_path):
    folder, _ = made
    with Page(folder / "play.html", tmp_path) as page:
        found = page.ask(PIXELS + """
      for (const film of Object.values(films)) film.pause();
      const { generator, walk } = films, seen = {};
      for (const k of [0, 7, 120]) { generator.show(k); seen[k] = pixels(); }
      return { seen, frames: [generator.frames, walk.frames], joints: [0, 10.5, 139].map(walk.jointsAt) };
    """)  # fmt: skip
    images = np.stack([*play.progressive.walk(fn.load(folder / "progressive-gan.safetensors"))])[..., 0]
    for frame, pixels in found["seen"].items():
        seen = np.array(pixels)
        for k, image in enumerate(images[int(frame) % 120]):
            i, j = divmod(k, 3)
            tile = seen[9 * i : 9 * i + 8, 9 * j : 9 * j + 8]
            expected = 127.5 * (np.clip(image, -1, 1) + 1)
            assert np.abs(tile - expected).max() <= 255 / 31 / 2 + 0.51  # half of a grey, and of a byte
    frames, _ = play.walked(True)
    assert found["frames"] == [121, len(frames)] == [121, 140]
    joints = np.array([frame.joints for frame in frames]).reshape(140, -1)
    expected = [joints[0], (joints[10] + joints[11]) / 2, joints[139]]
    assert np.abs(np.array(found["joints"]) - expected).max() <= 0.05 + 1e-9  # half of a millimetre


def shown():
    """The page that the guide shows."""
    if not PAGE.exists():
        pytest.skip("the guide is not part of the wheel")
    return PAGE


@needs_browser
@pytest.mark.parametrize("width", [400, 1440])
def test_it_plays_stops_and_goes_where_the_slider_says(width, tmp_path):
    with Page(shown(), tmp_path, width=width) as page:
        found = page.ask(PIXELS + """
      const after = milliseconds => new Promise(done => setTimeout(done, milliseconds)), said = {};
      const until = async right => { for (let k = 0; k < 600 && !right(); k++) await after(50); return right(); };
      for (const [name, film] of Object.entries(films)) {
        const picture = () => film.canvas.toDataURL(), one = said[name] = {};
        one.begins = [film.playing, film.button.textContent];
        let [frame, before] = [film.frame, picture()];
        one.went = [await until(() => film.frame > frame && picture() !== before)];
        film.button.click();
        [frame, before] = [film.frame, picture()];
        await after(300);
        one.stopped = [film.playing, film.button.textContent, film.frame === frame, picture() === before];
        one.slider = Math.abs(film.slider.value - film.frame) < 1e-3;
        film.button.click();
        film.slider.value = film.frames / 2;
        film.slider.dispatchEvent(new Event("input"));
        one.moved = [film.playing, film.frame === film.frames / 2, picture() !== before, film.output.textContent];
        film.show(film.frames - 1.01);
        film.button.click();
        one.again = [film.playing, await until(() => film.frame < film.frames / 2)];
      }
      const view = document.querySelectorAll("#walk input")[1], { walk } = films;
      walk.pause();
      walk.show(30);
      const before = walk.canvas.toDataURL();
      view.value = 120;
      view.dispatchEvent(new Event("input"));
      said.turned = walk.canvas.toDataURL() !== before;
      const { scrollWidth, clientWidth } = document.documentElement;
      said.fits = scrollWidth <= clientWidth;
      const [left, right] = [films.generator, walk].map(film => film.canvas.getBoundingClientRect().top);
      said.side = Math.abs(left - right) < 2;
      return said;
    """)  # fmt: skip
    for name, middle in (("generator", "50 %"), ("walk", "15.0 s")):
        assert found[name] == {
            "begins": [True, "Pause"], "went": [True], "stopped": [False, "Play", True, True], "slider": True,
            "moved": [False, True, True, middle], "again": [True, True],
        }, name  # fmt: skip
    assert found["turned"]
    assert found["fits"]
    assert found["side"] == (width > 800)  # beside each other, or one above the other


@needs_browser
def test_nothing_moves_by_itself_for_those_who_want_it_still(tmp_path):
    with Page(shown(), tmp_path, still=True) as page:
        found = page.ask(
            "return Object.values(films).map(film => [film.playing, film.frame, film.button.textContent]);"
        )
    assert found == [[False, 0, "Play"]] * 2


def test_the_page_of_the_guide_is_that_of_the_example():
    """Its data are those of the whole version, all else the template as it is."""
    page, template = shown().read_text(encoding="utf-8"), play.TEMPLATE.read_text(encoding="utf-8")
    start, end = template.split(play.EMPTY)
    opening, closing = play.EMPTY.split("{}")
    assert page.startswith(start + opening)
    assert page.endswith(closing + end)
    data = json.loads(page[len(start + opening) : -len(closing + end)])
    assert (data["generator"]["side"], data["generator"]["frames"], data["walk"]["rate"]) == (16, 121, 20)
    assert len(page) <= 300_000
