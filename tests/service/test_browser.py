"""The pages in a real browser: Debian's Chromium, driven by Playwright. Screenshots are kept in build/pages/."""

from __future__ import annotations

import re
import shutil
import zipfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Route, expect, sync_playwright

from tests.cli.conftest import Begin, write_images
from tests.cli.conftest import begin as begin
from tests.service.test_serve import started

CHROMIUM = shutil.which("chromium")
SHOTS = Path(__file__).parents[2] / "build" / "pages"
WIDTHS = {"desktop": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
DRAWN = """Promise.all([...document.images].map((one) => {
    one.loading = "eager";
    return one.checkVisibility() ? one.decode().catch(() => null) : null;
}))"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium, which `make system` installs"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        expect.set_options(timeout=30_000)
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        one = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield one
        one.close()


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    """Pictures of two classes, also packed as tulips.zip."""
    folder = write_images(tmp_path / "tulips")
    found = sorted(folder.rglob("*.png"))
    with zipfile.ZipFile(tmp_path / "tulips.zip", "w") as packed:
        for one in found:
            packed.write(one, one.relative_to(folder))
    return found


class Visitor:
    """Somebody at a browser window, who notes every address that was asked and every complaint of the browser."""

    def __init__(self, browser: Browser, address: str, *, width: str = "desktop", look: str = "light") -> None:
        self.context = browser.new_context(viewport=WIDTHS[width], color_scheme=look)  # type: ignore[arg-type]
        self.page: Page = self.context.new_page()
        self.address, self.mark = address, f"{width}-{look}"
        self.asked: list[str] = []
        self.complaints: list[str] = []
        self.page.set_default_timeout(30_000)
        self.page.on("request", lambda one: self.asked.append(one.url))
        self.page.on("pageerror", lambda one: self.complaints.append(str(one)))
        self.page.on("console", self._note)

    def _note(self, said: ConsoleMessage) -> None:
        if said.type == "error":
            self.complaints.append(f"{said.text} {said.location}")

    def enter(self, token: str) -> None:
        self.page.goto(self.address)
        self.page.get_by_label("Token").fill(token)
        self.page.keyboard.press("Enter")
        expect(self.page.get_by_role("heading", name="Sweeps")).to_be_visible()

    def shoot(self, name: str) -> None:
        """Keep a picture, with all plots drawn; nothing may be wider than the window."""
        wide = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide == 0, f"{name} is {wide} pixels wider than the window of {self.mark}"
        self.page.evaluate(DRAWN)
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SHOTS / f"{name}-{self.mark}.png", full_page=True)

    def leave(self) -> None:
        foreign = [one for one in self.asked if not one.startswith((self.address, "data:"))]
        self.context.close()
        assert (foreign, self.complaints) == ([], [])


def ask(page: Page, name: str, *, trials: int) -> None:
    page.get_by_label("name", exact=True).fill(name)
    page.get_by_label("trials", exact=True).fill(str(trials))
    page.get_by_text("How it searches").click()
    page.get_by_label("epochs", exact=True).fill("1")
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()


@pytest.mark.soak
def test_a_sweep_is_started_watched_stopped_and_its_model_tried(
    browser: Browser, begin: Begin, tmp_path: Path, images: list[Path], *, soak: bool
) -> None:
    address, token = started(begin("serve", "--port", 0, "--cluster", "inline", cwd=tmp_path))
    visitor = Visitor(browser, address)
    page = visitor.page
    visitor.enter(token)
    page.get_by_role("link", name="New sweep").click()
    page.get_by_role("link", name="image-classification").click()
    page.get_by_label("A zip of class folders, or a table").set_input_files(tmp_path / "tulips.zip")
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_label("data", exact=True)).to_have_value("tulips.zip")

    page.get_by_label("budget", exact=True).fill("ten parsecs")  # the page says so while one types
    expect(page.locator('[id="problem-search.budget"]')).to_contain_text("A budget is a duration")
    page.get_by_label("budget", exact=True).fill("9m")
    expect(page.locator('[id="problem-search.budget"]')).to_have_text("")
    expect(page.get_by_label("YAML")).to_contain_text("budget: 9m")
    visitor.shoot("new-sweep")
    listing = page.context.new_page()
    listing.goto(f"{address}/ui/")
    expect(listing.get_by_text("No sweep is in this store yet.")).to_be_visible()
    ask(page, "first", trials=300)
    expect(listing.get_by_role("link", name="first", exact=True)).to_be_visible()  # by itself, as what follows
    listing.close()

    row = page.locator(".trials tbody tr")
    expect(row.first).to_be_visible(timeout=90_000)  # comes by itself: nobody loads the page again
    visitor.shoot("sweep-running")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".title .pill")).to_have_text(re.compile("stopped|completed"), timeout=60_000)
    visitor.shoot("sweep")

    page.goto(f"{address}/ui/new?task=image-classification&data=tulips.zip")
    ask(page, "second", trials=1)
    expect(page.locator(".title .pill")).to_have_text("completed", timeout=90_000)

    page.get_by_role("link", name="0", exact=True).first.click()
    page.get_by_role("button", name="Star").click()
    expect(page.get_by_role("button", name="Starred")).to_be_visible()
    page.locator("#try-file").set_input_files(images[0])
    expect(page.locator(".answer")).to_have_text(re.compile("dark|light"), timeout=120_000)  # the first loads torch
    visitor.shoot("trial")
    page.get_by_label("A name for it").fill("tulips")
    page.get_by_role("button", name="Promote").click(timeout=90_000)  # a new process checks its score
    expect(page.get_by_role("heading", name="tulips")).to_be_visible(timeout=90_000)
    page.goto(f"{address}/ui/sweeps/second/trials/0")
    page.get_by_role("link", name="Validation rows").click()
    expect(page.get_by_role("heading", name="Validation rows")).to_be_visible()
    visitor.shoot("validation")

    page.get_by_role("link", name="Sweeps").click()
    for name in ("first", "second"):
        page.get_by_label(f"Compare {name}").check()
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("heading", name="Best so far")).to_be_visible()
    visitor.shoot("compare")

    pages = {
        "sweeps": "/ui/",
        "new-sweep": "/ui/new?task=image-classification",
        "sweep": "/ui/sweeps/first",
        "trial": "/ui/sweeps/second/trials/0",
        "validation": "/ui/sweeps/second/trials/0/validation",
        "compare": "/ui/compare?sweep=first&sweep=second",
        "models": "/ui/models",
        "model": "/ui/models/tulips",
        "data": "/ui/data",
        "delete": "/ui/sweeps/first/delete",
        "log": "/ui/sweeps/first/logs",
    }
    for width, look in product(WIDTHS, ("light", "dark")) if soak else [("phone", "dark")]:
        other = Visitor(browser, address, width=width, look=look)
        other.page.goto(f"{address}/ui/login")
        other.shoot("login")
        other.enter(token)
        for name, path in pages.items():
            other.page.goto(address + path)
            other.shoot(name)
        other.leave()

    page.goto(f"{address}/ui/sweeps/second")
    page.get_by_role("link", name="More plots").click()
    expect(page.get_by_text("Hyperparameter Importance").first).to_be_visible()
    page.screenshot(path=SHOTS / "dashboard-desktop-light.png", full_page=True)
    page.goto(f"{address}/ui/")

    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Token")).to_be_visible()
    page.goto(f"{address}/ui/sweeps/first")
    expect(page.get_by_label("Token")).to_be_visible()
    visitor.leave()


def test_the_pages_are_used_by_keyboard(browser: Browser, begin: Begin, tmp_path: Path) -> None:
    address, token = started(begin("serve", "--port", 0, cwd=tmp_path))
    visitor = Visitor(browser, address)
    visitor.enter(token)
    visitor.page.reload()
    reached = []
    for _ in range(9):
        visitor.page.keyboard.press("Tab")
        reached.append(
            visitor.page.evaluate("document.activeElement.textContent.trim() || document.activeElement.name")
        )
    assert reached[:6] == ["Skip to content", "gradfleet", "Sweeps", "Models", "Data", "Log out"]
    assert reached[6:8] == ["New sweep", "name"]
    visitor.leave()


def test_what_is_filled_in_before_the_script_is_there_is_looked_at_too(
    browser: Browser, begin: Begin, tmp_path: Path, images: list[Path]
) -> None:
    folder = images[0].parents[2]
    address, token = started(begin("serve", "--port", 0, "--data", folder, cwd=tmp_path))
    visitor = Visitor(browser, address)
    visitor.enter(token)
    held: list[Route] = []
    visitor.page.route("**/new.js", lambda route: held.append(route))
    visitor.page.goto(f"{address}/ui/new?task=image-classification&data=tulips.zip", wait_until="commit")
    visitor.page.get_by_label("budget", exact=True).fill("ten parsecs")
    for _ in range(600):
        if not held:
            visitor.page.wait_for_timeout(50)
    held[0].continue_()
    expect(visitor.page.locator('[id="problem-search.budget"]')).to_contain_text("A budget is a duration")
    visitor.leave()
