"""Is META.json what PGXN takes?  pgxn_meta.py VERSION: prints what is wrong, by the specification 1.0.0 (pgxn.org/meta/spec.txt).

Then it breaks each rule in a copy, and prints those whose breach it did not see."""
import copy
import json
import os
import re
import sys

SEMVER = re.compile(r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-?[A-Za-z][0-9A-Za-z-]*)?$")
TERM = re.compile(r"^[^/\\\x00-\x20\x7f]{2,}$")
TAG = re.compile(r"^[^/\\\x00-\x1f\x7f]{1,255}$")
URL = re.compile(r"^(https?|git|svn)://\S+$")
LICENSES = set("""agpl_3 apache_1_1 apache_2_0 artistic_1 artistic_2 bsd freebsd gfdl_1_2 gfdl_1_3 gpl_1 gpl_2 gpl_3 lgpl_2_1 lgpl_3_0 mit mozilla_1_0
    mozilla_1_1 openssl perl_5 postgresql qpl_1_0 ssleay sun zlib open_source restricted unrestricted unknown""".split())
REQUIRED = {"name", "version", "abstract", "maintainer", "license", "provides", "meta-spec"}
OPTIONAL = {"description", "generated_by", "tags", "no_index", "prereqs", "release_status", "resources"}


def text(value):
    return isinstance(value, str) and value.strip() != ""


def texts(value):
    return text(value) or (isinstance(value, list) and value != [] and all(text(v) for v in value))


def unknown(what, keys, known):
    return [f"{what}: {key} is not known" for key in keys if key not in known and not key.lower().startswith("x_")]


def ranges(value):
    """A version, or a list as ">= 1.2.0, != 1.3.0"; 0 is any."""
    return value == 0 or (isinstance(value, str) and all(re.sub(r"^\s*(<=?|>=?|==|!=)?\s*", "", v).strip() == "0" or SEMVER.match(re.sub(r"^\s*(<=?|>=?|==|!=)?\s*", "", v).strip())
                                                         for v in value.split(",")))


def wrong(meta, version):
    found = [f"{key} is missing" for key in sorted(REQUIRED - meta.keys())] + unknown("META.json", meta, REQUIRED | OPTIONAL)
    if "name" in meta and not (text(meta["name"]) and TERM.match(meta["name"])):
        found.append("name is no term")
    if "version" in meta and not (text(meta["version"]) and SEMVER.match(meta["version"]) and meta["version"] == version):
        found.append("version is no semantic version, or not that of the extension")
    found += [f"{key} is empty" for key in ("abstract", "description", "generated_by") if key in meta and not text(meta[key])]
    if "maintainer" in meta and not texts(meta["maintainer"]):
        found.append("maintainer is empty")
    license = meta.get("license")
    if "license" in meta and not (isinstance(license, dict) and license and all(URL.match(str(v)) for v in license.values())) and \
            not (texts(license) and set([license] if isinstance(license, str) else license) <= LICENSES):
        found.append("license is not known")
    provides = meta.get("provides", {})
    if "provides" in meta and not (isinstance(provides, dict) and provides):
        found.append("provides is empty")
    for name, one in provides.items() if isinstance(provides, dict) else ():
        found += [f"provides {name}: {key} is missing" for key in ("file", "version") if key not in one] + unknown(f"provides {name}", one, {"file", "version", "abstract", "docfile"})
        found += [f"provides {name}: there is no {key} {one[key]}" for key in ("file", "docfile") if key in one and not os.path.isfile(one[key])]
        if one.get("version", version) != version:
            found.append(f"provides {name}: another version")
        if not TERM.match(name):
            found.append(f"provides {name}: no term")
    spec = meta.get("meta-spec", {})
    if "meta-spec" in meta and not (isinstance(spec, dict) and spec.get("version") == "1.0.0" and URL.match(spec.get("url", "http://x"))):
        found.append("meta-spec is not 1.0.0")
    for phase, relations in meta.get("prereqs", {}).items():
        found += unknown("prereqs", [phase], {"configure", "build", "test", "runtime", "develop"})
        for relation, needs in relations.items():
            found += unknown(f"prereqs {phase}", [relation], {"requires", "recommends", "suggests", "conflicts"})
            found += [f"prereqs {phase} {relation}: {name} {needs[name]}" for name in needs if not (TERM.match(name) and ranges(needs[name]))]
    if meta.get("release_status", "stable") not in ("stable", "testing", "unstable"):
        found.append("release_status is not known")
    if "tags" in meta and not (isinstance(meta["tags"], list) and meta["tags"] and all(text(t) and TAG.match(t) for t in meta["tags"])):
        found.append("tags are not tags")
    for name, value in meta.get("resources", {}).items():
        found += unknown("resources", [name], {"homepage", "bugtracker", "repository"})
        for key, url in (value if isinstance(value, dict) else {"": value}).items():
            if key not in ("type", "mailto") and not URL.match(str(url)):
                found.append(f"resources {name} {key} is no address")
    return found


BREACHES = {
    "no abstract": lambda m: m.pop("abstract"),
    "no license": lambda m: m.pop("license"),
    "empty abstract": lambda m: m.update(abstract=" "),
    "two numbers": lambda m: m.update(version="0.1"),
    "another version": lambda m: m.update(version="9.9.9"),
    "license": lambda m: m.update(license="PostgreSQL License"),
    "a key of nobody": lambda m: m.update(authors=["x"]),
    "a file that is not there": lambda m: m["provides"]["personalize"].update(file="sql/nothing.sql"),
    "a page that is not there": lambda m: m["provides"]["personalize"].update(docfile="NOTHING.md"),
    "provides no file": lambda m: m["provides"]["personalize"].pop("file"),
    "provides nothing": lambda m: m.update(provides={}),
    "specification": lambda m: m["meta-spec"].update(version="2.0.0"),
    "phase": lambda m: m["prereqs"].update(install={}),
    "relation": lambda m: m["prereqs"]["runtime"].update(needs={}),
    "version that is needed": lambda m: m["prereqs"]["runtime"]["requires"].update(PostgreSQL="15"),
    "status": lambda m: m.update(release_status="beta"),
    "tag": lambda m: m["tags"].append("a/b"),
    "address": lambda m: m.update(resources={"homepage": "nowhere"}),
}

with open("META.json", encoding="utf-8") as file:
    META = json.load(file)
for line in wrong(META, sys.argv[1]):
    print(line)
for name, breach in BREACHES.items():
    broken = copy.deepcopy(META)
    breach(broken)
    if not wrong(broken, sys.argv[1]):
        print(f"not seen: {name}")
