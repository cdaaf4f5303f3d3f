"""What the HTML report makes of each record: bars, answers, data, the gallery, slices, receipts and costs."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from hypothesis import example, given

from pawl import schema as s
from pawl.report.drawing import Picture
from pawl.report.page import render_page
from pawl.report.page_flips import MOST_CARDS, MOST_THUMBNAILS, flip_parts
from pawl.report.page_receipts import receipt_parts
from pawl.report.page_words import PAGE, pieces

from . import examples
from . import page_examples as e
from .examples import Run
from .test_escape import schema_texts
from .test_page import Page, check_asks_nothing, check_usable


def render(run: Run, *pictures: Picture) -> str:
    return render_page(run.plan, run.stages, run.comparison, run.tracking, pictures)


def words(page: str, section: str) -> str:
    """The text of a section as a reader sees it, with a bar between the cells of a row."""
    found = re.search(rf'<section class="card" aria-labelledby="{section}">.*?</section>', page, re.DOTALL)
    assert found, f"no section {section}"
    text = re.sub(r"<svg.*?</svg>|<option.*?</option>", "", found[0], flags=re.DOTALL)
    text = re.sub(r"</t[hd]>\s*<t[hd]", " | <", text)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text)).split())


@given(schema_texts)
@example("a `b` c")
def test_only_the_page_s_own_words_are_code(text: str) -> None:
    assert [code for code, _ in pieces(PAGE.words(f"x{text}", 200))] == [False]
    assert [code for code, _ in pieces(f"at {PAGE.name(text, 200)} now")] == [False, True, False]


def test_the_first_card_answers_by_how_much_how_sure_and_what_to_do() -> None:
    page = render(e.rich())
    answers = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page, re.DOTALL)
    assert [question for question, _ in answers] == ["By how much", "How sure", "What to do"]
    by_how_much, how_sure, what_to_do = (re.sub(r"<[^>]*>", "", answer) for _, answer in answers)
    assert by_how_much.startswith("digits accuracy 0.9722 → 0.9472, down by 0.0250")
    assert "360 test examples in 43 groups" in how_sure
    assert what_to_do.startswith("Do not merge. Look first at slice ink = thin")
    assert "<code>pawl noise --seeds 5</code>" in answers[1][1]
    assert "`" not in "".join(answer for _, answer in answers)


def test_where_no_metric_decided_the_first_answer_is_what_happened() -> None:
    page = render(examples.failed())
    assert "<dt>What happened</dt><dd>Head&#39;s stage <code>train@digits</code> ended with exit code 1</dd>" in page
    assert "<dt>What happened</dt>" in render(examples.unchanged())


def test_every_measured_metric_has_its_interval_in_words_and_as_a_bar() -> None:
    page = render(e.rich())
    metrics = words(page, "metrics")
    assert "digits loss lower is better | 0.1128 | 0.1519 | ↑ +0.0391 | +0.008 to +0.070 |" in metrics
    assert "digits macro_f1 | paired bootstrap over groups | 360 | 43 | p = 0.004 | 0.021 |" in metrics
    assert "p = 0.012 corrected" in metrics
    # Four metrics with an interval, the large one at the top once more, and three slices.
    assert page.count('class="bar ') == 4 + 1 + 3
    ranges = re.findall(r'class="range" x="([0-9.]+)" y="[0-9.]+" width="([0-9.]+)"', page)
    # The one at the top, then those of the table: the worse one ends left of zero, the better one at the right.
    ends = [round(float(x) + float(width), 1) for x, width in ranges]
    assert ends[0] == ends[1] < 112.8
    assert ends[2] == ends[3] == 112.8
    points = [float(x) for x in re.findall(r'class="point" cx="([0-9.]+)"', page)]
    assert all(float(x) < point < end for (x, _), point, end in zip(ranges, points, ends, strict=True))
    assert "The luck of the seed is not in the intervals." in metrics
    assert "evaluate@digits" in metrics
    assert "metrics.json says 0.9712 where the predictions give 0.9722." in metrics


def test_where_seeds_were_tried_the_page_says_so() -> None:
    noisy = e.measured("digits accuracy", 0.97, 0.94, 0.02, "worse", primary=True, seed_sd=0.0042)
    run = e.rich(noise=s.SeedNoise(commit=e.COMMIT, seeds=5), metrics=(noisy,))
    assert "The spread between seeds is from 5 trainings of 0123456." in words(render(run), "metrics")
    assert "| 0.021 | 0.0042" in words(render(run), "metrics")


def test_data_differences_are_counted_named_and_tested() -> None:
    changes = words(render(e.rich()), "changes")
    assert "1,797 → 1,857 examples, by the manifest data/digits/manifest.parquet" in changes
    assert "62 added: scan-0001.png , scan-0002.png and 60 more" in changes
    assert "2 removed: blot-17.png , blot-18.png 1 changed" in changes
    assert "train | 1,437 | 1,497 | chi-square p < 0.0001, Cramér's V 0.061" in changes
    assert "8 | train | | 151 · 10.2 % | 211 · 13.7 % | +3.5" in changes
    assert "mean intensity | 78.10 | 81.40 | 0.12 | p = 0.003" in changes
    assert "Look 3 of head have their content in two splits: scan-0001.png" in changes
    listed = e.data(source="listing", splits=(), shifts=(), findings=())
    assert "1,797 → 1,857 files, by DVC's listing" in words(render(e.rich(data=(listed,))), "changes")


def test_a_parameter_as_a_cause_says_from_what_to_what() -> None:
    assert "params params.yaml:digits.train.learning_rate 0.001 → 0.01 , code" in words(render(e.rich()), "changes")


def test_the_hashes_of_data_as_a_cause_are_not_read_out() -> None:
    cause = s.Cause(kind="data", what="data/digits", base="a" * 32, head="b" * 32)
    run = e.rich()
    stages = tuple(stage.model_copy(update={"causes": (cause,)}) for stage in run.plan.stages)
    page = render(Run(run.plan.model_copy(update={"stages": stages}), run.stages, run.comparison, run.tracking))
    assert "train@digits : data data/digits evaluate@digits" in words(page, "changes")


def gallery(*flips: s.Flip, **more: Any) -> dict[str, Any]:
    shown = s.Flips(broken=len(flips), fixed=0, per_label=(), shown=flips)
    evidence = (e.evidence(flips=shown), *more.get("others", ()))
    return dict(flip_parts(examples.comparison(evidence=evidence))["gallery"])


def test_filters_choose_by_what_the_cards_say() -> None:
    chosen = gallery(*e.flips().shown)
    for card in chosen["cards"]:
        assert chosen["choices"]["target"][card["target_place"]] == card["target"]
        assert chosen["choices"]["mistaken"][card["mistaken_place"]] == card["mistaken"]
        assert card["mistaken"] == (card["head"] if card["kind"] == "broken" else card["base"])
    assert [card["id"] for card in chosen["cards"]][:2] == ["digit-0017", "digit-0203"]
    assert [card["kind"] for card in chosen["cards"]] == ["broken"] * 5 + ["fixed"] * 2
    assert chosen["choices"]["mistaken"] == ["1", "3", "7", "9"]


def test_classes_that_are_numbers_are_offered_in_their_order() -> None:
    cards = [e.flip(i, "broken", target, "2", 0.9) for i, target in enumerate(("10", "9", "cat", "2", "Ant", "-1"))]
    assert gallery(*cards)["choices"]["target"] == ["2", "9", "10", "-1", "Ant", "cat"]


@pytest.mark.parametrize(
    "bad", ["AAAA", "R0lGODlhAQABAAAAACw=", e.thumbnail(513, 4), e.thumbnail(4, 513), e.thumbnail()[1:]]
)
def test_only_a_small_png_is_shown(bad: str) -> None:
    chosen = gallery(e.flip(1, "broken", "8", "1", 0.9, thumbnail=bad), e.flip(2, "broken", "8", "1", 0.8))
    assert [card["thumbnail"] is not None for card in chosen["cards"]] == [False, True]
    assert chosen["pictures_refused"] == 1


def test_pictures_and_cards_are_bounded_and_shared_between_tasks() -> None:
    flips = tuple(e.flip(i, "broken", "8", "1", 1 - i / 100) for i in range(60))
    tasks = [
        e.evidence(name=f"task{i}", flips=s.Flips(broken=60, fixed=0, per_label=(), shown=flips)) for i in range(6)
    ]
    chosen = gallery(others=tasks)
    with_picture = [card["task"] for card in chosen["cards"] if card["thumbnail"]]
    assert len(with_picture) == MOST_THUMBNAILS
    assert {with_picture.count(f"task{i}") for i in range(6)} == {MOST_THUMBNAILS // 6}
    assert chosen["pictures_left_out"] == MOST_CARDS - MOST_THUMBNAILS
    assert len(chosen["cards"]) == MOST_CARDS
    page = render(e.rich(evidence=tuple(tasks)))
    assert "These are the most confident ones; 60 more flipped." in words(page, "flips")
    assert "more flipped" not in words(render(e.rich()), "flips")
    assert "240 more examples have pictures, left out" in words(page, "flips")


def test_the_largest_gallery_stays_small() -> None:
    picture = e.thumbnail() + "A" * (23_996 - len(e.thumbnail()))
    flips = tuple(e.flip(i, "broken", "8", "1", 0.5, thumbnail=picture.replace("=", "A")) for i in range(60))
    tasks = [e.evidence(flips=s.Flips(broken=60, fixed=0, per_label=(), shown=flips))] * s.MAX_TASKS
    assert len(render(e.rich(evidence=tuple(tasks)))) < 60 * 24_000 + 600_000


def test_flips_are_counted_by_class_and_slices_are_worst_first() -> None:
    page = render(e.rich())
    flips = words(page, "flips")
    assert "digits: ✗ 5 broken ✓ 2 fixed of 360 on both sides." in flips
    assert "11 only base has right, 2 only head has right, p = 0.022" in flips
    assert "8 | 36 | 3 | 0 | −3 3 | 37 | 1 | 0 | −1" in flips  # noqa: RUF001 the page's own minus
    slices = words(page, "slices")
    assert slices.index("ink = thin") < slices.index("ink = thick") < slices.index("ink = medium")
    assert "| −0.083 | −0.123 to −0.043 | p = 0.004 | ✗ worse" in slices  # noqa: RUF001


def test_slices_of_several_tasks_are_one_list_with_the_worst_first() -> None:
    other = e.evidence(name="pets", slices=(e.part("night", -0.2, 0.1, "worse", 50, column="time"),))
    slices = words(render(e.rich(evidence=(e.evidence(), other))), "slices")
    assert slices.index("time = night accuracy | pets") < slices.index("ink = thick accuracy | digits")


def test_reliability_is_a_table_of_both_sides() -> None:
    table = words(render(e.rich()), "reliability")
    assert "1 | 0.350 | 35.0 % | 20 | 0.350 | 24.0 % | 20" in table
    uneven = s.Reliability(base=e.reliability().base, head=())
    assert "1 | 0.350 | 35.0 % | 20 | – | – | –" in words(  # noqa: RUF001
        render(e.rich(evidence=(e.evidence(reliability=uneven),))), "reliability"
    )


def test_receipts_name_the_run_behind_each_result() -> None:
    receipts = words(render(e.rich()), "receipts")
    where = "0123456789ab | bbbbbbbbbbbb | dddddddddddd | params.yaml:digits.seed = 1729 | "
    where += "NVIDIA L4 environment eeeeeeeeeeee"
    assert f"train@digits | head | trained 2026-11-02T10:11:12Z | {where} | 1f1f1f1f1f1f" in receipts
    assert f"train@digits | base | restored 2026-11-02T10:11:12Z | {where} | 2e2e2e2e2e2e" in receipts
    assert "evaluate@digits | base | restored, no run on record |" in receipts
    failed = words(render(examples.failed()), "receipts")
    assert "train@digits | head | missing: failed |" in failed
    assert "evaluate@digits | head | missing: skipped |" in failed


def test_only_addresses_that_are_safe_are_links() -> None:
    run = e.rich()
    assert run.tracking is not None
    bad = run.tracking.runs[0].model_copy(update={"url": "javascript:alert(1)"})
    page = Page(render(Run(run.plan, run.stages, run.comparison, run.tracking.model_copy(update={"runs": (bad,)}))))
    assert [link["href"] for link in page.all("a") if not str(link["href"]).startswith("#")] == []


def test_costs_say_what_was_measured_and_nothing_else() -> None:
    cost = words(render(e.rich()), "cost")
    assert "47.9 s in all, 41.3 s of GPU time, 0.670 Wh by the GPUs' own counters" in cost
    # 612.6 s that the restored training took, less the 0.31 s that restoring it took, at 0.90 an hour.
    assert "restoring saved 10 min 12 s, 0.01 USD spent and 0.15 USD saved, at 0.90 USD an hour" in cost
    assert "train@digits | head | trained | 41.3 s | 1.2 GB | 41.3 s | 71.0 % | 3.1 GB | 0.670 Wh | –" in cost  # noqa: RUF001
    plain = words(render(examples.failed()), "cost")
    assert "GPU" not in plain
    assert "energy" not in plain.lower()
    assert "saved" not in plain.lower()


def test_costs_beyond_all_measure_are_still_shown() -> None:
    spent = s.Usage(seconds=1e308, gpu_seconds=-1e308, gpu_utilisation=1e308, energy_joules=-1e308)
    origin = s.Origin(commit=e.COMMIT, started_at="", device="", environment_digest="e" * 64, usage=spent)
    back = origin.model_copy(update={"usage": spent.model_copy(update={"seconds": -1e308})})
    stages = e.rich_stages()
    results = tuple(
        stages.stages[5].model_copy(update={"usage": spent, "origin": made, "seconds": seconds})
        for made in (origin, back)
        for seconds in (1e308, -1e308)
    )
    rate = s.Rate(per_hour=1e308, currency="USD")
    parts = receipt_parts(stages.model_copy(update={"stages": results, "rate": rate, "seconds": 1e308}), None)
    assert "infinite USD spent" in parts["cost_total"]
    assert "restoring saved" in parts["cost_total"]


def picture(stem: str) -> Picture:
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg"><defs><clipPath id="clip0"><rect/></clipPath></defs>'
        '<g clip-path="url(#clip0)"></g><use xlink:href="#clip0"></use></svg>'
    )
    return Picture(stem, f"Title of {stem}", svg, b"")


def test_pictures_go_where_they_belong_and_share_no_ids() -> None:
    stems = ["forest", "classes-digits", "curves-digits", "confusion-digits", "reliability-digits", "new-kind"]
    page = render(e.rich(), *(picture(stem) for stem in stems))
    places = ["metrics", "changes", "curves", "confusion", "reliability", "pictures"]
    for stem, place in zip(stems, places, strict=True):
        assert f"Title of {stem}" in words(page, place)
        assert f'id="{stem}-clip0"' in page
        assert f'url(#{stem}-clip0)"' in page
        assert f'xlink:href="#{stem}-clip0"' in page


def test_the_gallery_stands_for_the_sheet_of_flips() -> None:
    assert "Title of flips-digits" not in render(e.rich(), picture("flips-digits"))


def test_the_list_of_sections_names_those_that_are_there() -> None:
    for run in (e.rich(), examples.failed(), examples.unchanged()):
        page = render(run)
        listed = re.findall(r'<li><a href="#([a-z]+)">', page)
        assert listed == re.findall(r'<section class="card" aria-labelledby="([a-z]+)">', page)
        check_usable(check_asks_nothing(page))


def test_equal_records_make_equal_pages() -> None:
    assert render(e.rich()) == render(e.rich())
