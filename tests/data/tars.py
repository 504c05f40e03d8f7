"""Tar files for tests."""

import io
import json
import tarfile

from data.pictures import picture


def pack(path, members, **options):
    """A tar file of these members: bytes, text, or what becomes JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, options.pop("mode", "w"), **options) as tar:
        for name, content in members.items() if isinstance(members, dict) else members:
            if isinstance(content, dict):
                content = json.dumps(content)
            whole = content.encode() if isinstance(content, str) else content
            member = tarfile.TarInfo(name)
            member.size = len(whole)
            tar.addfile(member, io.BytesIO(whole))
    return path


def samples(labels, first=0, suffix="cls"):
    """Members of so many samples; the image number n is of the red n."""
    members = {}
    for number, label in enumerate(labels, first):
        members[f"{number:04}.png"] = picture(number)
        members[f"{number:04}.{suffix}"] = label if isinstance(label, (str, dict)) else str(label)
    return members


def header(name, size=0, kind=tarfile.REGTYPE, fields=()):
    """A header of any type and size; `fields` are other bytes by their place."""
    member = tarfile.TarInfo(name)
    member.type = kind
    block = bytearray(member.tobuf(tarfile.GNU_FORMAT))
    in_bytes = (size % 2**96 if size < 0 else 2**95 + size).to_bytes(12, "big")  # as GNU tar writes large sizes
    for place, content in ((124, in_bytes), *fields):
        block[place : place + len(content)] = content
    block[148:156] = b" " * 8
    block[148:156] = f"{sum(block):06o}\0 ".encode()
    return bytes(block)
