"""`stkit studio`: edit a head by sentences in a page, and see each answer at once."""

import webbrowser

from stkit.cli.options import EDITOR_HELP
from stkit.diffusion.editors import get_editor
from stkit.errors import RequestError
from stkit.runs.edits import base_of
from stkit.viewers.studio import studio_packet
from stkit.viewers.studio_server import StudioServer
from stkit.viewers.studio_session import StudioSession

LARGEST_PORT = 65535


def add_studio(commands) -> None:
    """`stkit studio`."""
    what = "edit a head by sentences in a page, and see each answer within about a second"
    studio = commands.add_parser("studio", help=what)
    studio.set_defaults(call=call_studio)
    studio.add_argument("run", help="a run's name, or 'mara' (who ships)")
    studio.add_argument("--editor", default="paint", help=EDITOR_HELP)
    ports = "of the page on this machine (default: any that is free)"
    studio.add_argument("--port", type=int, default=0, help=ports)
    studio.add_argument("--no-browser", action="store_true", help="print the address only")


def call_studio(arguments) -> int:
    """Serve until ^C."""
    if not 0 <= arguments.port <= LARGEST_PORT:
        raise RequestError(f"--port {arguments.port}: from 0 to {LARGEST_PORT}")
    editor = get_editor(arguments.editor)
    base = base_of(arguments.run)
    settings = base.road.plan.edit_settings("")
    session = StudioSession(base.head, base.capture, base.views, editor, settings)
    packet = studio_packet(base.head, base.capture, editor)
    server = StudioServer(session, packet, f"stkit studio: {arguments.run}", arguments.port)
    print(f"open {server.url}\n^C ends it; nothing leaves this machine", flush=True)
    if not arguments.no_browser:
        webbrowser.open(server.url)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        session.end()
        print("\nended")
    finally:
        server.server_close()
    return 0
