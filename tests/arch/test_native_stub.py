"""pychronix/_native.pyi says what native/chronix_api.h says: mypy believes the stub, the compiler the header.

cffi has read the header: ``lib`` has its functions and numbers, ``ffi`` its structs.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

import pychronix
from pychronix._native import ffi, lib

STUB = ast.parse((Path(pychronix.__file__).parent / "_native.pyi").read_text())
CLASSES = {node.name: node for node in STUB.body if isinstance(node, ast.ClassDef)}
# A struct's class begins its docstring with the struct's name. What Python never looks into has none: it is CData.
STRUCTS = {
    words[0]: name for name, node in CLASSES.items() if (words := (ast.get_docstring(node) or "").split(":"))[1:]
}
FUNCTIONS = {node.name: node for node in CLASSES["_Lib"].body if isinstance(node, ast.FunctionDef)}


def fields_of(name: str) -> dict[str, str]:
    """Annotated names of a class, in order."""
    found = [node for node in CLASSES[name].body if isinstance(node, ast.AnnAssign)]
    return {ast.unparse(node.target): ast.unparse(node.annotation) for node in found}


def words_for(ctype: Any) -> set[str]:
    """What a C type may be called in the stub."""
    if ctype.kind == "void":
        return {"None"}
    if ctype.kind == "primitive":
        return {"int", "Handle"} if ctype.cname == "uintptr_t" else {"int"}
    if ctype.kind == "pointer" and ctype.item.kind == "struct":
        return {STRUCTS.get(ctype.item.cname, "CData")}
    return {"CData", "bytes", "Data", "bytes | CData", "Any"}


def function_type(name: str) -> Any:
    found = ffi.typeof(getattr(lib, name))
    assert found.kind == "function" and not found.ellipsis
    return found


def test_the_names() -> None:
    header = {name for name in dir(lib) if isinstance(getattr(lib, name), int)}
    assert header == set(fields_of("_Lib"))
    assert set(dir(lib)) - header == set(FUNCTIONS)
    assert {name for name in STRUCTS if name.startswith("cx_")} <= set(ffi.list_types()[0])
    assert ffi.list_types()[1:] == ([], [])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_arguments_and_the_result_of(name: str) -> None:
    stub, header = FUNCTIONS[name], function_type(name)
    arguments = stub.args.args[1:]  # Without self.
    assert len(arguments) == len(header.args)
    for argument, ctype in zip(arguments, header.args, strict=True):
        assert argument.annotation is not None and ast.unparse(argument.annotation) in words_for(ctype), argument.arg
    assert stub.returns is not None and ast.unparse(stub.returns) in words_for(header.result)


@pytest.mark.parametrize("name", [name for name in STRUCTS if name.startswith("cx_")])
def test_the_members_of(name: str) -> None:
    stub, header = fields_of(STRUCTS[name]), dict(ffi.typeof(name).fields)
    assert list(stub) == list(header)
    for member, field in header.items():
        assert stub[member] in words_for(field.type), member


def test_a_handle_is_an_int_and_data_a_pointer() -> None:
    """The names that words_for() takes for C types mean what they say."""
    stated = [node for node in STUB.body if isinstance(node, ast.AnnAssign) and node.value is not None]
    aliases = {ast.unparse(node.target): ast.unparse(node.value) for node in stated if node.value is not None}
    assert aliases == {"Handle": "int", "Data": "bytes | CData"}
