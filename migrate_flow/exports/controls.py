"""What four frameworks ask of changes to a database, in our own words; which entries answer; what no entry can show.

The table of the HTML report and the one in docs/how-to/audit.md are both made of this. It maps evidence to questions
and is no opinion: whether a control is designed well and worked is for the auditor to say.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

from migrate_flow.core.entry import Kind

_CREATED = (Kind.MIGRATION_CREATED, Kind.SELF_REVIEWED)
_CHECKS = (Kind.CHECKED, Kind.SELF_REVIEWED)
_SAID_YES = (Kind.REVIEWED, Kind.APPROVED)
_RAN = (Kind.APPLY_INTENDED, Kind.APPLY_APPLIED)
_WENT_WRONG = (Kind.APPLY_FAILED, Kind.APPLY_PARTIAL, Kind.APPLY_RECOVERED)
_OUTSIDE = (Kind.DRIFT_FOUND, Kind.DRIFT_ACCEPTED)
_EXPORTED = Kind.LEDGER_EXPORTED


@dataclass(frozen=True, slots=True)
class Question:
    """asks: in our own words. answer: what in the ledger speaks to it. kinds: of the entries. gap: what they do not
    prove."""

    asks: str
    answer: str
    kinds: tuple[Kind, ...]
    gap: str


@dataclass(frozen=True, slots=True)
class Framework:
    """source: the text that it is taken from. url: where its publisher keeps it."""

    name: str
    clause: str
    source: str
    url: str
    questions: tuple[Question, ...]


SOC2 = Framework(
    "SOC 2",
    "CC8.1",
    "AICPA, TSP Section 100, 2017 Trust Services Criteria (with revised points of focus, 2022)",
    "https://www.aicpa-cima.com/resources/download/2017-trust-services-criteria-with-revised-points-of-focus-2022",
    (
        Question(
            "Somebody entitled to it allows a change before it is made, and before it goes live.",
            "Approvals by role; the policy in force says which, and how many. Whether all of them stood before the "
            "intent to apply is answered for each change.",
            (Kind.APPROVED, Kind.APPLY_INTENDED, Kind.POLICY_PROPOSED, Kind.POLICY_ENDORSED),
            "That the work itself was ordered before it was begun: that is in your tickets.",
        ),
        Question(
            "Changes are described, and followed from the first draft until they run.",
            "Message, rationale, objects and ticket of each migration; every step is an entry bound to the script's "
            "digest.",
            (*_CREATED, *_SAID_YES, *_RAN),
            "That the description is true. It is the author's, and a reviewer read it.",
        ),
        Question(
            "Changes are tested before they go live.",
            "Findings of the static rules, and rehearsals on a scratch database; whether they were there before the "
            "intent, and whether it stood upstream first, is answered for each change.",
            (*_CHECKS, *_RAN),
            "Tests of the application, and how a change behaves with production's rows.",
        ),
        Question(
            "Urgent changes have a way of their own, and stay visible.",
            "A waiver names its gate, its reason and who gave it, and runs out after a day; first among exceptions.",
            (Kind.GATE_WAIVED,),
            "A change made past the tool: drift shows that it happened, and only a guard's log by which role.",
        ),
        Question(
            "It is known what the system should look like, so that other changes stand out.",
            "The schema before and after each application; what differs later is found, and accepted with a reason.",
            (Kind.TARGET_ADOPTED, Kind.APPLY_APPLIED, *_OUTSIDE, Kind.GUARD_INSTALLED, Kind.GUARD_REMOVED),
            "Rows, rights and settings of the server: only the schema is read.",
        ),
    ),
)

ISO27001 = Framework(
    "ISO/IEC 27001:2022",
    "A.8.32",
    "ISO/IEC 27001:2022, Annex A, control 8.32, with the guidance of ISO/IEC 27002:2022, 8.32",
    "https://www.iso.org/standard/27001",
    (
        Question(
            "The effect of a change is thought of beforehand, with what hangs on it.",
            "Risks and reversibility grade, objects touched, parents, rationale and contract mapping, from the script "
            "and a rehearsal.",
            (*_CREATED, Kind.CHECKED),
            "Effects outside the database.",
        ),
        Question(
            "A change is authorised, tested and accepted.",
            "Self-review, peer review and approval, each of the same bytes; whether by different people, and with "
            "checks on record before the intent, is answered for each change.",
            (*_CHECKS, *_SAID_YES),
            "How carefully somebody looked.",
        ),
        Question(
            "It is put in place by plan, and there is a way back.",
            "The intent names the plan's digest and the gates, the policy the order of environments; rehearsals tell "
            "whether it can be undone, and each rollback is an entry.",
            (*_RAN, *_WENT_WRONG, Kind.CHECKED),
            "A way back for lost data: that is what backups are for.",
        ),
        Question(
            "Records of changes are kept.",
            "The ledger: append-only, chained by hashes, each entry signed, refusals and failures among them.",
            (Kind.LEDGER_OPENED, Kind.APPLY_REFUSED, Kind.WITHDRAWN, Kind.REVOKED),
            "That this ledger is the one in use, and whole to its newest entry: compare the chain's head with one that "
            "was noted elsewhere.",
        ),
    ),
)

PCI = Framework(
    "PCI DSS 4.0",
    "6.5.1",
    "PCI Security Standards Council, PCI DSS v4.0 (and v4.0.1), requirement 6.5.1",
    "https://www.pcisecuritystandards.org/document_library/",
    (
        Question(
            "Each change in production says why it is made, and what it is.",
            "Message, rationale and ticket; the SQL and the script, stored by digest.",
            _CREATED,
            "That the ticket exists: only its number is recorded.",
        ),
        Question(
            "Its effect on security is written down.",
            "Findings of the rules, and risks such as destructive or a table of the policy's list, for which a policy "
            "can ask more approvals.",
            (*_CHECKS, Kind.APPROVED),
            "A security assessment. The reviewer's comment is the place for one.",
        ),
        Question(
            "People with the authority approve it.",
            "Signed approvals, with the role that the policy gave the signer at that position.",
            (*_SAID_YES, Kind.POLICY_PROPOSED, Kind.POLICY_ENDORSED, Kind.KEY_REVOKED),
            "That the policy gives roles to the right people, and that a key was in its owner's hands.",
        ),
        Question(
            "It is tested that the change does not weaken security; own code, also against 6.2.4.",
            "Rules and rehearsals bound to the bytes that were applied.",
            _CHECKS,
            "Tests of the application's own code for the attacks that 6.2.4 lists.",
        ),
        Question(
            "There are ways to handle a failure and to get back to a safe state.",
            "Failed and partial attempts with their cause, how each was settled, and rollbacks.",
            (*_WENT_WRONG, Kind.APPLY_APPLIED),
            "That the state returned to is secure; the fingerprints tell whether the schema is as before.",
        ),
    ),
)

SOX = Framework(
    "SOX",
    "ITGC, change management",
    "Sarbanes-Oxley Act, section 404; PCAOB AS 2201 (appendix B on general controls over program changes)",
    "https://pcaobus.org/oversight/standards/auditing-standards/details/AS2201",
    (
        Question(
            "Changes to systems behind financial reports are approved and tested before production.",
            "Whether it was approved, was checked and stood upstream, each before the intent: answered for each change "
            "that the policy asks it of.",
            (*_CHECKS, *_SAID_YES, *_RAN),
            "Which of your databases matter for financial reports.",
        ),
        Question(
            "Whoever builds a change does not approve it, nor bring it to production alone.",
            "Two answers for each change, by signing keys and recorded contributors: whether author, reviewers and "
            "approvers are different people, and whether the applier is none of them. A review or approval of one's "
            "own work is refused. Authors who apply their own change are not refused for it: the second answer shows "
            "them.",
            (*_CREATED, *_SAID_YES, Kind.APPLY_INTENDED),
            "That two keys are two people, that an author's name in git is true, and who started the program that "
            "signed as the applier: a pipeline may hold the key.",
        ),
        Question(
            "The list of changes that samples are drawn from is complete.",
            "Every change that went through the tool, without gaps in the chain; version tables reconciled where they "
            "could be read; drift for the rest.",
            (*_RAN, Kind.TARGET_ADOPTED, Kind.TARGET_REPLACED, *_OUTSIDE, _EXPORTED),
            "Changes of data by hand, and databases that were never put under the tool.",
        ),
        Question(
            "Only the right people can change the rules and the records.",
            "Changes of the policy are signed by the admins of the policy before; revoked keys; each export that was "
            "recorded.",
            (Kind.LEDGER_OPENED, Kind.POLICY_PROPOSED, Kind.POLICY_ENDORSED, Kind.KEY_REVOKED, _EXPORTED),
            "Who can reach the databases and the ledger's server beside the tool: see their own access lists.",
        ),
    ),
)

FRAMEWORKS = (SOC2, ISO27001, PCI, SOX)


def markdown() -> Iterator[str]:
    """The lines between the two marks in docs/how-to/audit.md."""
    for framework in FRAMEWORKS:
        yield f"### {framework.name} {framework.clause}"
        yield ""
        yield f"Source: {framework.source}, <{framework.url}>"
        yield ""
        yield "| it asks that | what answers | entries | what they can't prove |"
        yield "|---|---|---|---|"
        for one in framework.questions:
            kinds = " ".join(f"`{kind}`" for kind in dict.fromkeys(one.kinds))
            yield f"| {one.asks} | {one.answer} | {kinds} | {one.gap} |"
        yield ""


if __name__ == "__main__":
    sys.stdout.write("\n".join(markdown()))
