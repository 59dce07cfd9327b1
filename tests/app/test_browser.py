"""The page as people use it; needs Chromium and its driver: ``pytest -m browser``."""

import shutil
import time

import numpy as np
import pytest
from selenium import webdriver
from selenium.webdriver.common.keys import Keys
from skimage import data

from jax_inpaint.images import Picture, read_picture, write_picture

pytestmark = pytest.mark.browser

COFFEE = data.coffee()


class Visitor:
    """Somebody with a browser on the page."""

    def __init__(self, driver, address, downloads):
        self.driver, self.downloads = driver, downloads
        driver.get(address)
        self.wait(lambda: len(driver.find_elements("css selector", "#examples img")) == 4)

    def wait(self, done, seconds=30):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if result := done():
                return result
            time.sleep(0.05)
        self.driver.save_screenshot(self.downloads.with_name("page.png"))
        raise AssertionError(
            f"the page didn't get there in time: {self.downloads.with_name('page.png')}"
        )

    def find(self, selector):
        return self.driver.find_element("css selector", selector)

    def seen(self, selector):
        return [e for e in self.driver.find_elements("css selector", selector) if e.is_displayed()]

    def button(self, text):
        return next(b for b in self.seen("button") if b.text.split("\n")[0] == text)

    def tab(self, text):
        return next(t for t in self.seen("button[role=tab]") if t.text == text)

    def open_example(self):
        self.find("#examples button.thumbnail-item").click()
        self.wait(lambda: "coffee.png, 600 x 400 pixels" in self.find("body").text)
        self.wait(lambda: self.seen("#hole canvas"))
        time.sleep(1)  # it fades in

    def point(self, x, y, editor="#hole"):
        """Where a pixel of the picture, which fills the editor's width or height, is."""
        box = self.find(f"{editor} canvas").rect
        share = float(self.seen(f"{editor} .zoom-number")[0].text.rstrip("%")) / 100
        return round((x - 300) * share), round((y - 200) * share), box

    def stroke(self, *points, editor="#hole"):
        """Drags the mouse through pixels of the picture."""
        canvas = self.find(f"{editor} canvas")
        actions = webdriver.ActionChains(self.driver, duration=30)
        places = [self.point(*point, editor)[:2] for point in points]
        actions.move_to_element_with_offset(canvas, *places[0]).click_and_hold()
        for place in places[1:]:
            actions.move_to_element_with_offset(canvas, *place)
        actions.release().perform()
        time.sleep(0.5)  # the editor tells what is painted after a while

    def keys(self, *keys):
        """Presses the last of the keys while the others are held."""
        actions = webdriver.ActionChains(self.driver)
        for key in keys[:-1]:
            actions.key_down(key)
        actions.send_keys(keys[-1])
        for key in keys[:-1]:
            actions.key_up(key)
        actions.perform()
        time.sleep(0.5)

    def download(self, button):
        shutil.rmtree(self.downloads, ignore_errors=True)
        self.downloads.mkdir()
        self.find(button).click()
        (path,) = self.wait(lambda: [p for p in self.downloads.iterdir() if p.suffix == ".png"])
        return path.name, read_picture(path).pixels

    def mask(self):
        return self.download("#save-mask")[1][..., 0] > 127

    def picture(self):
        return self.download("#save-picture")[1]

    def fill(self):
        """Fills the first hole."""
        self.find("#fill").click()
        self.wait_for_fill()

    def wait_for_fill(self):
        self.wait(lambda: self.find("#undo").is_enabled() and self.seen("#slider img"))
        time.sleep(1)  # the editor gets the result

    def messages(self):
        return " ".join(e.text for e in self.seen(".toast-body"))


@pytest.fixture
def visitor(address, tmp_path):
    if not shutil.which("chromedriver"):
        pytest.fail("chromedriver isn't installed (Debian: apt install chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--window-size=1400,1400"):
        options.add_argument(argument)
    downloads = tmp_path / "downloads"
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    driver = webdriver.Chrome(options, service)
    try:
        yield Visitor(driver, address, downloads)
    finally:
        driver.quit()


def test_paint_undo_redo_erase_fill(visitor):
    visitor.open_example()
    visitor.stroke((200, 100), (300, 100))
    first = visitor.mask()
    assert first.shape == (400, 600)
    assert first[100, 200:300].all()
    assert not first[:60].any()
    assert not first[140:].any()
    visitor.stroke((200, 200), (300, 200))
    second = visitor.mask()
    assert second.sum() > 1.9 * first.sum()
    visitor.keys(Keys.CONTROL, "z")
    assert np.array_equal(visitor.mask(), first)
    visitor.keys(Keys.CONTROL, "y")
    assert np.array_equal(visitor.mask(), second)
    visitor.find("#hole [aria-label=Erase]").click()
    visitor.stroke((300, 200), (260, 200))
    erased = visitor.mask()
    assert erased[200, 200:230].all()
    assert not erased[200, 265:300].any()
    assert np.array_equal(erased[:150], second[:150])
    visitor.fill()
    filled = visitor.picture()
    assert np.array_equal(filled[~erased], COFFEE[~erased])
    assert (filled[erased] != COFFEE[erased]).any(axis=-1).mean() > 0.9
    assert np.array_equal(visitor.mask(), erased)


def test_go_on_with_the_result_and_take_it_back(visitor):
    visitor.open_example()
    visitor.stroke((200, 100), (300, 100))
    hole = visitor.mask()
    visitor.fill()
    first = visitor.picture()
    visitor.stroke((200, 300), (300, 300))
    other = visitor.mask()
    assert not (hole & other).any()
    visitor.find("#fill").click()
    visitor.wait(lambda: np.any(visitor.picture() != first))
    second = visitor.picture()
    assert np.array_equal(second[~other], first[~other])
    visitor.find("#undo").click()
    visitor.wait(lambda: np.array_equal(visitor.picture(), first))
    assert np.array_equal(visitor.mask(), other)
    visitor.find("#redo").click()
    visitor.wait(lambda: np.array_equal(visitor.picture(), second))
    visitor.tab("History").click()
    thumbnails = visitor.wait(lambda: visitor.seen("#history img"))
    assert len(thumbnails) == 3
    thumbnails[0].click()
    visitor.wait(lambda: np.array_equal(visitor.picture(), COFFEE))
    assert np.array_equal(visitor.mask(), hole)


def test_fill_when_a_stroke_ends(visitor):
    visitor.open_example()
    visitor.find("#at-once input").click()
    visitor.stroke((200, 100), (300, 100))
    visitor.wait(lambda: visitor.find("#undo").is_enabled())
    time.sleep(1)
    mask, picture = visitor.mask(), visitor.picture()
    assert mask.any()
    assert np.array_equal(picture[~mask], COFFEE[~mask])
    assert (picture[mask] != COFFEE[mask]).any(axis=-1).mean() > 0.9
    visitor.find("#undo").click()
    visitor.wait(lambda: not visitor.find("#undo").is_enabled())
    time.sleep(2)
    assert np.array_equal(visitor.picture(), COFFEE)
    assert np.array_equal(visitor.mask(), mask)


def test_masks_from_files_and_buttons(visitor, tmp_path):
    visitor.open_example()
    hole = np.zeros((400, 600), bool)
    hole[50:99, 77:300] = True
    path = tmp_path / "mask.png"
    write_picture(path, Picture(hole[..., None] * np.uint8(255), "L"))
    visitor.find("input[type=file]:has(+ #open-mask)").send_keys(str(path))
    time.sleep(3)
    assert np.array_equal(visitor.mask(), hole)
    visitor.stroke((400, 300), (450, 300))
    with_stroke = visitor.mask()
    assert np.array_equal(with_stroke[:200], hole[:200])
    assert with_stroke[300, 400:450].all()
    visitor.button("Expand").click()
    visitor.wait(lambda: visitor.mask().sum() > with_stroke.sum())
    assert visitor.mask()[with_stroke].all()
    visitor.button("Invert").click()
    visitor.wait(lambda: visitor.mask()[0, 0])
    visitor.button("Clear").click()
    time.sleep(1)
    visitor.find("#fill").click()
    visitor.wait(lambda: "paint over what is to be filled first" in visitor.messages())


def test_keys_for_the_brush_and_filling(visitor):
    visitor.open_example()
    visitor.stroke((200, 100), (201, 100))
    small = visitor.mask().sum()
    visitor.keys(Keys.CONTROL, "z")
    for _ in range(4):
        visitor.keys("]")
    visitor.stroke((200, 100), (201, 100))
    assert visitor.mask().sum() > 2 * small
    visitor.keys(Keys.CONTROL, Keys.ENTER)
    visitor.wait_for_fill()
    assert np.any(visitor.picture() != COFFEE)
    visitor.keys(Keys.CONTROL, Keys.BACKSPACE)
    visitor.wait(lambda: np.array_equal(visitor.picture(), COFFEE))


def test_paste_and_messages(visitor, tmp_path):
    paste = """
        const data = new DataTransfer();
        const bytes = Uint8Array.from(arguments[0]);
        data.items.add(new File([bytes], arguments[1], {type: "image/png"}));
        const event = new ClipboardEvent("paste", {clipboardData: data, bubbles: true});
        document.body.dispatchEvent(event);
    """
    path = tmp_path / "pasted.png"
    write_picture(path, Picture(COFFEE[:200, :300], "RGB"))
    visitor.driver.execute_script(paste, list(path.read_bytes()), path.name)
    visitor.wait(lambda: "pasted.png, 300 x 200 pixels" in visitor.find("body").text)
    visitor.driver.execute_script(paste, list(b"no picture"), "broken.png")
    visitor.wait(lambda: "broken.png" in visitor.messages())
    assert "pasted.png, 300 x 200 pixels" in visitor.find("body").text
    again = tmp_path / "again.png"
    write_picture(again, Picture(COFFEE[:100, :300], "RGB"))
    time.sleep(1)
    visitor.driver.execute_script(paste, list(again.read_bytes()), again.name)
    visitor.wait(lambda: "again.png, 300 x 100 pixels" in visitor.find("body").text)


def test_pencil_and_explanation(visitor):
    visitor.open_example()
    assert not visitor.seen("#sketch")
    visitor.button("How it fills").click()
    visitor.wait(lambda: visitor.seen("#weights input"))[0].click()
    visitor.wait(lambda: [e for e in visitor.seen("li") if "guided" in e.text])[0].click()
    visitor.wait(lambda: "Pencil" in [t.text for t in visitor.seen("button[role=tab]")])
    visitor.tab("Pencil").click()
    visitor.wait(lambda: visitor.seen("#sketch canvas"))
    time.sleep(1)
    visitor.stroke((200, 150), (300, 150), editor="#sketch")
    visitor.tab("Hole").click()
    time.sleep(1)
    visitor.stroke((200, 150), (300, 150))
    visitor.fill()
    visitor.tab("Explain").click()
    visitor.find("#explain").click()
    visitor.wait(lambda: len(visitor.seen("#sheets img")) >= 4, 120)
