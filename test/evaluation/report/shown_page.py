"""Reads what a report shows in the browser."""


def row_of(page):
    """What the chart shows, by name, once it shows the chosen row."""
    wait(page, "$('section-title').textContent.endsWith(` ${chosen.row}`)")
    data = page.evaluate("$('section').data.map(t => [t.name, [...t.y]])")
    return page.evaluate("chosen.row"), dict(data)


def wait(page, expression):
    """Until it holds. (Playwright's own way is forbidden by the page's policy.)"""
    for _ in range(1000):
        if page.evaluate(f"Boolean({expression})"):
            return
        page.wait_for_timeout(20)
    raise AssertionError(f"never came true: {expression}")


def metres(row_mm):
    return [mm / 1000 if mm else None for mm in row_mm.tolist()]


def shown_pictures(page):
    return page.locator(".frame-views.shown .view.shown figcaption").all_inner_texts()
