"""C{/openapi/v2} as protobuf, read by a decoder that knows nothing but the wire format."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.openapi import openapi_v2
from clustergateway.model.openapiprotobuf import openapi_v2_protobuf

SMALL: dict[str, Any] = {
    "swagger": "2.0",
    "info": {"title": "T", "version": "1"},
    "paths": {
        "/a/{n}": {
            "put": {
                "description": "D",
                "operationId": "O",
                "tags": ["g", "h"],
                "produces": ["p"],
                "consumes": ["c"],
                "schemes": ["s"],
                "parameters": [
                    {"name": "n", "in": "path", "required": True, "type": "string", "uniqueItems": True},
                    {"name": "q", "in": "query", "type": "boolean", "uniqueItems": False},
                    {"name": "b", "in": "body", "required": True, "schema": {"$ref": "#/r"}},
                ],
                "responses": {"200": {"description": "OK", "schema": {"$ref": "#/r"}}},
                "x-kubernetes-action": "put",
            }
        }
    },
    "definitions": {
        "r": {
            "type": "object",
            "required": ["e", "f"],
            "properties": {
                "e": {"type": "array", "items": {"type": "integer", "format": "int64"}},
                "f": {"type": "object", "additionalProperties": {"type": "string"}},
            },
            "x-v": {"k": 1},
        }
    },
}
"""Each construction once."""


def fields(data: bytes) -> list[tuple[int, int | bytes]]:
    """
    @return: number and value of each field; only varints and length-delimited values.
    """
    found: list[tuple[int, int | bytes]] = []
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        value, at = varint(data, at)
        if key & 7 == 2:
            assert at + value <= len(data)
            found.append((key >> 3, data[at : at + value]))
            at += value
        else:
            assert key & 7 == 0
            found.append((key >> 3, value))
    return found


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def follow(data: bytes, *numbers: int) -> list[int | bytes]:
    """
    @param numbers: of the fields that lead inwards.
    @return: every value at their end.
    """
    values: list[int | bytes] = [data]
    for number in numbers:
        inner = [each for value in values if isinstance(value, bytes) for each in fields(value)]
        values = [value for found, value in inner if found == number]
    return values


class ProtobufTests(SynchronousTestCase):
    """Field numbers are those of gnostic's openapiv2/OpenAPIv2.proto."""

    def setUp(self) -> None:
        self.data = openapi_v2_protobuf(SMALL)

    def found(self, *numbers: int) -> list[int | bytes]:
        return follow(self.data, *numbers)

    def test_document(self) -> None:
        self.assertEqual([number for number, _ in fields(self.data)], [1, 2, 8, 9])
        self.assertEqual(fields(self.data)[0], (1, b"2.0"))
        self.assertEqual(self.data[:14], b"\x0a\x032.0\x12\x06\x0a\x01T\x12\x011B")

    def test_operation(self) -> None:
        put = (8, 2, 2, 3)
        self.assertEqual(self.found(8, 2, 1), [b"/a/{n}"])
        self.assertEqual(
            [(number, self.found(*put, number)) for number in (1, 3, 5, 6, 7, 10)],
            [(1, [b"g", b"h"]), (3, [b"D"]), (5, [b"O"]), (6, [b"p"]), (7, [b"c"]), (10, [b"s"])],
        )
        self.assertEqual(self.found(*put, 13, 1), [b"x-kubernetes-action"])
        self.assertEqual(self.found(*put, 13, 2, 2), [b'"put"\n'])
        self.assertEqual(self.found(*put, 9, 1, 1), [b"200"])
        self.assertEqual(self.found(*put, 9, 1, 2, 1, 1), [b"OK"])
        self.assertEqual(self.found(*put, 9, 1, 2, 1, 2, 1, 1), [b"#/r"])

    def test_parameters(self) -> None:
        parameter = (8, 2, 2, 3, 8, 1)
        (path,), (query,), (body,) = (self.found(*parameter, *kind) for kind in ((2, 4), (2, 3), (1,)))
        assert isinstance(path, bytes) and isinstance(query, bytes) and isinstance(body, bytes)
        self.assertEqual(sorted(fields(path)), [(1, 1), (2, b"path"), (4, b"n"), (5, b"string"), (19, 1)])
        self.assertEqual(sorted(fields(query)), [(2, b"query"), (4, b"q"), (6, b"boolean"), (20, 0)])
        self.assertEqual(
            [(number, value) for number, value in fields(body) if number != 5], [(2, b"b"), (3, b"body"), (4, 1)]
        )
        self.assertEqual(follow(body, 5, 1), [b"#/r"])

    def test_schema(self) -> None:
        schema = (9, 1, 2)
        self.assertEqual(self.found(9, 1, 1), [b"r"])
        self.assertEqual((self.found(*schema, 22, 1), self.found(*schema, 19)), ([b"object"], [b"e", b"f"]))
        self.assertEqual(self.found(*schema, 25, 1, 1), [b"e", b"f"])
        self.assertEqual(self.found(*schema, 25, 1, 2, 23, 1, 2), [b"int64"])
        self.assertEqual(self.found(*schema, 25, 1, 2, 21, 1, 22, 1), [b"string"])
        self.assertEqual(self.found(*schema, 31, 2, 2), [b'{"k": 1}\n'])

    def test_what_it_does_not_know_is_not_left_out_silently(self) -> None:
        self.assertRaises(ValueError, openapi_v2_protobuf, {"swagger": "2.0", "host": "h"})

    def test_the_whole_document(self) -> None:
        document = openapi_v2("1.0")
        data = openapi_v2_protobuf(document)
        self.assertEqual(
            [name.decode() for name in follow(data, 8, 2, 1) if isinstance(name, bytes)], [*document["paths"]]
        )
        schemas = document["definitions"]
        self.assertEqual([name.decode() for name in follow(data, 9, 1, 1) if isinstance(name, bytes)], [*schemas])
        described = [field["description"] for schema in schemas.values() for field in schema["properties"].values()]
        self.assertEqual(
            [text.decode() for text in follow(data, 9, 1, 2, 25, 1, 2, 4) if isinstance(text, bytes)], described
        )
