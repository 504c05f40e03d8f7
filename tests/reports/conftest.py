import shutil

import pytest

WIDTHS = {"desktop": 1280, "telephone": 390}
LONGEST_WAIT = 120_000  # milliseconds; a busy machine needs half a minute for a page of many classes


@pytest.fixture(scope="session")
def browser():
    """A real Chromium without a window."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium is installed: the pages are tested in one")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-background-networking"]
        )
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def look_at(browser):
    """Open a page from disk and wait until every chart is drawn; complaints and requests are kept."""
    pages = []

    def look(path, width="desktop"):
        page = browser.new_page(viewport={"width": WIDTHS[width], "height": 900})
        pages.append(page)
        page.complaints, page.requests = [], []
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("request", lambda request: page.requests.append(request.url))
        page.goto(path.resolve().as_uri(), timeout=LONGEST_WAIT)
        charts = page.locator(".chart").count()
        page.wait_for_function(
            f"document.querySelectorAll('.chart[data-drawn=yes]').length == {charts}", timeout=LONGEST_WAIT
        )
        return page

    yield look
    for page in pages:
        page.close()
