"""Runs in which everything that a pull request can choose is chosen badly, or as large as the schema allows."""

from __future__ import annotations

from pawl import schema as s

from .examples import Run, comparison
from .parts import BASE, HEAD, MACHINE, metric, result

MOST = 10**15
"""Of what can be counted."""
SIDES: tuple[s.Side, s.Side] = ("base", "head")
HOSTILE = (
    "@acme/team #1 GH-1 acme/app#2 4f1c2a9d0b7e6358c1a4f0e9d8b7a6c5e4f3d2a1 :tada: $x$ **b** _i_ ~~s~~ `c` ``d`` | "
    "a \\| b <script>alert(1)</script> <!-- x --> </details> ![i](https://evil.example/i.png) "
    "[l](https://evil.example) https://evil.example www.evil.example me@evil.example \u202eexe.gpj\u2066 "
    "\x1b[31mred\x00\x07 a\r\nb\n\n# heading\n- item\n| x |\n|---|\n```\nout\n~~~\n&lt; &#64;t GHSA-abcd-efgh-ijkm "
)


def hostile_text(limit: int = 2_000) -> str:
    return (HOSTILE * (limit // len(HOSTILE) + 1))[:limit]


def hostile(text: str = HOSTILE) -> Run:
    """Every text that the schema lets a pull request choose, chosen badly."""
    base, head = (s.Revision(commit=r.commit, name=text, subject=text) for r in (BASE, HEAD))
    labels = (text, text[:1_999] + "x", "")
    cause = s.Cause(kind="params", what=text, base=text, head=text)
    stage = s.StagePlan(
        name=text, action="run", base_action="run", causes=(cause,), recipe_key=None, stage_key=None, note=text
    )
    planned = s.Plan(base=base, head=head, overrides=(text,), stages=(stage,), removed_stages=(text,), notes=(text,))
    machine = MACHINE.model_copy(update={"device": text, "python": text, "platform": text, "cpu_count": 10**30})
    ran = s.Stages(
        base=base,
        head=head,
        machine=machine,
        seconds=1e308,
        stages=tuple(
            result(
                text,
                side,
                "failed",
                1e300,
                exit_code=10**40,
                log=text,
                log_tail=text,
                peak_memory_bytes=10**30,
                usage=s.Usage(seconds=1e308, gpu_seconds=1e308, gpu_utilisation=1e308, energy_joules=1e308),
                seeds={text: text},
                origin=s.Origin(
                    commit=BASE.commit,
                    started_at=text,
                    device=text,
                    environment_digest="0" * 64,
                    usage=s.Usage(seconds=1e308),
                ),
            )
            for side in SIDES
        ),
        rate=s.Rate(per_hour=1e308, currency=text),
    )
    curve = s.Curve(
        name=text[:1_990] + "loss",
        group=text,
        path=text,
        base=s.Series(steps=(0.0, 1.0), values=(1e308, -1e308)),
        head=s.Series(steps=(0.0,), values=(1e-308,)),
    )
    grid = ((10**400, 1, 0), (0, 0, 0), (2, 3, 4))
    confusion = s.Confusion(name=text, path=text, labels=labels, base=grid, head=grid[::-1])
    ragged = s.Confusion(name=text, path=text, labels=labels, base=((1,),), head=())
    wide = s.Confusion(
        name=text,
        path=text,
        labels=tuple(f"{text[:1_900]}{i}" for i in range(20)),
        base=None,
        head=tuple(tuple(i * j for j in range(20)) for i in range(20)),
    )
    compared = comparison(
        base=base,
        head=head,
        verdict="worse",
        headline=text,
        gate_passed=False,
        gate_reason=text,
        overrides=(text,),
        notes=(text,),
        metrics=(
            metric(
                text,
                1.0,
                0.5,
                verdict="worse",
                primary=True,
                reason=text,
                interval=(-1e308, 1e308),
                method=text,
                p_value=0.5,
                p_corrected=1.0,
                detectable=1e308,
                seed_sd=1e308,
                examples=10**40,
                groups=10**40,
            ),
            metric(text[:1_999] + "b", 8e307, -8e307, verdict="worse"),
        ),
        evidence=(hostile_evidence(text),),
        data=(hostile_data(text),),
        noise=s.SeedNoise(commit=BASE.commit, seeds=10**40),
        rescored=(text,),
        params=(s.ParamChange(path=text, key=text, base=text, head=None),),
        curves=(curve,),
        confusions=(confusion, ragged, wide),
    )
    tracked = s.TrackedRun(stage=text, side="head", stage_key="a" * 64, run_id=text, url=text, status="created")
    return Run(planned, ran, compared, s.Tracking(status="logged", uri=text, experiment=text, runs=(tracked,)))


def hostile_evidence(text: str, most: int = 3) -> s.Evidence:
    """Every text of single examples chosen badly, the numbers too."""
    flip = s.Flip(
        id=text, kind="broken", target=text, base=text, head=text, base_confidence=1e308, head_confidence=None,
        group=text, thumbnail="iVBORw0KGgo" + "A" * 40,
    )  # fmt: skip
    part = s.SliceComparison(
        column=text, value=text, examples=MOST, metric=text, base=1e308, head=-1e308, difference=-1e308,
        lower=-1e308, upper=1e308, p_corrected=1e308, verdict="worse",
    )  # fmt: skip
    one = s.ReliabilityBin(confidence=-1e308, share_right=1e308, examples=MOST)
    return s.Evidence(
        name=text,
        path=text,
        kind="classification",
        paired=MOST,
        groups=-(10**40),
        why_not="other ids",
        problem=text,
        mcnemar=s.McNemarTest(only_base_right=MOST, only_head_right=0, p_value=-1.0),
        flips=s.Flips(
            broken=MOST,
            fixed=0,
            per_label=(s.FlipCount(label=text, examples=0, broken=MOST, fixed=1),) * min(most, s.MAX_LABELS_COUNTED),
            shown=(flip,) * min(most, s.MAX_FLIPS),
        ),
        slices=(part,) * min(most, s.MAX_SLICES),
        reliability=s.Reliability(base=(one,) * min(most, s.MAX_BINS), head=()),
        notes=(text,) * min(most, 20),
    )


def hostile_data(text: str, most: int = 3) -> s.DataDifference:
    """Every text of a data difference chosen badly, the numbers too."""
    names = (text,) * min(most, s.MAX_NAMES)
    classes = (
        s.ClassCount(label=text, base=MOST, head=0),
        s.ClassCount(label=text, base=0, head=0),
    )
    split = s.SplitDifference(
        split=text, base=MOST, head=0, classes=(classes * most)[: min(most, s.MAX_CLASSES)], test="chi-square",
        p_value=0.0, cramers_v=-1e308,
    )  # fmt: skip
    shift = s.Shift(what=text, base_mean=1e308, head_mean=-1e308, distance=-1.0, p_value=2.0)
    finding = s.Finding(kind="in two splits", side="head", count=MOST, names=names)
    return s.DataDifference(
        name=text, path=text, source="listing", base_files=MOST, head_files=0, added=MOST, removed=1, changed=2,
        added_names=names, removed_names=names, changed_names=names, splits=(split,) * min(most, s.MAX_SPLITS),
        shifts=(shift,) * min(most, 20), findings=(finding,) * min(most, 20),
    )  # fmt: skip


def huge(text: str = "", most: int = s.MAX_CHANGES) -> Run:
    """Every list as long as the schema allows, or `most` long, with texts at their bounds."""
    text = text or hostile_text()
    one = hostile(text)
    assert one.stages is not None

    def names(bound: int) -> list[str]:
        return [f"{i}{text[:1_990]}" for i in range(min(most, bound))]

    cause = one.plan.stages[0].causes[0]
    stage = one.plan.stages[0].model_copy(update={"causes": (cause,) * min(most, 30)})
    log = (text * 10)[:20_000]
    failed = [
        result(name, side, "failed", 3.0, log_tail=log, log=text) for name in names(s.MAX_STAGES) for side in SIDES
    ]
    steps = tuple(float(i) for i in range(min(most, s.MAX_CURVE_POINTS)))
    series = s.Series(steps=steps, values=steps)
    labels = tuple(names(s.MAX_LABELS))
    counts = tuple(tuple(range(len(labels))) for _ in labels)
    confusion = s.Confusion(name=text, path=text, labels=labels, base=counts, head=counts[::-1])
    compared = {
        "overrides": tuple(names(200)),
        "notes": tuple(names(100)),
        "metrics": tuple(
            metric(name, 0.5, 0.4, verdict="worse", primary=i % 2 == 0, reason=text, interval=(-0.2, -0.1), method=text)
            for i, name in enumerate(names(s.MAX_METRICS))
        ),
        "evidence": tuple(
            hostile_evidence(text, most).model_copy(update={"name": name}) for name in names(s.MAX_TASKS)
        ),
        "data": tuple(hostile_data(text, most).model_copy(update={"name": name}) for name in names(s.MAX_TASKS)),
        "rescored": tuple(names(s.MAX_TASKS)),
        "params": tuple(s.ParamChange(path=text, key=name, base=text, head=text) for name in names(s.MAX_CHANGES)),
        "curves": tuple(
            s.Curve(name=name, group=text, path=text, base=series, head=series) for name in names(s.MAX_CURVES)
        ),
        "confusions": (confusion,) * min(most, 50),
    }
    planned = {
        "overrides": tuple(names(200)),
        "stages": tuple(stage.model_copy(update={"name": name}) for name in names(s.MAX_STAGES)),
        "removed_stages": tuple(names(s.MAX_STAGES)),
        "notes": tuple(names(100)),
    }
    return Run(
        one.plan.model_copy(update=planned),
        one.stages.model_copy(update={"stages": tuple(failed)}),
        one.comparison.model_copy(update=compared),
        one.tracking,
    )
