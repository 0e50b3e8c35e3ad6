"""What the paper prints in its six tables, as data. Nothing here is computed by the kit."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PaperTable:
    """values: by metric, one number for each of the columns, as printed."""

    title: str
    protocol: str
    columns: tuple[str, ...]
    values: dict[str, tuple[float, ...]]


EDITORS = ("IN2N (GS)", "GaussianEditor", "GaussCtrl", "ours")

TABLES = {
    "table1": PaperTable(
        "Edits of heads from a monocular video",
        "15 results, 30 volunteers who picked the one they preferred; CLIP ViT-L/14",
        EDITORS,
        {
            "user study, % of the votes": (10.0, 13.3, 3.3, 73.3),
            "CLIP-DS": (0.60, 0.63, 0.59, 0.68),
            "CLIP-S": (0.27, 0.29, 0.30, 0.32),
        },
    ),
    "table2": PaperTable(
        "Edits of heads from multi-view videos",
        "the same with multi-view videos",
        EDITORS,
        {
            "user study, % of the votes": (12.6, 17.1, 9.6, 60.7),
            "CLIP-DS": (0.60, 0.56, 0.64, 0.68),
            "CLIP-S": (0.23, 0.31, 0.28, 0.32),
        },
    ),
    "table3": PaperTable(
        "Reconstruction",
        "seven NeRSemble examples; the truth is the monocular video itself, which was trained on",
        ("PointAvatar", "FlashAvatar", "INSTA", "Gaussian-Head-Avatar", "ours", "ours, 18 views"),
        {
            "LPIPS": (0.086, 0.075, 0.071, 0.062, 0.070, 0.065),
            "SSIM": (0.833, 0.877, 0.879, 0.884, 0.884, 0.888),
            "PSNR (dB)": (24.48, 27.41, 26.77, 27.59, 27.50, 27.57),
        },
    ),
    "table4": PaperTable(
        "Votes on the number of views",
        "27 volunteers, 15 pairs of rotating results",
        ("6 views", "18 views"),
        {
            "overall quality, % of the votes": (38.9, 61.1),
            "absence of artefacts, % of the votes": (24.6, 75.4),
        },
    ),
    "table5": PaperTable(
        "Ablation of the reconstruction",
        "not said; the numbers of ours are Table 3's. The text describes two variants without the "
        "mesh-enhanced deformation field, D1 and D2, and the table has no separate numbers of them",
        ("w/o V3D", "w/o mesh-enhanced deformation field", "ours"),
        {
            "LPIPS": (0.083, 0.335, 0.070),
            "SSIM": (0.870, 0.786, 0.884),
            "PSNR (dB)": (26.11, 21.51, 27.50),
        },
    ),
    "table6": PaperTable(
        "Face models",
        "seven examples; the numbers with Basel's are those of ours in Table 3",
        ("FaceVerse", "FLAME", "BFM"),
        {
            "LPIPS": (0.073, 0.071, 0.070),
            "SSIM": (0.880, 0.884, 0.884),
            "PSNR (dB)": (27.45, 27.38, 27.50),
        },
    ),
}
