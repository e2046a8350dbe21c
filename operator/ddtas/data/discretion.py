"""A source may say again what it was told in confidence: as the name of a field, a code of an error, a collection.

Where facts hold a credential, there is no telling what else the source makes of it; they are refused as a whole.
"""

from ddtas.data.contract import CREDENTIAL_KEYS
from ddtas.data.measured import SourceFacts
from ddtas.data.probing import Probe, ProbeSession
from ddtas.data.session import Session, SourceReason
from ddtas.errors import SourceError
from ddtas.redaction import Redactor


async def discreetly(probe: Probe, session: ProbeSession) -> SourceFacts:
    """Probe a source, and have no credential in what comes of it.

    Raises:
        SourceError: of the probe, without credentials in its message; UnexpectedContent where the facts have one.
    """
    redactor = Redactor()
    try:
        facts = await probe(session)
    except SourceError as error:
        redactor.put("", "", sent(session))
        raise SourceError(error.reason, redactor.hide(error.message)) from None
    redactor.put("", "", sent(session))
    if redactor.holds(facts.model_dump_json()):
        raise session.error(
            SourceReason.UNEXPECTED_CONTENT,
            "gives back the credentials that it is asked with: tell its supplier, and replace them",
        )
    return facts


def sent(session: Session) -> list[str]:
    """What the source was told, or may have been."""
    secret = session.target.secret or {}
    return [*(value for key, value in secret.items() if key in CREDENTIAL_KEYS), *session.tokens]
