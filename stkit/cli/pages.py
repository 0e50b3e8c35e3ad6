"""`stkit studio` and `stkit puppet`: pages in which a head is edited, or follows a camera."""

import webbrowser

from stkit.cli.options import EDITOR_HELP, check_run
from stkit.diffusion.editors import get_editor
from stkit.driving.live_link_stream import PORT, LiveLinkListener
from stkit.errors import RequestError
from stkit.runs.edits import Base, base_of
from stkit.viewers.answering import Session
from stkit.viewers.packet import Packet
from stkit.viewers.page_server import PageServer
from stkit.viewers.puppeteer import PuppeteerSession
from stkit.viewers.studio import studio_packet
from stkit.viewers.studio_session import StudioSession

LARGEST_PORT = 65535
STUDIO_NOTE = (
    "Write what shall change and press Enter. <b>Preview</b> is a first look; <b>Keep</b> goes on "
    "with the full optimisation. Everything stays on this machine."
)
PUPPET_NOTE = (
    "The camera's pictures go to the program that you started, on this machine, and are forgotten. "
    "Move only heads of people who agreed to it."
)


def add_served_pages(commands) -> None:
    """`stkit studio` and `stkit puppet`."""
    what = "edit a head by sentences in a page, and see each answer within about a second"
    studio = commands.add_parser("studio", help=what)
    studio.set_defaults(call=call_studio)
    studio.add_argument("--editor", default="paint", help=EDITOR_HELP)
    puppet = commands.add_parser("puppet", help="a page in which your camera moves a head")
    puppet.set_defaults(call=call_puppet)
    links = "instead of a camera: listen to Live Link Face's stream on this UDP port (11111)"
    puppet.add_argument("--live-link", type=int, nargs="?", const=PORT, metavar="PORT", help=links)
    for page in (studio, puppet):
        page.add_argument("run", help="a run's name, or 'mara' (who ships)")
        ports = "of the page on this machine (default: any that is free)"
        page.add_argument("--port", type=int, default=0, help=ports)
        page.add_argument("--no-browser", action="store_true", help="print the address only")


def call_studio(arguments) -> int:
    """Serve a studio until ^C."""
    editor, base = get_editor(arguments.editor), _finished(arguments.run)
    settings = base.road.plan.edit_settings("")
    session = StudioSession(base.head, base.capture, base.views, editor, settings)
    packet = studio_packet(base.head, base.capture, editor)
    return _serve(arguments, session, packet, STUDIO_NOTE)


def call_puppet(arguments) -> int:
    """Serve a head that follows a camera, until ^C."""
    base, port = _finished(arguments.run), arguments.live_link
    if port is not None and not 0 < port <= LARGEST_PORT:
        raise RequestError(f"--live-link {port}: from 1 to {LARGEST_PORT}")
    listener = LiveLinkListener(port) if port else None
    session = PuppeteerSession(base.head, base.capture, listener)
    if listener:
        print(f"listening to UDP port {listener.port} on all of this machine's addresses")
    return _serve(arguments, session, session.basis.packet, PUPPET_NOTE)


def _finished(run: str) -> Base:
    check_run(run)
    return base_of(run)


def _serve(arguments, session: Session, packet: Packet, note: str) -> int:
    if not 0 <= arguments.port <= LARGEST_PORT:
        raise RequestError(f"--port {arguments.port}: from 0 to {LARGEST_PORT}")
    title = f"stkit {arguments.command}: {arguments.run}"
    server = PageServer(session, packet, title, note, arguments.port)
    print(f"open {server.url}\n^C ends it; nothing leaves this machine", flush=True)
    if not arguments.no_browser:
        webbrowser.open(server.url)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print("\nended")
    finally:
        session.end()
        server.server_close()
    return 0
