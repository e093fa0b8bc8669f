"""Files that are refused: each with one clear error that names the key, says what to do and repeats no secret."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from migrate_flow.errors import ConfigError
from tests.config.samples import ADA, BOB, CY, GOOD, blob, parsed

SECRET = "hunter2"
PEOPLE = '[people."bob@example.com"]'


class Bad(NamedTuple):
    """old, new: the change that spoils GOOD; without old, new is added at its end."""

    name: str
    old: str
    new: str
    where: str
    message: str
    hint: str


def table(text: str) -> str:
    return f"\n{text}\n"


SHAPE = [
    Bad("toml", 'name = "shop"', "name = shop", ":2:8", "not TOML", "line 2"),
    Bad("toml-end", "", 'x = "', ":28:", "not TOML: Unterminated string", "line 28"),
    Bad("duplicate-key", 'name = "shop"', 'name = "shop"\nname = "x"', ":3:", "name is given twice", "remove one"),
    Bad("duplicate-table", "", table("[environments.dev]"), ":29:", "[environments.dev]", "the second is in line 29"),
    Bad("duplicate-inline", "{ backend-lead = 1 }", "{ a = 1, a = 2 }", ":19:", "a is given twice", "remove one"),
    Bad("duplicate-long", "", f'keys = [\n"x",\n"{SECRET}"]', ":30:", "a key is given twice", "line 30"),
    Bad("deep", "", "x = " + "[" * 5000, "toml", "nested too deep", "flat"),
    Bad(
        "unknown-key", "peer_reviews", "peer_review", "policy.peer_review", "did you mean peer_reviews?", "peer_reviews"
    ),
    Bad(
        "unknown-key-case", "peer_reviews", "Peer-Reviews", "policy.Peer-Reviews", "mean peer_reviews?", "peer_reviews"
    ),
    Bad("unknown-table", "[policy]", "[polcy]", "polcy", "did you mean policy?", "policy instead of polcy"),
    Bad("unknown-misspelt-required", 'url = "sqlite:///dev.db"', 'urll = "x"', "environments.dev.urll", "url?", "url"),
    Bad("unknown-elsewhere", 'name = "shop"', 'name = "shop"\npeer_reviews = 1', "project", "[policy]", "move it"),
    Bad("unknown-elsewhere-twice", "peer_reviews", "url", "policy.url", "[ledger] or [environments.NAME]", "move it"),
    Bad("unknown-strange", "peer_reviews", "zzz", "policy.zzz", "[policy] knows separation, peer_reviews", "remove"),
    Bad("unknown-in-escalation", "", "[[policy.escalations]]\nwhenn=1\n", "escalations[0].whenn", "mean when?", "when"),
    Bad("unknown-key-is-secret", "", f'"postgresql://u:{SECRET}@h/d" = 1\n', "bob", "unknown key", "remove"),
    Bad("no-project", '[project]\nname = "shop"', "", "project", "required", "[project]"),
    Bad("no-name", 'name = "shop"', "", "project.name", "required", 'name = "shop"'),
    Bad("no-url", 'url = "sqlite:///dev.db"', "", "environments.dev.url", "required", "env:"),
    Bad("text-for-number", "peer_reviews = 1", 'peer_reviews = "1"', "policy.peer_reviews", "whole number", "number"),
    Bad("bool-for-number", "peer_reviews = 1", "peer_reviews = true", "policy.peer_reviews", "whole number", "number"),
    Bad("number-for-text", 'name = "shop"', "name = 1", "project.name", "a text in quotes, such as", "text"),
    Bad("date-for-text", 'name = "shop"', "name = 2026-01-01", "project.name", "found a date or time", "text"),
    Bad("text-for-list", 'upstream = ["dev"]', 'upstream = "dev"', "staging.upstream", "expected a list", "list"),
    Bad("text-for-table", "{ backend-lead = 1 }", '"backend-lead"', "policy.approvals", "expected a table", "table"),
    Bad("number-in-list", '["dev"]', "[1]", "staging.upstream[0]", "a text in quotes", "text"),
    Bad("text-for-bool", "[policy]", '[policy]\nallow_irreversible = "no"', "allow_irreversible", "true or false", ""),
    Bad(
        "choice",
        "[policy]",
        '[policy]\nseparation = "stric"',
        "policy.separation",
        '"strict", "two-person"',
        '"strict"',
    ),
    Bad("choice-type", "[policy]", "[policy]\nseparation = 1", "policy.separation", "found a number", "strict"),
    Bad(
        "choice-secret", '"postgresql"\nupstream = ["dev"]', f'"mysql://u:{SECRET}@h"', "dialect", "must be one", "one"
    ),
    Bad("severity", "", table('[lint]\nseverity = { x = "eror" }'), "lint.severity.x", '"error"', '"error"'),
    Bad("rule-name", "", table('[lint]\nseverity = { "X y" = "error" }'), 'severity."X y"', "a rule's name", ""),
    Bad("plugin", "", table('[lint]\nplugins = ["a/b.py"]'), "lint.plugins[0]", "dotted module", ""),
    Bad("empty-name", '"shop"', '""', "project.name", "must not be empty", "name"),
    Bad("unprintable-name", '"shop"', '"a\\u001b[31m"', "project.name", "printable", ""),
    Bad("ticket-pattern", '"shop"', '"shop"\nticket_pattern = "(x"', "ticket_pattern", "not a regular expression", ""),
    Bad("url-env", '"shop"', '"shop"\nurl_env = "A B"', "project.url_env", "environment variable", ""),
]

POLICY = [
    Bad("zero-reviews", "peer_reviews = 1", "peer_reviews = 0", "policy.peer_reviews", "at least 1", "at least 1"),
    Bad("zero-approvals", "backend-lead = 1", "backend-lead = 0", "policy.approvals.backend-lead", "at least 1", ""),
    Bad("zero-admins", "peer_reviews = 1", "admins = 0", "policy.admins", "at least 1", ""),
    Bad("huge", "peer_reviews = 1", f"peer_reviews = 0x{'f' * 9000}", "policy.peer_reviews", "at most 1000", ""),
    Bad("no-approvals", "{ backend-lead = 1 }", "{}", "policy.approvals", "must not be empty", "at least one"),
    Bad("role-name", "backend-lead = 1", '"Backend Lead" = 1', '"Backend Lead"', "a role name such as", ""),
    Bad("no-review-roles", "peer_reviews = 1", "review_roles = []", "policy.review_roles", "must not be empty", ""),
    Bad("expiry", "peer_reviews = 1", 'approval_expires = "30 days"', "approval_expires", "not a duration such as", ""),
    Bad("expiry-zero", "peer_reviews = 1", 'approval_expires = "0d"', "approval_expires", "zero", ""),
    Bad(
        "escalation-when",
        "",
        "[[policy.escalations]]\nwhen = ['risky']\napprovals = {a=1}\n",
        "when[0]",
        "destructive",
        "",
    ),
    Bad("escalation-empty", "", "[[policy.escalations]]\nwhen = []\napprovals = {a=1}\n", "when", "not be empty", ""),
    Bad("escalation-zero", "", "[[policy.escalations]]\nwhen = ['lossy']\napprovals = {a=0}\n", ".a", "at least 1", ""),
    Bad("escalation-none", "", "[[policy.escalations]]\nwhen = ['lossy']\napprovals = {}\n", "approvals", "empty", ""),
]

STAGING = 'upstream = ["dev"]'
PRODUCTION = 'upstream = ["staging"]'
ENVIRONMENTS = [
    Bad("unknown-upstream", '["dev"]', '["dve"]', "staging.upstream[0]", "no environment dve", '["dev"]'),
    Bad("self-upstream", '["dev"]', '["staging"]', "staging.upstream[0]", "its own upstream", "before it"),
    Bad("circle", 'dev.db"', 'dev.db"\nupstream = ["production"]', "upstream", "circle", "take one"),
    Bad("name-case", "environments.dev]", "environments.Staging]", "environments.staging", "looks like Staging", "ren"),
    Bad(
        "name-digits", "environments.dev]", "environments.pr0duction]", "production", "looks like pr0duction", "rename"
    ),
    Bad(
        "name-dash",
        "",
        table('[environments.a-b]\nurl="sqlite://"\n[environments.a_b]\nurl="sqlite://"'),
        "a_b",
        "a-b",
        "",
    ),
    Bad("name-non-ascii", "environments.dev]", 'environments."dеv"]', 'environments."dеv"', "letters a-z", "choose"),
    Bad("name-empty", "environments.dev]", 'environments.""]', 'environments.""', "letters a-z", "choose"),
    Bad("staging-alone", STAGING, "", "environments.staging.upstream", "needs an upstream", "upstream ="),
    Bad("production-alone", PRODUCTION, "", "production.upstream", "needs an upstream", "upstream ="),
    Bad("below", STAGING, f'{STAGING}\nrequires = "created"', "staging.requires", "never less", "approved"),
    Bad("below-peer", PRODUCTION, f'{PRODUCTION}\nrequires = "peer-reviewed"', "requires", "never less", "approved"),
    Bad("live", "", table('[environments.live]\nurl = "sqlite:///l.db"'), "environments.live", "several", "upstream"),
    Bad("personal", STAGING, f"{STAGING}\npersonal = true", "staging.personal", "no upstream", "take"),
    Bad("soak-nowhere", 'dev.db"', 'dev.db"\nsoak = "24h"', "dev.soak", "there is none", "take soak out"),
    Bad("soak", STAGING, f'{STAGING}\nsoak = "a day"', "staging.soak", "not a duration", ""),
    Bad("window", STAGING, f'{STAGING}\nwindows = ["always"]', "staging.windows[0]", "not a window such as", ""),
    Bad("window-zone", STAGING, f'{STAGING}\nwindows = ["mon 09:00-10:00 Mars/X"]', "windows[0]", "no time zone", ""),
    Bad("window-none", STAGING, f"{STAGING}\nwindows = []", "staging.windows", "must not be empty", "leave"),
    Bad("appliers-none", STAGING, f"{STAGING}\napply_roles = []", "staging.apply_roles", "must not be empty", "leave"),
    Bad("timeout-zero", STAGING, f'{STAGING}\nlock_timeout = "0s"', "lock_timeout", "more than 0", ""),
    Bad("timeout-long", STAGING, f'{STAGING}\nstatement_timeout = "30d"', "statement_timeout", "at most 24 days", ""),
    Bad("retries", STAGING, f"{STAGING}\nlock_retries = -1", "lock_retries", "at least 0", ""),
    Bad("dialect-missing", f'dialect = "postgresql"\n{STAGING}', STAGING, "staging.dialect", "must be given", "add to"),
    Bad("dialect-other", 'dev.db"', 'dev.db"\ndialect = "postgresql"', "dev.dialect", "begins with sqlite", '"sqlite"'),
]


def dev(url: str, message: str, hint: str = "env:DEV_DATABASE_URL") -> Bad:
    return Bad(f"url {url}", "sqlite:///dev.db", url, "environments.dev.url", message, hint)


URLS = [
    dev(f"postgresql://ada:{SECRET}@db/shop", "holds a password", "keyring:dev"),
    dev(f"postgresql+psycopg://ada:{SECRET}@db/shop", "holds a password", "env login dev"),
    dev(f"postgresql://ada:x/{SECRET}@db/shop", "holds a password"),
    dev(f"postgresql://ada:x#{SECRET}@db/shop", "holds a password"),
    dev(f"postgresql://ada:x@{SECRET}@db/shop", "holds a password"),
    dev(f"postgresql://ada:x?{SECRET}@db/shop", "holds a password"),
    dev(f"postgresql://ada:%40{SECRET}@db/shop", "holds a password"),
    dev(f"postgresql://ada:x {SECRET}@db/shop", "not a database URL"),
    dev(f"postgresql://a/da:{SECRET}@db/shop", "holds a password"),
    dev(f"postgresql://:{SECRET}@db/shop", "holds a password"),
    dev(f"sqlite+pysqlcipher://:{SECRET}@/dev.db", "holds a password"),
    dev(f"postgresql://ada@db/shop?password={SECRET}", "holds a password"),
    dev(f"postgresql://ada@db/shop?%70assword={SECRET}", "holds a password"),
    dev(f"postgresql://ada@db/shop?a=b&sslPassword={SECRET}", "holds a password"),
    dev(f"mysql+pymysql://ada@db/shop?passwd={SECRET}", "holds a password"),
    dev(f"env:postgresql://ada:{SECRET}@db/shop", "a variable's name"),
    dev(f"env:${SECRET}", "a variable's name"),
    dev("keyring:", "after keyring: a name"),
    dev(f"oracle://{SECRET}/x", "postgresql://, mysql://, mariadb://, sqlite://", "keyring:NAME"),
    dev(f"postgres://{SECRET}/x", "does not know postgres://", "postgresql:// instead"),
    dev(SECRET, "not a database URL"),
    dev("postgresql://db:port/shop", "port", "host:port"),
    dev("postgresql://[::1]:70000/shop", "port", "host:port"),
    Bad("ledger-url", "", table('[ledger]\nurl = "mysql://db/x"'), "ledger.url", "sqlite://, postgresql://", ""),
    Bad("ledger-secret", "", table(f'[ledger]\nurl = "postgresql://a:{SECRET}@b/c"'), "ledger.url", "password", "env:"),
    Bad("ledger-id", "", table('[ledger]\nid = "1"'), "ledger.id", "lower-case UUID", ""),
    Bad(
        "ledger-half", "", table(f'[ledger]\ngenesis = "sha256:{"0" * 64}"'), "ledger.id", "belong together", "control"
    ),
    Bad(
        "scratch-kind", "", table('[rehearsal]\npostgresql = "sqlite://"'), "rehearsal.postgresql", "postgresql://", ""
    ),
    Bad("scratch-secret", "", table(f'[rehearsal]\nmysql = "mysql://a:{SECRET}@b/c"'), "mysql", "password", "env:"),
    Bad("baseline", "", table('[rehearsal]\nbaseline = "environment:prod"'), "baseline", "no environment prod", "dev"),
    Bad("baseline-command", "", table('[rehearsal]\nbaseline = "command: "'), "baseline", "no command", "command:"),
]

PRIVATE = f"-----BEGIN OPENSSH PRIVATE KEY----- {SECRET}"
SHORT = "ssh-ed25519 " + blob(b"ssh-ed25519", b"x" * 31)
OTHER_TYPE = "ssh-ed25519 " + blob(b"ssh-rsa", b"x" * 32)
NAMES = [
    Bad("upper", PEOPLE, '[people."Bob@Example.com"]', 'people."Bob@Example.com"', "lower case", '"bob@example.com"'),
    Bad(
        "two-spellings", PEOPLE, '[people."Ada@example.com"]', '"Ada@example.com"', "another spelling", '[people."ada@'
    ),
    Bad("homoglyph", PEOPLE, '[people."аda@example.com"]', "people.", "lower case, made of a-z", "ada@example.com"),
    Bad("wildcard", PEOPLE, '[people."*@example.com"]', 'people."*@example.com"', "wildcards", "each person"),
    Bad("wildcard-all", PEOPLE, '[people."*"]', 'people."*"', "wildcards", "each person"),
    Bad("option-like", PEOPLE, '[people."-bob"]', "people.-bob", "begins with", "ada@example.com"),
    Bad("space", PEOPLE, '[people."bob smith"]', 'people."bob smith"', "lower case, made of", ""),
    Bad("one-key-two-people", BOB, ADA, 'bob@example.com".keys[0]', 'belongs to "ada@example.com"', "remove"),
    Bad("one-key-other-comment", BOB, f"{ADA} bob@laptop", "keys[0]", 'belongs to "ada@example.com"', "remove"),
    Bad("rsa", BOB, "ssh-rsa AAAA", "keys[0]", "ssh-rsa keys are not accepted", "keys new"),
    Bad("not-a-key", BOB, SECRET, "keys[0]", "not an OpenSSH public key", "keys new"),
    Bad("private-key", BOB, PRIVATE, "keys[0]", "a private key", "keys new"),
    Bad("options-before", BOB, f"cert-authority {BOB}", "keys[0]", "not an OpenSSH public key", "keys new"),
    Bad("damaged", BOB, "ssh-ed25519 AAAA*", "keys[0]", "damaged", "keys new"),
    Bad("cut", BOB, BOB[:-1], "keys[0]", "damaged", "keys new"),
    Bad("no-base64", BOB, "ssh-ed25519", "keys[0]", "not a ssh-ed25519 key", "keys new"),
    Bad("short", BOB, SHORT, "keys[0]", "not a ssh-ed25519 key", "keys new"),
    Bad("other-type", BOB, OTHER_TYPE, "keys[0]", "not a ssh-ed25519 key", "keys new"),
    Bad("alias-person", "", 'aliases = ["ada@example.com"]', "aliases[0]", 'belongs to "ada@example.com"', "remove"),
    Bad("alias-person-case", "", 'aliases = ["Ada@Example.COM"]', "aliases[0]", "belongs to", "remove"),
    Bad(
        "alias-alias",
        "",
        'aliases = ["x@y.z"]\n[people.cy]\naliases = ["X@y.z"]',
        "people.cy.aliases[0]",
        'belongs to "bob@example.com"',
        "remove",
    ),
    Bad("alias-wildcard", "", 'aliases = ["*@example.com"]', "aliases[0]", "without wildcards", "git"),
    Bad("alias-key-owner", "", f'[people.cy]\nkeys = ["{CY}", "{BOB}"]', "people.cy.keys[1]", "belongs to", "remove"),
]


@pytest.mark.parametrize("bad", [*SHAPE, *POLICY, *ENVIRONMENTS, *URLS, *NAMES], ids=lambda bad: bad.name)
def test_a_bad_file_has_one_clear_error(bad: Bad) -> None:
    assert bad.old in GOOD
    text = GOOD.replace(bad.old, bad.new, 1) if bad.old else GOOD + bad.new
    with pytest.raises(ConfigError) as caught:
        parsed(text)
    error = caught.value
    assert error.exit_code == 2
    assert error.where.startswith("/project/migrate-flow.toml")
    assert bad.where in error.where
    assert bad.message in error.message
    assert error.hint
    assert bad.hint in error.hint
    assert SECRET not in f"{error.message} {error.hint} {error.where}"
    assert "\n" not in error.message


def test_without_environments() -> None:
    with pytest.raises(ConfigError, match="environments: this key is required"):
        parsed('[project]\nname = "shop"')
    with pytest.raises(ConfigError, match="environments: must not be empty"):
        parsed('[project]\nname = "shop"\n[environments]')


@pytest.mark.parametrize("name", ["Production", "pr0duction", "STAGING"])
def test_the_floor_holds_for_look_alikes(name: str) -> None:
    text = f'[project]\nname = "shop"\n[environments.{name}]\nurl = "sqlite:///x.db"\n'
    with pytest.raises(ConfigError, match="needs an upstream"):
        parsed(text)
    text += 'upstream = ["dev"]\nrequires = "created"\n[environments.dev]\nurl = "sqlite:///d.db"\n'
    with pytest.raises(ConfigError, match="never less"):
        parsed(text)


def test_other_problems_are_counted_and_listed() -> None:
    text = GOOD.replace("peer_reviews = 1", "peer_reviews = 0\nadmins = 0").replace('name = "shop"', "nam = 1")
    with pytest.raises(ConfigError) as caught:
        parsed(text)
    message = caught.value.message
    assert message.startswith("project.nam: unknown key, did you mean name?")
    assert "and 3 more problems: project.name: this key is required" in message
    assert "policy.admins: must be at least 1" in message


def test_a_long_list_of_problems_is_cut() -> None:
    text = GOOD + "\n".join(f"zz{index} = 1" for index in range(50))
    with pytest.raises(ConfigError) as caught:
        parsed(text)
    assert "and 49 more problems" in caught.value.message
    assert len(caught.value.message) < 600
