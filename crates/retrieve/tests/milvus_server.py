#!/usr/bin/env python3
"""Puts Milvus Lite behind the REST paths that `milvus://` uses, and runs a command beside it.

    python3 crates/retrieve/tests/milvus_server.py cargo test -p semrank-retrieve --features milvus --test conformance_milvus

The command gets its address as SEMRANK_TEST_MILVUS. Milvus Lite is Milvus's own engine for tests: schema, index, filters, upserts and
searches are its; it has no REST interface, so the paths and the form of answers are this script's, after Milvus 2.6. Packages:
pymilvus, milvus-lite (installed by hand: pip install pymilvus milvus-lite).
"""

import http.server
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading

from pymilvus import DataType, MilvusClient

LOCK = threading.Lock()


def answer(client, path, body):
    name = body["collectionName"]
    if path == "collections/has":
        return {"has": client.has_collection(name)}
    if path == "collections/create":
        schema = client.create_schema(auto_id=body["schema"]["autoID"])
        for field in body["schema"]["fields"]:
            kind = {"Int64": DataType.INT64, "FloatVector": DataType.FLOAT_VECTOR}[field["dataType"]]
            dim = {"dim": int(field["elementTypeParams"]["dim"])} if field["elementTypeParams"] else {}
            schema.add_field(field["fieldName"], kind, is_primary=field.get("isPrimary", False), **dim)
        index = client.prepare_index_params()
        for one in body["indexParams"]:
            index.add_index(one["fieldName"], one["indexType"], one["indexName"], metric_type=one["metricType"])
        client.create_collection(name, schema=schema, index_params=index, consistency_level=body["params"]["consistencyLevel"])
        return {}
    if path == "collections/describe":
        fields = client.describe_collection(name)["fields"]
        return {"fields": [{"name": field["name"], "params": [{"key": key, "value": str(value)} for key, value in field["params"].items()]}
                           for field in fields]}
    if path == "indexes/describe":
        index = client.describe_index(name, body["indexName"])
        return [{"indexType": index["index_type"], "metricType": index["metric_type"]}]
    if path == "collections/load":
        client.load_collection(name)
        return {}
    if path == "collections/get_load_state":
        return {"loadState": "LoadState" + str(client.get_load_state(name)["state"])}
    if path == "entities/upsert":
        return {"upsertCount": client.upsert(name, body["data"])["upsert_count"]}
    if path == "entities/get":
        rows = client.get(name, body["id"], output_fields=body["outputFields"], consistency_level=body["consistencyLevel"])
        return [{"id": str(row["id"]), **({"vector": [float(x) for x in row["vector"]]} if "vector" in row else {})} for row in rows]
    if path == "entities/delete":
        client.delete(name, filter=body["filter"])
        return {}
    if path == "entities/search":
        # Milvus Lite 3.2 has no parameters of filters.
        wanted = body["filter"].replace("{items}", json.dumps(body["exprParams"].get("items")))
        found = client.search(name, body["data"], filter=wanted, limit=body["limit"], output_fields=body["outputFields"],
                              search_params={"metric_type": body["searchParams"]["metricType"]}, anns_field=body["annsField"],
                              consistency_level=body["consistencyLevel"])
        return [{"id": str(hit["id"]), "distance": float(hit["distance"])} for hit in found[0]]
    raise ValueError("no such path: " + path)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        try:
            with LOCK:
                said = {"code": 0, "data": answer(self.server.client, self.path.removeprefix("/v2/vectordb/"), body)}
        except Exception as error:
            said = {"code": 1100, "message": str(error)}
        said = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_):
        pass


def main():
    with tempfile.TemporaryDirectory(prefix="semrank-milvus-") as base:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.client = MilvusClient(str(pathlib.Path(base) / "milvus.db"))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        env = dict(os.environ, SEMRANK_TEST_MILVUS=f"milvus://127.0.0.1:{server.server_port}")
        code = subprocess.run(sys.argv[1:] or ["sh", "-c", "echo $SEMRANK_TEST_MILVUS"], env=env).returncode
        server.client.close()
        return code


if __name__ == "__main__":
    sys.exit(main())
