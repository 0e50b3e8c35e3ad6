"""`stkit assets`."""

from pathlib import Path

from stkit import assets
from stkit.diffusion.convert import convert_v3d
from stkit.progress import bar


def add_assets(commands) -> None:
    """`stkit assets`."""
    what = "weights and data from elsewhere: what there is, where it belongs, how to get it"
    stock = commands.add_parser("assets", help=what)
    jobs = stock.add_subparsers(
        dest="job", required=True, metavar="list|get|check|where|convert-v3d"
    )
    listing = jobs.add_parser("list", help="every asset with its state on this machine")
    listing.set_defaults(call=call_list)
    getting = jobs.add_parser("get", help="download what is open; say what to do about the rest")
    getting.add_argument("names", nargs="+")
    getting.add_argument("--offline", action="store_true", help="never use the network")
    getting.set_defaults(call=call_get)
    checking = jobs.add_parser("check", help="verify what is here: files, sizes, sha256")
    checking.add_argument("names", nargs="*")
    checking.set_defaults(call=call_check)
    where = jobs.add_parser("where", help="the path an asset has, or should have")
    where.add_argument("name")
    where.set_defaults(call=call_where)
    converting = jobs.add_parser("convert-v3d", help="V3D.ckpt as a diffusers folder for --views")
    converting.add_argument("checkpoint")
    base = "diffusers folder of stable-video-diffusion-img2vid-xt"
    converting.add_argument("--svd", required=True, help=base)
    place = "the folder to write (default: where `stkit assets where v3d_diffusers` says)"
    converting.add_argument("--out", help=place)
    converting.add_argument("--full", action="store_true", help="keep 32-bit weights")
    converting.set_defaults(call=call_convert)


def call_list(arguments) -> int:
    """One line for each asset."""
    for name, entry in assets.manifest().items():
        here = "here   " if assets.asset_path(name) else "absent "
        size = f"{entry['bytes'] / 1e9:.2f} GB" if entry["bytes"] >= 1e7 else "small"
        what = f"{entry['what']} ({entry['licence']})"
        print(f"{here} {name:22} {entry['status']:9} {size:>12}  {what}")
    return 0


def call_get(arguments) -> int:
    """Download assets."""
    for name in arguments.names:
        print(f"{name}: {assets.get_asset(name, arguments.offline)}")
    return 0


def call_check(arguments) -> int:
    """Verify assets; 1 if one that was named is missing."""
    names = arguments.names or list(assets.manifest())
    states = {name: assets.check_asset(name) for name in names}
    print("\n".join(f"{name}: {state}" for name, state in states.items()))
    return int("missing" in [states[name] for name in arguments.names])


def call_where(arguments) -> int:
    """Print an asset's place; 1 if it is not there."""
    print(assets.expected_path(arguments.name))
    return 0 if assets.asset_path(arguments.name) else 1


def call_convert(arguments) -> int:
    """Turn V3D's checkpoint into a diffusers folder."""
    out = Path(arguments.out) if arguments.out else assets.expected_path("v3d_diffusers")
    out.parent.mkdir(parents=True, exist_ok=True)
    checkpoint, svd = Path(arguments.checkpoint), Path(arguments.svd)
    print(convert_v3d(checkpoint, svd, out, not arguments.full, bar))
    return 0
