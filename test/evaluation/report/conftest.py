import shutil
from contextlib import contextmanager

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="the browser is steered by playwright, not installed"
    )
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is installed")
    flags = ["--no-sandbox", "--disable-gpu", "--enable-unsafe-swiftshader",
             "--disable-background-networking"]  # fmt: skip
    with playwright.sync_playwright() as running:
        yield running.chromium.launch(executable_path=path, args=flags)


@pytest.fixture(scope="module")
def show(browser):
    """Opens a page without a network; whatever it asks for or complains of is an error."""

    @contextmanager
    def opened(path, **settings):
        context = browser.new_context(offline=True, **settings)
        page = context.new_page()
        asked, wrong = [], []
        page.on("request", lambda request: asked.append(request.url.split(":")[0]))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
        page.goto(path.as_uri())
        yield page
        context.close()
        assert wrong == [] and set(asked) <= {"file", "data", "blob"}

    return opened
