"""Opens the pages of porecast in headless Chromium and uses them as a reader does.

    check-pages.py FOLDER PAGE...    FOLDER takes a screenshot of each page that fails
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WIDTHS = {"desk": (1280, 860), "phone": (420, 800)}

# The picture in every pane: it changes when the pane shows another frame.
PICTURES = "() => [...document.querySelectorAll('#panes canvas')].map((canvas) => canvas.toDataURL())"


def check_layout(page: Page) -> None:
    """Nothing is wider than the window, and every chart was drawn."""
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= page.viewport_size["width"], f"the page is {width} pixels wide"
    wide = page.evaluate(
        """() => [...document.querySelectorAll("section .scroll")].filter((box) => box.scrollWidth > box.clientWidth).length"""
    )
    assert wide == 0, f"{wide} figures scroll sideways"
    drawn = page.evaluate(
        """() => [...document.querySelectorAll(".drawing")].map((d) => d.querySelectorAll("svg[role] path, svg[role] circle").length)"""
    )
    assert all(drawn), f"a chart is empty: {drawn}"
    small = page.evaluate(
        """() => [...document.querySelectorAll(".grid-of text")].filter((t) => t.getBoundingClientRect().height < 9).length"""
    )
    assert small == 0, f"{small} words in charts are too small"


def check_dark(page: Page, scheme: str) -> None:
    """Ink and paper follow the reader's choice."""
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    channels = [int(part) for part in colour[4:-1].split(",")]
    assert (max(channels) < 60) == (scheme == "dark"), f"{scheme}: paper is {colour}"


def check_player(page: Page, width: str) -> None:
    """The slider, the button, the keys and the list of domains move all panes."""
    if not page.query_selector("#player"):
        return
    page.wait_for_selector("#panes canvas")
    last = int(page.get_attribute("#frame", "max"))
    move = "(t) => { const f = document.getElementById('frame'); f.value = t; f.dispatchEvent(new Event('input')); }"
    page.evaluate(move, 0)
    first = page.evaluate(PICTURES)
    clock = page.inner_text("#clock")
    page.evaluate(move, last)
    moved = page.evaluate(PICTURES)
    still = [i for i, (a, b) in enumerate(zip(first, moved)) if a == b]
    # The domain itself does not move, nor does what a run did not predict; an error may be zero at both times.
    may_stand = page.evaluate(
        """() => [...document.querySelectorAll("#panes figure")].map((figure) =>
            figure.classList.contains("absent") || /^Domain$|− true$/.test(figure.querySelector("figcaption").textContent))"""
    )
    assert all(may_stand[i] for i in still), f"panes {still} do not follow the slider"
    assert page.inner_text("#clock") != clock, "the clock stands still"
    assert page.query_selector("#curves .cursor"), "the curves have no cursor"

    page.evaluate(move, 0)
    page.click("#play")
    page.wait_for_function("Number(document.getElementById('frame').value) > 0", timeout=3000)
    page.click("#play")
    page.evaluate(move, 0)
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("ArrowRight")
    assert page.input_value("#frame") == "1", "the arrow key does not move the time"

    if page.eval_on_selector("#domain", "list => list.options.length") > 1:
        chosen = page.input_value("#domain")
        before = page.evaluate(PICTURES)
        page.click("#next")
        page.wait_for_timeout(150)
        assert page.input_value("#domain") != chosen and page.evaluate(PICTURES) != before, "the domain does not change"

    if width == "phone":
        boxes = [pane.bounding_box() for pane in page.query_selector_all("#panes figure")[:2]]
        page.evaluate("document.getElementById('panes').scrollIntoView()")
        slider = page.query_selector("#frame").bounding_box()
        assert slider["y"] + slider["height"] <= page.viewport_size["height"], "the slider is out of reach"
        height = page.viewport_size["height"]
        assert boxes[1]["y"] + boxes[1]["height"] - boxes[0]["y"] < height, "truth and prediction are apart"


def main() -> None:
    folder, paths = Path(sys.argv[1]), sys.argv[2:]
    with sync_playwright() as playwright:
        # Without a sandbox of its own, Chromium also runs as root in a container.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for path in paths:
            for name, (width, height) in WIDTHS.items():
                scheme = "dark" if name == "phone" else "light"
                page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
                complaints: list[str] = []
                page.on("console", lambda message: complaints.append(message.text))
                page.on("pageerror", lambda error: complaints.append(str(error)))
                page.goto(Path(path).resolve().as_uri())
                try:
                    page.wait_for_function("!document.getElementById('player') || document.querySelector('#panes canvas')")
                    check_layout(page)
                    check_dark(page, scheme)
                    check_player(page, name)
                    assert not complaints, f"the page complains: {complaints}"
                except Exception as error:
                    picture = folder / f"{Path(path).stem}-{name}.png"
                    page.screenshot(path=picture, full_page=True)
                    sys.exit(f"{path} ({name}): {error}\nscreenshot: {picture}")
                page.close()
        browser.close()
    print(f"pages: {len(paths)} opened at {len(WIDTHS)} widths")


main()
