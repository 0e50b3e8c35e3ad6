"""The paper's claims one by one, each with what tests it here, and a verdict from the records."""

from dataclasses import dataclass

from stkit.studies.reproduce.records import Record
from stkit.studies.reproduce.tables import TABLES

Records = dict[str, Record]
SUPPORTED, CONTRADICTED = "supported", "contradicted"
FOR, AGAINST = "few heads, which point to it", "few heads, which point against it"
UNDECIDED, ONE, MISSING = "no difference seen", "one pair only", "not measured yet"
MIXED, UNTESTABLE = "mixed", "cannot be tested here"
ENOUGH_HEADS = 4  # a bootstrap over fewer is too narrow: of two heads it gives the two values


@dataclass(frozen=True)
class Comparison:
    """In a record, `metric` of `variant` is expected to be larger (sign 1) or smaller (-1) than of
    `than`.
    """

    record: str
    metric: str
    variant: str
    than: str
    sign: int

    def verdict(self, records: Records) -> tuple[str, str]:
        """What the paired interval says, and the interval in words."""
        record = records[self.record]
        title = TABLES[self.record].metrics[self.metric]
        what = f"{title}: {self.variant} minus {self.than}"
        pairs = record.pairs(self.metric, self.variant, self.than)
        count = sum(len(p) for p in pairs)
        if count == 0:
            return MISSING, f"{what}: {MISSING}"
        interval = record.difference(self.metric, self.variant, self.than)
        if interval is None:
            return ONE, f"{what}: {next(p for p in pairs if p)[0]:+.3g} ({ONE})"
        text = f"{what}: {interval} ({interval.heads} heads, {count} pairs)"
        if not interval.sign:
            return UNDECIDED, text
        if interval.heads < ENOUGH_HEADS:
            return (FOR if interval.sign == self.sign else AGAINST), text
        return (SUPPORTED if interval.sign == self.sign else CONTRADICTED), text


@dataclass(frozen=True)
class Claim:
    """What the paper says and where; the comparisons that test it, and why nothing here can where
    no record holds what they compare.
    """

    text: str
    where: str
    comparisons: tuple[Comparison, ...] = ()
    untestable: str = ""
    note: str = ""

    def verdict(self, records: Records) -> tuple[str, list[str]]:
        """In one word, and the evidence."""
        found = [c.verdict(records) for c in self.comparisons]
        known = [word for word, _ in found if word != MISSING]
        if not known and self.untestable:
            return UNTESTABLE, [self.untestable]
        evidence = [text for _, text in found]
        if not known:
            return MISSING, evidence
        return (known[0] if len(set(known)) == 1 else MIXED), evidence


def _better(record: str, variant: str, than: str, *metrics: str) -> tuple[Comparison, ...]:
    return tuple(Comparison(record, m, variant, than, 1) for m in metrics)


def _less(record: str, metric: str, *others: str) -> tuple[Comparison, ...]:
    """Ours has less of the metric than each of the others."""
    return tuple(Comparison(record, metric, "ours", other, -1) for other in others)


def _weaker(method: str) -> tuple[Comparison, ...]:
    return (Comparison("figure6", "inside", method, "ours", -1),)


OTHERS = ("IN2N (GS)", "GaussianEditor", "GaussianEditor, whole head", "GaussCtrl")


def _more_clip(record: str) -> tuple[Comparison, ...]:
    return tuple(
        Comparison(record, metric, "ours", other, 1)
        for metric in ("clip_s", "clip_ds")
        for other in OTHERS
    )


TRAINED, HELD_OUT = "head.psnr_train", "head.psnr_heldout"
NOVEL, SIDE = "head.psnr_novel", "head.psnr_side"
VOTES = "votes of volunteers: nobody was asked. `stkit study` is the tool for it"
CLIP = (
    "CLIP ViT-L/14 is not here; with its folder in place `metrics.learned.clip_scores` computes it"
)
LICENCE = "the face models are licensed and not here; `stkit run --face-model` takes their files"

CLAIMS = (
    Claim("ours is preferred to IN2N (GS), GaussianEditor and GaussCtrl", "Table 1", (), VOTES),
    Claim(
        "ours has the highest CLIP-S and CLIP-DS, monocular video",
        "Table 1",
        _more_clip("table1"),
        CLIP,
    ),
    Claim("ours is preferred on multi-view videos", "Table 2", (), VOTES),
    Claim(
        "ours has the highest CLIP-S and CLIP-DS, multi-view videos",
        "Table 2",
        _more_clip("table2"),
        CLIP,
    ),
    Claim(
        "(our question) on multi-view videos, too, the other methods distort the identity",
        "Table 2 has votes and CLIP only",
        _less("table2", "identity_video", *OTHERS),
        note="at each method's own strength of change",
    ),
    Claim(
        "the other methods distort the identity",
        "Fig. 4",
        _less("table1", "identity_video", *OTHERS),
        note="at each method's own strength of change; see the change on the face beside it",
    ),
    Claim("the other methods change the clothes", "Fig. 4", _less("table1", "clothes", *OTHERS)),
    Claim(
        "the other methods change the background", "Fig. 4", _less("table1", "background", *OTHERS)
    ),
    Claim(
        "the other methods lose the expression",
        "Fig. 4",
        tuple(Comparison("table1", "expression", "ours", o, 1) for o in OTHERS),
    ),
    Claim(
        "reconstruction is better than PointAvatar's and FlashAvatar's",
        "Table 3",
        (
            *_better("table3", "ours", "PointAvatar's idea", TRAINED, HELD_OUT),
            *_better("table3", "ours", "FlashAvatar's idea", TRAINED, HELD_OUT),
        ),
        note="against their ideas, rebuilt small",
    ),
    Claim(
        "reconstruction is better than INSTA's",
        "Table 3",
        _better("table3", "ours", "INSTA's idea", TRAINED, "head.psnr_heldout_raw"),
        note="against its idea, rebuilt small; on held-out frames with landmark tracking alone",
    ),
    Claim(
        "reconstruction is almost as good as Gaussian-Head-Avatar's",
        "Table 3",
        (),
        "this baseline needs many cameras, and is not written yet",
    ),
    Claim(
        "18 views reconstruct better than 6",
        "Table 3",
        _better("table3", "ours, 18 views", "ours", TRAINED, HELD_OUT),
        note="our views are a stand-in for V3D's",
    ),
    Claim(
        "volunteers prefer 18 views to 6 in overall quality and in absence of artefacts",
        "Table 4",
        _better("table4", "18 views", "6 views", NOVEL, SIDE),
        note="true sides of made-up people stand for the votes",
    ),
    Claim(
        "the views of V3D improve the reconstruction",
        "Table 5",
        _better("table5", "ours", "w/o V3D", TRAINED, HELD_OUT),
        note="our views are a stand-in for V3D's",
    ),
    Claim(
        "without views the sides fail",
        "Fig. 8",
        _better("table5", "ours", "w/o V3D", NOVEL, SIDE),
        note="our views are a stand-in for V3D's",
    ),
    Claim(
        "without the mesh-enhanced deformation field the reconstruction is far worse",
        "Table 5",
        (
            *_better("table5", "ours", "D1", TRAINED, HELD_OUT),
            *_better("table5", "ours", "D2", TRAINED, HELD_OUT),
        ),
        note="the paper prints one number and does not say of which variant; both are tried",
    ),
    Claim(
        "without the mesh stage (D1) the geometry is severely distorted",
        "Fig. 7",
        _better("table5", "ours", "D1", NOVEL, SIDE),
    ),
    Claim(
        "the pre-trained MLP_deform keeps expressions in edited results (D2)",
        "Sec. 4.3",
        (
            Comparison("expression", "expression", "ours", "D2", 1),
            Comparison("expression", "mouth", "ours", "D2", 1),
        ),
    ),
    Claim(
        "the choice of face model hardly matters; Basel's is best or level in all three scores",
        "Table 6",
        (),
        LICENCE,
    ),
    Claim(
        "E1 (b = 0.8, unweighted) loses the identity",
        "Sec. 4.3, Fig. 6",
        (
            Comparison("figure6", "identity", "E1", "ours", 1),
            Comparison("identity", "identity", "E1", "ours", 1),
        ),
        note="first after the same steps, then after the same change on the face",
    ),
    Claim("E2 (b = 0.2, unweighted) edits too little", "Sec. 4.3, Fig. 6", _weaker("E2")),
    Claim("E3 (random b, unweighted) edits too little", "Sec. 4.3, Fig. 6", _weaker("E3")),
    Claim("E4 (always times w) edits too little", "Sec. 4.3, Fig. 6", _weaker("E4")),
    Claim(
        "an edit takes 60 minutes, the head 15, on one RTX 4090",
        "Sec. 4",
        (),
        "there is no such GPU here",
    ),
)
