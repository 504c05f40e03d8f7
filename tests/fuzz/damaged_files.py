"""Seeded damage to the files of a folder: links, folders in their place, flipped bits, JSON of another form, ….

Each kind of damage takes the path of a file and a generator, and returns what it did, in words.
"""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

BRACKETS = 100_000
VALUES: list[Any] = [None, True, -1, 0.5, 10**400, 1e308, "", "text", [], ["text"], [[1]], {}, {"a": 1}, [None, {}]]
"""Of another kind or size than what a file should hold."""
Damage = Callable[[Path, np.random.Generator], str]


def damaged(path: Path, random: np.random.Generator) -> str:
    """Damage a file in one of the ways that its kind has, and say how."""
    ways = [*ANY, *(BY_KIND.get(path.suffix, []) if path.stat().st_size else [])]
    return ways[random.integers(len(ways))](path, random)


def _empty(path: Path, _: np.random.Generator) -> str:
    path.write_bytes(b"")
    return "empty"


def _missing(path: Path, _: np.random.Generator) -> str:
    path.unlink()
    return "missing"


def _noise(path: Path, random: np.random.Generator) -> str:
    path.write_bytes(random.bytes(200))
    return "random bytes"


def _cut(path: Path, random: np.random.Generator) -> str:
    size = int(random.integers(path.stat().st_size + 1))
    path.write_bytes(path.read_bytes()[:size])
    return f"cut to {size} bytes"


def _flipped(path: Path, random: np.random.Generator) -> str:
    content = bytearray(path.read_bytes() or b" ")
    bits = random.integers(8 * len(content), size=int(random.integers(1, 4)))
    for bit in bits:
        content[bit // 8] ^= 1 << (bit % 8)
    path.write_bytes(content)
    return f"bits {bits.tolist()} flipped"


def _folder(path: Path, _: np.random.Generator) -> str:
    path.unlink()
    path.mkdir()
    return "a folder"


def _linked(path: Path, _: np.random.Generator) -> str:
    elsewhere = path.parent.parent / "elsewhere"
    elsewhere.mkdir(exist_ok=True)
    path.rename(elsewhere / path.name)
    path.symlink_to(elsewhere / path.name)
    return "a link"


def _brackets(path: Path, random: np.random.Generator) -> str:
    path.write_text("[" * BRACKETS if random.random() < 0.5 else '{"a":' * BRACKETS)
    return f"{BRACKETS} brackets"


def _other_json(path: Path, random: np.random.Generator) -> str:
    value = VALUES[random.integers(len(VALUES))]
    path.write_text(json.dumps(value))
    return f"the JSON {str(value)[:30]}"


def _other_value(path: Path, random: np.random.Generator) -> str:
    """Another value, or none, in a random place of JSON or of one of JSON lines."""
    lines = path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]
    index = int(random.integers(len(lines)))
    content, where = json.loads(lines[index]), ""
    inner: Any = content
    while True:
        keys = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
        key = keys[random.integers(len(keys))]
        where += f".{key}"
        if not isinstance(inner[key], (dict, list)) or not inner[key] or random.random() < 0.5:
            break
        inner = inner[key]
    value = VALUES[random.integers(len(VALUES))]
    if random.random() < 0.2:
        del inner[key]
        said = f"no {where}"
    else:
        inner[key] = value
        said = f"{where} is {str(value)[:30]}"
    lines[index] = json.dumps(content)
    path.write_text("\n".join(lines) + "\n")
    return said


def _of_header(header: dict[str, Any], content: bytes) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue() + content


def _other_member(path: Path, random: np.random.Generator) -> str:
    """Another content of one array in a zip file, with the right checksum."""
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    name = list(members)[random.integers(len(members))]
    plain = {"descr": "<f4", "fortran_order": False, "shape": (3,)}
    big = (int(10.0 ** random.uniform(3, 18)),)
    contents = {
        "an enormous shape": _of_header(plain | {"shape": big}, bytes(12)),
        "a product beyond 64 bits": _of_header(plain | {"shape": (2**40, 2**40)}, bytes(12)),
        "a negative shape": _of_header(plain | {"shape": (-3,)}, bytes(12)),
        "Python objects": _of_header(plain | {"descr": "|O"}, b"\x80\x04N."),
        "text": _of_header(plain | {"descr": "<U1"}, "abc".encode("utf-32-le")),
        "complex numbers": _of_header(plain | {"descr": "<c8"}, bytes(24)),
        "too few numbers": members[name][:-5],
        "a scalar": _of_header(plain | {"shape": ()}, bytes(4)),
        "no header": b"\x93NUMPY\x01\x00",
        "nothing": b"",
    }
    said = list(contents)[random.integers(len(contents))]
    members[name] = contents[said]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if random.random() < 0.5 else zipfile.ZIP_STORED) as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    return f"{said} in {name}"


def _bomb(path: Path, _: np.random.Generator) -> str:
    """An array of 200 MB of zeros, which take 200 kB in the file."""
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    name = next(iter(members))
    header = {"descr": "<f4", "fortran_order": False, "shape": (5_000_000, 10)}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members.items():
            with archive.open(member, "w") as file:
                if member != name:
                    file.write(content)
                    continue
                file.write(_of_header(header, b""))
                for block in [bytes(1_000_000)] * 200:
                    file.write(block)
    return f"200 MB of zeros in {name}"


def _other_tensors(path: Path, random: np.random.Generator) -> str:
    """A file of torch with other content than tensors by name."""
    contents: dict[str, Any] = {
        "a network": torch.nn.Linear(2, 2),
        "a list": [1, 2],
        "a tensor": torch.zeros(3),
        "no tensor": {},
        "text by name": {"model": "text", "epoch": "text"},
        "a number by name": {"model": 5, "step": {}},
        "other tensors": {"model": {"a": torch.zeros(2)}, "criterion": {}},
        "numbers as names": {"model": {1: torch.zeros(2)}},
        "a sparse tensor": {"model": {"a": torch.zeros(2, 2).to_sparse()}},
        "a tensor without content": {"model": {"a": torch.zeros(2, device="meta")}},
        "an enormous view": {"model": {"a": torch.zeros(1).expand(2**40)}},
    }
    said = list(contents)[random.integers(len(contents))]
    torch.save(contents[said], path, _use_new_zipfile_serialization=bool(random.random() < 0.7))
    return said


def _other_tensor(path: Path, random: np.random.Generator) -> str:
    """One tensor or value of the file, anywhere, is another one."""
    content = torch.load(path, weights_only=True)
    inner, where = content, ""
    while True:
        key = list(inner)[random.integers(len(inner))] if isinstance(inner, dict) else int(random.integers(len(inner)))
        where += f".{key}"
        if not isinstance(inner[key], (dict, list)) or not inner[key] or random.random() < 0.2:
            break
        inner = inner[key]
    values = [
        *VALUES,
        torch.zeros(3),
        torch.full((2, 2), torch.nan),
        torch.zeros(1).expand(2**40),
        torch.zeros(0, dtype=torch.int8),
    ]
    place = int(random.integers(len(values)))
    inner[key] = values[place]
    torch.save(content, path)
    return f"{where} is {str(values[place])[:30] if place != len(values) - 2 else 'an enormous view'}"


ANY: list[Damage] = [_empty, _missing, _noise, _cut, _flipped, _folder, _linked]
BY_KIND: dict[str, list[Damage]] = {
    ".json": [_brackets, _other_json, *[_other_value] * 12],
    ".jsonl": [_brackets, _other_json, *[_other_value] * 6],
    ".npz": [*[_other_member] * 8, _bomb],
    ".pt": [*[_other_tensors] * 4, *[_other_tensor] * 6],
}
