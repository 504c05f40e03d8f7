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
