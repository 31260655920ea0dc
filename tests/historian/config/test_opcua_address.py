"""OPC UA addresses: the text of NodeIds of OPC 10000-6, 5.3.1.10, and browse paths as in OPC 10000-4, A.2."""

from __future__ import annotations

import uuid
from contextlib import suppress

import pytest
from asyncua import ua
from hypothesis import given
from hypothesis import strategies as st

from historian.config.opcua_address import (
    BrowseName,
    BrowsePathAddress,
    NodeAtPathAddress,
    NodeIdAddress,
    OpcUaAddress,
    format_opcua_address,
    parse_opcua_address,
)
from historian.errors import UnusableValueError

GUID = "09087e75-8e5e-499b-954f-f2a9603db28a"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        # The first four are the examples of the standard.
        ("i=13", NodeIdAddress(0, None, "i", 13)),
        ("ns=10;i=1", NodeIdAddress(10, None, "i", 1)),
        ("ns=10;s=Hello:World", NodeIdAddress(10, None, "s", "Hello:World")),
        (f"g={GUID}", NodeIdAddress(0, None, "g", uuid.UUID(GUID))),
        (
            "ns=1;b=M/RbKBsRVkePCePcx24oRA==",
            NodeIdAddress(1, None, "b", bytes.fromhex("33f45b281b1156478f09e3dcc76e2844")),
        ),
        ("ns=2;s=TIC205.PV", NodeIdAddress(2, None, "s", "TIC205.PV")),
        ("ns=2;s=a;b=c", NodeIdAddress(2, None, "s", "a;b=c")),
        ("nsu=urn:plant;i=4294967295", NodeIdAddress(None, "urn:plant", "i", 4294967295)),
        ("nsu=http://x/%3Ba%25;s=y", NodeIdAddress(None, "http://x/;a%", "s", "y")),
    ],
)
def test_node_ids(text, address):
    assert parse_opcua_address(text) == address


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("/Plant/TIC205/PV", [(None, "Plant"), (None, "TIC205"), (None, "PV")]),
        ("/2:Plant/TIC205.PV", [(2, "Plant"), (None, "TIC205.PV")]),
        ("/Plant/A&/B/PV", [(None, "Plant"), (None, "A/B"), (None, "PV")]),
        ("/R&&D/1&:x", [(None, "R&D"), (None, "1:x")]),
        ("/Boiler #1", [(None, "Boiler #1")]),
        ("/0:Server/2:", None),
        ("/", None),
        ("//PV", None),
        ("/Plant/", None),
        ("/A&B", None),
        ("/A&", None),
        ("/70000:A", None),
    ],
)
def test_browse_paths(text, steps):
    if steps is None:
        with pytest.raises(UnusableValueError):
            parse_opcua_address(text)
    else:
        assert parse_opcua_address(text) == BrowsePathAddress(tuple(BrowseName(*step) for step in steps))


@pytest.mark.parametrize(
    "text",
    [
        "", "TIC205", "ns=2", "ns=2;", "ns=2;TIC205", "ns=-1;i=1", "ns=65536;i=1", "i=", "i=-1", "i=4294967296", "i=x",
        "s=", "g=1", f"g={{{GUID}}}", "b=", "b=*", "b=abc", "b=é", "nsu=;i=1", "svr=1;i=1", "ns=1;nsu=a;i=1", "x=1",
        "Plant/TIC205", "ns=" + "9" * 5000 + ";i=1", "s=" + "a" * 4097,
    ],
)  # fmt: skip
def test_what_is_no_address(text):
    with pytest.raises(UnusableValueError):
        parse_opcua_address(text)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("ns=2,s=x", "'ns=2;s=x'"),
        ("ns=2;TIC205", "'ns=2;s=TIC205'"),
        ("i=Tank", "'s=Tank'"),
        ("Objects/Plant/PV", "'/Plant/PV'"),
        ("hr:100", "Modbus"),
    ],
)
def test_hints(text, hint):
    with pytest.raises(UnusableValueError) as caught:
        parse_opcua_address(text)
    assert hint in caught.value.hint


@given(
    st.integers(0, 65535),
    st.one_of(
        st.integers(0, 2**32 - 1),
        st.uuids(),
        st.binary(min_size=1, max_size=20),
        st.text("abcXYZ09._-:;= /", min_size=1),
    ),
)
def test_agrees_with_another_implementation(namespace, identifier):
    node = ua.NodeId(identifier, namespace)
    address = parse_opcua_address(node.to_string())
    assert isinstance(address, NodeIdAddress)
    assert (address.namespace_index, address.identifier) == (namespace, identifier)


NAMES = st.text("ab/&.:!#<>@i=0 é", min_size=1, max_size=6)


def escaped(name: str) -> str:
    return "".join(f"&{sign}" if sign in "/.<>:#!&@" else sign for sign in name)


@given(st.lists(st.tuples(st.none() | st.integers(0, 65535), NAMES), min_size=1, max_size=4))
def test_an_escaped_path_reads_back(steps):
    text = "".join(f"/{'' if index is None else f'{index}:'}{escaped(name)}" for index, name in steps)
    assert parse_opcua_address(text) == BrowsePathAddress(tuple(BrowseName(*step) for step in steps))


@given(st.lists(st.tuples(st.none() | st.integers(0, 65535), NAMES), min_size=1, max_size=4))
def test_a_path_that_is_written_reads_back(steps):
    path = BrowsePathAddress(tuple(BrowseName(*step) for step in steps))
    assert parse_opcua_address(format_opcua_address(path)) == path


@given(
    st.none() | st.text("urn:plant;%/ é", min_size=1, max_size=12), st.integers(0, 65535),
    st.tuples(st.just("i"), st.integers(0, 2**32 - 1)) | st.tuples(st.just("g"), st.uuids())
    | st.tuples(st.just("b"), st.binary(min_size=1, max_size=20)) | st.tuples(st.just("s"), st.text(min_size=1)),
)  # fmt: skip
def test_a_node_that_is_written_reads_back(uri, index, identifier):
    node = NodeIdAddress(None if uri else index, uri, *identifier)
    assert parse_opcua_address(format_opcua_address(node)) == node


@given(
    st.lists(st.tuples(st.none() | st.integers(0, 65535), NAMES), min_size=1, max_size=3),
    st.sampled_from([("i", 1), ("s", "@i=1"), ("s", "/a@s=b")]), st.sampled_from([None, "urn:a@i=1"]),
)  # fmt: skip
def test_a_path_with_its_node_reads_back(steps, identifier, uri):
    path = BrowsePathAddress(tuple(BrowseName(*step) for step in steps))
    both = NodeAtPathAddress(NodeIdAddress(None if uri else 0, uri, *identifier), path)
    assert parse_opcua_address(format_opcua_address(both)) == both


def test_a_path_with_its_node():
    address = parse_opcua_address("/Plant/me@home/PV@nsu=urn:plant;i=7")
    steps = tuple(BrowseName(None, name) for name in ("Plant", "me@home", "PV"))
    assert address == NodeAtPathAddress(NodeIdAddress(None, "urn:plant", "i", 7), BrowsePathAddress(steps))
    with pytest.raises(UnusableValueError):
        parse_opcua_address("/Plant/PV@i=x")


@given(st.text(max_size=20))
def test_any_text_is_an_address_or_refused(text):
    with suppress(UnusableValueError):
        assert isinstance(parse_opcua_address(text), OpcUaAddress)
