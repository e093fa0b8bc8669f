"""The model: what the rules say may happen, without signatures, databases, Alembic or a ledger."""

from __future__ import annotations

from dataclasses import dataclass, field

ENVIRONMENTS = ("dev", "staging", "production")
UPSTREAM = {"staging": "dev", "production": "staging"}
ROLES = {
    "ada": {"developer"},
    "ben": {"developer"},
    "carla": {"backend-lead", "policy-admin"},
    "dora": {"release-manager"},
    "ed": {"developer", "backend-lead"},
    "mallory": set(),  # has a key, and is not in the policy
}
OUTSIDER = "mallory"
Text = tuple[int, int]  # a script's bytes: what it does, how that is commented
Below = frozenset[tuple[str, int]]  # what each ancestor does


@dataclass(frozen=True)
class Rules:
    """The part of the policy that changes here."""

    separation: str = "strict"
    release_managers_only: bool = False  # may apply to production
    ed_leads: bool = True


@dataclass
class Script:
    """said: (who, "approve", "request-changes" or the role approved in, of which bytes), in order. rehearsed: which
    bytes, on what."""

    parents: tuple[str, ...]
    text: Text = (0, 0)
    tracked: bool = False
    authors: set[str] = field(default_factory=set)
    vouched: Text | None = None
    said: list[tuple[str, str, Text]] = field(default_factory=list)
    rehearsed: set[tuple[Text, Below]] = field(default_factory=set)


@dataclass
class Model:
    """rules: in force. file: of migrate-flow.toml. stands: by environment, the bytes applied of each revision."""

    rules: Rules
    file: Rules
    recorded: set[Rules]
    scripts: dict[str, Script] = field(default_factory=dict)
    stands: dict[str, dict[str, Text]] = field(default_factory=lambda: {name: {} for name in ENVIRONMENTS})

    def roles(self, person: str) -> set[str]:
        return ROLES[person] - ({"backend-lead"} if person == "ed" and not self.rules.ed_leads else set())

    def acts(self, person: str) -> bool:
        """Whether anything that this person signs counts, as the file and the policy are now."""
        return person != OUTSIDER and self.file in self.recorded

    def votes(self, revision: str) -> tuple[set[str], set[str], dict[str, str]]:
        """Reviewers, objectors and approvers (with their role) of the bytes as they are now."""
        script, strict = self.scripts[revision], self.rules.separation == "strict"
        reviewers: set[str] = set()
        objectors: set[str] = set()
        approvers: dict[str, str] = {}
        for who, word, text in script.said:
            if text != script.text or who in script.authors:
                continue
            if word == "request-changes":
                reviewers.discard(who)
                objectors.add(who)
            elif word == "approve":
                objectors.discard(who)
                if not (strict and who in approvers):
                    reviewers.add(who)
            elif who not in approvers and not (strict and who in reviewers):
                approvers[who] = word
        return reviewers, objectors, approvers

    def state(self, revision: str) -> str:
        script = self.scripts[revision]
        reviewers, objectors, approvers = self.votes(revision)
        if not script.tracked:
            return "untracked"
        if script.vouched != script.text:
            return "created"
        if objectors:
            return "changes-requested"
        if not reviewers:
            return "self-reviewed"
        return "approved" if "backend-lead" in approvers.values() else "peer-reviewed"

    def may_review(self, person: str, revision: str, verdict: str) -> bool:
        script, (_, objectors, approvers) = self.scripts[revision], self.votes(revision)
        barred = verdict == "approve" and self.rules.separation == "strict" and person in approvers
        return (
            self.acts(person)
            and script.vouched == script.text
            and "developer" in self.roles(person)
            and person not in script.authors
            and (not barred or person in objectors)  # one's own objection can always be taken back
        )

    def may_approve(self, person: str, revision: str, role: str) -> bool:
        script, (reviewers, _, approvers) = self.scripts[revision], self.votes(revision)
        return (
            self.acts(person)
            and self.state(revision) in ("peer-reviewed", "approved")
            and role in self.roles(person)
            and person not in script.authors
            and person not in approvers
            and not (self.rules.separation == "strict" and person in reviewers)
        )

    def heads(self, among: set[str] | None = None) -> set[str]:
        chosen = set(self.scripts) if among is None else among
        return chosen - {parent for revision in chosen for parent in self.scripts[revision].parents}

    def below(self, revisions: set[str]) -> set[str]:
        """These and everything that they stand on."""
        found = set(revisions)
        while more := {parent for revision in found for parent in self.scripts[revision].parents} - found:
            found |= more
        return found

    def pending(self, environment: str, to: str) -> set[str]:
        return self.below(self.heads() if to == "head" else {to}) - self.stands[environment].keys()

    def may_apply(self, person: str, environment: str) -> bool:
        manages = "release-manager" in self.roles(person)
        return self.acts(person) and (environment != "production" or manages or not self.rules.release_managers_only)

    def ready(self, revision: str, environment: str) -> bool:
        """Whether this revision may go there, once its ancestors stand there."""
        if environment not in UPSTREAM:
            return self.scripts[revision].tracked
        came = self.stands[UPSTREAM[environment]].get(revision)
        same = came is not None and came[0] == self.scripts[revision].text[0]
        text = self.scripts[revision].text
        rehearsed = {(text, self.on(revision, environment)), (text, self.on(revision))} & self.scripts[
            revision
        ].rehearsed
        return same and bool(rehearsed) and self.state(revision) == "approved"

    def on(self, revision: str, environment: str = "") -> Below:
        """What its ancestors do: as they stand there, else as their scripts are now."""
        there = self.stands[environment] if environment else {}
        above = self.below({revision}) - {revision}
        return frozenset((name, there.get(name, self.scripts[name].text)[0]) for name in above)

    def vouches(self, revision: str) -> None:
        """A self-review, which rehearses."""
        script = self.scripts[revision]
        script.vouched = script.text
        script.rehearsed.add((script.text, self.on(revision)))

    def forks(self, environment: str, to: str) -> bool:
        """Whether "head" is ambiguous, or the environment would come to stand on two heads."""
        after = self.stands[environment].keys() | self.pending(environment, to)
        return (to == "head" and len(self.heads()) > 1) or len(self.heads(set(after))) > 1
