"""What a file says about itself: that a computer made it, from what, with what, and with whose
consent.
"""

from dataclasses import asdict, dataclass, field

import stkit

SYNTHETIC = "a synthetic or changed face, made by a computer"
NOT_ASKED = "not stated"
# IPTC's term for media that a trained model made
DIGITAL_SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
LABEL = "org.stkit.statement"  # of our assertion among C2PA's


@dataclass(frozen=True)
class Statement:
    """What is known of a head that is shown.

    source: the clip's name; digest: the hash of its content; consent: what was stated about the
    consent of the person in it; edit and editor: the edit in words and what made it; driver: what
    moves it; stand_ins: what takes the place of the paper's models; labelled: whether pictures and
    films carry the visible word.
    """

    source: str = ""
    digest: str = ""
    consent: str = NOT_ASKED
    edit: str = ""
    editor: str = ""
    driver: str = ""
    labelled: bool = True
    tool: str = field(default=f"stkit {stkit.__version__}")
    what: str = SYNTHETIC

    def plain(self) -> dict[str, str | bool]:
        """The fields that say something."""
        return {name: value for name, value in asdict(self).items() if value != ""}

    def manifest(self, title: str) -> dict:
        """C2PA's description of a file with this statement."""
        created = {"action": "c2pa.created", "digitalSourceType": DIGITAL_SOURCE}
        return {
            "claim_generator_info": [{"name": "stkit", "version": stkit.__version__}],
            "title": title,
            "assertions": [
                {"label": "c2pa.actions", "data": {"actions": [created]}},
                {"label": LABEL, "data": self.plain()},
            ],
        }
