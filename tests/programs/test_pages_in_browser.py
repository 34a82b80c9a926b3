"""The pages in a real browser: they draw, sort and slide, say no error, and ask for nothing."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from benchmarks.pages.compare_runs import write_run
from outtake.config.compose import CONF_DIR
from outtake.config.compose import compose as compose_config
from outtake.programs.compare import compare_runs
from outtake.programs.evaluate import evaluate
from outtake.sweeps.result import write_report
from outtake.sweeps.search_space import parse_space
from tests.sweeps.one_line_trials import drive, make_sweep

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

EVIL = '<img src=x onerror="alert(1)"><b>'
EVIL_SCRIPT = "<script>alert(1)<!script>"


@dataclass
class Opened:
    """A page with what it did.

    Attributes:
        page: of Playwright.
        errors: console errors, exceptions and dialogs.
        requests: every address that it asked for.
    """

    page: playwright.Page
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def column(self, label: str, table: str = "#runs") -> list[str]:
        headings = self.page.locator(f"{table} thead th").all_inner_texts()
        place = [text.strip() for text in headings].index(label) + 1
        cells = self.page.locator(f"{table} tbody td:nth-child({place})")
        return [text.strip() for text in cells.all_inner_texts()]

    def sort(self, label: str, table: str = "#runs") -> None:
        self.page.locator(f"{table} thead th button", has_text=label).first.click()


def opened(browser: playwright.Browser, place: Path | str) -> Opened:
    seen = Opened(browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme="light"))
    seen.page.set_default_timeout(20_000)
    seen.page.on("request", lambda request: seen.requests.append(request.url))
    seen.page.on("pageerror", lambda error: seen.errors.append(str(error)))
    seen.page.on(
        "console", lambda m: seen.errors.append(m.text) if m.type in ("error", "warning") else None
    )
    seen.page.on("dialog", lambda dialog: (seen.errors.append("dialog"), dialog.dismiss()))
    seen.page.goto(place if isinstance(place, str) else place.as_uri())
    seen.page.wait_for_selector("html[data-ready=yes]")
    return seen


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("browser") / "runs"
    small = {"records": 60, "validations": 12, "picture_px": 80}
    for seed in (0, 1, 2):
        write_run(root / f"base_s{seed}", seed=seed, forward_ms=30.0 + seed, **small)
    write_run(root / "fast", backbone="mobilenet_v2", quality=0.5, forward_ms=9.0, **small)
    write_run(root / "untimed", lr=0.01, forward_ms=None, **small)
    write_run(root / EVIL_SCRIPT, lr=0.02, forward_ms=200.0, **small)
    evil = write_run(root / EVIL.replace("/", ""), backbone=EVIL, forward_ms=110.0, **small)
    with (evil / "metrics.jsonl").open("a") as file:
        file.write('{"step": 1, "<img src=x onerror=alert(2)>": 1}\n')
    (root / "torn").mkdir()
    (root / "torn" / "config.yaml").write_text(EVIL_SCRIPT + ": [")
    return compare_runs(sorted(root.iterdir()), root.parent / "compare.html")


@pytest.fixture
def compared(browser: playwright.Browser, comparison: Path) -> Iterator[Opened]:
    seen = opened(browser, comparison)
    yield seen
    assert seen.errors == []
    assert seen.requests[0].startswith("file:")
    assert all(url.startswith(("data:", "blob:")) for url in seen.requests[1:]), seen.requests
    seen.page.close()


def test_charts_are_drawn_with_titled_axes(compared: Opened) -> None:
    page = compared.page
    assert page.locator(".plot .main-svg").count() >= 3
    titles = page.locator(".plot .xtitle, .plot .ytitle").all_text_contents()
    for title in ("training step", "val/miou", "class", "IoU at the best validation"):
        assert title in titles
    assert any(title.startswith("forward time of one image, ms") for title in titles)
    assert page.locator(".plot .scatterlayer .trace").count() >= 8


def test_the_buttons_of_a_chart_hide_nothing_of_it(compared: Opened) -> None:
    layouts = compared.page.evaluate(
        "[...document.querySelectorAll('.js-plotly-plot')]"
        ".map((plot) => [plot._fullLayout.modebar.bgcolor, plot._fullLayout.margin.t])"
    )
    assert layouts and all(ground == "rgba(0,0,0,0)" for ground, _ in layouts)
    assert all(top >= 26 for _, top in layouts), "as high as the buttons"


def test_the_table_sorts_both_ways_with_missing_values_last(compared: Opened) -> None:
    scores = [float(text) for text in compared.column("mIoU")]
    assert scores == sorted(scores, reverse=True), "the best run comes first"
    for order in ("descending", "ascending"):
        compared.sort("forward ms")
        texts = compared.column("forward ms")
        assert texts[-1] == "\N{EN DASH}" and "\N{EN DASH}" not in texts[:-1]
        times = [float(text) for text in texts[:-1]]
        assert times == sorted(times, reverse=order == "descending") and len(set(times)) > 4
        active = compared.page.locator("#runs th[aria-sort]:not([aria-sort=none])")
        assert active.count() == 1 and active.get_attribute("aria-sort") == order
    compared.sort("optimizer.lr")
    rates = [float(text) for text in compared.column("optimizer.lr")]
    assert rates == sorted(rates), "settings sort as numbers where they are"


def test_seeds_are_grouped_on_request(compared: Opened) -> None:
    assert len(compared.column("mIoU")) == 7
    compared.page.get_by_label("group seeds").check()
    texts = compared.column("mIoU")
    assert len(texts) == 5
    assert sum("\N{PLUS-MINUS SIGN}" in text for text in texts) == 1
    assert "0, 1, 2" in compared.column("seed")
    compared.page.wait_for_selector(".plot .errorbar")
    compared.page.get_by_label("group seeds").uncheck()
    assert len(compared.column("mIoU")) == 7


def test_rows_are_filtered_and_unticked(compared: Opened) -> None:
    curves = compared.page.locator(".plot").first.locator(".scatterlayer .trace")
    assert curves.count() == 7
    compared.page.locator("#runs tbody input").first.uncheck()
    assert curves.count() == 6
    compared.page.get_by_label("filter").fill("encoder_name=mobilenet")
    assert len(compared.column("mIoU")) == 1
    assert curves.count() == 1


def test_the_slider_moves_one_prediction_over_the_other(compared: Opened) -> None:
    page = compared.page
    over, edge = page.locator(".wipe .over"), page.locator(".wipe .edge")
    assert page.locator(".gallery img").count() == 4
    loaded = page.evaluate("[...document.images].every((i) => i.complete && i.naturalWidth > 0)")
    assert loaded

    def cut() -> float:
        style = over.evaluate("(element) => element.style.clipPath")
        return 100 - float(style.removeprefix("inset(").split()[1].rstrip("%"))

    assert cut() == 50
    page.locator("#wipe").fill("20")
    assert cut() == 20 and edge.evaluate("(e) => e.style.left") == "20%"
    page.locator("#wipe").press("ArrowRight")
    assert cut() == 20.5
    page.locator(".wipe").scroll_into_view_if_needed()
    box = page.locator(".wipe").bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.3 * box["width"], middle)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.8 * box["width"], middle, steps=4)
    page.mouse.up()
    assert cut() == pytest.approx(80, abs=1.5)
    before = over.get_attribute("src")
    page.get_by_label("left", exact=True).select_option(index=3)
    assert over.get_attribute("src") != before


def test_text_of_runs_is_shown_as_it_is_and_never_runs(compared: Opened) -> None:
    page = compared.page
    names = page.locator("#runs td.name .text").all_text_contents()
    assert EVIL_SCRIPT in names and EVIL in names
    assert EVIL in page.locator("#runs").inner_text(), "a setting is text too"
    page.get_by_label("metric").select_option("<img src=x onerror=alert(2)>")
    titles = page.locator(".plot .ytitle").all_text_contents()
    assert "<img src=x onerror=alert(2)>" in titles
    legend = page.locator(".legendtext").all_text_contents()
    assert any("<script>" in text for text in legend) and any("onerror" in text for text in legend)
    assert page.locator("img[src=x], [onerror], main script, main a, svg a").count() == 0
    assert "torn" in page.locator("#listed").inner_text()


def test_both_colour_schemes_are_legible(compared: Opened) -> None:
    page = compared.page

    def contrast() -> float:
        style = "getComputedStyle(document.body)"
        pair = page.evaluate(f"[{style}.color, {style}.backgroundColor]")
        light, dark = sorted((luminance(text) for text in pair), reverse=True)
        return (light + 0.05) / (dark + 0.05)

    def luminance(colour: str) -> float:
        channels = [int(v) / 255 for v in colour[4:-1].split(",")[:3]]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert contrast() > 7
    page.locator("#theme").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
    assert contrast() > 7
    ink = page.evaluate("getComputedStyle(document.body).color")
    filled = page.locator(".plot .xtitle").first.evaluate("(e) => getComputedStyle(e).fill")
    assert filled == ink, "charts follow the page"


def test_nothing_runs_that_is_not_the_pages_own(compared: Opened) -> None:
    def refused(message: playwright.ConsoleMessage) -> bool:
        return "Content Security Policy" in message.text

    with compared.page.expect_console_message(refused):
        ran = compared.page.evaluate(
            """() => {
                const script = document.createElement("script");
                script.textContent = "window.canary = 1";
                document.body.append(script);
                return window.canary === 1;
            }"""
        )
    assert not ran
    compared.errors.clear()


def test_the_report_of_an_evaluation(
    browser: playwright.Browser, small_run: Path, tmp_path: Path
) -> None:
    last = small_run / "checkpoints" / "last.ckpt"
    options = (f"checkpoint={small_run}", f"baseline={last}", "device=cpu", f"output={tmp_path}")
    seen = opened(browser, evaluate(compose_config("evaluate", options)).parent / "report.html")
    page = seen.page
    tiles = page.locator(".tile").all_inner_texts()
    assert any(text.startswith("mIoU") and " to " in text for text in tiles) and len(tiles) == 9
    headings = page.locator("h2").all_inner_texts()
    for title in (
        "Classes",
        "Calibration",
        "Speed of each stage",
        "Worst images",
        "Best images",
    ):
        assert title in headings
    assert any(title.startswith("Against the baseline") for title in headings)
    assert page.locator(".plot .main-svg").count() >= 6 and page.locator(".heatmaplayer").count()
    assert page.locator(".strip img").count() == 8 * 4
    assert page.evaluate("[...document.images].every((i) => i.complete && i.naturalWidth > 0)")
    seen.sort("recall", "#classes")
    shown = [float(t) for t in seen.column("recall", "#classes") if t != "\N{EN DASH}"]
    assert shown == sorted(shown, reverse=True) and len(shown) > 2
    assert seen.errors == []
    assert all(url.startswith(("file:", "data:", "blob:")) for url in seen.requests)
    page.close()


def test_the_page_of_a_sweep(browser: playwright.Browser, tmp_path: Path) -> None:
    space = parse_space({"x": {"low": 0.0, "high": 1.0}, EVIL: {"key": "e", "choices": [EVIL, 1]}})
    sweep = make_sweep(tmp_path, parameters=space, n_trials=5)
    write_report(tmp_path / "report.html", sweep, drive(sweep))
    seen = opened(browser, tmp_path / "report.html")
    page = seen.page
    headings = page.locator("h2").all_inner_texts()
    assert headings[0] == "Validations" and headings[-1] == "Trials"
    assert page.locator(".plot .main-svg").count() >= 3
    shown = [float(text) for text in seen.column("miou", "#trials")]
    assert shown == sorted(shown, reverse=True) and len(shown) == 5
    assert page.locator("#trials tr.best").count() == 1
    seen.sort("x", "#trials")
    points = [float(text) for text in seen.column("x", "#trials")]
    assert points == sorted(points, reverse=True)
    assert EVIL in page.locator("#trials").inner_text(), "names and choices are text"
    assert page.locator("img[src=x], [onerror], main script, main a, svg a").count() == 0
    assert seen.errors == []
    assert all(url.startswith(("file:", "data:", "blob:")) for url in seen.requests)
    page.close()


def wait_for_picture(page: playwright.Page) -> None:
    # wait_for_function compiles text whenever the answer is not yes at once, which the policy of
    # the page forbids.
    for _ in range(200):
        if page.evaluate("document.querySelector('.gallery img')?.naturalWidth > 100"):
            return
        time.sleep(0.05)
    raise AssertionError("the gallery shows no picture")


def test_the_live_page_follows_runs_and_hostile_names_stay_text(
    browser: playwright.Browser, tmp_path: Path
) -> None:
    small = {"records": 20, "validations": 4, "picture_px": 60, "finished": False}
    evil = write_run(tmp_path / EVIL.replace("/", ""), **small)
    command = [sys.executable, CONF_DIR.parent / "watch.py", str(tmp_path), "interval_s=0.2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout
            address = re.search(r"http\S+", server.stdout.readline())
            assert address
            seen = opened(browser, address[0])
            assert seen.column("run") == [evil.name]
            seen.page.wait_for_selector(".plot .scatterlayer .trace")
            wait_for_picture(seen.page)
            # The page asks for pictures as soon as it sees them, and a run writes each whole.
            write_run(tmp_path.with_name("later"), **small).rename(tmp_path / "later")
            with (evil / "metrics.jsonl").open("a") as file:
                file.write('{"step": 999, "epoch": 1, "val/miou": 0.77, "<b>x": 1}\n')
            seen.page.wait_for_selector("#runs tbody tr:nth-child(2)")
            seen.page.get_by_text("0.7700").first.wait_for()
            assert sorted(seen.column("run")) == sorted([evil.name, "later"])
            assert seen.page.url.endswith("/") and "token" not in seen.page.url
            seen.page.reload()
            seen.page.wait_for_selector("html[data-ready=yes]")
        finally:
            server.terminate()
    origin = address[0].partition("?")[0]
    assert seen.errors == []
    assert all(url.startswith((origin, "data:", "blob:")) for url in seen.requests), seen.requests
    seen.page.close()
