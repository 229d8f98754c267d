"""The report in a browser: no error, filters that filter, relations that light up their boxes, readable on phones."""

import shutil

import pytest

from maskrcnn_benchmark.visualization.report import write_report
from tests.tools.test_report import evaluated, finished_run, with_images

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
playwright = pytest.importorskip("playwright.sync_api", reason="the dev extra has playwright")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on PATH; apt-get install chromium")


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        one = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield one
        one.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Two runs compared, the first with images."""
    folder = tmp_path_factory.mktemp("report")
    evaluator, saved = evaluated()
    first, _ = finished_run(folder / "first", evaluator)
    second, _ = finished_run(folder / "second", evaluated(seed=1)[0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATA_DIR", str(folder))
        with_images(first, folder, saved)
        return write_report([first, second], folder / "report.html")


@pytest.fixture
def opened(browser, report):
    """opened(width=…, color_scheme=…) -> the page; an error in it, or a request for the network, fails the test."""
    contexts, wrong = [], []

    def open_page(width=1100, **options):
        contexts.append(browser.new_context(viewport={"width": width, "height": 900}, **options))
        page = contexts[-1].new_page()
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: wrong.append(request.url) if request.url.startswith("http") else None)
        page.goto(report.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not wrong


def test_the_table_of_predicates_is_filtered_and_sorted(opened):
    page = opened()
    table = page.locator("table[id^=predicates]").first
    rows = table.locator("tbody tr:visible")
    every = rows.count()
    page.locator("input[data-filters^=predicates]").first.fill("NEAR &")
    assert 0 < rows.count() < every and rows.locator("td").first.inner_text() == "<near & far>"
    page.locator("input[data-filters^=predicates]").first.fill("")
    table.locator("th button", has_text="Relations").click()
    counts = [int(text) for text in rows.locator("td:nth-child(3)").all_inner_texts()]
    assert len(counts) == every and counts == sorted(counts)
    table.locator("th button", has_text="Relations").click()
    assert [int(text) for text in rows.locator("td:nth-child(3)").all_inner_texts()] == counts[::-1]


def test_images_are_filtered_by_kind_file_and_predicate(opened):
    page = opened()
    cards, filters = page.locator(".example:visible"), page.locator(".filters[data-images]")
    every = cards.count()
    filters.locator("select").nth(0).select_option("worst")
    assert 0 < cards.count() < every and set(cards.locator(".chip").all_inner_texts()) == {"worst"}
    filters.locator("select").nth(0).select_option("")
    name = cards.nth(1).get_attribute("data-name")
    filters.locator("input").fill(name)
    assert name in cards.locator("h4").first.inner_text() and cards.count() < every
    filters.locator("input").fill("")
    filters.locator("select").nth(1).select_option("under")
    rows = cards.locator(".lists button:visible")
    assert rows.count() and all(" under " in f" {text} " for text in rows.locator("b").all_inner_texts())
    filters.locator("select").nth(1).select_option("")
    assert cards.count() == every


def lit_boxes(card):
    return sorted(int(box.get_attribute("data-node")) for box in card.locator(".picture rect.lit").all())


def test_a_relation_lights_up_its_boxes_and_says_which_term_speaks_for_it(opened):
    page = opened()
    card = page.locator(".example").first
    assert not lit_boxes(card)
    row = card.locator(".lists button").first
    edge = card.locator(f".edge[data-edge='{row.get_attribute('data-edge')}']").first
    ends = sorted({int(edge.get_attribute(f"data-{end}")) for end in ("subject", "object")})
    row.hover()
    assert lit_boxes(card) == ends and "lit" in edge.get_attribute("class")
    assert sorted(int(n.get_attribute("data-node")) for n in card.locator(".node.lit").all()) == ends
    told = card.locator(".told > div:visible")
    assert told.count() == 1 and "visual speaks most for" in told.inner_text() and "base +0." in told.inner_text()
    page.mouse.move(0, 0)
    assert not lit_boxes(card) and "shows here" in card.locator(".told > div:visible").inner_text()
    row.click()
    page.mouse.move(0, 0)
    assert lit_boxes(card) == ends  # a click keeps it
    row.click()
    page.mouse.move(0, 0)
    assert lit_boxes(card) == []
    card.locator(".edge path.reach").last.dispatch_event("pointerenter")
    last = card.locator(".edge:has(path.reach)").last
    last.dispatch_event("pointerenter")
    assert lit_boxes(card) == sorted({int(last.get_attribute(f"data-{end}")) for end in ("subject", "object")})


def test_each_figure_says_what_it_means(opened):
    page = opened()
    assert "Mean recall" in page.locator(".tile abbr", has_text="mR@50").first.get_attribute("title")
    assert "training frequency" in page.locator("td abbr", has_text="mR-tail").first.get_attribute("title")


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
def test_words_stand_out_from_the_ground_in_either_theme(opened, color_scheme):
    page = opened(color_scheme=color_scheme)
    luminance = """element => {
        const [r, g, b] = getComputedStyle(element).getPropertyValue(PROPERTY).match(/[\\d.]+/g)
            .map(v => v / 255).map(v => v <= 0.04 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    }"""
    card = page.locator(".card").first
    ink, paper = (card.evaluate(luminance.replace("PROPERTY", f"'{name}'")) for name in ("color", "background-color"))
    assert (paper > 0.5) == (color_scheme == "light")
    assert (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05) > 7
    labels = page.locator(".chart svg text").first
    assert labels.evaluate("e => getComputedStyle(e).fill") == card.evaluate("e => getComputedStyle(e).color")


def test_a_phone_needs_no_sideways_scrolling(opened):
    page = opened(width=390)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    for part in page.locator(".fails, .example, .tile").all():
        assert part.evaluate("e => e.scrollWidth <= e.clientWidth"), part.get_attribute("class")
